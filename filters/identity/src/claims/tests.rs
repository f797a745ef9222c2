use prost_types::{ListValue, Struct, Value as Proto};
use serde_json::json;

use super::*;

fn proto(json: &Value) -> Proto {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(*bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(proto).collect() }),
        Value::Object(members) => Kind::StructValue(structure(members)),
    };
    Proto { kind: Some(kind) }
}

fn structure(members: &Map<String, Value>) -> Struct {
    Struct { fields: members.iter().map(|(name, value)| (name.clone(), proto(value))).collect() }
}

/// Namespaces as a host serialises them.
fn metadata(namespaces: &Value) -> Vec<u8> {
    let filter_metadata = namespaces.as_object().unwrap().iter();
    Metadata {
        filter_metadata: filter_metadata
            .map(|(name, members)| (name.clone(), structure(members.as_object().unwrap()).encode_to_vec()))
            .collect(),
    }
    .encode_to_vec()
}

fn at(payload: Option<&str>) -> JwtConfig {
    JwtConfig { payload: payload.map(str::to_owned), ..JwtConfig::default() }
}

fn read(namespaces: &Value, payload: Option<&str>) -> Option<Value> {
    claims(&metadata(namespaces), &at(payload)).map(Value::Object)
}

const JWT: &str = "envoy.filters.http.jwt_authn";

#[test]
fn every_kind_of_claim_is_read() {
    let payload = json!({
        "sub": "alice", "exp": 1_900_000_000, "level": -3, "ratio": 0.5, "admin": true, "none": null, "eight": "12345678",
        "roles": ["a", "b"], "realm_access": {"roles": ["c"]}, "empty": [], "nothing": {}, "exact": 9_007_199_254_740_992_i64,
    });
    assert_eq!(read(&json!({JWT: {"p": payload}}), None), Some(payload));
    let large = json!({JWT: {"p": {"id": 1e300}}});
    assert_eq!(read(&large, None), Some(json!({"id": 1e300})));
}

#[test]
fn the_payload_is_the_one_that_is_named_or_the_only_object() {
    let one = json!({JWT: {"payload": {"sub": "a"}, "kid": "text"}, "other": {"x": {"sub": "b"}}});
    let two = json!({JWT: {"payload": {"sub": "a"}, "header": {"kid": "k"}}});
    for (namespaces, payload, sub) in [
        (&one, None, Some("a")),
        (&one, Some("payload"), Some("a")),
        (&one, Some("kid"), None),
        (&one, Some("x"), None),
        (&two, None, None),
        (&two, Some("payload"), Some("a")),
        (&json!({JWT: {}}), None, None),
        (&json!({JWT: {"payload": "a"}}), None, None),
        (&json!({JWT: {"payload": [{"sub": "a"}]}}), None, None),
        (&json!({"other": {"payload": {"sub": "a"}}}), None, None),
        (&json!({}), None, None),
    ] {
        let expected = sub.map(|sub| json!({"sub": sub}));
        assert_eq!(read(namespaces, payload), expected, "{namespaces} {payload:?}");
    }
    let elsewhere = JwtConfig { metadata: "other".to_owned(), payload: None };
    assert_eq!(claims(&metadata(&one), &elsewhere).map(Value::Object), Some(json!({"sub": "b"})));
}

#[test]
fn namespaces_that_nobody_asks_for_may_hold_anything() {
    let mut message = metadata(&json!({JWT: {"p": {"sub": "a"}}}));
    Metadata { filter_metadata: [("odd".to_owned(), vec![0xff; 9])].into() }.encode(&mut message).unwrap();
    // Field 2 is `typed_filter_metadata`.
    message.extend([0x12, 0x03, 0x0a, 0x01, b'x']);
    assert_eq!(claims(&message, &at(None)).map(Value::Object), Some(json!({"sub": "a"})));
}

#[test]
fn what_is_malformed_is_no_claims() {
    let message = metadata(&json!({JWT: {"p": {"sub": "alice", "roles": ["a", {"b": 1}]}}}));
    for end in 0..message.len() {
        assert_eq!(claims(&message[..end], &at(None)), None, "cut at {end}");
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let payload = Struct { fields: [("n".to_owned(), Proto { kind: Some(Kind::NumberValue(number)) })].into() };
        assert_eq!(object(payload, MAX_CLAIM_DEPTH), None);
    }
    let nothing = Struct { fields: [("n".to_owned(), Proto { kind: None })].into() };
    assert_eq!(object(nothing, MAX_CLAIM_DEPTH), None);
}

#[test]
fn the_size_is_bounded() {
    for over in [-1, 0, 1] {
        let message_of = |text: usize| metadata(&json!({JWT: {"p": {"sub": "a".repeat(text)}}}));
        let envelope = message_of(MAX_METADATA_BYTES / 2).len() - MAX_METADATA_BYTES / 2;
        let message = message_of((MAX_METADATA_BYTES - envelope).checked_add_signed(over).unwrap());
        // Lengths of this size are written in three bytes each, so that nothing but the text grows.
        assert_eq!(message.len().cast_signed() - MAX_METADATA_BYTES.cast_signed(), over);
        assert_eq!(claims(&message, &at(None)).is_some(), over <= 0);
    }
}

/// A list or an object around a value.
fn around(value: Proto, list: bool) -> Proto {
    let kind = if list {
        Kind::ListValue(ListValue { values: vec![value] })
    } else {
        Kind::StructValue(Struct { fields: [("m".to_owned(), value)].into() })
    };
    Proto { kind: Some(kind) }
}

#[test]
fn the_depth_is_bounded() {
    for list in [false, true] {
        for over in [-1, 0, 1, 500] {
            let depth = MAX_CLAIM_DEPTH.checked_add_signed(over).unwrap();
            let innermost = Proto { kind: Some(Kind::BoolValue(true)) };
            let claim = (1..depth).fold(innermost, |inner, _| around(inner, list));
            let payload = Struct { fields: [("c".to_owned(), claim)].into() };
            let namespace =
                Struct { fields: [("p".to_owned(), Proto { kind: Some(Kind::StructValue(payload)) })].into() };
            let message = Metadata { filter_metadata: [(JWT.to_owned(), namespace.encode_to_vec())].into() };
            assert_eq!(claims(&message.encode_to_vec(), &at(None)).is_some(), over <= 0, "{depth} {list}");
        }
    }
}
