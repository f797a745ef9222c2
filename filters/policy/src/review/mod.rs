//! What is valid and surely not meant: rules that can never match, rules that change nothing, and likely slips.
//!
//! For whoever writes a policy, before it is loaded. A warning that says "never" is true of every message there can be: where
//! the analysis cannot tell, it says nothing.

mod compare;
mod effect;
mod reach;
mod slip;
mod topic;

use meshward_engine::Glob;
use meshward_wire::revision::Revision;

use self::effect::Effects;
use self::topic::Topic;
use crate::condition::Condition;
use crate::config::{Effect, Mode, PolicyConfig, RuleConfig};
use crate::subject::Direction;

/// Something that is valid, and surely not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where, below `policy` (`rules[2].methods[0]`).
    pub path: String,
    /// How it is not what it seems.
    pub concern: Concern,
    /// What is odd about it, and what to write instead.
    pub message: String,
}

/// How something is not what it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concern {
    /// A rule, or a part of one, that matches no message there can be.
    NeverMatches,
    /// Without it, the same messages would pass.
    NoEffect,
    /// It does something, but hardly what was meant.
    Unlikely,
}

impl Concern {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverMatches => "never_matches",
            Self::NoEffect => "no_effect",
            Self::Unlikely => "unlikely",
        }
    }
}

/// What the rest of the configuration lets come as far as the policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Permitted<'p> {
    /// The revisions that may be spoken. `None`: all that are known.
    pub revisions: Option<&'p [Revision]>,
    /// The methods that clients may send. `None`: any.
    pub methods: Option<&'p [Glob]>,
}

/// Reviews a policy that compiles.
#[must_use]
pub fn review(policy: &PolicyConfig, permitted: Permitted<'_>) -> Vec<Warning> {
    let mut warnings = Warnings::default();
    let known = [topic::all(Direction::Client), topic::all(Direction::Server)];
    let mut rules: Vec<Sketch<'_>> = Vec::with_capacity(policy.rules.len());
    for (index, config) in policy.rules.iter().enumerate() {
        let [client, server] = &known;
        let all = if config.direction == Direction::Client { client } else { server };
        let rule = Sketch { config, index, topics: all.iter().filter(|topic| topic.fits(config)).copied().collect() };
        let is_alive = reach::review(&rule, all, permitted, &mut warnings);
        slip::review(&rule, &mut warnings);
        if is_alive {
            rules.push(rule);
        }
    }
    let allowing = Effects::new(policy, &rules).review(&mut warnings);
    if policy.default == Effect::Deny && policy.mode == Mode::Enforce && !allowing {
        let message = if policy.rules.is_empty() {
            "without rules, `default: deny` refuses every tool, prompt and resource: add a rule that allows"
        } else {
            "no rule allows anything, so `default: deny` refuses every tool, prompt and resource: add a rule that allows"
        };
        warnings.add("rules", Concern::Unlikely, message);
    }
    if policy.default == Effect::Allow && policy.server_requests == Effect::Allow {
        for (field, given) in [("message", policy.message.is_some()), ("hide", policy.hide)] {
            if given {
                let message = "`default: allow` refuses nobody in these words: leave it out, or write it in a rule";
                warnings.add(field, Concern::NoEffect, message);
            }
        }
    }
    warnings.0
}

/// A rule, and the topics that it may match.
struct Sketch<'c> {
    config: &'c RuleConfig,
    /// Its place in the file.
    index: usize,
    topics: Vec<Topic>,
}

impl Sketch<'_> {
    fn path(&self, field: &str) -> String {
        let dot = if field.is_empty() { "" } else { "." };
        format!("rules[{}]{dot}{field}", self.index)
    }

    /// Its condition, if it has one.
    fn condition(&self) -> Option<Condition> {
        Condition::compile(self.config.when.as_ref()?).ok()
    }
}

#[derive(Default)]
struct Warnings(Vec<Warning>);

impl Warnings {
    fn add(&mut self, path: &str, concern: Concern, message: impl Into<String>) {
        self.0.push(Warning { path: path.to_owned(), concern, message: message.into() });
    }
}
