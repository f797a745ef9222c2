//! Who sends a rehearsed request, as a proxy would tell the module.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use host_harness::filter_metadata;
use meshward_engine::Host;
use meshward_identity::IdentityConfig;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A caller; by default one of whom nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Caller {
    /// The URI in its certificate.
    pub(crate) peer: Option<String>,
    /// The payload of its verified token.
    pub(crate) jwt: Option<Map<String, Value>>,
    /// The address it connects from.
    pub(crate) source: Option<IpAddr>,
    /// Header fields of its requests.
    pub(crate) headers: BTreeMap<String, String>,
}

/// A world without time, chance or a store, but with a caller.
#[derive(Debug)]
pub(super) struct World {
    properties: Vec<(Vec<String>, Vec<u8>)>,
}

impl World {
    /// The caller's properties, at the places where the configuration looks for them.
    pub(super) fn new(caller: &Caller, identity: &IdentityConfig) -> Self {
        let mut properties = Vec::new();
        let mut set = |path: [&str; 2], value: Vec<u8>| {
            properties.push((path.map(str::to_owned).to_vec(), value));
        };
        if let Some(peer) = &caller.peer {
            let certificate = ["connection", "uri_san_peer_certificate"];
            let place = identity.peer.filter_state.as_deref().map_or(certificate, |key| ["filter_state", key]);
            set(place, peer.clone().into());
        }
        if let Some(source) = caller.source {
            let place =
                identity.source.filter_state.as_deref().map_or(["source", "address"], |key| ["filter_state", key]);
            // Any port: that of a connection is never 0.
            set(place, SocketAddr::new(source, 50_000).to_string().into());
        }
        if let Some(claims) = &caller.jwt {
            let key = identity.jwt.payload.as_deref().unwrap_or("payload");
            properties.push((vec!["metadata".to_owned()], filter_metadata(&identity.jwt.metadata, key, claims)));
        }
        Self { properties }
    }
}

impl Host for World {
    fn now(&self) -> u64 {
        0
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone())
    }
}
