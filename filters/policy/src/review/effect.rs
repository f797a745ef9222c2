//! Whether a rule that matches changes anything, beside the other rules and the default.

use std::collections::{BTreeSet, HashMap};

use meshward_engine::Glob;

use super::compare::{covers, may_meet};
use super::topic::{Named, names_any, patterns};
use super::{Concern, Sketch, Warnings};
use crate::config::{Effect, Mode, PolicyConfig, RuleConfig};
use crate::subject::Direction;

/// The rules of a policy, found by what they name.
pub(super) struct Effects<'p, 'c> {
    policy: &'p PolicyConfig,
    /// Those that may match, in the order of the file.
    rules: &'p [Sketch<'c>],
    /// Rules by the names that they give to the letter.
    by_name: HashMap<(u8, &'c str), Vec<usize>>,
    /// Rules by what their patterns begin with.
    by_prefix: HashMap<(u8, Vec<u8>), Vec<usize>>,
    /// How long those beginnings are.
    lengths: BTreeSet<usize>,
    /// Rules that name nothing.
    unnamed: Vec<usize>,
}

/// The kinds of things a rule can name.
const KINDS: [Named; 3] = [Named::Tool, Named::Prompt, Named::Resource];

/// Each name or pattern of a rule, with its kind.
fn all_names(rule: &RuleConfig) -> impl Iterator<Item = (u8, &str)> {
    (0_u8..).zip(KINDS).flat_map(|(kind, named)| {
        patterns(rule, named).into_iter().flatten().map(move |pattern| (kind, pattern.as_str()))
    })
}

impl<'p, 'c> Effects<'p, 'c> {
    pub(super) fn new(policy: &'p PolicyConfig, rules: &'p [Sketch<'c>]) -> Self {
        let (mut by_name, mut by_prefix) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let (mut lengths, mut unnamed) = (BTreeSet::new(), Vec::new());
        for (place, rule) in rules.iter().enumerate() {
            if !names_any(rule.config) {
                unnamed.push(place);
            }
            for (kind, name) in all_names(rule.config) {
                let glob = Glob::new(name);
                if glob.literal().is_some() {
                    by_name.entry((kind, name)).or_default().push(place);
                } else {
                    lengths.insert(glob.prefix().len());
                    by_prefix.entry((kind, glob.prefix().to_vec())).or_default().push(place);
                }
            }
        }
        Self { policy, rules, by_name, by_prefix, lengths, unnamed }
    }

    /// Says which rules change nothing; whether one of those that are left lets a client do anything.
    pub(super) fn review(&self, warnings: &mut Warnings) -> bool {
        let mut allowing = false;
        for rule in self.rules {
            match self.futility(rule) {
                Some((field, message)) => warnings.add(&rule.path(field), Concern::NoEffect, message),
                None => {
                    let RuleConfig { effect, mode, direction, .. } = rule.config;
                    allowing |= (*effect, *mode, *direction) == (Effect::Allow, Mode::Enforce, Direction::Client);
                }
            }
        }
        allowing
    }

    /// Why a rule changes nothing, and which field of it says so.
    fn futility(&self, rule: &Sketch<'_>) -> Option<(&'static str, String)> {
        let default = match rule.config.direction {
            Direction::Client => self.policy.default,
            Direction::Server => self.policy.server_requests,
        };
        match (rule.config.effect, rule.config.mode) {
            (Effect::Allow, Mode::Shadow) => {
                let message = "a rule that allows does nothing in shadow mode: leave out `mode`, or the rule";
                Some(("mode", message.to_owned()))
            }
            (Effect::Allow, Mode::Enforce) => self.allows_nothing(rule, default),
            (Effect::Deny, Mode::Enforce) => self.denied_before(rule),
            (Effect::Deny, Mode::Shadow) => self.shadows_nothing(rule, default),
        }
    }

    fn allows_nothing(&self, rule: &Sketch<'_>, default: Effect) -> Option<(&'static str, String)> {
        if default == Effect::Allow {
            let setting = match rule.config.direction {
                Direction::Client => "default",
                Direction::Server => "server_requests",
            };
            return Some((
                "effect",
                format!(
                    "`{setting}: allow` lets pass what no rule denies, so this changes nothing: leave the rule out, or write `{setting}: deny`"
                ),
            ));
        }
        if rule.topics.iter().all(|topic| topic.upkeep) {
            let message = "these methods only keep the protocol up and pass unless a rule denies them, so this changes \
                           nothing: leave the rule out";
            return Some(("methods", message.to_owned()));
        }
        let denies = |other: &RuleConfig| (other.effect, other.mode) == (Effect::Deny, Mode::Enforce);
        if let Some(other) = self.covering(rule, |other| denies(other.config)) {
            let name = &other.config.name;
            return Some(("", format!("rule `{name}` denies everything that this one allows, and wins")));
        }
        let allows = |other: &RuleConfig| (other.effect, other.mode) == (Effect::Allow, Mode::Enforce);
        // Of two that say the same, the first is the one that is meant.
        let other = self.covering(rule, |other| {
            allows(other.config) && (other.index < rule.index || !covers(rule.config, other.config, &other.topics))
        })?;
        let says = if is_same(rule.config, other.config) { "says the same" } else { "allows all of it" };
        Some(("", format!("rule `{}` {says}, so this changes nothing: leave it out", other.config.name)))
    }

    /// A rule before it denies all of the same.
    fn denied_before(&self, rule: &Sketch<'_>) -> Option<(&'static str, String)> {
        let other = self.covering(rule, |other| {
            (other.config.effect, other.config.mode) == (Effect::Deny, Mode::Enforce) && other.index < rule.index
        })?;
        let name = &other.config.name;
        Some((
            "",
            if is_same(rule.config, other.config) {
                format!("rule `{name}` says the same: leave this one out")
            } else {
                format!(
                    "rule `{name}` denies all of it before: leave this one out, or put it first if its refusal is to be shown"
                )
            },
        ))
    }

    fn shadows_nothing(&self, rule: &Sketch<'_>, default: Effect) -> Option<(&'static str, String)> {
        let other = self.covering(rule, |other| {
            let is_shadow = other.config.mode == Mode::Shadow;
            other.config.effect == Effect::Deny && (!is_shadow || other.index < rule.index)
        });
        if let Some(other) = other {
            let name = &other.config.name;
            let says = if is_same(rule.config, other.config) { "says the same" } else { "denies all of it" };
            return Some(("", format!("rule `{name}` {says}, so this one is never heard of: leave it out")));
        }
        let is_refused_anyway = default == Effect::Deny && !rule.topics.iter().any(|topic| topic.upkeep);
        let is_allowed = |other: &Sketch<'_>| {
            (other.config.effect, other.config.mode) == (Effect::Allow, Mode::Enforce)
                && may_meet(rule.config, &rule.topics, other.config)
        };
        (is_refused_anyway && !self.rules.iter().any(is_allowed)).then(|| {
            let message = "no rule allows what this one would deny, and the default refuses it: it is never heard of";
            ("mode", message.to_owned())
        })
    }

    /// A rule that matches all that this one does.
    fn covering(&self, rule: &Sketch<'_>, fits: impl Fn(&Sketch<'c>) -> bool) -> Option<&'p Sketch<'c>> {
        // What covers it covers its first name, by the name itself or by a pattern; if it names nothing, any name.
        let firsts: Vec<(u8, &str)> = match all_names(rule.config).next() {
            Some(first) => vec![first],
            None => (0_u8..).zip(KINDS).map(|(kind, _)| (kind, "*")).collect(),
        };
        let places = firsts.iter().flat_map(|(kind, name)| {
            let beginnings = self.lengths.iter().map_while(|length| name.as_bytes().get(..*length));
            let by_pattern = beginnings.filter_map(|prefix| self.by_prefix.get(&(*kind, prefix.to_vec())));
            self.by_name.get(&(*kind, *name)).into_iter().chain(by_pattern).flatten()
        });
        let places = places.chain(&self.unnamed);
        let mut others = places.filter_map(|place| self.rules.get(*place));
        others.find(|other| other.index != rule.index && fits(other) && covers(other.config, rule.config, &rule.topics))
    }
}

/// Whether two rules are the same but for their names.
fn is_same(one: &RuleConfig, other: &RuleConfig) -> bool {
    RuleConfig { name: String::new(), ..one.clone() } == RuleConfig { name: String::new(), ..other.clone() }
}
