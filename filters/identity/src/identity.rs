//! Asking the host who the caller is.

use meshward_engine::Host;

use crate::caller::{Caller, Wanted};
use crate::claims::claims;
use crate::config::{IdentityConfig, JwtConfig};
use crate::source::source;

/// The longest name of a peer, in bytes: that of a SPIFFE id (SPIFFE ID and SVID, section 2.3).
pub const MAX_PEER_BYTES: usize = 2048;

/// Where to read who the caller is.
#[derive(Debug, Clone)]
pub struct Identity {
    peer: Place,
    source: Place,
    forwarded: bool,
    jwt: JwtConfig,
    trusted_headers: Vec<String>,
}

/// The path of a property.
#[derive(Debug, Clone)]
struct Place([String; 2]);

impl Place {
    fn new(filter_state: Option<&str>, otherwise: [&str; 2]) -> Self {
        let path = filter_state.map_or(otherwise, |key| ["filter_state", key]);
        Self(path.map(str::to_owned))
    }

    fn read(&self, host: &dyn Host) -> Option<Vec<u8>> {
        host.property(&self.0.each_ref().map(String::as_str))
    }
}

impl Identity {
    /// Compiles the section.
    #[must_use]
    pub fn new(config: &IdentityConfig) -> Self {
        Self {
            peer: Place::new(config.peer.filter_state.as_deref(), ["connection", "uri_san_peer_certificate"]),
            source: Place::new(config.source.filter_state.as_deref(), ["source", "address"]),
            forwarded: config.source.forwarded || config.source.filter_state.is_some(),
            jwt: config.jwt.clone(),
            trusted_headers: config.trusted_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Reads what is wanted of the caller of the exchange at hand. What is malformed or beyond a bound is absent as a whole.
    #[must_use]
    pub fn caller(&self, wanted: Wanted, host: &dyn Host) -> Caller {
        let read = |wanted: bool, place: &Place| wanted.then(|| place.read(host)).flatten();
        Caller {
            peer: read(wanted.peer, &self.peer).and_then(peer),
            source: read(wanted.source, &self.source)
                .and_then(|text| source(&text))
                .filter(|source| self.forwarded || !source.is_forwarded)
                .map(|source| source.address),
            claims: wanted
                .claims
                .then(|| host.property(&["metadata"]))
                .flatten()
                .and_then(|metadata| claims(&metadata, &self.jwt)),
        }
    }

    /// The headers that only a trusted hop can set, in lower case.
    #[must_use]
    pub fn trusted_headers(&self) -> &[String] {
        &self.trusted_headers
    }
}

/// A name: a URI has visible ASCII only (RFC 3986, section 2). Envoy's formatter writes `-` for none and a comma between
/// several, of which a SPIFFE id has neither.
fn peer(name: Vec<u8>) -> Option<String> {
    let is_visible = name.iter().all(|b| b.is_ascii_graphic() && *b != b',');
    let is_name = !name.is_empty() && name.len() <= MAX_PEER_BYTES && is_visible && name != b"-";
    if is_name { String::from_utf8(name).ok() } else { None }
}

#[cfg(test)]
mod tests;
