//! Who the caller of a case is. Envoy is shown a real certificate and a real token; the other hosts are given the
//! properties that Envoy makes of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use host_harness::filter_metadata;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::case::{Field, Request};
use super::dpop::Dpop;

/// The namespace of Envoy's JWT filter, and the key in it that ours is told to write to.
pub(super) const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
pub(super) const JWT_PAYLOAD: &str = "payload";

/// A property's path and its value, as Envoy serialises it.
pub(super) type Property = (Vec<String>, Vec<u8>);

/// A caller; by default one that proves nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caller {
    /// The URI in its certificate, which is signed by an authority that Envoy trusts. Without one there is no TLS.
    pub peer: Option<String>,
    /// The URI in its certificate, which it signed itself, where Envoy ends TLS without checking clients.
    pub unverified_peer: Option<String>,
    /// The payload of its token, which is signed by an issuer that Envoy trusts.
    pub jwt: Option<Map<String, Value>>,
    /// The payload of its token, which is signed by somebody else.
    pub unverified_jwt: Option<Map<String, Value>>,
    /// How its token is bound to a key, and sent. Without it a token comes as `Bearer`.
    pub dpop: Option<Dpop>,
    /// The address it connects from, one of this machine's own (`127.0.0.0/8`).
    pub source: Ipv4Addr,
    /// Texts that the proxy's configuration puts into the filter state.
    pub filter_state: BTreeMap<String, String>,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            peer: None,
            unverified_peer: None,
            jwt: None,
            unverified_jwt: None,
            dpop: None,
            source: Ipv4Addr::LOCALHOST,
            filter_state: BTreeMap::new(),
        }
    }
}

impl Caller {
    pub(super) fn validate(&self, request: &Request) -> Result<()> {
        ensure!(self.source.is_loopback(), "caller: only addresses in 127.0.0.0/8 can be connected from");
        ensure!(self.jwt.is_none() || self.unverified_jwt.is_none(), "caller: one token, `jwt` or `unverified_jwt`");
        ensure!(
            self.peer.is_none() || self.unverified_peer.is_none(),
            "caller: one certificate, `peer` or `unverified_peer`"
        );
        let has_token = self.jwt.is_some() || self.unverified_jwt.is_some();
        ensure!(request.raw.is_none() || !has_token, "caller: raw bytes say all header fields, a token too");
        ensure!(request.raw.is_none() || self.dpop.is_none(), "caller: raw bytes say all header fields, a proof too");
        let plain = |text: &String| !text.is_empty() && !text.contains('%');
        ensure!(self.filter_state.values().all(plain), "caller: a text of the filter state has no `%`");
        Ok(())
    }

    /// Binds its token to its key, where it has one, and says what it adds to a request for that. `id`: what no other request has.
    pub(super) fn prove(&mut self, request: &Request, id: &str) -> Result<Vec<Field>> {
        let Some(dpop) = &self.dpop else { return Ok(Vec::new()) };
        for claims in self.jwt.iter_mut().chain(&mut self.unverified_jwt) {
            dpop.bind(claims)?;
        }
        let trusted = self.jwt.as_ref().map(|claims| (claims, true));
        let token = trusted.or(self.unverified_jwt.as_ref().map(|claims| (claims, false)));
        dpop.fields(token, request, if self.uses_tls() { "https" } else { "http" }, id)
    }

    /// Whether it connects with TLS.
    pub(super) const fn uses_tls(&self) -> bool {
        self.peer.is_some() || self.unverified_peer.is_some()
    }

    /// What Envoy says of it; see `docs/identity.md`.
    pub(super) fn properties(&self, request: &Request) -> Vec<Property> {
        let mut properties = Vec::new();
        let mut set = |path: &[&str], value: Vec<u8>| {
            properties.push((path.iter().map(|step| (*step).to_owned()).collect(), value));
        };
        let source = forwarded(request).map_or_else(
            || SocketAddr::from((self.source, 50_000)),
            // It has no port, and Envoy writes 0.
            |address| SocketAddr::from((address, 0)),
        );
        set(&["source", "address"], source.to_string().into());
        set(&["connection", "mtls"], vec![u8::from(self.peer.is_some())]);
        if let Some(peer) = &self.peer {
            set(&["connection", "uri_san_peer_certificate"], peer.clone().into());
        }
        if let Some(claims) = &self.jwt {
            set(&["metadata"], filter_metadata(JWT_AUTHN, JWT_PAYLOAD, claims));
        }
        for (key, text) in &self.filter_state {
            set(&["filter_state", key], text.clone().into());
        }
        properties
    }
}

/// The address that Envoy takes from the request, as our listener leaves `use_remote_address` off.
fn forwarded(request: &Request) -> Option<IpAddr> {
    let mut lines = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
    lines.next_back()?.1.rsplit(',').next()?.trim().parse().ok()
}
