//! Walks over JSON text find what `serde_json` finds, and end on any text.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

use meshward_wire::json::{self, Span, ValueKind};
use proptest::prelude::*;
use serde_json::Value;

const fn whole(text: &str) -> Span {
    Span { start: 0, end: text.len() }
}

/// The tree that the walks see.
fn tree(text: &str, span: Span) -> Value {
    match json::kind(text, span) {
        Some(ValueKind::Null) => Value::Null,
        Some(ValueKind::Bool) => (span.of(text) == "true").into(),
        Some(ValueKind::Number) => match json::integer(span.of(text)) {
            Some(integer) => integer.into(),
            None => json::double(span.of(text)).unwrap().into(),
        },
        Some(ValueKind::String) => json::string(text, span).unwrap().into(),
        Some(ValueKind::Array) => json::elements(text, span).map(|element| tree(text, element)).collect(),
        Some(ValueKind::Object) => Value::Object(
            json::members(text, span)
                .map(|member| (json::unescape(member.key.of(text)).into_owned(), tree(text, member.value)))
                .collect(),
        ),
        None => panic!("no value: {span:?} of {text}"),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<i16>().prop_map(|n| (f64::from(n) / 8.0 + 0.0625).into()),
        ".*".prop_map(Value::from),
        r#"[\\"/\n{}\[\],:a]{0,40}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(r#"[a-z\\"{},:]{0,12}"#, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn members_and_elements_have_exact_spans() {
    let text = r#" { "a" : 1 , "\u0062":[ "x\"]" , {"c":[]},-1.5e3,true ] ,"d":{}} "#;
    let object = Span { start: 1, end: text.len() - 1 };
    let members: Vec<_> = json::members(text, object).collect();
    let shown: Vec<_> = members.iter().map(|m| (m.key.of(text), m.value.of(text), m.span().of(text))).collect();
    assert_eq!(
        shown,
        [
            ("a", "1", r#""a" : 1"#),
            ("\\u0062", r#"[ "x\"]" , {"c":[]},-1.5e3,true ]"#, r#""\u0062":[ "x\"]" , {"c":[]},-1.5e3,true ]"#),
            ("d", "{}", r#""d":{}"#),
        ]
    );
    let elements: Vec<_> = json::elements(text, members[1].value).map(|span| span.of(text)).collect();
    assert_eq!(elements, [r#""x\"]""#, r#"{"c":[]}"#, "-1.5e3", "true"]);
    assert_eq!(json::member(text, object, "b"), Some(members[1].value));
    assert_eq!(json::member(text, object, "e"), None);
    assert_eq!(json::members(text, members[1].value).count(), 0, "an array has no members");
    assert_eq!(json::elements(text, object).count(), 0, "an object has no elements");
    assert_eq!(json::elements(text, members[2].value).count(), 0);
}

#[test]
fn numbers_are_read_to_the_letter_or_not() {
    for (letters, integer, double) in [
        ("0", Some(0), Some(0.0)),
        ("-9223372036854775808", Some(i64::MIN), Some(-9_223_372_036_854_775_808.0)),
        ("9223372036854775808", None, Some(9_223_372_036_854_775_808.0)),
        ("1.0", None, Some(1.0)),
        ("1e2", None, Some(100.0)),
        ("1e400", None, None),
    ] {
        assert_eq!((json::integer(letters), json::double(letters)), (integer, double), "{letters}");
    }
}

proptest! {
    #[test]
    fn walks_see_the_tree_that_was_written(value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(tree(&text, whole(&text)), value);
    }

    #[test]
    fn strings_come_back_from_any_spelling(text in ".*", escaped in prop::collection::vec(0..3_u8, 1..8)) {
        let mut letters = String::new();
        for (c, how) in text.chars().zip(escaped.iter().cycle()) {
            match how {
                0 => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| letters.push_str(&format!("\\u{unit:04X}"))),
                _ => {
                    let quoted = serde_json::to_string(&c.to_string()).unwrap();
                    letters.push_str(&quoted[1..quoted.len() - 1]);
                }
            }
        }
        prop_assert_eq!(json::unescape(&letters), text);
    }

    #[test]
    fn walks_end_on_any_text(text in r#"[\[\]{}",:\\ a1é]{0,60}"#, start in 0..70_usize, end in 0..70_usize) {
        let span = Span { start, end };
        for container in ["", "[", "{"] {
            let text = format!("{container}{text}");
            prop_assert!(json::members(&text, span).count() <= text.len());
            prop_assert!(json::elements(&text, whole(&text)).count() <= text.len());
            let _ = json::unescape(&text);
        }
    }

    #[test]
    fn written_strings_read_back(text in ".*") {
        let mut out = String::new();
        json::write_string(&text, &mut out);
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
