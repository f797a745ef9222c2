//! Who the caller is, as far as the connection and the proxy's own filters have proved it.

#![forbid(unsafe_code)]

mod caller;

pub use caller::{Caller, Wanted};
