//! Which rules the tests have shown at work.

use std::collections::BTreeSet;

use meshward_policy::{Effect, PolicyConfig};
use serde::Serialize;

use crate::explain::Verdict;

/// What is known of the rules after some tests.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    matched: BTreeSet<String>,
    decided: BTreeSet<String>,
}

/// The rules of a policy, by what the tests have shown of them.
#[derive(Debug, Serialize)]
pub(super) struct Covered {
    /// How many there are.
    pub(super) rules: usize,
    /// Those that have decided in a test; of those in shadow mode, that would have.
    pub(super) decided: usize,
    /// In percent, rounded down; 100 where there are no rules.
    pub(super) percent: usize,
    /// Those that matched in some test, but decided in none.
    pub(super) never_decided: Vec<String>,
    /// Those that matched in none.
    pub(super) never_matched: Vec<String>,
}

impl Coverage {
    /// Takes in what came of a test.
    pub(super) fn note(&mut self, verdict: &Verdict) {
        for rule in &verdict.rules {
            let denies = rule.effect == "deny";
            if rule.matched == "yes" || rule.matched == "doubt" && denies {
                self.matched.insert(rule.rule.clone());
            }
        }
        let shadow = verdict.shadow.as_ref().and_then(|shadow| shadow.rule.clone());
        self.decided.extend(verdict.rule.clone().into_iter().chain(shadow));
    }

    /// The rules of a policy.
    pub(super) fn of(&self, policy: Option<&PolicyConfig>) -> Covered {
        // One that allows in shadow mode never decides, which `meshward check` says.
        let is_alive = |rule: &&meshward_policy::RuleConfig| {
            rule.effect == Effect::Deny || rule.mode == meshward_policy::Mode::Enforce
        };
        let names: Vec<&String> =
            policy.iter().flat_map(|policy| &policy.rules).filter(is_alive).map(|rule| &rule.name).collect();
        let decided = names.iter().filter(|name| self.decided.contains(**name)).count();
        let idle = names.iter().filter(|name| !self.decided.contains(**name)).map(|name| (*name).clone());
        let (never_decided, never_matched) = idle.partition(|name| self.matched.contains(name));
        Covered {
            rules: names.len(),
            decided,
            percent: decided.saturating_mul(100).checked_div(names.len()).unwrap_or(100),
            never_decided,
            never_matched,
        }
    }
}
