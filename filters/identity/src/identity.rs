//! Asking the host who the caller is.

use meshward_engine::Host;

use crate::caller::{Caller, Wanted};
use crate::claims::claims;
use crate::config::{FilterStateConfig, IdentityConfig, JwtConfig};
use crate::source::source;

/// The longest name of a peer, in bytes: that of a SPIFFE id (SPIFFE ID and SVID, section 2.3).
pub const MAX_PEER_BYTES: usize = 2048;

/// Where to read who the caller is.
#[derive(Debug, Clone)]
pub struct Identity {
    peer: Place,
    source: Place,
    jwt: JwtConfig,
    trusted_headers: Vec<String>,
}

/// The path of a property.
#[derive(Debug, Clone)]
struct Place([String; 2]);

impl Place {
    fn new(configured: Option<&FilterStateConfig>, otherwise: [&str; 2]) -> Self {
        let path = configured.map_or(otherwise, |place| ["filter_state", &place.filter_state]);
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
            peer: Place::new(config.peer.as_ref(), ["connection", "uri_san_peer_certificate"]),
            source: Place::new(config.source.as_ref(), ["source", "address"]),
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
            source: read(wanted.source, &self.source).and_then(|text| source(&text)),
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

/// A name: a URI has visible ASCII only (RFC 3986, section 2).
fn peer(name: Vec<u8>) -> Option<String> {
    let is_name = !name.is_empty() && name.len() <= MAX_PEER_BYTES && name.iter().all(u8::is_ascii_graphic);
    if is_name { String::from_utf8(name).ok() } else { None }
}

#[cfg(test)]
mod tests;
