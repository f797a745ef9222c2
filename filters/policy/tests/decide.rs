//! Which rule decides: a table, and a plain reading of the rules beside the compiled policy.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::borrow::Cow;

use meshward_engine::{Glob, Target};
use meshward_policy::{Effect, Policy, PolicyConfig, RuleConfig, Ruling};
use proptest::prelude::*;

fn policy(json: &str) -> PolicyConfig {
    serde_json::from_str(json).unwrap()
}

fn tool(name: &str) -> Target<'_> {
    Target::Tool(Cow::Borrowed(name))
}

#[test]
fn the_deciding_rule_is_named() {
    let config = policy(
        r#"{"default":"deny","rules":[
          {"name":"readers","effect":"allow","methods":["tools/call"],"tools":["search","get_*"]},
          {"name":"also","effect":"allow","tools":["get_*"]},
          {"name":"no-delete","effect":"deny","tools":["*delete*"]},
          {"name":"docs","effect":"allow","prompts":["help"],"resources":["file:///docs/*"]},
          {"name":"no-log","effect":"deny","methods":["logging/*"]},
          {"name":"tasks","effect":"allow","methods":["tasks/get"]}]}"#,
    );
    let policy = Policy::new(&config);
    let uri = |uri| Target::Resource(Cow::Borrowed(uri));
    for (method, upkeep, target, ruling) in [
        ("tools/call", false, tool("search"), Ruling::Allow(Some("readers"))),
        ("tools/call", false, tool("get_x"), Ruling::Allow(Some("readers"))),
        ("tools/call", false, tool("get_delete"), Ruling::Deny(Some("no-delete"))),
        ("tools/call", false, tool("help"), Ruling::Deny(None)),
        ("tools/call", false, tool("Search"), Ruling::Deny(None)),
        ("prompts/get", false, Target::Prompt("help".into()), Ruling::Allow(Some("docs"))),
        ("prompts/get", false, Target::Prompt("search".into()), Ruling::Deny(None)),
        ("resources/read", false, uri("file:///docs/a/b"), Ruling::Allow(Some("docs"))),
        ("resources/read", false, uri("file:///doc"), Ruling::Deny(None)),
        ("resources/subscribe", false, uri("file:///docs/a"), Ruling::Allow(Some("docs"))),
        ("completion/complete", false, Target::Prompt("help".into()), Ruling::Allow(Some("docs"))),
        ("tasks/get", false, Target::None, Ruling::Allow(Some("tasks"))),
        ("tasks/cancel", false, Target::None, Ruling::Deny(None)),
        ("x/unknown", false, Target::None, Ruling::Deny(None)),
        ("initialize", true, Target::None, Ruling::Allow(None)),
        ("tools/list", true, Target::None, Ruling::Allow(None)),
        ("logging/setLevel", true, Target::None, Ruling::Deny(Some("no-log"))),
    ] {
        assert_eq!(policy.decide(method, upkeep, &target), ruling, "{method} {target:?}");
    }
}

#[test]
fn a_rule_without_conditions_speaks_of_every_operation() {
    let config = policy(r#"{"default":"allow","rules":[{"name":"all","effect":"deny"}]}"#);
    let policy = Policy::new(&config);
    assert_eq!(policy.decide("tools/call", false, &tool("x")), Ruling::Deny(Some("all")));
    assert_eq!(policy.decide("x/unknown", false, &Target::None), Ruling::Deny(Some("all")));
    assert_eq!(policy.decide("ping", true, &Target::None), Ruling::Allow(None));
}

/// The rules as the documentation says them, without a thought for speed.
fn by_the_book(config: &PolicyConfig, method: &str, upkeep: bool, name: &str) -> bool {
    let any = |globs: &Option<Vec<String>>, name: &str| {
        globs.as_ref().is_some_and(|globs| globs.iter().any(|glob| Glob::new(glob).matches(name)))
    };
    let matches = |rule: &&RuleConfig| {
        let method_fits = if rule.methods.is_some() { any(&rule.methods, method) } else { !upkeep };
        let names_things = rule.tools.is_some() || rule.prompts.is_some() || rule.resources.is_some();
        method_fits && (!names_things || any(&rule.tools, name))
    };
    let says = |effect| config.rules.iter().filter(matches).any(|rule| rule.effect == effect);
    let default = upkeep || config.default == meshward_policy::Default::Allow;
    !says(Effect::Deny) && (says(Effect::Allow) || default)
}

fn names() -> impl Strategy<Value = Option<Vec<String>>> {
    prop::option::of(prop::collection::vec("[ab*]{1,3}", 1..3))
}

fn rules() -> impl Strategy<Value = Vec<RuleConfig>> {
    let methods = prop::option::of(prop::collection::vec(prop::sample::select(vec!["m", "n", "*"]), 1..3));
    let rule = (any::<bool>(), methods, names(), names()).prop_map(|(allow, methods, tools, prompts)| RuleConfig {
        name: "r".to_owned(),
        effect: if allow { Effect::Allow } else { Effect::Deny },
        methods: methods.map(|methods| methods.into_iter().map(str::to_owned).collect()),
        tools,
        prompts,
        resources: None,
    });
    prop::collection::vec(rule, 0..5)
}

proptest! {
    #[test]
    fn decides_as_the_documentation_says(rules in rules(), allow: bool, upkeep: bool, name in "[ab]{0,4}", m in "[mn]") {
        let default = if allow { meshward_policy::Default::Allow } else { meshward_policy::Default::Deny };
        let config = PolicyConfig { mode: Default::default(), default, rules };
        let policy = Policy::new(&config);
        let allowed = matches!(policy.decide(&m, upkeep, &tool(&name)), Ruling::Allow(_));
        prop_assert_eq!(allowed, by_the_book(&config, &m, upkeep, &name));
    }
}
