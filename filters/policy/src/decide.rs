//! The decision: one function over a subject, for calls and for the entries of lists alike.

use std::rc::Rc;

use meshward_engine::{Glob, HeaderDemand, Refusal, Target};
use meshward_identity::Wanted;
use meshward_wire::message::Kind;
use meshward_wire::method::{Class, Method};
use meshward_wire::refusal::Reason;

use crate::config::{Effect, Lists, Mode};
use crate::explain::Listener;
use crate::index::Index;
use crate::rule::{Match, Rule};
use crate::subject::{Direction, Subject};
use crate::uri::UriRules;

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    pub(crate) mode: Mode,
    pub(crate) lists: Lists,
    pub(crate) default: Effect,
    pub(crate) server_requests: Effect,
    /// Those that deny first, so that no condition is evaluated of a rule that cannot matter.
    pub(crate) rules: Vec<Rule>,
    pub(crate) index: Index,
    pub(crate) uris: UriRules,
    pub(crate) arguments: Vec<Bound>,
    /// What the caller gets whom the default refuses, or a bound.
    pub(crate) refusal: Refusal,
    pub(crate) wanted: Wanted,
    pub(crate) headers: HeaderDemand,
    /// Some rule looks at the client's name.
    pub(crate) wants_client: bool,
    /// The longest name that a call can have.
    pub(crate) max_name_bytes: usize,
    /// A list can differ from caller to caller.
    pub(crate) depends_on_caller: bool,
    /// Who wants every decision explained.
    pub(crate) listener: Option<Listener>,
}

/// A bound of the arguments of some tools.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) tools: Vec<Glob>,
    pub(crate) max_bytes: usize,
}

/// What the policy says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it may pass.
    pub effect: Effect,
    /// The rule that decided; `None`: the default, a bound, or that it only keeps the protocol up.
    pub rule: Option<Rc<str>>,
    /// Why it is refused, if it is.
    pub reason: Reason,
    /// What the caller gets, if it is refused.
    pub refusal: Refusal,
    /// It may pass, but not if this rule, which is in shadow mode, were enforced.
    pub shadow: Option<Rc<str>>,
}

/// Hears of every rule that was tried.
pub type Witness<'w> = &'w mut dyn FnMut(&str, Effect, Match);

impl Policy {
    /// Decides on a subject.
    ///
    /// What a list's entry needs to be shown is that some call of it could be allowed; so where a rule's match is open, one
    /// that allows counts and one that denies does not.
    #[must_use]
    pub fn decide(&self, subject: &Subject<'_>, witness: Witness<'_>) -> Ruling {
        let Target::Resources(uris) = &subject.target else { return self.decide_one(subject, witness) };
        let mut ruling = None;
        for uri in uris {
            let one = Subject { target: Target::Resource(uri.clone()), ..subject.clone() };
            let this = self.decide_one(&one, witness);
            if this.effect == Effect::Deny {
                return this;
            }
            // Of those that pass, one that a shadow rule would refuse is the one to tell of.
            if ruling.as_ref().is_none_or(|ruling: &Ruling| ruling.shadow.is_none()) {
                ruling = Some(this);
            }
        }
        ruling.unwrap_or_else(|| self.ruling(Effect::Deny, Reason::Denied))
    }

    fn decide_one(&self, subject: &Subject<'_>, witness: Witness<'_>) -> Ruling {
        let ruling = self.decide_by_rules(subject, witness);
        if ruling.effect == Effect::Deny || subject.direction == Direction::Server {
            return ruling;
        }
        match self.bounds(subject) {
            Some(reason) => self.ruling(Effect::Deny, reason),
            None => ruling,
        }
    }

    fn decide_by_rules(&self, subject: &Subject<'_>, witness: Witness<'_>) -> Ruling {
        let (mut allowed, mut would_deny) = (None, None);
        for rule in
            self.index.candidates(&self.rules, subject).into_iter().filter_map(|place| self.rules.get(place as usize))
        {
            let is_shadow = rule.mode == Mode::Shadow;
            // The rules that deny came before, so one that allows is enough; another can change nothing.
            if rule.effect == Effect::Allow && (allowed.is_some() || is_shadow) {
                continue;
            }
            let matched =
                if subject.is_template { rule.matches(subject) } else { rule.matches_if_named(subject, true) };
            witness(&rule.name, rule.effect, matched);
            match rule.effect {
                Effect::Deny if !matched.denies() => {}
                Effect::Deny if is_shadow => {
                    would_deny.get_or_insert_with(|| Rc::clone(&rule.name));
                }
                Effect::Deny => {
                    let reason = if let Match::Doubt(_) = matched { Reason::ConditionFailed } else { Reason::Denied };
                    let (rule, refusal) = (Some(Rc::clone(&rule.name)), rule.refusal.clone());
                    return Ruling { effect: Effect::Deny, rule, reason, refusal, shadow: None };
                }
                Effect::Allow if matched.allows() => allowed = Some(Rc::clone(&rule.name)),
                Effect::Allow => {}
            }
        }
        let default = match subject.direction {
            _ if subject.upkeep => Effect::Allow,
            Direction::Client => self.default,
            Direction::Server => self.server_requests,
        };
        match (allowed, default) {
            (None, Effect::Deny) => self.ruling(Effect::Deny, Reason::Denied),
            (rule, _) => Ruling { rule, shadow: would_deny, ..self.ruling(Effect::Allow, Reason::Denied) },
        }
    }

    /// What holds whatever the rules say: the rules for URIs, and the bounds of arguments.
    fn bounds(&self, subject: &Subject<'_>) -> Option<Reason> {
        match (&subject.target, subject.arguments.json()) {
            // A completion reads no resource, and what it names may be a template.
            (Target::Resource(uri), _) if !subject.is_template && subject.method != "completion/complete" => {
                self.uris.check(uri).is_err().then_some(Reason::UriRefused)
            }
            (Target::Tool(name), Some(json)) => {
                let exceeds =
                    |bound: &Bound| json.len() > bound.max_bytes && bound.tools.iter().any(|g| g.matches(name));
                self.arguments.iter().any(exceeds).then_some(Reason::ArgumentsTooLarge)
            }
            _ => None,
        }
    }

    fn ruling(&self, effect: Effect, reason: Reason) -> Ruling {
        let refusal = match (&self.refusal, reason) {
            (refusal, Reason::Denied) => refusal.clone(),
            // The words of the default are not about this.
            (Refusal::ToolResult { .. }, _) => Refusal::ToolResult { message: None },
            _ => Refusal::Error { message: None },
        };
        Ruling { effect, rule: None, reason, refusal, shadow: None }
    }

    /// Whether results of lists are filtered.
    pub(crate) fn filters_lists(&self) -> bool {
        self.lists == Lists::Filter
    }

    /// Whether any request of a server's own could be refused.
    pub(crate) fn judges_server(&self) -> bool {
        self.server_requests == Effect::Deny || self.rules.iter().any(|rule| rule.direction == Direction::Server)
    }
}

/// Whether a message only keeps the protocol up. A notification that MCP does not know is one too: it asks for nothing. So
/// is a stream of notifications (`subscriptions/listen`) that names no resource: it says what lists say.
#[must_use]
pub fn is_upkeep(method: &str, kind: Kind, known: Option<&Method>, target: &Target<'_>) -> bool {
    match known {
        Some(known) => known.class == Class::Upkeep || known.name == "subscriptions/listen" && *target == Target::None,
        None => kind == Kind::Notification && method.starts_with("notifications/"),
    }
}
