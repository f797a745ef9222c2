//! What is learned, what is known, and what wins.

use crate::support::{World, catalogue, config, demanded, learn, list, server};
use meshward_catalogue::{Catalogue, Learned, Unusable, Violation};

const ANY: &[&str] = &["1", "2", "3"];

#[test]
fn what_one_worker_learns_all_know() {
    let world = World::default();
    let (one, other) = (catalogue("{}"), catalogue("{}"));
    assert_eq!(demanded(&one, &world, &server("a"), "t", ANY), None);
    let learned = learn(&one, &world, &server("a"), &list([("t", "1"), ("u", "2")]));
    assert_eq!(learned, Learned { new: 2, ..Learned::default() });
    for worker in [&one, &other] {
        assert_eq!(demanded(worker, &world, &server("a"), "t", ANY), Some(Some("1")));
        assert_eq!(demanded(worker, &world, &server("a"), "u", ANY), Some(Some("2")));
        assert_eq!(demanded(worker, &world, &server("a"), "v", ANY), None);
        assert_eq!(demanded(worker, &world, &server("b"), "t", ANY), None, "another server's");
    }
}

#[test]
fn pages_are_merged_and_definitions_replaced() {
    let world = World::default();
    let (one, other) = (catalogue("{}"), catalogue("{}"));
    learn(&one, &world, &server("a"), &list([("t", "1")]));
    assert_eq!(demanded(&other, &world, &server("a"), "t", ANY), Some(Some("1")));
    learn(&other, &world, &server("a"), &list([("u", "2")]));
    assert_eq!(demanded(&one, &world, &server("a"), "t", ANY), Some(Some("1")));
    assert_eq!(demanded(&one, &world, &server("a"), "u", ANY), Some(Some("2")));
    let learned = learn(&other, &world, &server("a"), &list([("t", "3"), ("w", "1")]));
    assert_eq!(learned, Learned { new: 1, changed: 1, ..Learned::default() });
    assert_eq!(demanded(&one, &world, &server("a"), "t", ANY), Some(Some("3")));
    // And back, while the first has seen both.
    learn(&one, &world, &server("a"), &list([("t", "1")]));
    assert_eq!(demanded(&other, &world, &server("a"), "t", ANY), Some(Some("1")));
    learn(&other, &world, &server("a"), &list([("t", "3")]));
    assert_eq!(demanded(&one, &world, &server("a"), "t", ANY), Some(Some("3")));
}

#[test]
fn what_the_server_takes_back_is_forgotten_by_all() {
    let world = World::default();
    let (one, other) = (catalogue("{}"), catalogue("{}"));
    learn(&one, &world, &server("a"), &list([("t", "1"), ("u", "1")]));
    learn(&one, &world, &server("b"), &list([("t", "2")]));
    assert_eq!(demanded(&other, &world, &server("a"), "t", ANY), Some(Some("1")));
    assert!(other.forget(&world, &server("a")));
    for worker in [&one, &other] {
        assert_eq!(demanded(worker, &world, &server("a"), "t", ANY), None);
        assert_eq!(demanded(worker, &world, &server("b"), "t", ANY), Some(Some("2")), "another server's stay");
    }
    learn(&one, &world, &server("a"), &list([("t", "3")]));
    for worker in [&one, &other] {
        assert_eq!(demanded(worker, &world, &server("a"), "t", ANY), Some(Some("3")));
        assert_eq!(demanded(worker, &world, &server("a"), "u", ANY), None);
    }
    assert!(one.forget(&world, &server("nobody")));
    // A second time there is nothing to forget, and nothing is written.
    for writes in [1, 0] {
        let before = world.writes.get();
        assert!(one.forget(&world, &server("a")));
        assert_eq!(world.writes.get() - before, writes);
    }
}

#[test]
fn a_known_page_and_a_used_tool_cost_one_read() {
    let world = World::default();
    let (one, other) = (catalogue("{}"), catalogue("{}"));
    let page = list([("t", "1"), ("u", "2")]);
    let cost = |action: &dyn Fn()| {
        let before = (world.reads.get(), world.writes.get());
        action();
        (world.reads.get() - before.0, world.writes.get() - before.1)
    };
    learn(&one, &world, &server("a"), &page);
    let again = |worker: &Catalogue| assert_eq!(learn(worker, &world, &server("a"), &page), Learned::default());
    assert_eq!(cost(&|| again(&one)), (1, 0));
    assert_eq!(cost(&|| again(&other)).1, 0, "it is there already");
    assert_eq!(cost(&|| again(&other)), (1, 0));
    let known = |worker: &Catalogue| assert!(demanded(worker, &world, &server("a"), "t", ANY).is_some());
    known(&one);
    assert_eq!(cost(&|| known(&one)), (1, 0));
    // Another tool changes: the index is read, the schema is not.
    learn(&other, &world, &server("a"), &list([("u", "3")]));
    assert_eq!(cost(&|| known(&one)), (2, 0));
    assert_eq!(cost(&|| known(&one)), (1, 0));
}

#[test]
fn the_configuration_wins() {
    let world = World::default();
    let json = r#"{"tools": [{"name": "t", "inputSchema": {"properties": {"v": {"const": "2"}}}}]}"#;
    let worker = catalogue(json);
    assert_eq!(learn(&worker, &world, &server("a"), &list([("t", "1")])), Learned::default());
    assert_eq!(demanded(&worker, &world, &server("a"), "t", ANY), Some(Some("2")));
    worker.forget(&world, &server("a"));
    assert_eq!(demanded(&worker, &world, &server("a"), "t", ANY), Some(Some("2")));
    assert_eq!(world.reads.get() + world.writes.get(), 1, "only to forget");
}

#[test]
fn who_does_not_learn_leaves_the_store_alone() {
    let world = World::default();
    learn(&catalogue("{}"), &world, &server("a"), &list([("t", "1")]));
    let (worker, before) = (catalogue(r#"{"learn": false}"#), (world.reads.get(), world.writes.get()));
    learn(&worker, &world, &server("a"), &list([("t", "2")]));
    assert!(worker.forget(&world, &server("a")));
    assert_eq!(demanded(&worker, &world, &server("a"), "t", ANY), None);
    assert_eq!((world.reads.get(), world.writes.get()), before);
}

#[test]
fn mirrored_parameters_and_schemas_that_cannot_be_used() {
    let world = World::default();
    let worker = catalogue("{}");
    let page = r##"[
        {"name": "m", "inputSchema": {"properties": {"r": {"type": "string", "x-mcp-header": "Region"}}}},
        {"name": "n", "inputSchema": {"type": "objekt"}},
        {"name": "o"},
        {"name": "p", "inputSchema": {"$ref": "https://evil.example/schema"}},
        {"name": "q", "inputSchema": {"properties": {"mail": {"pattern": "^(?!\\.).*@", "maxLength": 3}}}}
    ]"##;
    assert_eq!(learn(&worker, &world, &server("a"), page).new, 5);
    let tool = |name| worker.tool(&world, &server("a"), name).unwrap();
    let mirrored = tool("m");
    let [annotation] = mirrored.mirrored() else { panic!() };
    assert_eq!((annotation.header.as_str(), annotation.path.as_slice()), ("Region", &["r".to_owned()][..]));
    for (name, pointer) in [("n", "/type"), ("o", ""), ("p", "/$ref")] {
        let Err(Violation::Unusable(Unusable::Invalid { pointer: at, .. })) = tool(name).check_arguments(None) else {
            panic!("{name}")
        };
        assert_eq!(at, pointer, "{name}");
    }
    assert_eq!(tool("q").unchecked(), ["/properties/mail/pattern"]);
    assert_eq!(
        tool("q").check_arguments(Some(r#"{"mail":"secret"}"#)),
        Err(Violation::Unfit("/properties/mail/maxLength".to_owned()))
    );
    assert_eq!(tool("q").check_arguments(None), Ok(()));
    // Where schemas are not looked at.
    let off = catalogue(r#"{"schema": "off"}"#);
    let tool = |name| off.tool(&world, &server("a"), name).unwrap();
    assert_eq!(tool("n").check_arguments(None), Ok(()));
    assert_eq!(tool("m").mirrored().len(), 1);
}

#[test]
fn a_configuration_is_right_or_refused() {
    let errors = |json: &str| Catalogue::new(&config(json)).map(|_| ()).unwrap_err();
    let fields = |json: &str| errors(json).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    for (field, largest) in
        [("max_servers", 64), ("max_tools", 16384), ("max_tool_bytes", 256 << 10), ("max_bytes", 64 << 20)]
    {
        for (value, is_right) in [(0, false), (1, true), (largest, true), (largest + 1, false)] {
            let json = format!(r#"{{"{field}": {value}}}"#);
            let found = Catalogue::new(&config(&json)).map(|_| ());
            assert_eq!(found.is_ok(), is_right, "{json}");
        }
        assert_eq!(fields(&format!(r#"{{"{field}": 0}}"#)), [format!("catalogue.{field}")]);
    }
    assert!(Catalogue::new(&config(r#"{"max_tool_bytes": "256KiB", "max_bytes": "64MiB"}"#)).is_ok());
    assert_eq!(fields(r#"{"max_tool_bytes": "257KiB", "max_bytes": "65MiB"}"#).len(), 2);
    assert_eq!(
        errors(
            r#"{"tools": [
                {"name": "a", "inputSchema": {"properties": {"x": {"type": "strnig"}}}},
                {"name": "a", "inputSchema": {}},
                {"name": "b", "inputSchema": {"pattern": "(?=x)"}},
                {"name": "c", "inputSchema": {"x-mcp-header": "A"}}
            ]}"#
        ),
        [
            (
                "catalogue.tools[0].inputSchema",
                "the tool's input schema cannot be used: at `/properties/x/type`: value is not valid under any of the \
                 schemas listed in the 'anyOf' keyword"
            ),
            ("catalogue.tools[1].name", "another tool is called `a` too"),
            (
                "catalogue.tools[2].inputSchema",
                "at `/pattern`: this pattern cannot be matched in linear time: leave it out"
            ),
            ("catalogue.tools[3].inputSchema", "x-mcp-header on what is no string, integer or boolean"),
        ]
        .map(|(path, message)| (path.to_owned(), message.to_owned()))
    );
}
