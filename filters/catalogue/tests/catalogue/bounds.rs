//! The store stays bounded, whatever servers list.

use crate::support::{World, catalogue, demanded, learn, list, server};
use meshward_catalogue::{Learned, Unusable, Violation};

fn numbered(range: std::ops::Range<usize>, constant: &str) -> String {
    let names: Vec<_> = range.map(|n| format!("tool-{n}")).collect();
    list(names.iter().map(|name| (name.as_str(), constant)))
}

#[test]
fn tools_are_bounded() {
    for (tools, left_out) in [(9, 0), (10, 0), (11, 1)] {
        let world = World::default();
        let worker = catalogue(r#"{"max_tools": 10}"#);
        let learned = learn(&worker, &world, &server("a"), &numbered(0..tools, "1"));
        assert_eq!(learned, Learned { new: tools - left_out, left_out, ..Learned::default() });
        let known = |n: usize| demanded(&worker, &world, &server("a"), &format!("tool-{n}"), &["1"]).is_some();
        assert_eq!((0..tools).filter(|n| known(*n)).count(), tools - left_out, "those listed first");
        assert!(known(8));
    }
}

#[test]
fn a_schema_at_the_bound_is_kept_and_one_beyond_is_known_to_be_too_large() {
    let schema = r#"{"const":{"a":1}}"#;
    for (max, fits) in [(schema.len() - 1, false), (schema.len(), true), (schema.len() + 1, true)] {
        let world = World::default();
        let worker = catalogue(&format!(r#"{{"max_tool_bytes": {max}}}"#));
        let learned = learn(&worker, &world, &server("a"), &format!(r#"[{{"name":"t","inputSchema":{schema}}}]"#));
        assert_eq!(learned, Learned { new: 1, too_large: usize::from(!fits), ..Learned::default() });
        let found = worker.tool(&world, &server("a"), "t").unwrap().check_arguments(Some(r#"{"a":1}"#));
        assert_eq!(found, if fits { Ok(()) } else { Err(Violation::Unusable(Unusable::TooLarge)) });
    }
}

#[test]
fn names_are_bounded() {
    for (len, known) in [(1023, true), (1024, true), (1025, false)] {
        let world = World::default();
        let (worker, name) = (catalogue("{}"), "n".repeat(len));
        let learned = learn(&worker, &world, &server("a"), &list([(name.as_str(), "1")]));
        assert_eq!(learned.left_out, usize::from(!known), "{len}");
        assert_eq!(demanded(&worker, &world, &server("a"), &name, &["1"]).is_some(), known);
    }
}

#[test]
fn a_server_without_end_cannot_grow_the_store() {
    let world = World::default();
    let worker = catalogue(r#"{"max_tools": 500, "max_bytes": 100000, "max_servers": 2}"#);
    for round in 0..200 {
        for name in ["a", "b", "c"] {
            learn(&worker, &world, &server(name), &numbered(round * 100..round * 100 + 100, "1"));
        }
    }
    // The directory; two indexes; one segment each.
    assert!(world.keys().len() <= 5, "{:?}", world.keys());
    assert!(world.bytes() < 2 * (100_000 + 500 * 26) + 1_000, "{}", world.bytes());
}

#[test]
fn definitions_that_change_for_ever_cannot_grow_the_store() {
    let world = World::default();
    let worker = catalogue(r#"{"max_bytes": 20000}"#);
    for round in 0..500 {
        let constant = format!("{round}");
        let learned = learn(&worker, &world, &server("a"), &numbered(0..20, &constant));
        assert!(!learned.failed && learned.left_out == 0, "{learned:?}");
        assert_eq!(demanded(&worker, &world, &server("a"), "tool-7", &[&constant]), Some(Some(constant.as_str())));
    }
    assert_eq!(world.keys().len(), 3);
    assert!(world.bytes() < 22_000, "{}", world.bytes());
}

#[test]
fn of_too_many_servers_the_one_that_changed_longest_ago_is_forgotten() {
    let world = World::default();
    let worker = catalogue(r#"{"max_servers": 3}"#);
    for name in ["a", "b", "c"] {
        learn(&worker, &world, &server(name), &list([("t", "1")]));
    }
    learn(&worker, &world, &server("a"), &list([("u", "2")]));
    learn(&worker, &world, &server("d"), &list([("t", "3")]));
    let known = |name| demanded(&worker, &world, &server(name), "t", &["1", "3"]);
    assert_eq!(["a", "b", "c", "d"].map(known), [Some(Some("1")), None, Some(Some("1")), Some(Some("3"))]);
    assert_eq!(known("b"), None);
}
