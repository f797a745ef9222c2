//! Rulings one by one.

use meshward_engine::{Refusal, Target};
use meshward_policy::{Direction, Effect, Match, Part};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;
use serde_json::json;

use crate::support::{Asked, faults, policy, resource, tool};

fn upkeep(method: &str) -> Asked {
    Asked { method: method.to_owned(), upkeep: true, ..Asked::default() }
}

fn other(method: &str) -> Asked {
    Asked { method: method.to_owned(), ..Asked::default() }
}

#[test]
fn the_deciding_rule_is_named() {
    let policy = policy(json!({"default": "deny", "rules": [
        {"name": "readers", "effect": "allow", "methods": ["tools/call"], "tools": ["search", "get_*"]},
        {"name": "also", "effect": "allow", "tools": ["get_*"]},
        {"name": "no-delete", "effect": "deny", "tools": ["*delete*"]},
        {"name": "docs", "effect": "allow", "prompts": ["help"], "resources": ["file:///docs/*"]},
        {"name": "no-log", "effect": "deny", "methods": ["logging/*"]},
        {"name": "tasks", "effect": "allow", "methods": ["tasks/get"]},
    ]}));
    let prompt = |name: &'static str| Asked {
        method: "prompts/get".into(),
        target: Target::Prompt(name.into()),
        ..Asked::default()
    };
    let (allow, deny) = (Effect::Allow, Effect::Deny);
    for (asked, effect, rule) in [
        (tool("search"), allow, Some("readers")),
        (tool("get_x"), allow, Some("readers")),
        (tool("get_delete"), deny, Some("no-delete")),
        (tool("help"), deny, None),
        (tool("Search"), deny, None),
        (tool(""), deny, None),
        (prompt("help"), allow, Some("docs")),
        (prompt("search"), deny, None),
        (resource("file:///docs/a/b"), allow, Some("docs")),
        (resource("file:///doc"), deny, None),
        (Asked { method: "resources/subscribe".into(), ..resource("file:///docs/a") }, allow, Some("docs")),
        (Asked { method: "completion/complete".into(), ..prompt("help") }, allow, Some("docs")),
        (other("tasks/get"), allow, Some("tasks")),
        (other("tasks/cancel"), deny, None),
        (other("x/unknown"), deny, None),
        (upkeep("initialize"), allow, None),
        (upkeep("tools/list"), allow, None),
        (upkeep("logging/setLevel"), deny, Some("no-log")),
    ] {
        let ruling = asked.call(&policy);
        assert_eq!((ruling.effect, ruling.rule.as_deref()), (effect, rule), "{asked:?}");
    }
}

#[test]
fn a_rule_without_conditions_speaks_of_every_operation() {
    let policy = policy(json!({"default": "allow", "rules": [{"name": "all", "effect": "deny"}]}));
    assert!(!tool("x").passes(&policy));
    assert!(!other("x/unknown").passes(&policy));
    assert!(upkeep("ping").passes(&policy));
}

#[test]
fn every_part_of_a_rule_can_keep_it_from_matching() {
    let rule = json!({"default": "deny", "rules": [{
        "name": "r", "effect": "allow", "methods": ["tools/*"], "tools": ["t"], "revisions": ["2026-07-28"],
        "clients": ["claude*"], "when": "args.n == 1",
        "principals": [{"peer": "spiffe://*/ns/agents/*", "jwt": {"roles": ["support", "ops*"], "org": {"id": 7}},
                        "headers": {"x-user": "alice"}, "sources": ["10.0.0.0/8", "::1"]}],
    }]});
    let policy = policy(rule);
    let fits = Asked {
        revision: Some(Revision::V2026_07_28),
        client: Some("claude-code".into()),
        arguments: Some(json!({"n": 1})),
        peer: Some("spiffe://td/ns/agents/sa/bot".into()),
        source: Some("10.1.2.3".into()),
        claims: Some(json!({"roles": ["x", "ops-eu"], "org": {"id": 7, "name": "n"}})),
        user: Some("alice".into()),
        ..tool("t")
    };
    assert_eq!(fits.tried(&policy).1, [("r".to_owned(), Match::Yes)]);
    let no = |part| vec![("r".to_owned(), Match::No(part))];
    let doubt = |part| vec![("r".to_owned(), Match::Doubt(part))];
    let claims = |claims| Asked { claims, ..fits.clone() };
    for (asked, tried) in [
        (Asked { source: Some("::1".into()), ..fits.clone() }, vec![("r".to_owned(), Match::Yes)]),
        (Asked { source: Some("::ffff:10.0.0.1".into()), ..fits.clone() }, vec![("r".to_owned(), Match::Yes)]),
        (Asked { direction: Direction::Server, target: Target::None, ..fits.clone() }, vec![]),
        (Asked { method: "tasks/x".into(), ..fits.clone() }, no(Part::Methods)),
        (Asked { target: Target::Tool("u".into()), ..fits.clone() }, vec![]),
        (Asked { revision: Some(Revision::V2025_11_25), ..fits.clone() }, no(Part::Revisions)),
        (Asked { revision: None, ..fits.clone() }, no(Part::Revisions)),
        (Asked { client: Some("other".into()), ..fits.clone() }, no(Part::Clients)),
        (Asked { client: None, ..fits.clone() }, doubt(Part::Clients)),
        (Asked { arguments: Some(json!({"n": 2})), ..fits.clone() }, no(Part::When)),
        (Asked { arguments: Some(json!({})), ..fits.clone() }, doubt(Part::When)),
        (Asked { arguments: None, ..fits.clone() }, doubt(Part::When)),
        (Asked { peer: None, ..fits.clone() }, no(Part::Principals)),
        (Asked { peer: Some("spiffe://td/ns/other/sa/bot".into()), ..fits.clone() }, no(Part::Principals)),
        (Asked { source: None, ..fits.clone() }, doubt(Part::Principals)),
        (Asked { source: None, peer: None, ..fits.clone() }, no(Part::Principals)),
        (Asked { source: Some("11.0.0.1".into()), ..fits.clone() }, no(Part::Principals)),
        (Asked { user: None, ..fits.clone() }, no(Part::Principals)),
        (Asked { user: Some("bob".into()), ..fits.clone() }, no(Part::Principals)),
        (claims(None), no(Part::Principals)),
        (claims(Some(json!({"roles": "support", "org": {"id": 7}}))), vec![("r".to_owned(), Match::Yes)]),
        (claims(Some(json!({"roles": ["x"], "org": {"id": 7}}))), no(Part::Principals)),
        (claims(Some(json!({"roles": [], "org": {"id": 7}}))), no(Part::Principals)),
        (claims(Some(json!({"roles": "ops", "org": {"id": 8}}))), no(Part::Principals)),
        (claims(Some(json!({"roles": "ops", "org": 7}))), no(Part::Principals)),
        (claims(Some(json!({"roles": "ops"}))), no(Part::Principals)),
        (claims(Some(json!({"roles": null, "org": {"id": 7}}))), no(Part::Principals)),
        (claims(Some(json!({"roles": {"support": true}, "org": {"id": 7}}))), no(Part::Principals)),
    ] {
        assert_eq!(asked.tried(&policy).1, tried, "{asked:?}");
    }
}

#[test]
fn what_is_in_doubt_denies_and_never_allows() {
    for (effect, passes) in [("allow", false), ("deny", false)] {
        let default = if effect == "allow" { "deny" } else { "allow" };
        let policy =
            policy(json!({"default": default, "rules": [{"name": "r", "effect": effect, "when": "args.n == 1"}]}));
        let ruling = tool("t").call(&policy);
        assert_eq!(ruling.effect == Effect::Allow, passes);
        let reason = if effect == "deny" { Reason::ConditionFailed } else { Reason::Denied };
        assert_eq!(ruling.reason, reason, "{effect}");
    }
}

#[test]
fn refusals_take_the_shape_and_the_words_that_are_chosen() {
    let policy = policy(json!({"default": "deny", "message": "ask ops", "rules": [
        {"name": "a", "effect": "deny", "tools": ["a"]},
        {"name": "b", "effect": "deny", "tools": ["b"], "message": "no b"},
        {"name": "c", "effect": "deny", "tools": ["c"], "refuse_as": "result"},
        {"name": "d", "effect": "deny", "tools": ["d"], "refuse_as": "result", "message": "no d"},
        {"name": "e", "effect": "deny", "tools": ["e"], "hide": true},
    ]}));
    for (name, refusal) in [
        ("a", Refusal::Error { message: None }),
        ("b", Refusal::Error { message: Some("no b".into()) }),
        ("c", Refusal::ToolResult { message: None }),
        ("d", Refusal::ToolResult { message: Some("no d".into()) }),
        ("e", Refusal::Unknown),
        ("f", Refusal::Error { message: Some("ask ops".into()) }),
    ] {
        assert_eq!(tool(name).call(&policy).refusal, refusal, "{name}");
    }
}

#[test]
fn a_rule_in_shadow_is_told_of_and_decides_nothing() {
    let policy = policy(json!({"default": "deny", "rules": [
        {"name": "open", "effect": "allow", "tools": ["a*"]},
        {"name": "soon", "effect": "deny", "mode": "shadow", "tools": ["ab"]},
        {"name": "maybe", "effect": "allow", "mode": "shadow", "tools": ["b"]},
        {"name": "never", "effect": "deny", "tools": ["ac"]},
        {"name": "never-soon", "effect": "deny", "mode": "shadow", "tools": ["ac"]},
    ]}));
    for (name, passes, shadow) in
        [("a", true, None), ("ab", true, Some("soon")), ("b", false, None), ("ac", false, None)]
    {
        let ruling = tool(name).call(&policy);
        assert_eq!((ruling.effect == Effect::Allow, ruling.shadow.as_deref()), (passes, shadow), "{name}");
    }
}

#[test]
fn a_servers_requests_have_rules_and_a_default_of_their_own() {
    let from_server = |method: &str| Asked { direction: Direction::Server, ..other(method) };
    let closed = json!([
        {"name": "no-sampling", "effect": "deny", "direction": "server", "methods": ["sampling/*"]},
        {"name": "client-only", "effect": "deny", "methods": ["roots/list"]},
    ]);
    let some = policy(json!({"default": "deny", "rules": closed}));
    assert!(!from_server("sampling/createMessage").passes(&some));
    assert!(from_server("elicitation/create").passes(&some));
    assert!(from_server("roots/list").passes(&some));
    let none = policy(json!({"default": "allow", "server_requests": "deny", "rules": [
        {"name": "roots", "effect": "allow", "direction": "server", "methods": ["roots/list"]},
    ]}));
    assert!(!from_server("sampling/createMessage").passes(&none));
    assert!(from_server("roots/list").passes(&none));
    assert!(other("sampling/createMessage").passes(&none));
}

#[test]
fn uris_and_arguments_have_bounds_whatever_the_rules_say() {
    let policy = policy(json!({"default": "allow", "uris": {"schemes": ["file", "https"]},
        "arguments": [{"tools": ["up*"], "max_bytes": 10}, {"tools": ["upload"], "max_bytes": 8}],
        "rules": [{"name": "hosts", "effect": "deny", "uri": {"hosts": ["*.internal"]}}]}));
    for (uri, reason) in [
        ("file:///a", None),
        ("https://a.example/b", None),
        ("https://a.internal/b", Some((Reason::Denied, Some("hosts")))),
        ("ftp://a.example/b", Some((Reason::UriRefused, None))),
        ("file:///a/../b", Some((Reason::ConditionFailed, Some("hosts")))),
        ("https://169.254.169.254/x", Some((Reason::ConditionFailed, Some("hosts")))),
    ] {
        let ruling = resource(uri).call(&policy);
        let refused = (ruling.effect == Effect::Deny).then_some((ruling.reason, ruling.rule.as_deref()));
        assert_eq!(refused, reason, "{uri}");
    }
    let with = |name, arguments| Asked { arguments: Some(arguments), ..tool(name) };
    for (asked, passes) in [
        (with("up", json!({"a": "12"})), true),
        (with("up", json!({"a": "123"})), false),
        (with("upload", json!({"a": 12})), true),
        (with("upload", json!({"a": 123})), false),
        (with("other", json!({"a": "1234567890"})), true),
    ] {
        let ruling = asked.call(&policy);
        assert_eq!(ruling.effect == Effect::Allow, passes, "{asked:?}");
        assert!(passes || ruling.reason == Reason::ArgumentsTooLarge);
    }
}

#[test]
fn several_resources_pass_only_together() {
    let policy = policy(json!({"rules": [{"name": "docs", "effect": "allow", "resources": ["file:///docs/*"]}]}));
    let listen = |uris: &[&str]| Asked {
        target: Target::Resources(uris.iter().map(|uri| (*uri).to_owned().into()).collect()),
        ..other("subscriptions/listen")
    };
    assert!(listen(&["file:///docs/a", "file:///docs/b"]).passes(&policy));
    assert!(!listen(&["file:///docs/a", "file:///etc/b"]).passes(&policy));
    assert!(!listen(&["file:///docs/a", "file:///docs/../b"]).passes(&policy));
}

#[test]
fn everything_that_is_wrong_has_its_path() {
    let found = faults(
        json!({"hide": true, "message": "m", "uris": {"hosts": []}, "arguments": [{"tools": [], "max_bytes": 1}],
        "rules": [
            {"name": "", "effect": "allow", "hide": true, "message": "", "tools": [""], "prompts": []},
            {"name": "a", "effect": "deny", "principals": []},
            {"name": "a", "effect": "deny", "principals": [{}, {"headers": {"x-other": "a"}, "sources": ["10.0.0.0/33", "x"]}]},
            {"name": "b", "effect": "deny", "principals": [{"jwt": {}}, {"jwt": {"a": [], "b": null, "c": [[]], "d": {}}}]},
            {"name": "c", "effect": "deny", "revisions": ["2026-07-29"], "when": "arg.n == 1", "hide": true, "refuse_as": "result"},
            {"name": "d", "effect": "deny", "direction": "server", "tools": ["t"]},
        ]}),
    );
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "rules[0].name",
            "rules[0].message",
            "rules[0].hide",
            "rules[0].message",
            "rules[0].tools[0]",
            "rules[0].prompts",
            "rules[1].principals",
            "rules[2].name",
            "rules[2].principals[0]",
            "rules[2].principals[1].headers.x-other",
            "rules[2].principals[1].sources[0]",
            "rules[2].principals[1].sources[1]",
            "rules[3].principals[0].jwt",
            "rules[3].principals[1].jwt.a",
            "rules[3].principals[1].jwt.b",
            "rules[3].principals[1].jwt.c",
            "rules[3].principals[1].jwt.d",
            "rules[4].hide",
            "rules[4].when",
            "rules[4].revisions[0]",
            "rules[5].tools",
            "uris.hosts",
            "arguments[0].tools",
            "hide",
        ]
    );
    assert!(found.iter().any(|(path, message)| path == "rules[4].when" && message.contains("did you mean \"args\"")));
}
