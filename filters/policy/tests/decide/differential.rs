//! Random policies and calls: the compiled policy beside a plain reading of the configuration's text.

use meshward_engine::Target;
use meshward_policy::{Direction, Effect};
use meshward_wire::revision::Revision;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{Asked, policy};

/// A pattern letter by letter.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => fits(rest, name) || !name.is_empty() && fits(pattern, &name[1..]),
        ([p, pattern @ ..], [n, name @ ..]) => p == n && fits(pattern, name),
        _ => false,
    }
}

fn any_fits(patterns: &Value, name: &str) -> bool {
    patterns.as_array().unwrap().iter().any(|pattern| fits(pattern.as_str().unwrap().as_bytes(), name.as_bytes()))
}

/// The conditions that are drawn, and what they mean; `None`: they cannot be evaluated.
type Meaning = fn(&Asked) -> Option<bool>;
const CONDITIONS: [(&str, Meaning); 7] = [
    ("args.n > 1", |asked| Some(number(asked)? > 1)),
    ("has(args.n) && args.n == 1", |asked| Some(number(asked) == Some(1))),
    ("jwt.role == \"a\"", |asked| Some(role(asked)? == "a")),
    ("jwt.role == \"a\" || args.n == 1", |asked| match (role(asked), number(asked)) {
        (Some("a"), _) | (_, Some(1)) => Some(true),
        (Some(_), Some(_)) => Some(false),
        _ => None,
    }),
    ("jwt.role == \"a\" && args.n == 1", |asked| match (role(asked), number(asked)) {
        (Some(role), _) if role != "a" => Some(false),
        (_, Some(n)) if n != 1 => Some(false),
        (Some(_), Some(_)) => Some(true),
        _ => None,
    }),
    ("mcp.tool.startsWith(\"a\")", |asked| Some(matches!(&asked.target, Target::Tool(name) if name.starts_with('a')))),
    ("!(mcp.revision == \"2026-07-28\")", |asked| Some(asked.revision != Some(Revision::V2026_07_28))),
];

fn number(asked: &Asked) -> Option<i64> {
    asked.arguments.as_ref()?.get("n")?.as_i64()
}

fn role(asked: &Asked) -> Option<&str> {
    asked.claims.as_ref()?.get("role")?.as_str()
}

/// Whether a rule matches; `None`: in doubt.
fn matches(rule: &Map<String, Value>, asked: &Asked) -> Option<bool> {
    let direction = rule.get("direction").map_or("client", |direction| direction.as_str().unwrap());
    if (direction == "server") != (asked.direction == Direction::Server) {
        return Some(false);
    }
    let method_fits = rule.get("methods").map_or(!asked.upkeep, |methods| any_fits(methods, &asked.method));
    let names: Vec<_> = ["tools", "prompts", "resources"].into_iter().filter(|kind| rule.contains_key(*kind)).collect();
    let named = match &asked.target {
        Target::Tool(name) => Some(("tools", name)),
        Target::Prompt(name) => Some(("prompts", name)),
        Target::Resource(uri) => Some(("resources", uri)),
        _ => None,
    };
    let name_fits = names.is_empty()
        || named.is_some_and(|(kind, name)| rule.get(kind).is_some_and(|patterns| any_fits(patterns, name)));
    let revision_fits = rule.get("revisions").is_none_or(|revisions| {
        asked.revision.is_some_and(|is| revisions.as_array().unwrap().contains(&json!(is.as_str())))
    });
    let principal_fits = rule.get("principals").is_none_or(|principals| {
        principals.as_array().unwrap().iter().any(|principal| match principal {
            Value::String(peer) => asked.peer.as_ref().is_some_and(|is| fits(peer.as_bytes(), is.as_bytes())),
            object => role(asked).is_some_and(|role| object["jwt"]["role"] == json!(role)),
        })
    });
    if !(method_fits && name_fits && revision_fits && principal_fits) {
        return Some(false);
    }
    let client = match (rule.get("clients"), &asked.client) {
        (Some(_), None) => None,
        (Some(clients), Some(is)) => Some(any_fits(clients, is)),
        (None, _) => Some(true),
    };
    let when = rule
        .get("when")
        .map_or(Some(true), |when| CONDITIONS.iter().find(|(source, _)| when == source).unwrap().1(asked));
    match (client, when) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// The documentation's words: deny wins over allow, allow over the default; what is in doubt allows nothing and denies.
fn by_the_book(config: &Value, asked: &Asked) -> bool {
    let rules: Vec<_> = config["rules"].as_array().unwrap().iter().map(|rule| rule.as_object().unwrap()).collect();
    let enforced = || rules.iter().filter(|rule| rule.get("mode").is_none_or(|mode| mode == "enforce"));
    let denied = enforced().any(|rule| rule["effect"] == "deny" && matches(rule, asked) != Some(false));
    let allowed = enforced().any(|rule| rule["effect"] == "allow" && matches(rule, asked) == Some(true));
    let default = match asked.direction {
        Direction::Client => config["default"] == "allow",
        Direction::Server => config["server_requests"] == "allow",
    };
    let default = asked.upkeep || default;
    !denied && (allowed || default)
}

fn patterns(letters: &'static str) -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(0.4, prop::collection::vec(letters, 1..3).prop_map(|patterns| json!(patterns)))
}

fn rule(index: usize) -> impl Strategy<Value = Value> {
    let when = prop::option::weighted(0.5, prop::sample::select(CONDITIONS.map(|(source, _)| json!(source)).to_vec()));
    let principals = prop::sample::select(vec![
        json!(["p*"]),
        json!(["p", {"jwt": {"role": "a"}}]),
        json!([{"jwt": {"role": "b"}}]),
    ]);
    let revisions = prop::sample::select(vec![json!(["2026-07-28"]), json!(["2025-11-25", "2025-06-18"])]);
    let methods =
        prop::sample::select(vec![json!(["tools/call"]), json!(["*"]), json!(["prompts/*", "x"]), json!(["*/call"])]);
    (
        (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2)),
        (prop::option::weighted(0.3, methods), patterns("[ab*]{1,3}"), patterns("[ab*]{1,3}")),
        (prop::option::weighted(0.3, principals), patterns("[cd*]{1,2}"), prop::option::weighted(0.2, revisions), when),
    )
        .prop_map(
            move |((allow, server, shadow), (methods, tools, prompts), (principals, clients, revisions, when))| {
                let mut rule = json!({"name": format!("r{index}"), "effect": if allow { "allow" } else { "deny" }});
                let mut put = |key: &str, value: Option<Value>| {
                    if let Some(value) = value {
                        rule[key] = value;
                    }
                };
                put("direction", server.then(|| json!("server")));
                put("mode", shadow.then(|| json!("shadow")));
                put("methods", methods);
                put("tools", tools.filter(|_| !server));
                put("prompts", prompts.filter(|_| !server));
                put("principals", principals);
                put("clients", clients);
                put("revisions", revisions);
                put("when", when);
                rule
            },
        )
}

pub(crate) fn config() -> impl Strategy<Value = Value> {
    let rules = (0..6_usize).prop_flat_map(|count| (0..count).map(|index| rule(index).boxed()).collect::<Vec<_>>());
    let effect = || prop::sample::select(vec!["allow", "deny"]);
    (effect(), effect(), rules).prop_map(|(default, server_requests, rules)| {
        json!({"default": default, "server_requests": server_requests, "rules": rules})
    })
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let target = (0..4_usize, "[ab]{0,4}").prop_map(|(kind, name)| match kind {
        0 => ("prompts/get", Target::Prompt(name.into())),
        1 => ("x", Target::None),
        _ => ("tools/call", Target::Tool(name.into())),
    });
    let arguments = prop::option::of(prop::option::of(0..3_i64).prop_map(|n| n.map_or(json!({}), |n| json!({"n": n}))));
    let claims = prop::option::of(
        prop::option::of("[ab]").prop_map(|role| role.map_or(json!({}), |role| json!({"role": role}))),
    );
    let revision = prop::option::of(prop::sample::select(Revision::ALL.to_vec()));
    (
        target,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        arguments,
        claims,
        revision,
        prop::option::of("[pq]"),
        prop::option::of("[cd]{1,2}"),
    )
        .prop_map(|((method, target), server, upkeep, arguments, claims, revision, peer, client)| Asked {
            method: method.to_owned(),
            direction: if server { Direction::Server } else { Direction::Client },
            upkeep,
            target: if server { Target::None } else { target },
            arguments,
            claims,
            revision,
            peer,
            client,
            ..Asked::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn decides_as_the_documentation_says(config in config(), asked in prop::collection::vec(asked(), 1..8)) {
        let policy = policy(config.clone());
        for asked in asked {
            let passes = asked.call(&policy).effect == Effect::Allow;
            prop_assert_eq!(passes, by_the_book(&config, &asked), "{} {:?}", config, asked);
        }
    }
}
