//! Who the caller is, as far as the connection and the proxy's own filters have proved it.
//!
//! [`Identity`] reads it from the host's properties, only what is [`Wanted`], into a [`Caller`]. Nothing here proves anything:
//! the certificate and the token were verified before, or the host does not show them.

#![forbid(unsafe_code)]

mod caller;
mod claims;
mod config;
mod identity;
mod source;

pub use caller::{Caller, Wanted};
pub use claims::{MAX_CLAIM_DEPTH, MAX_METADATA_BYTES};
pub use config::{IdentityConfig, JwtConfig, PeerConfig, SourceConfig};
pub use identity::{Identity, MAX_PEER_BYTES};
