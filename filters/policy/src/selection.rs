//! Which messages something speaks of that is no rule of the policy: the same parts, matched in the same way.

use meshward_engine::HeaderDemand;
use meshward_identity::Wanted;

use crate::compile::{Fault, rule_alone};
use crate::config::{Effect, RuleConfig};
use crate::rule::Rule;
use crate::subject::Subject;

/// A compiled selection of messages.
#[derive(Debug)]
pub struct Selection {
    rule: Rule,
}

impl Selection {
    /// Compiles what a rule that denies would match. `trusted_headers`: those whose fields principals may name.
    ///
    /// # Errors
    /// Everything that is wrong with it; paths are the rule's own (`tools[1]`).
    pub fn compile(rule: &RuleConfig, trusted_headers: &[String]) -> Result<Self, Vec<Fault>> {
        let rule = RuleConfig { effect: Effect::Deny, ..rule.clone() };
        Ok(Self { rule: rule_alone(&rule, trusted_headers)? })
    }

    /// Whether it speaks of a message; also where a condition of it cannot be evaluated.
    #[must_use]
    pub fn applies(&self, subject: &Subject<'_>) -> bool {
        self.rule.matches(subject).denies()
    }

    /// What it looks at of a caller.
    #[must_use]
    pub fn wants(&self) -> (Wanted, HeaderDemand) {
        self.rule.wants()
    }

    /// Whether it looks at the arguments.
    #[must_use]
    pub fn wants_arguments(&self) -> bool {
        self.rule.wants_arguments()
    }

    /// Whether it looks at the client's name.
    #[must_use]
    pub fn wants_client(&self) -> bool {
        self.rule.wants_client()
    }
}
