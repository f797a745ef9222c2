//! Lists as their caller may see them.

use meshward_engine::{Counter, Scope, Target};
use meshward_wire::annotations;
use meshward_wire::listing::{Entry, ListKind, Listing};
use meshward_wire::revision::Era;

use crate::config::{Effect, Mode};
use crate::decide::Policy;
use crate::stage::decide;
use crate::subject::{Known, Subject};

/// Filters the lists of one exchange.
pub(crate) struct Filter<'s> {
    pub(crate) policy: &'s Policy,
    /// Who asks, and how; about nothing yet.
    pub(crate) subject: Subject<'s>,
}

/// Whether a caller sees an entry.
enum Shown {
    Yes,
    /// Only because the rule that would hide it is in shadow mode.
    Still,
    No,
}

impl Filter<'_> {
    /// The method that uses what a list offers.
    pub(crate) const fn used_by(kind: ListKind) -> &'static str {
        match kind {
            ListKind::Tools => "tools/call",
            ListKind::Prompts => "prompts/get",
            ListKind::Resources | ListKind::ResourceTemplates => "resources/read",
        }
    }

    /// Takes out of a list what its caller may not use.
    pub(crate) fn apply(&self, text: &str, listing: &Listing<'_>, kind: ListKind, scope: &mut Scope<'_>) {
        let (mut hidden, mut would_hide) = (0_u64, 0_u64);
        for entry in &listing.entries {
            match (self.shows(text, entry, kind, scope), self.policy.mode) {
                (Shown::Yes, _) => {}
                (Shown::No, Mode::Enforce) => {
                    hidden = hidden.saturating_add(1);
                    scope.splices.remove_element(entry.span);
                }
                (Shown::No, Mode::Shadow) | (Shown::Still, _) => would_hide = would_hide.saturating_add(1),
            }
        }
        for (count, shadow) in [(hidden, false), (would_hide, true)] {
            if count > 0 {
                scope.count(Counter::Hidden { list: kind.method(), shadow }, count);
            }
        }
    }

    /// Another caller may see another list: no cache may hand this one on.
    pub(crate) fn make_private(&self, text: &str, listing: &Listing<'_>, scope: &mut Scope<'_>) {
        let says_scope = listing.cache_scope.is_some() || self.is_stateless();
        if self.policy.mode == Mode::Enforce && self.policy.depends_on_caller && says_scope {
            listing.make_private(text, scope.splices);
        }
    }

    /// Whether some use of an entry could be allowed.
    fn shows(&self, text: &str, entry: &Entry<'_>, kind: ListKind, scope: &mut Scope<'_>) -> Shown {
        // A client must leave such a tool out (MCP 2026-07-28, server/tools, x-mcp-header), so that its calls lack headers
        // that its server wants.
        let unusable = |schema| annotations::read(text, schema).is_err();
        if self.is_stateless() && kind == ListKind::Tools && entry.input_schema.is_some_and(unusable) {
            return Shown::No;
        }
        // No call with such a name is read.
        if entry.name.len() > self.policy.max_name_bytes {
            return Shown::No;
        }
        let name = entry.name.clone();
        let subject = Subject {
            target: match kind {
                ListKind::Tools => Target::Tool(name),
                ListKind::Prompts => Target::Prompt(name),
                ListKind::Resources | ListKind::ResourceTemplates => Target::Resource(name),
            },
            is_template: kind == ListKind::ResourceTemplates,
            arguments: Known::Unknown,
            meta: Known::Unknown,
            ..self.subject.clone()
        };
        let ruling = decide(self.policy, &subject, scope);
        match (ruling.effect, ruling.shadow) {
            (Effect::Deny, _) => Shown::No,
            (Effect::Allow, Some(_)) => Shown::Still,
            (Effect::Allow, None) => Shown::Yes,
        }
    }

    fn is_stateless(&self) -> bool {
        self.subject.revision.is_some_and(|revision| revision.era() == Era::Stateless)
    }
}
