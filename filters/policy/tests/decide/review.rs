//! Warnings: each kind is found, and none is wrong about any message.

use meshward_engine::{Glob, Target};
use meshward_policy::{Concern, Direction, Effect, Match, Permitted, PolicyConfig, is_upkeep, review};
use meshward_wire::message::Kind;
use meshward_wire::method::{Method, TargetKind};
use meshward_wire::revision::Revision;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::differential;
use crate::support::{Asked, policy};

fn parse(config: &Value) -> PolicyConfig {
    serde_json::from_value(config.clone()).unwrap()
}

fn warnings(config: Value) -> Vec<(String, Concern, String)> {
    policy(config.clone());
    let warnings = review(&parse(&config), Permitted::default());
    warnings.into_iter().map(|warning| (warning.path, warning.concern, warning.message)).collect()
}

/// The warnings of some rules beside one that allows something.
fn of_rules(rules: &Value) -> Vec<(String, Concern)> {
    let mut rules = rules.clone();
    let last = format!("rules[{}]", rules.as_array().unwrap().len());
    rules.as_array_mut().unwrap().push(json!({"name": "last", "effect": "allow", "prompts": ["zz"], "clients": ["z"]}));
    let warnings = warnings(json!({"rules": rules})).into_iter();
    warnings.map(|(path, concern, _)| (path, concern)).filter(|(path, _)| !path.starts_with(&last)).collect()
}

#[test]
fn each_kind_of_warning_is_found() {
    use Concern::{NeverMatches, NoEffect, Unlikely};
    let allow = |rest: Value| merged(json!({"name": "a", "effect": "allow"}), rest);
    let deny = |rest: Value| merged(json!({"name": "d", "effect": "deny"}), rest);
    let second = |rule: Value| merged(rule, json!({"name": "second"}));
    for (rules, path, concern) in [
        (json!([allow(json!({"methods": ["prompts/get"], "tools": ["x"]}))]), "rules[0].methods", NeverMatches),
        (json!([deny(json!({"methods": ["tools/list"], "tools": ["x"]}))]), "rules[0].methods", NeverMatches),
        (
            json!([deny(json!({"methods": ["tools/*", "tools/list"], "tools": ["x"]}))]),
            "rules[0].methods[1]",
            NeverMatches,
        ),
        (
            json!([deny(json!({"methods": ["tools/call"], "tools": ["x"], "prompts": ["x"]}))]),
            "rules[0].prompts",
            NeverMatches,
        ),
        (json!([deny(json!({"tools": ["x"], "uri": {}}))]), "rules[0]", NeverMatches),
        (json!([deny(json!({"methods": ["tools/call"], "uri": {}}))]), "rules[0].methods", NeverMatches),
        (json!([deny(json!({"tools": ["x"], "resources": ["x"], "uri": {}}))]), "rules[0].tools", NeverMatches),
        (json!([deny(json!({"tools": ["x"], "when": "false && args.x == 1"}))]), "rules[0].when", NeverMatches),
        (
            json!([allow(json!({"tools": ["x"], "when": "1 > 2 || [1, 2].exists(n, n > 2)"}))]),
            "rules[0].when",
            NeverMatches,
        ),
        (json!([deny(json!({"tools": ["x"], "when": "true || args.x == 1"}))]), "rules[0].when", Unlikely),
        (json!([allow(json!({"tools": ["x"], "when": "1 / 0 == 1"}))]), "rules[0].when", NeverMatches),
        (json!([deny(json!({"tools": ["x"], "when": "1 / 0 == 1"}))]), "rules[0].when", Unlikely),
        (json!([deny(json!({"methods": ["tools/cal"]}))]), "rules[0].methods[0]", Unlikely),
        (json!([deny(json!({"methods": ["Tools/Call"]}))]), "rules[0].methods[0]", Unlikely),
        (json!([deny(json!({"methods": ["prompts/fetch*"]}))]), "rules[0].methods[0]", Unlikely),
        (json!([deny(json!({"methods": ["sampling/createMessage"]}))]), "rules[0].methods[0]", Unlikely),
        (json!([deny(json!({"methods": ["tools/call"], "direction": "server"}))]), "rules[0].methods[0]", Unlikely),
        (
            json!([deny(json!({"methods": ["notifications/*"], "direction": "server"}))]),
            "rules[0].methods[0]",
            Unlikely,
        ),
        (
            json!([deny(json!({"methods": ["initialize"], "revisions": ["2026-07-28"]}))]),
            "rules[0].methods[0]",
            Unlikely,
        ),
        (
            json!([deny(json!({"methods": ["roots/list"], "direction": "server", "message": "no"}))]),
            "rules[0].message",
            NoEffect,
        ),
        (json!([deny(json!({"prompts": ["x"], "refuse_as": "result"}))]), "rules[0].refuse_as", NoEffect),
        (json!([deny(json!({"methods": ["tasks/get"], "hide": true}))]), "rules[0].hide", NoEffect),
        (json!([allow(json!({"tools": ["x"], "mode": "shadow"}))]), "rules[0].mode", NoEffect),
        (json!([allow(json!({"methods": ["initialize", "ping"]}))]), "rules[0].methods", NoEffect),
        (json!([allow(json!({"methods": ["roots/list"], "direction": "server"}))]), "rules[0].effect", NoEffect),
        (json!([allow(json!({"tools": ["get_x"]})), deny(json!({"tools": ["get_*", "a"]}))]), "rules[0]", NoEffect),
        (json!([allow(json!({"tools": ["get_*", "b"]})), deny(json!({"methods": ["tools/*"]}))]), "rules[0]", NoEffect),
        (
            json!([allow(json!({"tools": ["x"], "principals": ["p"]})), second(allow(json!({"tools": ["x"]})))]),
            "rules[0]",
            NoEffect,
        ),
        (json!([allow(json!({"tools": ["x"]})), second(allow(json!({"tools": ["x"]})))]), "rules[1]", NoEffect),
        (
            json!([
                deny(json!({"tools": ["x"], "when": "args.x == 1"})),
                second(deny(json!({"tools": ["x"], "when": "args.x == 1"})))
            ]),
            "rules[1]",
            NoEffect,
        ),
        (
            json!([deny(json!({"tools": ["*"]})), second(deny(json!({"tools": ["x"], "message": "no"})))]),
            "rules[1]",
            NoEffect,
        ),
        (
            json!([deny(json!({"tools": ["x"], "mode": "shadow"})), second(deny(json!({"tools": ["x*"]})))]),
            "rules[0]",
            NoEffect,
        ),
        (json!([deny(json!({"tools": ["x"], "mode": "shadow"}))]), "rules[0].mode", NoEffect),
    ] {
        assert_eq!(of_rules(&rules), [(path.to_owned(), concern)], "{rules}");
    }
}

fn merged(mut rule: Value, rest: Value) -> Value {
    rule.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    rule
}

#[test]
fn what_may_well_be_meant_is_not_warned_of() {
    for rules in [
        json!([{"name": "a", "effect": "allow", "tools": ["search", "get_*"]},
               {"name": "b", "effect": "allow", "prompts": ["*"], "resources": ["file:///docs/*"]},
               {"name": "c", "effect": "deny", "tools": ["delete_repo"]}]),
        json!([{"name": "a", "effect": "allow", "methods": ["acme/thing", "acme/*"]}]),
        json!([{"name": "a", "effect": "allow", "methods": ["initialize", "tools/call"]}]),
        json!([{"name": "a", "effect": "allow", "methods": ["subscriptions/listen"]}]),
        json!([{"name": "a", "effect": "allow", "methods": ["*"]}, {"name": "b", "effect": "deny", "tools": ["x*"]},
               {"name": "c", "effect": "deny", "tools": ["y"], "mode": "shadow"}]),
        json!([{"name": "a", "effect": "deny", "tools": ["x"]}, {"name": "b", "effect": "deny", "tools": ["x*"], "message": "no"}]),
        json!([{"name": "a", "effect": "allow", "tools": ["x"], "when": "args.a == 1"},
               {"name": "b", "effect": "allow", "tools": ["x"], "when": "args.a == 2"}]),
        json!([{"name": "a", "effect": "deny", "methods": ["completion/complete"], "prompts": ["x"], "resources": ["x:y"]}]),
        json!([{"name": "a", "effect": "deny", "direction": "server", "methods": ["sampling/*", "elicitation/create"]}]),
        json!([{"name": "a", "effect": "deny", "methods": ["*/call"], "refuse_as": "result"}, {"name": "b", "effect": "deny", "methods": ["initialize"]}]),
        json!([{"name": "a", "effect": "deny", "tools": ["x"], "hide": true, "when": "args.x == 1"}]),
    ] {
        assert_eq!(of_rules(&rules), [], "{rules}");
    }
}

#[test]
fn what_refuses_everything_is_said() {
    let paths = |config| warnings(config).into_iter().map(|(path, _, _)| path).collect::<Vec<_>>();
    assert_eq!(paths(json!({})), ["rules"]);
    assert_eq!(paths(json!({"rules": [{"name": "d", "effect": "deny", "tools": ["x"]}]})), ["rules"]);
    let dead = json!({"rules": [{"name": "a", "effect": "allow", "tools": ["x"], "when": "false"}]});
    assert_eq!(paths(dead), ["rules[0].when", "rules"]);
    assert_eq!(paths(json!({"mode": "shadow"})), [""; 0]);
    assert_eq!(paths(json!({"default": "allow"})), [""; 0]);
    assert_eq!(paths(json!({"default": "allow", "message": "no"})), ["message"]);
    let allows = json!({"default": "allow", "rules": [{"name": "a", "effect": "allow", "tools": ["x"]}]});
    assert_eq!(paths(allows), ["rules[0].effect"]);
}

#[test]
fn what_the_protocol_section_keeps_out_never_comes() {
    let config = json!({"rules": [
        {"name": "a", "effect": "allow", "tools": ["a"], "revisions": ["2025-03-26", "2026-07-28"]},
        {"name": "b", "effect": "allow", "tools": ["b"], "revisions": ["2025-11-25"]},
        {"name": "c", "effect": "allow", "prompts": ["c"]},
    ]});
    let (revisions, methods) = ([Revision::V2024_11_05], [Glob::new("tools/*"), Glob::new("ping")]);
    let permitted = Permitted { revisions: Some(&revisions), methods: Some(&methods) };
    let paths: Vec<_> = review(&parse(&config), permitted).into_iter().map(|warning| warning.path).collect();
    assert_eq!(paths, ["rules[0].revisions[1]", "rules[1].revisions", "rules[2]"]);
}

/// Messages as the engine makes subjects of them.
fn asked() -> impl Strategy<Value = Asked> {
    let methods: Vec<String> = Method::all().iter().map(|method| method.name.to_owned()).collect();
    let others = ["x", "acme/y", "notifications/z"].map(str::to_owned);
    let method = prop::sample::select([methods, others.to_vec()].concat());
    (differential::asked(), method, any::<bool>(), 0..3_usize, "[ab]{0,3}").prop_map(
        |(asked, name, known, kind, thing)| {
            // Half of them call tools, about which most rules are.
            let method = if known { name } else { "tools/call".to_owned() };
            let found = Method::lookup(&method);
            let thing = || thing.clone().into();
            let target = match (asked.direction, found.map(|method| method.target)) {
                (Direction::Server, _) => Target::None,
                (_, Some(TargetKind::Tool)) => Target::Tool(thing()),
                (_, Some(TargetKind::Prompt)) => Target::Prompt(thing()),
                (_, Some(TargetKind::Resource)) if kind == 0 && method != "resources/read" => Target::None,
                (_, Some(TargetKind::Resource)) => Target::Resource(thing()),
                (_, Some(TargetKind::Reference)) if kind == 0 => Target::Prompt(thing()),
                (_, Some(TargetKind::Reference)) => Target::Resource(thing()),
                (_, Some(TargetKind::Subscriptions)) if kind > 0 => Target::Resources(vec![thing()]),
                _ => Target::None,
            };
            let sent = if kind == 0 { Kind::Notification } else { Kind::Request };
            let upkeep = asked.direction == Direction::Client && is_upkeep(&method, sent, found, &target);
            Asked { method, target, upkeep, ..asked }
        },
    )
}

/// Policies with more of what warnings are about.
fn config() -> impl Strategy<Value = Value> {
    let methods = prop::sample::subsequence(
        vec![
            "tools/call",
            "tools/*",
            "prompts/get",
            "resources/*",
            "initialize",
            "notifications/*",
            "notifications/z",
            "x",
            "*/list",
            "subscriptions/listen",
            "tasks/get",
        ],
        1..3,
    );
    let whens = prop::sample::select(vec!["false && args.n == 1", "1 / 0 == 1", "true", "1 > 2 ? args.n == 1 : false"]);
    let change = (
        prop::option::weighted(0.4, methods),
        prop::option::weighted(0.15, whens),
        prop::option::weighted(0.2, 0..4_usize),
    );
    (differential::config(), prop::collection::vec(change, 6)).prop_map(|(mut config, changes)| {
        let rules = config["rules"].as_array_mut().unwrap();
        for (index, (methods, when, copied)) in changes.into_iter().enumerate().take(rules.len()) {
            if let Some(earlier) = copied.and_then(|earlier| rules.get(earlier).cloned()) {
                rules[index] = merged(earlier, json!({"name": format!("r{index}")}));
            }
            for (field, value) in [("methods", methods.map(Value::from)), ("when", when.map(Value::from))] {
                if let Some(value) = value {
                    rules[index][field] = value;
                }
            }
        }
        config
    })
}

/// The policy with a rule's part alone where a list has several: `rules[2].methods[1]`.
fn alone(config: &Value, path: &str) -> (usize, Value) {
    let (rule, field) = path.strip_prefix("rules[").unwrap().split_once(']').unwrap();
    let (rule, mut config): (usize, _) = (rule.parse().unwrap(), config.clone());
    let field = field.trim_start_matches('.');
    let this = config["rules"][rule].as_object_mut().unwrap();
    if let Some((list, place)) = field.strip_suffix(']').and_then(|field| field.split_once('[')) {
        let one = this[list][place.parse::<usize>().unwrap()].clone();
        this.insert(list.to_owned(), json!([one]));
    }
    for kind in ["tools", "prompts", "resources"] {
        if ["tools", "prompts", "resources"].contains(&field) && kind != field {
            this.remove(kind);
        }
    }
    (rule, config)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_never_to_match_never_does(config in config(), asked in prop::collection::vec(asked(), 1..12)) {
        for warning in review(&parse(&config), Permitted::default()) {
            if warning.concern != Concern::NeverMatches {
                continue;
            }
            let (rule, config) = alone(&config, &warning.path);
            let policy = policy(config.clone());
            for asked in &asked {
                let trial = asked.explained(&policy).tried[0].trials[rule].clone();
                let matches = match trial.effect {
                    Effect::Allow => trial.matched.allows(),
                    Effect::Deny => trial.matched.denies(),
                };
                prop_assert!(!matches && trial.matched != Match::Yes, "{warning:?} {config} {asked:?}");
            }
        }
    }

    #[test]
    fn without_what_is_said_to_have_no_effect_the_same_passes(
        config in config(),
        asked in prop::collection::vec(asked(), 1..12),
    ) {
        let futile: Vec<usize> = review(&parse(&config), Permitted::default())
            .iter()
            .filter(|warning| warning.concern == Concern::NoEffect && !warning.path.ends_with("refuse_as"))
            .map(|warning| alone(&config, &warning.path).0)
            .collect();
        let mut without = config.clone();
        let rules = config["rules"].as_array().unwrap().iter().enumerate();
        without["rules"] =
            rules.filter(|(place, _)| !futile.contains(place)).map(|(_, rule)| rule.clone()).collect();
        let (with, without) = (policy(config.clone()), policy(without));
        for asked in &asked {
            let (one, other) = (asked.call(&with), asked.call(&without));
            prop_assert_eq!(one.effect, other.effect, "{} {:?}", config, asked);
            if one.effect == Effect::Deny {
                prop_assert_eq!((one.rule, one.reason), (other.rule, other.reason), "{} {:?}", config, asked);
            } else {
                prop_assert_eq!(one.shadow.is_some(), other.shadow.is_some(), "{} {:?}", config, asked);
            }
        }
    }

    #[test]
    fn an_explanation_is_the_decision_with_all_its_rules(config in config(), asked in asked()) {
        let policy = policy(config.clone());
        let explanation = asked.explained(&policy);
        let (ruling, tried) = asked.tried(&policy);
        prop_assert_eq!(&explanation.ruling, &ruling);
        let trials = &explanation.tried[0].trials;
        prop_assert!(trials.iter().enumerate().all(|(place, trial)| trial.place == place));
        for trial in trials {
            match tried.iter().find(|(name, _)| **name == *trial.rule) {
                Some((_, matched)) => prop_assert!(trial.needed && *matched == trial.matched),
                None => prop_assert!(!trial.needed),
            }
        }
        // A rule that was not looked at could have changed nothing.
        let by_rules = || trials.iter().filter(|trial| trial.mode == meshward_policy::Mode::Enforce);
        let denied = by_rules().find(|trial| trial.effect == Effect::Deny && trial.matched.denies());
        let allowed = by_rules().any(|trial| trial.effect == Effect::Allow && trial.matched.allows());
        match denied {
            Some(trial) => prop_assert_eq!(ruling.rule, Some(trial.rule.clone())),
            None if allowed && !matches!(asked.target, Target::Resource(_) | Target::Resources(_)) => {
                prop_assert_eq!(ruling.effect, Effect::Allow);
            }
            None => prop_assert!(allowed || ruling.rule.is_none()),
        }
    }
}
