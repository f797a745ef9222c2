//! Properties of a stream (Envoy's attributes), as the module reads them with `get_property`.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Proto};
use serde_json::{Map, Value};

/// What the proxy knows about a stream beyond its headers, by path: `["source", "address"]`,
/// `["connection", "uri_san_peer_certificate"]`, `["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", …]`.
///
/// `request.*` and `response.*` that follow from the headers, `plugin_name`, `plugin_root_id`, `plugin_vm_id` and the
/// filter state the module sets itself are answered by the worker and need not be given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    values: BTreeMap<Vec<String>, PropertyValue>,
}

impl Properties {
    /// No properties.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value at a path.
    pub fn set(&mut self, path: &[&str], value: impl Into<PropertyValue>) {
        self.values.insert(path.iter().map(|part| (*part).to_owned()).collect(), value.into());
    }

    /// [`Self::set`], for building in one expression.
    #[must_use]
    pub fn with(mut self, path: &[&str], value: impl Into<PropertyValue>) -> Self {
        self.set(path, value);
        self
    }

    /// The value at a path.
    #[must_use]
    pub fn get<P: AsRef<str>>(&self, path: &[P]) -> Option<&PropertyValue> {
        let path: Vec<String> = path.iter().map(|part| part.as_ref().to_owned()).collect();
        self.values.get(&path)
    }
}

/// The value of a property; the variant decides how the module sees its bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// Text or bytes, handed over as they are.
    Bytes(Bytes),
    /// Eight bytes, little endian.
    Int(i64),
    /// Eight bytes, little endian.
    Double(f64),
    /// One byte.
    Bool(bool),
}

impl PropertyValue {
    /// The bytes the module reads.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Int(int) => Bytes::copy_from_slice(&int.to_le_bytes()),
            Self::Double(double) => Bytes::copy_from_slice(&double.to_le_bytes()),
            Self::Bool(bool) => Bytes::copy_from_slice(&[u8::from(*bool)]),
        }
    }
}

impl From<&str> for PropertyValue {
    fn from(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for PropertyValue {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<Bytes> for PropertyValue {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for PropertyValue {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<bool> for PropertyValue {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<f64> for PropertyValue {
    fn from(double: f64) -> Self {
        Self::Double(double)
    }
}

/// Envoy's property `metadata`: an `envoy.config.core.v3.Metadata` with one key in one namespace, such as the payload of a
/// token that its JWT filter has verified.
#[must_use]
pub fn filter_metadata(namespace: &str, key: &str, payload: &Map<String, Value>) -> Vec<u8> {
    let payload = Proto { kind: Some(Kind::StructValue(structure(payload))) };
    let members = Struct { fields: [(key.to_owned(), payload)].into() };
    Metadata { filter_metadata: [(namespace.to_owned(), members)].into() }.encode_to_vec()
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filter_metadata: BTreeMap<String, Struct>,
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
