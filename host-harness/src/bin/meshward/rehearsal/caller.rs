//! Who sends a rehearsed request, as a proxy would tell the module.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use meshward_engine::{Host, StoreError};
use meshward_identity::IdentityConfig;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Proto};
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
            properties.push((vec!["metadata".to_owned()], metadata(claims, identity)));
        }
        Self { properties }
    }
}

impl Host for World {
    fn now(&self) -> u64 {
        0
    }

    fn random(&self, _: &mut [u8]) -> bool {
        false
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone())
    }

    fn store_get(&self, _: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    fn store_set(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<(), StoreError> {
        Err(StoreError::Refused)
    }
}

/// `envoy.config.core.v3.Metadata`, as a proxy's JWT filter fills it.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filter_metadata: BTreeMap<String, Struct>,
}

fn metadata(claims: &Map<String, Value>, identity: &IdentityConfig) -> Vec<u8> {
    let payload = Proto { kind: Some(Kind::StructValue(structure(claims))) };
    let key = identity.jwt.payload.clone().unwrap_or_else(|| "payload".to_owned());
    let namespace = Struct { fields: [(key, payload)].into() };
    Metadata { filter_metadata: [(identity.jwt.metadata.clone(), namespace)].into() }.encode_to_vec()
}

fn structure(members: &Map<String, Value>) -> Struct {
    Struct { fields: members.iter().map(|(name, value)| (name.clone(), proto(value))).collect() }
}

fn proto(value: &Value) -> Proto {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(*bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(proto).collect() }),
        Value::Object(members) => Kind::StructValue(structure(members)),
    };
    Proto { kind: Some(kind) }
}
