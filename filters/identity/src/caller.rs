//! The caller of one exchange.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// What is known of a caller. What could not be read, or was not wanted, is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caller {
    /// The first URI in the subject alternative names of the peer's certificate, such as a SPIFFE id.
    pub peer: Option<String>,
    /// The address the connection comes from.
    pub source: Option<IpAddr>,
    /// The payload of the verified token (RFC 7519).
    pub claims: Option<Map<String, Value>>,
}

/// What is to be read of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// [`Caller::peer`].
    pub peer: bool,
    /// [`Caller::source`].
    pub source: bool,
    /// [`Caller::claims`].
    pub claims: bool,
}
