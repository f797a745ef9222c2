//! The examples of docs/conditions.md compile, and what it says in figures is so.
#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use meshward_policy::{Condition, Truth};

use crate::support::{World, errors, truth};

const PAGE: &str = include_str!("../../../../docs/conditions.md");

fn examples() -> Vec<&'static str> {
    PAGE.split("```cel\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim()).collect()
}

#[test]
fn the_examples_compile() {
    assert!(examples().len() >= 10);
    for example in examples() {
        assert_eq!(Condition::compile(example).err(), None, "{example}");
    }
}

#[test]
fn the_examples_hold_for_a_call_that_they_mean() {
    let arguments = r#"{"amount": 42, "dryRun": true, "limit": 5, "price": 10, "order": "AB-123456",
        "paths": ["/srv/data/a", "/srv/data/b"], "currency": "EUR", "items": [{"primary": true}, {"primary": false}],
        "to": "Alice@Example.com"}"#;
    for example in examples() {
        assert_eq!(truth(example, arguments), Truth::TRUE, "{example}");
        assert_ne!(World::default().truth(example), Truth::UNKNOWN, "{example}");
    }
}

#[test]
fn the_error_is_as_the_page_shows_it() {
    let error = errors("arg.amount <= 100").remove(0);
    assert!(PAGE.contains(&format!("```text\n{error}\n```")), "{error}");
}

#[test]
fn every_function_that_the_page_names_is_there_and_no_other() {
    for name in ["timestamp", "duration", "format"] {
        assert!(PAGE.contains(&format!("`{name}`")));
        let error = errors(&format!("{name}(args.a) == 1")).remove(0);
        assert!(error.contains("undeclared function"), "{error}");
    }
    // A function that is known complains of the count of its arguments, or of how it is called.
    let rows = PAGE.lines().filter(|line| line.starts_with("| strings") || line.starts_with("| conversion"));
    let names: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    assert_eq!(names.len(), 21);
    for name in names {
        let error = errors(&format!("{name}() == 1")).remove(0);
        assert!(!error.contains("undeclared"), "{error}");
    }
}

#[test]
fn the_words_on_what_is_missing_and_on_order_hold() {
    for (source, expected) in [
        ("args.none == 1", Truth::ERROR),
        ("false && args.none", Truth::FALSE),
        ("args.none && false", Truth::FALSE),
        ("true || args.none", Truth::TRUE),
        ("args.none || true", Truth::TRUE),
        ("jwt.sub == \"bob\" && args.none < 100", Truth::FALSE),
        ("args.none < 100 && jwt.sub == \"bob\"", Truth::FALSE),
        ("[1, 2].exists(x, x / 0 == 1 || x == 2)", Truth::TRUE),
        ("args.l.exists(x, x == 1)", Truth::ERROR),
        ("args.l.exists(x, x == 1) || true", Truth::TRUE),
        ("has(peer.id) && !has(mcp.uri)", Truth::TRUE),
        ("9007199254740993 == 9007199254740992.0", Truth::FALSE),
        ("1 == 1.0 && 1 == 1u", Truth::TRUE),
    ] {
        assert_eq!(truth(source, r#"{"l": [1, 1e999]}"#), expected, "{source}");
    }
}
