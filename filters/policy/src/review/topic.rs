//! The messages there can be, as far as rules tell them apart by method and by what they are about.

use meshward_engine::Glob;
use meshward_wire::method::{Class, Method, Revisions, TargetKind};

use crate::config::RuleConfig;
use crate::subject::Direction;

/// One kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) method: Spelling,
    pub(super) named: Named,
    pub(super) upkeep: bool,
}

/// The method of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// One that MCP defines.
    Known(&'static Method),
    /// Any other.
    Other,
    /// Any other that begins with `notifications/` and asks for no answer.
    OtherNotification,
}

/// What a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Tool,
    Prompt,
    Resource,
    Nothing,
}

/// All topics of one direction.
pub(super) fn all(direction: Direction) -> Vec<Topic> {
    let known = Method::all().iter().flat_map(|method| {
        let named = match direction {
            Direction::Client => named(method),
            // A server's own requests are decided on by their methods alone.
            Direction::Server => vec![Named::Nothing],
        };
        named.into_iter().map(move |named| Topic {
            method: Spelling::Known(method),
            named,
            upkeep: direction == Direction::Client
                && (method.class == Class::Upkeep
                    || method.target == TargetKind::Subscriptions && named == Named::Nothing),
        })
    });
    let other = Topic { method: Spelling::Other, named: Named::Nothing, upkeep: false };
    let notification = Topic { method: Spelling::OtherNotification, upkeep: true, ..other };
    let is_client = direction == Direction::Client;
    known.chain([other]).chain(is_client.then_some(notification)).collect()
}

/// What a client's message of this method can name.
fn named(method: &Method) -> Vec<Named> {
    let mut named = match method.target {
        TargetKind::Tool => vec![Named::Tool],
        TargetKind::Prompt => vec![Named::Prompt],
        TargetKind::Resource => vec![Named::Resource],
        TargetKind::Reference => vec![Named::Prompt, Named::Resource],
        TargetKind::Subscriptions => vec![Named::Resource, Named::Nothing],
        TargetKind::Task | TargetKind::None => vec![Named::Nothing],
    };
    // In a revision that does not have the method its parameters are anybody's guess.
    if method.from_client != Revisions::ALL && !named.contains(&Named::Nothing) {
        named.push(Named::Nothing);
    }
    named
}

impl Topic {
    /// Whether a pattern matches its method, or one of them.
    pub(super) fn has_method(&self, pattern: &str) -> bool {
        let glob = Glob::new(pattern);
        match self.method {
            Spelling::Known(method) => glob.matches(method.name),
            Spelling::Other => glob.literal().is_none() || Method::lookup(pattern).is_none(),
            Spelling::OtherNotification => {
                glob.intersects(&Glob::new("notifications/*"))
                    && (glob.literal().is_none() || Method::lookup(pattern).is_none())
            }
        }
    }

    /// Whether a rule may match it by its methods.
    fn fits_methods(&self, rule: &RuleConfig) -> bool {
        match &rule.methods {
            Some(methods) => methods.iter().any(|pattern| self.has_method(pattern)),
            None => !self.upkeep,
        }
    }

    /// Whether a rule may match it by what it names.
    pub(super) fn fits_names(&self, rule: &RuleConfig) -> bool {
        (!names_any(rule) || patterns(rule, self.named).is_some())
            && (rule.uri.is_none() || self.named == Named::Resource)
    }

    /// Whether a rule may match it.
    pub(super) fn fits(&self, rule: &RuleConfig) -> bool {
        self.fits_methods(rule) && self.fits_names(rule)
    }
}

/// Whether a rule names things.
pub(super) const fn names_any(rule: &RuleConfig) -> bool {
    rule.tools.is_some() || rule.prompts.is_some() || rule.resources.is_some()
}

/// A rule's patterns for one kind of thing.
pub(super) fn patterns(rule: &RuleConfig, named: Named) -> Option<&[String]> {
    match named {
        Named::Tool => rule.tools.as_deref(),
        Named::Prompt => rule.prompts.as_deref(),
        Named::Resource => rule.resources.as_deref(),
        Named::Nothing => None,
    }
}
