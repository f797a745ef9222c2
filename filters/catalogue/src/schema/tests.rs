//! The official test suite of JSON Schema, hostile schemas, and pointers.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::*;

/// How many schemas of the suite are refused, because they need what is not done: references to other documents, schemas
/// with an `$id` of their own below the root, dialects of their own, Unicode properties in patterns.
const REFUSED: usize = 158;

/// How many verdicts there are on the others.
const VERDICTS: usize = 4337;

fn groups() -> Vec<(String, Value)> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/json-schema-test-suite");
    let mut groups = Vec::new();
    for (draft, uri) in [
        ("draft6", Some("http://json-schema.org/draft-06/schema#")),
        ("draft7", Some("http://json-schema.org/draft-07/schema#")),
        ("draft2019-09", None),
        ("draft2020-12", None),
    ] {
        for folder in [suite.join(draft), suite.join(draft).join("optional")] {
            for file in fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
                let Ok(text) = fs::read(&file) else { continue };
                let stem = file.file_stem().unwrap().to_str().unwrap();
                for mut group in serde_json::from_slice::<Vec<Value>>(&text).unwrap() {
                    let name = format!("{draft} {stem}: {}", group["description"]);
                    // Of the older drafts the suite says by the folder which they are.
                    if let Some(schema) = group["schema"].as_object_mut()
                        && let Some(uri) = uri
                    {
                        schema.entry("$schema").or_insert(json!(uri));
                    }
                    groups.push((name, group));
                }
            }
        }
    }
    groups
}

#[test]
fn the_official_suite() {
    let (mut refused, mut verdicts) = (0, 0);
    for (name, group) in groups() {
        let text = group["schema"].to_string();
        let schema = match Schema::compile(&text) {
            Ok(schema) if schema.unchecked().is_empty() => schema,
            Ok(_) => {
                assert!(text.contains(r"\\p{"), "{name}");
                refused += 1;
                continue;
            }
            Err(unusable) => {
                let Unusable::Invalid { pointer, .. } = unusable else { panic!("{name}") };
                let known = ["/$id", "/$ref", "/$schema"].iter().any(|end| pointer.ends_with(end));
                assert!(known || pointer.contains(r"\p{"), "{name}: {pointer}");
                refused += 1;
                continue;
            }
        };
        for test in group["tests"].as_array().unwrap() {
            let fits = match schema.check(&test["data"].to_string()) {
                Ok(()) => true,
                Err(Violation::Unfit(_)) => false,
                Err(other) => panic!("{name}: {other:?}"),
            };
            assert_eq!(fits, test["valid"].as_bool().unwrap(), "{name}: {}", test["description"]);
            verdicts += 1;
        }
    }
    assert_eq!((refused, verdicts), (REFUSED, VERDICTS));
}

fn check(schema: &str, arguments: &str) -> Result<(), Violation> {
    Schema::compile(schema).unwrap().check(arguments)
}

fn problem(schema: &str) -> (String, &'static str) {
    match Schema::compile(schema).map(|_| ()).unwrap_err() {
        Unusable::Invalid { pointer, problem } => (pointer, problem),
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
        (r#"{"properties":{"l":{"items":{"not":{}}}}}"#, r#"{"l":[1]}"#, "/properties/l/items/not"),
        ("false", "{}", ""),
    ] {
        assert_eq!(check(schema, arguments), Err(Violation::Unfit(pointer.to_owned())), "{schema}");
    }
}

#[test]
fn numbers_are_exact() {
    let schema = r#"{"properties":{"n":{"type":"integer","maximum":9007199254740993}}}"#;
    for (number, fits) in [
        ("9007199254740993", true),
        ("9007199254740993.0", true),
        ("9007199254740994", false),
        ("9007199254740993.5", false),
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
        (r#"{"type":"strnig"}"#, "/type"),
        (r#"{"type":[]}x"#, ""),
        (r#"{"properties":{"a":3}}"#, "/properties/a"),
        (r#"{"properties":[]}"#, "/properties"),
        (r#"{"required":true}"#, "/required"),
        (r#"{"required":[1]}"#, "/required"),
        (r#"{"maxLength":-1}"#, "/maxLength"),
        (r#"{"maxLength":1.5}"#, "/maxLength"),
        (r#"{"minimum":"1"}"#, "/minimum"),
        (r#"{"multipleOf":0}"#, "/multipleOf"),
        (r#"{"anyOf":[]}"#, "/anyOf"),
        (r#"{"enum":1}"#, "/enum"),
        (r#"{"items":[{}]}"#, "/items"),
        (r##"{"$ref":"#/nowhere"}"##, "/$ref"),
        (r#"{"$ref":"https://example.com/s"}"#, "/$ref"),
        (r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#, "/$schema"),
        (r#"{"not":{"pattern":"(?=a)"}}"#, "/not/pattern"),
        (r#"{"patternProperties":{"(?=a)":{}}}"#, "/patternProperties/(?=a)"),
    ] {
        // Behind the value there may be anything: the text was read before.
        if schema.ends_with('x') {
            assert!(Schema::compile(schema).is_ok());
        } else {
            assert_eq!(problem(schema).0, pointer, "{schema}");
        }
    }
}

#[test]
fn the_number_of_schemas_is_bounded() {
    let many = |n: usize| format!(r#"{{"allOf":[{}]}}"#, vec!["{}"; n - 1].join(","));
    assert!(Schema::compile(&many(4095)).is_ok());
    assert!(Schema::compile(&many(4096)).is_ok());
    assert_eq!(problem(&many(4097)).1, "it holds too many schemas");
}

/// Twice the same reference, fifty deep: 2^50 evaluations.
fn bomb(keyword: &str) -> String {
    let link = |n: usize, next: usize| {
        format!(r##""d{n}":{{"{keyword}":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}}"##)
    };
    let links: Vec<_> = (0..50).zip(1..).map(|(n, next)| link(n, next)).collect();
    format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d50":{{"type":"integer"}}}}}}"##, links.join(","))
}

#[test]
fn hostile_schemas_and_arguments_take_bounded_work() {
    let deep = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
    let many = |n: usize, item: &str| {
        format!("[{}]", (0..n).map(|k| item.replace('#', &k.to_string())).collect::<Vec<_>>().join(","))
    };
    let patterns = format!(r#"{{"allOf":[{}]}}"#, vec![r#"{"pattern":"^(a?){60}(a*)*b{0,60}$"}"#; 200].join(","));
    let complex = Err(Violation::TooComplex);
    for (what, schema, arguments, expected) in [
        ("allOf", bomb("allOf"), "1".to_owned(), complex.clone()),
        ("anyOf", bomb("anyOf"), r#""x""#.to_owned(), complex.clone()),
        ("oneOf", bomb("oneOf"), "1".to_owned(), complex.clone()),
        ("a reference to itself", r##"{"$ref":"#"}"##.to_owned(), "1".to_owned(), complex.clone()),
        (
            "a ring",
            r##"{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}}"##.to_owned(),
            "1".to_owned(),
            complex.clone(),
        ),
        (
            "doubling by depth",
            r##"{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##.to_owned(),
            deep(100),
            complex.clone(),
        ),
        ("deep arguments", r##"{"properties":{"a":{"$ref":"#"}}}"##.to_owned(), deep(90), Ok(())),
        ("arguments beyond the depth", "{}".to_owned(), deep(129), complex.clone()),
        ("many unique items", r#"{"uniqueItems":true}"#.to_owned(), many(50_000, r##"{"k":#}"##), Ok(())),
        (
            "many equal keys",
            r#"{"uniqueItems":true}"#.to_owned(),
            format!("[{0},{0}]", deep(100)),
            Err(Violation::Unfit("/uniqueItems".to_owned())),
        ),
        (
            "many required",
            format!(r#"{{"required":{}}}"#, many(5000, r##""k#""##)),
            {
                let members: Vec<_> = (0..5000).map(|k| format!(r#""k{k}":1"#)).collect();
                format!("{{{}}}", members.join(","))
            },
            complex.clone(),
        ),
        ("slow patterns", patterns, format!(r#""{}""#, "a".repeat(100_000)), complex.clone()),
    ] {
        let begun = Instant::now();
        assert_eq!(check(&schema, &arguments), expected, "{what}");
        println!("{what}: {:?}", begun.elapsed());
    }
}

#[test]
fn nesting_does_not_end_the_stack() {
    let schema = |n: usize| format!(r#"{}{{}}{}"#, r#"{"not":"#.repeat(n), "}".repeat(n));
    let nested = format!("{}1{}", r#"{"a":[1,"#.repeat(60), "]}".repeat(60));
    let walks = r##"{"properties":{"a":{"contains":{"$ref":"#"}}},"unevaluatedProperties":{"$ref":"#"}}"##;
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        assert_eq!(check(&schema(127), "1"), Err(Violation::Unfit("/not".to_owned())));
        assert_eq!(problem(&schema(128)).1, "it is nested too deeply");
        for ring in [
            r##"{"allOf":[{"$ref":"#"}]}"##,
            r##"{"anyOf":[{"$ref":"#"}]}"##,
            r##"{"oneOf":[{"$ref":"#"}],"unevaluatedProperties":false}"##,
            r##"{"if":{"$ref":"#"},"unevaluatedProperties":false}"##,
            r##"{"dependentSchemas":{"a":{"$ref":"#"}}}"##,
        ] {
            assert_eq!(check(ring, r#"{"a":1}"#), Err(Violation::TooComplex), "{ring}");
        }
        assert_eq!(check(walks, &nested), Ok(()));
        assert!(check(r#"{"uniqueItems":true}"#, &format!("[{nested},{nested}]")).is_err());
    });
    thread.unwrap().join().unwrap();
}
