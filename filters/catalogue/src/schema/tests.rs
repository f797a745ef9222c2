//! Verdicts, pointers, and schemas that are hostile or none.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn check(schema: &str, arguments: &str) -> Result<(), Violation> {
    Schema::compile(schema).unwrap().check(arguments)
}

fn problem(schema: &str) -> (String, String) {
    match Schema::compile(schema).map(|_| ()).unwrap_err() {
        Unusable::Invalid { pointer, problem } => (pointer, problem.into()),
        Unusable::TooLarge => panic!("{schema}"),
    }
}

#[test]
fn a_violation_names_the_keyword_and_never_the_value() {
    for (schema, arguments, pointer) in [
        (r#"{"properties":{"a":{"maximum":3}}}"#, r#"{"a":4}"#, "/properties/a/maximum"),
        (r#"{"properties":{"a/b":{"type":"string"}}}"#, r#"{"a/b":4}"#, "/properties/a~1b/type"),
        (r#"{"additionalProperties":false}"#, r#"{"secret":4}"#, "/additionalProperties"),
        (r#"{"required":["a"]}"#, "{}", "/required"),
        (r##"{"$defs":{"d":{"enum":[1]}},"properties":{"x":{"$ref":"#/$defs/d"}}}"##, r#"{"x":2}"#, "/$defs/d/enum"),
        (r#"{"anyOf":[{"required":["a"]},{"required":["b"]}]}"#, "{}", "/anyOf"),
        (r#"{"allOf":[{},{"minProperties":1}]}"#, "{}", "/allOf/1/minProperties"),
        (r#"{"propertyNames":{"maxLength":1}}"#, r#"{"secret":1}"#, "/propertyNames/maxLength"),
        (r#"{"patternProperties":{"^s":{"type":"null"}}}"#, r#"{"secret":1}"#, "/patternProperties/^s/type"),
        (r#"{"properties":{"l":{"items":{"not":{}}}}}"#, r#"{"l":[1]}"#, "/properties/l/items/not"),
        ("false", "{}", ""),
    ] {
        assert_eq!(check(schema, arguments), Err(Violation::Unfit(pointer.to_owned())), "{schema}");
    }
}

#[test]
fn every_draft_has_its_own_words() {
    let tuple = r#""properties":{"l":{"items":[{"type":"string"}]}}"#;
    for (schema, arguments, fits) in [
        (r#""$schema":"http://json-schema.org/draft-06/schema#","#, r#"{"l":[1]}"#, false),
        (r#""$schema":"http://json-schema.org/draft-07/schema#","#, r#"{"l":["a",1]}"#, true),
        (r#""$schema":"https://json-schema.org/draft/2019-09/schema","#, r#"{"l":[1]}"#, false),
    ] {
        assert_eq!(check(&format!("{{{schema}{tuple}}}"), arguments).is_ok(), fits, "{schema}");
    }
    assert_eq!(problem(&format!("{{{tuple}}}")).0, "/properties/l/items", "2020-12 has `prefixItems`");
    let next = r##""properties":{"next":{"$recursiveRef":"#"}},"additionalProperties":false"##;
    let recursive = format!(r#"{{"$schema":"https://json-schema.org/draft/2019-09/schema",{next}}}"#);
    assert!(check(&recursive, r#"{"next":{"next":{}}}"#).is_ok());
    assert!(check(&recursive, r#"{"next":{"next":{"x":1}}}"#).is_err());
    let anchor = r##"{"$dynamicAnchor":"n","properties":{"next":{"$dynamicRef":"#n"}},"additionalProperties":false}"##;
    assert!(check(anchor, r#"{"next":{"next":{}}}"#).is_ok());
    assert!(check(anchor, r#"{"next":{"next":{"x":1}}}"#).is_err());
}

#[test]
fn annotations_say_nothing_about_validity() {
    for schema in [
        r#"{"properties":{"a":{"format":"email","contentEncoding":"base64","contentMediaType":"application/json"}}}"#,
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"format":"email",
            "contentEncoding":"base64","contentMediaType":"application/json"}}}"#,
    ] {
        assert_eq!(check(schema, r#"{"a":"{"}"#), Ok(()));
    }
}

#[test]
fn integers_are_exact() {
    let schema = r#"{"properties":{"n":{"type":"integer","maximum":9007199254740993}}}"#;
    for (number, fits) in [
        ("9007199254740993", true),
        ("9007199254740994", false),
        ("3.0", true),
        ("3.5", false),
        ("1e15", true),
        ("1e17", false),
        ("123456789012345678901234567890", false),
        ("-123456789012345678901234567890", true),
    ] {
        assert_eq!(check(schema, &format!(r#"{{"n":{number}}}"#)).is_ok(), fits, "{number}");
    }
}

#[test]
fn what_is_no_schema_is_said() {
    for (schema, pointer) in [
        ("", ""),
        ("[]", ""),
        (r#"{"type":[]}x"#, ""),
        (r#"{"type":"strnig"}"#, "/type"),
        (r#"{"properties":{"a":3}}"#, "/properties/a"),
        (r#"{"properties":[]}"#, "/properties"),
        (r#"{"required":true}"#, "/required"),
        (r#"{"required":[1]}"#, "/required/0"),
        (r#"{"maxLength":-1}"#, "/maxLength"),
        (r#"{"minimum":"1"}"#, "/minimum"),
        (r#"{"multipleOf":0}"#, "/multipleOf"),
        (r#"{"anyOf":[]}"#, "/anyOf"),
        (r#"{"enum":1}"#, "/enum"),
        (r##"{"$ref":"#/nowhere"}"##, "/$ref"),
        (r##"{"$ref":"#nowhere"}"##, "/$ref"),
        (r##"{"$ref":"#/enum/0","enum":[1]}"##, "/$ref"),
        (r#"{"$ref":"https://example.com/s"}"#, "/$ref"),
        (r#"{"$ref":"other.json"}"#, "/$ref"),
        (r#"{"properties":{"a":{"$id":"https://example.com/s"}}}"#, "/properties/a/$id"),
        (r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#, "/$schema"),
        (r#"{"$schema":"https://example.com/mine"}"#, "/$schema"),
        (r#"{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}"#, "/$defs/b/$anchor"),
        (r#"{"not":{"pattern":"(?=a)"}}"#, "/not/pattern"),
        (r##"{"oneOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"pattern":"(?=a)"}}}"##, "/$defs/a/pattern"),
        (r#"{"patternProperties":{"(?=a)":{}}}"#, "/patternProperties/(?=a)"),
    ] {
        assert_eq!(problem(schema).0, pointer, "{schema}");
    }
}

#[test]
fn a_pattern_that_linear_time_does_not_have_is_left_out_where_that_only_lets_more_pass() {
    // As zod writes it for `z.email()`.
    let email = r#"{"type":"string","maxLength":20,"pattern":"^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}"#;
    let schema = Schema::compile(&format!(r#"{{"anyOf":[{{"properties":{{"a/b":{email}}}}}]}}"#)).unwrap();
    assert_eq!(schema.unchecked(), ["/anyOf/0/properties/a~1b/pattern"]);
    assert_eq!(schema.check(r#"{"a/b":"not an address"}"#), Ok(()));
    assert_eq!(schema.check(r#"{"a/b":"not an address, and too long"}"#), Err(Violation::Unfit("/anyOf".to_owned())));
    let linear = Schema::compile(r#"{"properties":{"a":{"pattern":"^\\d{2,3}$"}}}"#).unwrap();
    assert!(linear.unchecked().is_empty());
    assert!(linear.check(r#"{"a":"123"}"#).is_ok() && linear.check(r#"{"a":"1234"}"#).is_err());
}

#[test]
fn patterns_are_bounded() {
    let large = |n: usize| format!(r#"{{"properties":{{"p":{{"pattern":"^[a-c]{{{n}}}x$"}}}}}}"#);
    assert!(Schema::compile(&large(100)).unwrap().unchecked().is_empty());
    assert_eq!(Schema::compile(&large(100_000)).unwrap().unchecked(), ["/properties/p/pattern"]);
    let many: Vec<_> = (0..4000).map(|n| format!(r#"{{"pattern":"^[a-c]+{n}(x|y)*$"}}"#)).collect();
    let many = Schema::compile(&format!(r#"{{"allOf":[{}]}}"#, many.join(","))).unwrap();
    assert!(many.weight() < 5 << 20 && many.unchecked().len() > 3000, "{} {}", many.weight(), many.unchecked().len());
}

#[test]
fn the_number_of_schemas_is_bounded() {
    let many = |n: usize| format!(r#"{{"allOf":[{}]}}"#, vec!["{}"; n - 1].join(","));
    assert!(Schema::compile(&many(4095)).is_ok());
    assert!(Schema::compile(&many(4096)).is_ok());
    assert_eq!(problem(&many(4097)).1, "it holds too many schemas");
}

/// Twice the same reference, fifty deep: 2^50 evaluations.
fn bomb(wrap: impl Fn(&str) -> String) -> String {
    let link = |(n, next): (u8, u8)| format!(r#""d{n}":{}"#, wrap(&format!(r##"{{"$ref":"#/$defs/d{next}"}}"##)));
    let links: Vec<_> = (0..50).zip(1..).map(link).collect();
    format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d50":{{"type":"integer"}}}}}}"##, links.join(","))
}

fn deep(n: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n))
}

fn many(n: usize, item: &str) -> String {
    format!("[{}]", (0..n).map(|k| item.replace('#', &k.to_string())).collect::<Vec<_>>().join(","))
}

/// No test of a hostile schema may take longer, in a build without optimisation.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn schemas_that_ask_for_too_much_at_once_are_not_used() {
    let in_place = |keyword: &str| bomb(|next| format!(r#"{{"{keyword}":[{next},{next}]}}"#));
    for (what, schema) in [
        ("allOf", in_place("allOf")),
        ("anyOf", in_place("anyOf")),
        ("oneOf", in_place("oneOf")),
        ("if", bomb(|next| format!(r#"{{"if":{next},"then":{next}}}"#))),
        ("not", bomb(|next| format!(r#"{{"not":{next},"allOf":[{next}]}}"#))),
        ("dependentSchemas", bomb(|next| format!(r#"{{"dependentSchemas":{{"a":{next},"b":{next}}}}}"#))),
        ("unevaluated", bomb(|next| format!(r#"{{"anyOf":[{next}],"unevaluatedProperties":{next}}}"#))),
        ("itself", r##"{"$ref":"#"}"##.to_owned()),
        ("a ring", r##"{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}}"##.to_owned()),
        ("a ring by name", r##"{"$anchor":"r","anyOf":[{"$ref":"#r"}]}"##.to_owned()),
        ("a dynamic ring", r##"{"$dynamicAnchor":"r","anyOf":[{"$dynamicRef":"#r"}]}"##.to_owned()),
        ("large constants", format!(r#"{{"allOf":{}}}"#, many(2000, &format!(r#"{{"enum":{}}}"#, many(40, "#"))))),
        ("many schemas", format!(r#"{{"allOf":[{}]}}"#, vec!["{}"; 40_000].join(","))),
        ("nesting", format!("{}{{}}{}", r#"{"not":"#.repeat(200), "}".repeat(200))),
    ] {
        let begun = Instant::now();
        let problem = problem(&schema);
        println!("{what}: {problem:?} {:?}", begun.elapsed());
        assert!(begun.elapsed() < SOON, "{what}");
    }
}

#[test]
fn arguments_that_take_too_much_are_not_judged() {
    let patterns = format!(r#"{{"allOf":{}}}"#, many(60, r#"{"pattern":"^(a?){40}(a*)*b{0,30}#$"}"#));
    let branches = |wrap: &dyn Fn(&str) -> String| bomb(|next| format!(r#"{{"allOf":[{},{0}]}}"#, wrap(next)));
    let complex = Err(Violation::TooComplex);
    for (what, schema, arguments, expected) in [
        ("members", branches(&|next| format!(r#"{{"properties":{{"a":{next}}}}}"#)), deep(40), complex.clone()),
        ("others", branches(&|next| format!(r#"{{"additionalProperties":{next}}}"#)), deep(40), complex.clone()),
        (
            "by pattern",
            branches(&|next| format!(r#"{{"patternProperties":{{"a":{next}}}}}"#)),
            deep(40),
            complex.clone(),
        ),
        ("not so deep", branches(&|next| format!(r#"{{"properties":{{"a":{next}}}}}"#)), deep(5), Ok(())),
        (
            "itself twice",
            r##"{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##.to_owned(),
            deep(50),
            complex.clone(),
        ),
        (
            "itself in alternatives",
            r##"{"anyOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"b":{"$ref":"#"}}}]}"##.to_owned(),
            deep(50),
            Ok(()),
        ),
        ("itself", r##"{"properties":{"a":{"$ref":"#"}}}"##.to_owned(), deep(60), Ok(())),
        ("within the depth", "{}".to_owned(), deep(64), Ok(())),
        ("beyond the depth", "{}".to_owned(), deep(65), complex.clone()),
        ("beyond all depths", "{}".to_owned(), deep(5000), complex.clone()),
        ("unique", r#"{"uniqueItems":true}"#.to_owned(), many(50_000, r##"{"k":#}"##), Ok(())),
        (
            "unique a thousand times",
            format!(r#"{{"allOf":[{}]}}"#, vec![r#"{"uniqueItems":true}"#; 1000].join(",")),
            many(50_000, "#"),
            complex.clone(),
        ),
        (
            "unique at all depths",
            r##"{"uniqueItems":true,"items":{"$ref":"#"}}"##.to_owned(),
            format!("{}{}{}", "[".repeat(60), many(100, "#"), "]".repeat(60)),
            Ok(()),
        ),
        (
            "lengths",
            format!(r#"{{"allOf":[{}]}}"#, vec![r#"{"maxLength":1000000}"#; 1000].join(",")),
            format!(r#""{}""#, "é".repeat(100_000)),
            complex.clone(),
        ),
        ("patterns", patterns, format!(r#""{}""#, "a".repeat(100_000)), complex.clone()),
        (
            "failures",
            r#"{"anyOf":[{"items":{"type":"string"}},{"items":{"type":"null"}}]}"#.to_owned(),
            many(200_000, "#"),
            Err(Violation::Unfit(String::new())),
        ),
        ("numbers that are none", "{}".to_owned(), "1e999".to_owned(), complex.clone()),
    ] {
        let schema = Schema::compile(&schema).unwrap_or_else(|unusable| panic!("{what}: {unusable}"));
        let begun = Instant::now();
        assert_eq!(schema.check(&arguments), expected, "{what}");
        println!("{what}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < SOON, "{what}");
    }
}

#[test]
fn nesting_does_not_end_the_stack() {
    let nested = format!("{}1{}", r#"{"a":[1,"#.repeat(31), "]}".repeat(31));
    let walks = r##"{"properties":{"a":{"contains":{"$ref":"#"}}},"unevaluatedProperties":{"$ref":"#"}}"##;
    let not = |n: usize| format!("{}{{}}{}", r#"{"not":"#.repeat(n), "}".repeat(n));
    // Each reference at the end of a chain of schemas, to the next.
    let chains: Vec<_> = (0..9)
        .map(|n| format!(r##""d{n}":{}{{"$ref":"#/$defs/d{}"}}{}"##, r#"{"items":"#.repeat(55), n + 1, "}".repeat(55)))
        .collect();
    let chains = format!(r##"{{"$defs":{{{},"d9":{{}}}},"$ref":"#/$defs/d0"}}"##, chains.join(","));
    let flat: Vec<_> = (0..2000).map(|n| format!(r##""d{n}":{{"items":{{"$ref":"#/$defs/d{}"}}}}"##, n + 1)).collect();
    let flat = format!(r##"{{"$defs":{{{},"d2000":{{}}}},"$ref":"#/$defs/d0"}}"##, flat.join(","));
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        assert_eq!(check(&not(60), "1"), Ok(()));
        assert_eq!(check(&chains, &format!("{}{}", "[".repeat(60), "]".repeat(60))), Ok(()));
        assert_eq!(check(&flat, &format!("{}{}", "[".repeat(60), "]".repeat(60))), Ok(()));
        assert_eq!(check(walks, r#"{"a":[1,{"a":[1,{"a":[1]}]}],"b":{"a":[1]}}"#), Ok(()));
        assert_eq!(check(walks, &nested), Err(Violation::TooComplex));
        for (levels, expected) in [(7, Ok(())), (8, Err(Violation::TooComplex))] {
            let inner = r##"{"items":{"$ref":"#"}}"##;
            let tall =
                format!("{}{inner}{}", r#"{"anyOf":[{},"#.repeat(levels).replace("{},", ""), "]}".repeat(levels));
            assert_eq!(check(&tall, &format!("{}{}", "[".repeat(56), "]".repeat(56))), expected, "{levels}");
        }
        assert!(check(r#"{"uniqueItems":true}"#, &format!("[{nested},{nested}]")).is_err());
    });
    thread.unwrap().join().unwrap();
}

/// Schemas of all keywords that lead to schemas, with references that often lead somewhere.
fn schemas() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let reference = prop::sample::select(vec!["#", "#/$defs/a", "#/$defs/b", "#x", "#/properties/a", "#/nowhere"]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(|fits| json!(fits)),
        reference.prop_map(|to| json!({ "$ref": to })),
        prop::sample::select(vec!["string", "integer", "array", "object", "x"])
            .prop_map(|name| json!({ "type": name })),
        Just(json!({ "$anchor": "x", "minimum": 2.5, "multipleOf": 0.1 })),
        "[a-c(|)*+?{},1^$\\\\\\[\\]]{0,8}".prop_map(|pattern| json!({ "pattern": pattern })),
        any::<i8>().prop_map(|n| json!({ "maxLength": n, "minItems": 1, "uniqueItems": true, "enum": [n, "a", [1]] })),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let one = vec![
            "not",
            "if",
            "then",
            "else",
            "items",
            "contains",
            "additionalProperties",
            "propertyNames",
            "unevaluatedItems",
            "unevaluatedProperties",
            "$defs",
            "required",
        ];
        let list = vec!["allOf", "anyOf", "oneOf", "prefixItems", "items", "enum"];
        let map = vec!["properties", "patternProperties", "dependentSchemas", "$defs", "dependencies"];
        prop_oneof![
            prop::collection::btree_map(prop::sample::select(one), inner.clone(), 1..4)
                .prop_map(|members| json!(members)),
            (prop::sample::select(list), prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(keyword, schemas)| json!({ keyword: schemas })),
            (prop::sample::select(map), prop::collection::btree_map("[ab]", inner.clone(), 0..3), inner)
                .prop_map(|(keyword, members, other)| json!({ keyword: members, "$defs": { "a": other } })),
        ]
    })
}

fn instances() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        "[abc\\pL]{0,4}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2000 } else { 20_000 }))]

    /// Whatever a server lists and a client sends, there is an outcome.
    #[test]
    fn every_schema_and_instance_has_an_outcome(schema in schemas(), instance in instances()) {
        if let Ok(schema) = Schema::compile(&schema.to_string()) {
            let verdict = schema.check(&instance.to_string());
            prop_assert!(!matches!(verdict, Err(Violation::Unusable(_))));
        }
    }

    /// Garbage is no schema, and no arguments.
    #[test]
    fn garbage_is_refused(garbage in "[\\[\\]{}:,\"a1\\\\ ]{0,40}") {
        let _ = Schema::compile(&garbage);
        let _ = Schema::compile("{}").unwrap().check(&garbage);
    }
}
