//! Lists and calls agree.

use meshward_engine::Target;
use meshward_policy::Direction;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::differential::{asked, config};
use crate::support::{Asked, policy, resource};

/// Every argument the drawn conditions can tell apart.
fn all_arguments() -> Vec<Option<Value>> {
    vec![None, Some(json!({})), Some(json!({"n": 0})), Some(json!({"n": 1})), Some(json!({"n": 2}))]
}

/// Rules that share no argument: each condition may then be true or false whatever the others are, and the list is exact.
fn without_shared_arguments(config: &Value) -> bool {
    let speaks = |rule: &&Value| rule["when"].as_str().is_some_and(|when| when.contains("args."));
    config["rules"].as_array().unwrap().iter().filter(speaks).count() <= 1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_can_be_called_is_shown_and_what_is_never_allowed_is_not(
        config in config(),
        asked in asked(),
        name in "[ab]{0,4}",
    ) {
        let (method, target) = ("tools/call".to_owned(), Target::Tool(name.into()));
        let asked = Asked { method, target, direction: Direction::Client, upkeep: false, ..asked };
        let policy = policy(config.clone());
        let callable = all_arguments().into_iter().any(|arguments| Asked { arguments, ..asked.clone() }.passes(&policy));
        let shown = asked.is_shown(&policy);
        prop_assert!(!callable || shown, "hidden, but it can be called: {config} {asked:?}");
        if without_shared_arguments(&config) {
            prop_assert!(callable || !shown, "shown, but never allowed: {config} {asked:?}");
        }
    }

    #[test]
    fn a_template_is_shown_if_an_expansion_could_be_read(
        patterns in prop::collection::vec("[ab*]{1,3}", 1..3),
        denied in prop::collection::vec("[ab*]{1,3}", 0..2),
        literal in "[ab]{0,2}",
        end in "[ab]{0,2}",
        expansion in "[ab]{0,3}",
    ) {
        let uri = |pattern: &String| format!("x:{pattern}");
        let mut rules = vec![json!({"name": "some", "effect": "allow", "resources": patterns.iter().map(uri).collect::<Vec<_>>()})];
        if !denied.is_empty() {
            rules.push(json!({"name": "not", "effect": "deny", "resources": denied.iter().map(uri).collect::<Vec<_>>()}));
        }
        let policy = policy(json!({"rules": rules}));
        let template = Asked { is_template: true, ..resource(&format!("x:{literal}{{v}}{end}")) };
        let expanded = resource(&format!("x:{literal}{expansion}{end}"));
        prop_assert!(!expanded.passes(&policy) || template.is_shown(&policy));
    }
}

#[test]
fn conditions_hide_what_no_arguments_can_open() {
    let policy = policy(json!({"rules": [
        {"name": "refunds", "effect": "allow", "tools": ["refund"], "when": "args.amount <= 100 && jwt.role == 'support'"},
        {"name": "frozen", "effect": "deny", "tools": ["refund"], "when": "jwt.frozen == true"},
    ]}));
    let caller = |claims: Value| Asked { claims: Some(claims), ..crate::support::tool("refund") };
    assert!(caller(json!({"role": "support", "frozen": false})).is_shown(&policy));
    assert!(!caller(json!({"role": "sales", "frozen": false})).is_shown(&policy));
    assert!(!caller(json!({"role": "support", "frozen": true})).is_shown(&policy));
    // Whether it is frozen cannot be known, so no call would pass either.
    assert!(!caller(json!({"role": "support"})).is_shown(&policy));
}
