//! A decision with its reasons, for whoever wrote the policy: every rule beside the message, not only those that the decision
//! needed.

use std::fmt::{self, Debug, Formatter};
use std::rc::Rc;

use meshward_engine::Target;

use crate::config::{Effect, Mode};
use crate::decide::{Policy, Ruling};
use crate::rule::Match;
use crate::subject::Subject;

/// A ruling, and how every rule stands to what was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What [`Policy::decide`] says.
    pub ruling: Ruling,
    /// The rules beside the message; of a message about several resources, beside each of them.
    pub tried: Vec<Tried>,
}

/// The rules beside one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The resource, where a message is about several.
    pub uri: Option<String>,
    /// Every rule, in the order of the configuration.
    pub trials: Vec<Trial>,
}

/// A rule beside a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The rule's place in the configuration.
    pub place: usize,
    /// Its name.
    pub rule: Rc<str>,
    /// What it says of what it matches.
    pub effect: Effect,
    /// Whether that counts.
    pub mode: Mode,
    /// Whether it matches.
    pub matched: Match,
    /// Whether the decision looked at it; what it would have said changes nothing otherwise.
    pub needed: bool,
}

impl Policy {
    /// Decides on a subject, and says how every rule stands to it.
    #[must_use]
    pub fn explain(&self, subject: &Subject<'_>) -> Explanation {
        let ruling = self.decide(subject, &mut |_, _, _| {});
        let tried = match &subject.target {
            Target::Resources(uris) => uris
                .iter()
                .map(|uri| {
                    let one = Subject { target: Target::Resource(uri.clone()), ..subject.clone() };
                    Tried { uri: Some(uri.clone().into_owned()), trials: self.trials(&one) }
                })
                .collect(),
            _ => vec![Tried { uri: None, trials: self.trials(subject) }],
        };
        Explanation { ruling, tried }
    }

    fn trials(&self, subject: &Subject<'_>) -> Vec<Trial> {
        let mut needed = Vec::new();
        // Names are unique.
        let _ = self.decide(subject, &mut |rule, _, _| needed.push(rule.to_owned()));
        let mut trials: Vec<Trial> = self
            .rules
            .iter()
            .map(|rule| Trial {
                place: rule.place,
                rule: Rc::clone(&rule.name),
                effect: rule.effect,
                mode: rule.mode,
                matched: rule.matches(subject),
                needed: needed.iter().any(|name| **name == *rule.name),
            })
            .collect();
        trials.sort_by_key(|trial| trial.place);
        trials
    }

    /// Has every decision of its stage explained to a listener too.
    #[must_use]
    pub fn heard_by(self, listener: impl Fn(&Subject<'_>, Explanation) + 'static) -> Self {
        Self { listener: Some(Listener(Box::new(listener))), ..self }
    }
}

type Hear = dyn Fn(&Subject<'_>, Explanation);

/// Who hears of every decision.
pub(crate) struct Listener(Box<Hear>);

impl Listener {
    pub(crate) fn hear(&self, policy: &Policy, subject: &Subject<'_>) {
        (self.0)(subject, policy.explain(subject));
    }
}

impl Debug for Listener {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
