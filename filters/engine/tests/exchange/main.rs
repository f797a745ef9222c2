//! The exchange machine, driven as a host drives it.

#![expect(unreachable_pub, reason = "one test program in several files")]

mod liveness;
mod request;
mod response;
mod support;
