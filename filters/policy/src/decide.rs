//! The decision: one function over what a message is about.

use meshward_engine::{Glob, Target};
use meshward_wire::message::Kind;
use meshward_wire::method::{Class, Method};

use crate::config::{Default, Effect, PolicyConfig, RuleConfig};

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    default: Default,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    effect: Effect,
    methods: Option<Vec<Glob>>,
    tools: Option<Vec<Glob>>,
    prompts: Option<Vec<Glob>>,
    resources: Option<Vec<Glob>>,
}

/// What the policy says of a message, and which rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling<'p> {
    /// It may pass: by a rule, or by the default, or because it only keeps the protocol up.
    Allow(Option<&'p str>),
    /// It may not: by a rule, or by the default.
    Deny(Option<&'p str>),
}

impl Policy {
    /// Compiles the rules.
    #[must_use]
    pub fn new(config: &PolicyConfig) -> Self {
        Self { default: config.default, rules: config.rules.iter().map(Rule::new).collect() }
    }

    /// Decides on a message by its method and what it is about. `upkeep`: it only keeps the protocol up.
    #[must_use]
    pub fn decide(&self, method: &str, upkeep: bool, target: &Target<'_>) -> Ruling<'_> {
        let mut allowed = None;
        for rule in &self.rules {
            if allowed.is_some() && rule.effect == Effect::Allow || !rule.matches(method, upkeep, target) {
                continue;
            }
            match rule.effect {
                Effect::Deny => return Ruling::Deny(Some(&rule.name)),
                Effect::Allow => allowed = Some(rule.name.as_str()),
            }
        }
        match (allowed, self.default) {
            (None, Default::Deny) if !upkeep => Ruling::Deny(None),
            _ => Ruling::Allow(allowed),
        }
    }
}

/// Whether a message only keeps the protocol up. A notification that MCP does not know is one too: it asks for nothing.
pub(crate) fn is_upkeep(method: &str, kind: Kind, known: Option<&Method>) -> bool {
    known.map_or(kind == Kind::Notification && method.starts_with("notifications/"), |known| {
        known.class == Class::Upkeep
    })
}

impl Rule {
    fn new(config: &RuleConfig) -> Self {
        let globs = |names: &Option<Vec<String>>| {
            names.as_ref().map(|names| names.iter().map(|name| Glob::new(name)).collect())
        };
        Self {
            name: config.name.clone(),
            effect: config.effect,
            methods: globs(&config.methods),
            tools: globs(&config.tools),
            prompts: globs(&config.prompts),
            resources: globs(&config.resources),
        }
    }

    fn matches(&self, method: &str, upkeep: bool, target: &Target<'_>) -> bool {
        let method_fits = match &self.methods {
            Some(methods) => methods.iter().any(|glob| glob.matches(method)),
            // A rule that names no method speaks of operations, not of what keeps the protocol up.
            None => !upkeep,
        };
        method_fits && self.target_fits(target)
    }

    fn target_fits(&self, target: &Target<'_>) -> bool {
        if self.tools.is_none() && self.prompts.is_none() && self.resources.is_none() {
            return true;
        }
        let (globs, name) = match target {
            Target::Tool(name) => (&self.tools, name),
            Target::Prompt(name) => (&self.prompts, name),
            Target::Resource(uri) => (&self.resources, uri),
            Target::Resources(_) | Target::None => return false,
        };
        globs.as_ref().is_some_and(|globs| globs.iter().any(|glob| glob.matches(name)))
    }
}
