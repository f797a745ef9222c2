//! One compiled rule, and whether it matches.

use std::rc::Rc;

use meshward_engine::{Glob, HeaderDemand, Refusal, Target};
use meshward_identity::Wanted;
use meshward_wire::revision::Revision;

use crate::condition::Condition;
use crate::config::{Effect, Mode};
use crate::principal::Principal;
use crate::subject::{Direction, Subject};
use crate::truth::Truth;
use crate::uri::{UriFault, UriRules};

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its place in the configuration.
    pub(crate) place: usize,
    pub(crate) name: Rc<str>,
    pub(crate) effect: Effect,
    pub(crate) mode: Mode,
    pub(crate) direction: Direction,
    pub(crate) methods: Option<Vec<Glob>>,
    pub(crate) targets: Targets,
    pub(crate) uri: Option<UriRules>,
    pub(crate) principals: Option<Vec<Principal>>,
    pub(crate) clients: Option<Vec<Glob>>,
    pub(crate) revisions: Option<Vec<Revision>>,
    pub(crate) condition: Option<Condition>,
    /// What the caller gets whom it refuses.
    pub(crate) refusal: Refusal,
}

/// The things a rule names, by kind. None at all: it speaks of whatever a message is about.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) tools: Option<Vec<Glob>>,
    pub(crate) prompts: Option<Vec<Glob>>,
    pub(crate) resources: Option<Vec<Glob>>,
}

/// Whether a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not, because of this part.
    No(Part),
    /// That depends on a call that has not been made: in a list only.
    Open {
        /// Some call makes it match.
        may_match: bool,
        /// Some call surely does not.
        may_miss: bool,
    },
    /// It cannot be known, because of this part: so it matches if it denies, and does not if it allows.
    Doubt(Part),
}

impl Match {
    /// Whether a rule that allows does so. An entry of a list is shown if some call of it could be allowed.
    #[must_use]
    pub const fn allows(self) -> bool {
        matches!(self, Self::Yes | Self::Open { may_match: true, .. })
    }

    /// Whether a rule that denies does so: also in doubt, and for an entry of a list only if every call of it is denied.
    #[must_use]
    pub const fn denies(self) -> bool {
        matches!(self, Self::Yes | Self::Doubt(_) | Self::Open { may_miss: false, .. })
    }
}

/// A part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// `direction`
    Direction,
    /// `methods`, or that the rule names none
    Methods,
    /// `tools`, `prompts` or `resources`
    Names,
    /// `uri`
    Uri,
    /// `principals`
    Principals,
    /// `clients`
    Clients,
    /// `revisions`
    Revisions,
    /// `when`
    When,
}

impl Part {
    /// How the configuration calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direction => "direction",
            Self::Methods => "methods",
            Self::Names => "names",
            Self::Uri => "uri",
            Self::Principals => "principals",
            Self::Clients => "clients",
            Self::Revisions => "revisions",
            Self::When => "when",
        }
    }
}

impl Rule {
    /// Matches one subject.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> Match {
        self.matches_if_named(subject, self.targets.fit(subject, self.effect))
    }

    /// Matches one subject of which it is known whether the rule names it: a rule may have very many names. The cheap parts
    /// come first, the condition last.
    pub(crate) fn matches_if_named(&self, subject: &Subject<'_>, is_named: bool) -> Match {
        if self.direction != subject.direction {
            return Match::No(Part::Direction);
        }
        let methods_fit = match &self.methods {
            Some(methods) => methods.iter().any(|glob| glob.matches(subject.method)),
            // A rule that names no method speaks of operations, not of what keeps the protocol up.
            None => !subject.upkeep,
        };
        if !methods_fit {
            return Match::No(Part::Methods);
        }
        if !is_named {
            return Match::No(Part::Names);
        }
        if self.revisions.as_ref().is_some_and(|known| subject.revision.is_none_or(|is| !known.contains(&is))) {
            return Match::No(Part::Revisions);
        }
        let caller = self.principals.as_ref().map_or(Truth::TRUE, |known| {
            let each = known.iter().map(|principal| principal.matches(subject.caller, subject.headers));
            each.fold(Truth::FALSE, Truth::or)
        });
        if caller == Truth::FALSE {
            return Match::No(Part::Principals);
        }
        let uri = self.uri.as_ref().map_or(Truth::TRUE, |rules| uri_fits(rules, subject));
        if uri == Truth::FALSE {
            return Match::No(Part::Uri);
        }
        let client = self.clients.as_ref().map_or(Truth::TRUE, |known| match subject.client {
            Some(is) => known.iter().any(|glob| glob.matches(is)).into(),
            None => Truth::ERROR,
        });
        if client == Truth::FALSE {
            return Match::No(Part::Clients);
        }
        // Where another part is in doubt too: a condition that does not hold settles it.
        let condition = self.condition.as_ref().map_or(Truth::TRUE, |condition| condition.evaluate(subject));
        match caller.and(uri).and(client).and(condition) {
            Truth::TRUE => Match::Yes,
            Truth::FALSE => Match::No(Part::When),
            Truth::ERROR if condition == Truth::ERROR => Match::Doubt(Part::When),
            Truth::ERROR if caller == Truth::ERROR => Match::Doubt(Part::Principals),
            Truth::ERROR if uri == Truth::ERROR => Match::Doubt(Part::Uri),
            Truth::ERROR => Match::Doubt(Part::Clients),
            open => Match::Open { may_match: open.can_be_true(), may_miss: open.can_be_false() },
        }
    }

    /// What of a caller it looks at.
    pub(crate) fn wants(&self) -> (Wanted, HeaderDemand) {
        let principals = || self.principals.iter().flatten();
        let mut wanted = Wanted {
            peer: principals().any(Principal::wants_peer),
            source: principals().any(Principal::wants_source),
            claims: principals().any(Principal::wants_claims),
        };
        let names: Vec<String> = principals().flat_map(Principal::headers).map(str::to_owned).collect();
        let mut headers = if names.is_empty() { HeaderDemand::None } else { HeaderDemand::Named(names) };
        if let Some(condition) = &self.condition {
            let wants = condition.wants();
            wanted.peer |= wants.peer;
            wanted.source |= wants.source;
            wanted.claims |= wants.claims;
            headers = headers.join(wants.headers.clone());
        }
        (wanted, headers)
    }

    /// Whether it looks at the arguments.
    pub(crate) fn wants_arguments(&self) -> bool {
        self.condition.as_ref().is_some_and(|condition| condition.wants().arguments)
    }

    /// Whether it looks at the client's name.
    pub(crate) fn wants_client(&self) -> bool {
        self.clients.is_some() || self.condition.as_ref().is_some_and(|condition| condition.wants().client)
    }

    /// Whether its answer can differ from one caller to another, and so a list that it filtered.
    pub(crate) fn depends_on_caller(&self) -> bool {
        self.principals.is_some() || self.clients.is_some() || self.condition.is_some()
    }
}

impl Targets {
    /// The patterns for a kind of thing; `None`: the rule names none of any kind.
    fn names_any(&self) -> bool {
        self.tools.is_some() || self.prompts.is_some() || self.resources.is_some()
    }

    fn fit(&self, subject: &Subject<'_>, effect: Effect) -> bool {
        if !self.names_any() {
            return true;
        }
        let any = |globs: &Option<Vec<Glob>>, fits: &dyn Fn(&Glob) -> bool| {
            globs.as_ref().is_some_and(|globs| globs.iter().any(fits))
        };
        match &subject.target {
            Target::Tool(name) => any(&self.tools, &|glob| glob.matches(name)),
            Target::Prompt(name) => any(&self.prompts, &|glob| glob.matches(name)),
            Target::Resource(uri) if subject.is_template => any(&self.resources, &|glob| match effect {
                Effect::Allow => glob.intersects(&Glob::of_template(uri)),
                Effect::Deny => glob.matches_all_of(uri),
            }),
            Target::Resource(uri) => any(&self.resources, &|glob| glob.matches(uri)),
            // Decided one by one.
            Target::Resources(_) | Target::None => false,
        }
    }
}

/// Whether the URI of a resource is like this. What is about no resource is not.
fn uri_fits(rules: &UriRules, subject: &Subject<'_>) -> Truth {
    match &subject.target {
        Target::Resource(_) if subject.is_template => Truth::UNKNOWN,
        Target::Resource(uri) => match rules.check(uri) {
            Ok(()) => Truth::TRUE,
            Err(UriFault::Scheme | UriFault::Host | UriFault::Path) => Truth::FALSE,
            // Servers may differ in what such a URI means.
            Err(_) => Truth::ERROR,
        },
        _ => Truth::FALSE,
    }
}
