use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn whole(text: &str) -> Span {
    Span { start: 0, end: text.len() }
}

fn read_all(schema: &str) -> Result<Vec<(String, String)>, Invalid> {
    // As it is found: somewhere in a result.
    let text = format!("{{\"inputSchema\":{schema}}}");
    let span = crate::json::member(&text, whole(&text), "inputSchema").unwrap();
    Ok(read(&text, span)?.into_iter().map(|found| (found.header, found.path.join("/"))).collect())
}

/// A schema with one annotated property.
fn property(property: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"a":{property}}}}}"#)
}

#[test]
fn annotations_have_their_paths() {
    for (schema, expected) in [
        (r#"{"type":"object"}"#, vec![]),
        (r#"{"type":"object","properties":{"a":{"type":"string"}}}"#, vec![]),
        (&property(r#"{"type":"string","x-mcp-header":"Region"}"#), vec![("Region", "a")]),
        (&property(r#"{"x-mcp-header":"n","type":"integer"}"#), vec![("n", "a")]),
        (&property(r#"{"type":"boolean","x-mcp-header":"a!#$%&'*+-.^_`|~09"}"#), vec![("a!#$%&'*+-.^_`|~09", "a")]),
        // A name of one of the standard headers makes another header.
        (&property(r#"{"type":"string","x-mcp-header":"Method"}"#), vec![("Method", "a")]),
        (&property(r#"{"t\u0079pe":"str\u0069ng","x-mcp-h\u0065ader":"\u0041"}"#), vec![("A", "a")]),
        (
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"properties":{"c":{"type":"integer","x-mcp-header":"C"},
                "d":{"properties":{"e":{"type":"boolean","x-mcp-header":"E"}}}}},"f":{"type":"string","x-mcp-header":"F"}}}"#,
            vec![("A", "a"), ("C", "b/c"), ("E", "b/d/e"), ("F", "f")],
        ),
        // Both a parameter and an object, though of no use.
        (
            &property(
                r#"{"type":"string","x-mcp-header":"A","properties":{"b":{"type":"string","x-mcp-header":"B"}}}"#,
            ),
            vec![("B", "a/b"), ("A", "a")],
        ),
        // Names of properties are no keywords.
        (
            r#"{"properties":{"x-mcp-header":{"type":"string"},"properties":{"type":"string"},"items":{"type":"string"}}}"#,
            vec![],
        ),
        (
            r#"{"properties":{"properties":{"properties":{"items":{"type":"string","x-mcp-header":"I"}}}}}"#,
            vec![("I", "properties/items")],
        ),
        // Data is no schema.
        (
            &property(
                r#"{"default":{"x-mcp-header":"?"},"enum":[{"x-mcp-header":"?"}],"const":{"items":{"x-mcp-header":"?"}}}"#,
            ),
            vec![],
        ),
        (
            r#"{"examples":[{"properties":{"a":{"x-mcp-header":""}}}],"required":["x-mcp-header"],"x-mine":{"x-mcp-header":""}}"#,
            vec![],
        ),
        (r#"{"description":"x-mcp-header","properties":[{"x-mcp-header":""}],"anyOf":"x-mcp-header"}"#, vec![]),
        ("null", vec![]),
        ("\"x-mcp-header\"", vec![]),
        ("[{\"x-mcp-header\":1}]", vec![]),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|(header, path)| (header.to_owned(), path.to_owned())).collect();
        assert_eq!(read_all(schema), Ok(expected), "{schema}");
    }
}

#[test]
fn invalid_annotations_are_named() {
    use Invalid as I;
    let inside = r#"{"type":"string","x-mcp-header":"A"}"#;
    for (schema, reason) in [
        (property(r#"{"type":"string","x-mcp-header":""}"#), I::Empty),
        (property(r#"{"type":"string","x-mcp-header":"My Region"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"Region:Primary"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"Région"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"Region\t1"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"a\r\nb"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"a\u0000"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"a/b"}"#), I::NotAToken),
        (property(r#"{"type":"string","x-mcp-header":1}"#), I::NotAString),
        (property(r#"{"type":"string","x-mcp-header":null}"#), I::NotAString),
        (property(r#"{"type":"string","x-mcp-header":["A"]}"#), I::NotAString),
        (property(r#"{"type":"number","x-mcp-header":"A"}"#), I::NotPrimitive),
        (property(r#"{"type":"object","x-mcp-header":"A"}"#), I::NotPrimitive),
        (property(r#"{"type":"array","x-mcp-header":"A"}"#), I::NotPrimitive),
        (property(r#"{"type":"null","x-mcp-header":"A"}"#), I::NotPrimitive),
        (property(r#"{"type":["string","null"],"x-mcp-header":"A"}"#), I::NotPrimitive),
        (property(r#"{"x-mcp-header":"A"}"#), I::NotPrimitive),
        (property(r##"{"$ref":"#/$defs/a","x-mcp-header":"A"}"##), I::NotPrimitive),
        (r#"{"type":"string","x-mcp-header":"A"}"#.to_owned(), I::Misplaced),
        (
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"Region"},"b":{"type":"string","x-mcp-header":"REGION"}}}"#.to_owned(),
            I::Repeated,
        ),
        (
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"properties":{"c":{"type":"string","x-mcp-header":"A"}}}}}"#
                .to_owned(),
            I::Repeated,
        ),
    ] {
        assert_eq!(read_all(&schema), Err(reason), "{schema}");
    }
    for keyword in
        ["items", "not", "if", "then", "else", "contains", "additionalProperties", "propertyNames", "contentSchema"]
    {
        for schema in [
            format!(r#"{{"{keyword}":{inside}}}"#),
            property(&format!(r#"{{"{keyword}":{inside}}}"#)),
            property(&format!(r#"{{"{keyword}":{{"properties":{{"b":{inside}}}}}}}"#)),
        ] {
            assert_eq!(read_all(&schema), Err(I::Misplaced), "{schema}");
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf", "prefixItems", "items"] {
        let schema = property(&format!(r#"{{"{keyword}":[true,{{"properties":{{"b":{inside}}}}}]}}"#));
        assert_eq!(read_all(&schema), Err(I::Misplaced), "{schema}");
    }
    for keyword in ["$defs", "definitions", "patternProperties", "dependentSchemas"] {
        let schema = format!(r#"{{"{keyword}":{{"x":{{"properties":{{"b":{inside}}}}}}}}}"#);
        assert_eq!(read_all(&schema), Err(I::Misplaced), "{schema}");
    }
    assert_eq!(read("{\"x-mcp-header\":", Span { start: 0, end: 16 }), Err(I::Unreadable));
}

#[test]
fn annotations_are_bounded() {
    let of_length =
        |length: usize| property(&format!(r#"{{"type":"string","x-mcp-header":"{}"}}"#, "a".repeat(length)));
    for length in [MAX_NAME_BYTES - 1, MAX_NAME_BYTES] {
        assert!(read_all(&of_length(length)).is_ok());
    }
    assert_eq!(read_all(&of_length(MAX_NAME_BYTES + 1)), Err(Invalid::TooLong));

    let many = |count: usize| {
        let mut schema = r#"{"properties":{"z":{}"#.to_owned();
        (0..count).for_each(|i| write!(schema, r#","p{i}":{{"type":"string","x-mcp-header":"H{i}"}}"#).unwrap());
        schema + "}}"
    };
    for count in [MAX_ANNOTATIONS - 1, MAX_ANNOTATIONS] {
        assert_eq!(read_all(&many(count)).unwrap().len(), count);
    }
    assert_eq!(read_all(&many(MAX_ANNOTATIONS + 1)), Err(Invalid::TooMany));
}

#[test]
fn values_are_found_at_their_paths() {
    let text = r#"{"a":"x","b":{"c":[1],"d\"":{"e": null }},"\u0066":true,"g":{"h":1}}"#;
    for (path, expected) in [
        (&["a"][..], Some("\"x\"")),
        (&["b", "c"], Some("[1]")),
        (&["b", "d\"", "e"], Some("null")),
        (&["f"], Some("true")),
        (&["g"], Some("{\"h\":1}")),
        (&["z"], None),
        (&["a", "x"], None),
        (&["b", "c", "0"], None),
        (&["b", "e"], None),
    ] {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(argument_at(text, whole(text), &path), expected, "{path:?}");
    }
    assert_eq!(argument_at("null", whole("null"), &["a".to_owned()]), None);
}

proptest! {
    /// All values at once are the values one by one, whatever the order of the annotations.
    #[test]
    fn values_at_once_are_values_one_by_one(
        paths in prop::collection::vec(prop::collection::vec("[a-c]", 1..4), 0..8),
        arguments in "[a-c]{1,3}",
        depth in 0_usize..4,
    ) {
        let mut value = serde_json::json!(1);
        for _ in 0..depth {
            value = arguments.chars().map(|c| (c.to_string(), value.clone())).collect::<serde_json::Map<_, _>>().into();
        }
        let text = value.to_string();
        let annotations: Vec<_> = paths.into_iter().map(|path| Annotation { header: String::new(), path }).collect();
        let one_by_one: Vec<_> = annotations.iter().map(|a| argument_at(&text, whole(&text), &a.path)).collect();
        prop_assert_eq!(arguments_at(&text, whole(&text), &annotations), one_by_one);
    }

    /// Against a recursive walk over the tree.
    #[test]
    fn annotations_are_those_of_the_tree(schema in schemas()) {
        let text = schema.to_string();
        let mut expected = Vec::new();
        let clean = collect(&schema, Some(String::new()), &mut expected);
        match read_all(&text) {
            Ok(mut found) => {
                found.sort();
                expected.sort();
                prop_assert!(clean);
                prop_assert_eq!(found, expected);
            }
            Err(reason) => {
                let headers: std::collections::BTreeSet<_> = expected.iter().map(|(header, _)| header).collect();
                prop_assert!(!clean || headers.len() < expected.len(), "{reason:?}");
            }
        }
    }
}

fn schemas() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        3 => "[A-D]{2}".prop_map(|header| serde_json::json!({"type": "string", "x-mcp-header": header})),
        1 => Just(serde_json::json!({"type": "string"})),
        1 => Just(serde_json::json!({"default": {"x-mcp-header": 1}})),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            6 => prop::collection::btree_map("[a-c]|properties|x-mcp-header", inner.clone(), 0..3)
                .prop_map(|properties| serde_json::json!({"properties": properties})),
            1 => prop::collection::btree_map("allOf|items|examples", prop::collection::vec(inner, 1..3), 0..3)
                .prop_map(|keywords| serde_json::json!(keywords)),
        ]
    })
}

/// Says whether no annotation is out of place.
fn collect(schema: &serde_json::Value, path: Option<String>, found: &mut Vec<(String, String)>) -> bool {
    let Some(schema) = schema.as_object() else { return true };
    let mut clean = true;
    if let Some(header) = schema.get("x-mcp-header") {
        clean = path.as_ref().is_some_and(|path| !path.is_empty());
        found.push((header.as_str().unwrap().to_owned(), path.clone().unwrap_or_default()));
    }
    for (name, inner) in schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten() {
        let path = path.as_ref().map(|path| if path.is_empty() { name.clone() } else { format!("{path}/{name}") });
        clean &= collect(inner, path, found);
    }
    for keyword in ["allOf", "items"] {
        for inner in schema.get(keyword).and_then(serde_json::Value::as_array).into_iter().flatten() {
            clean &= collect(inner, None, found);
        }
    }
    clean
}
