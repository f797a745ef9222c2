//! A verified token's payload, out of the dynamic metadata.
//!
//! A host serialises a `google.protobuf.Struct` that is read by its path as untyped pairs: a number cannot be told from a
//! text of eight bytes, and one `null` makes the read fail. So the whole metadata is read, which comes as the message it
//! is, and of that only the one namespace is decoded.

use prost::Message;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

use crate::config::JwtConfig;

/// The largest metadata that is looked at, in bytes: all namespaces together. A token came in a header field, and Envoy takes
/// 60 KiB of those unless told otherwise.
pub const MAX_METADATA_BYTES: usize = 256 << 10;

/// How deep claims may be nested: a text is 1 deep, a list of texts 2.
pub const MAX_CLAIM_DEPTH: usize = 16;

/// `envoy.config.core.v3.Metadata`. A message is bytes on the wire, so namespaces that nobody asks for stay undecoded.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    /// The `google.protobuf.Struct` of each namespace.
    #[prost(btree_map = "string, bytes", tag = "1")]
    filter_metadata: std::collections::BTreeMap<String, Vec<u8>>,
}

/// The claims, where the metadata has them in full.
pub(crate) fn claims(metadata: &[u8], place: &JwtConfig) -> Option<Map<String, Value>> {
    if metadata.len() > MAX_METADATA_BYTES {
        return None;
    }
    let namespace = Metadata::decode(metadata).ok()?.filter_metadata.remove(&place.metadata)?;
    let mut fields = prost_types::Struct::decode(namespace.as_slice()).ok()?.fields;
    let payload = match &place.payload {
        Some(key) => structure(fields.remove(key)?)?,
        None => {
            let mut structures = fields.into_values().filter_map(structure);
            let only = structures.next()?;
            if structures.next().is_some() {
                return None;
            }
            only
        }
    };
    object(payload, MAX_CLAIM_DEPTH)
}

fn structure(value: prost_types::Value) -> Option<prost_types::Struct> {
    match value.kind {
        Some(Kind::StructValue(structure)) => Some(structure),
        _ => None,
    }
}

/// `depth`: how deep each member may be.
fn object(structure: prost_types::Struct, depth: usize) -> Option<Map<String, Value>> {
    structure.fields.into_iter().map(|(name, value)| Some((name, json(value, depth)?))).collect()
}

fn json(value: prost_types::Value, depth: usize) -> Option<Value> {
    let below = depth.checked_sub(1)?;
    Some(match value.kind? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(bool) => Value::Bool(bool),
        Kind::NumberValue(number) => Value::Number(self::number(number)?),
        Kind::StringValue(text) => Value::String(text),
        Kind::ListValue(list) => {
            Value::Array(list.values.into_iter().map(|value| json(value, below)).collect::<Option<_>>()?)
        }
        Kind::StructValue(structure) => Value::Object(object(structure, below)?),
    })
}

/// A `Struct` has doubles only: what is whole and exact becomes an integer again, as it was in the token.
fn number(number: f64) -> Option<Number> {
    /// 2^53: every whole number up to here is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests;
