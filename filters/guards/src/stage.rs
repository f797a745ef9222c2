//! The guards as a stage of the exchange.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use meshward_catalogue::{Catalogue, Digest, Remembered, ServerKey, may_repeat};
use meshward_engine::{
    Answer, Asked, Call, Counter, Decision, Host, KeptHeaders, Level, Reads, Scope, Stage, StageExchange, Target,
    Verdict,
};
use meshward_wire::json;
use meshward_wire::listing::{Entry, ListKind, Listing};
use meshward_wire::message::{Kind, Message, OwnedId};
use meshward_wire::refusal::Reason;

use crate::definitions::Inspection;
use crate::guards::Guards;
use crate::look::Look;
use crate::pins::Pins;
use crate::review::{Change, Listed, Page, Place, Review};
use crate::standing::{Known, Standing};

/// The most changes of one list that are written into an audit record.
const MAX_NOTES: usize = 16;

/// Holds the server's tools against their pins: in lists, and when they are called.
#[derive(Debug)]
pub struct GuardsStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    guards: Guards,
    catalogue: Rc<Catalogue>,
}

/// The guards' part in one exchange.
#[derive(Debug)]
struct GuardsExchange {
    shared: Rc<Shared>,
    /// The client's messages have come.
    decided: bool,
    /// Those that ask for tools, with the cursor of the page.
    lists: Vec<(OwnedId, Option<String>)>,
    /// One asks to be told of changes.
    subscribes: bool,
}

impl GuardsStage {
    /// A stage for what is demanded of tools. It teaches the catalogue, which need not learn from anybody else, and which is one that
    /// remembers for these guards ([`Guards::remember_in`]).
    #[must_use]
    pub fn new(guards: Guards, catalogue: Rc<Catalogue>) -> Self {
        Self { shared: Rc::new(Shared { guards, catalogue }) }
    }

    /// Who knows what tools say of themselves that are as they were approved; nobody without pins.
    #[must_use]
    pub fn approved(&self) -> Option<Approved> {
        self.shared.guards.pins.is_some().then(|| Approved(Rc::clone(&self.shared)))
    }
}

/// Knows what tools say of themselves that are as they were approved.
#[derive(Debug, Clone)]
pub struct Approved(Rc<Shared>);

impl Approved {
    /// Whether a tool says that a call may run twice.
    pub(crate) fn may_repeat(&self, host: &dyn Host, headers: &KeptHeaders, name: &str) -> bool {
        let remembered = self.0.remembered(host, headers);
        Known::by(&self.0.guards, &remembered).may_repeat(headers.path(), name)
    }
}

impl Stage for GuardsStage {
    fn name(&self) -> &'static str {
        "guards"
    }

    fn reads_responses(&self) -> Reads {
        self.shared.reads()
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(GuardsExchange {
            shared: Rc::clone(&self.shared),
            decided: false,
            lists: Vec::new(),
            subscribes: false,
        })
    }
}

impl Shared {
    /// How a response is read that may list tools. Who only observes refuses nothing, not even what cannot be read.
    fn reads(&self) -> Reads {
        if self.guards.enforces() { Reads::Judges } else { Reads::Observes }
    }

    /// What is known of the server behind an exchange.
    fn remembered(&self, host: &dyn Host, headers: &KeptHeaders) -> Remembered {
        self.catalogue.remembered(host, &ServerKey::behind(host, headers))
    }

    /// What is said of a call.
    fn judge_call(&self, host: &dyn Host, headers: &KeptHeaders, name: &str) -> Verdict {
        let remembered = self.remembered(host, headers);
        let known = Known::by(&self.guards, &remembered);
        let unapproved = match known.admits(headers.path(), name) {
            Standing::Approved => None,
            Standing::Changed => Some(Reason::ToolChanged),
            Standing::Unpinned => Some(Reason::ToolUnpinned),
            Standing::Unlisted => Some(Reason::ToolUnknown),
        };
        let flaws = known.flaws(name);
        let is_refused = self.guards.refuses(flaws);
        // A tool that is refused is not trusted by first use: that is not why.
        let unapproved = unapproved.filter(|reason| !is_refused || *reason != Reason::ToolUnpinned);
        match unapproved {
            Some(reason) if self.guards.enforces_pins() => Verdict::Refuse(Decision::new(reason)),
            _ if is_refused => Verdict::Refuse(Decision::new(Reason::ToolRefused)),
            Some(reason) => Verdict::Observe(Decision::new(reason)),
            None if self.guards.observes(flaws) => Verdict::Observe(Decision::new(Reason::ToolRefused)),
            None => Verdict::Pass,
        }
    }
}

impl StageExchange for GuardsExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        self.decided = true;
        match (call.method.map_or("", |method| method.name), &call.target) {
            ("tools/list", _) => {
                let text = call.message.text();
                let cursor = call.message.cursor().and_then(|cursor| json::string(text, cursor));
                if let Some(id) = call.message.id() {
                    self.lists.push((id.to_owned(), cursor.map(Cow::into_owned)));
                }
                Verdict::Pass
            }
            ("subscriptions/listen", _) => {
                self.subscribes = true;
                Verdict::Pass
            }
            ("tools/call", Target::Tool(name)) => self.shared.judge_call(&*scope.host, scope.headers, name),
            _ => Verdict::Pass,
        }
    }

    fn reads_response(&self) -> Reads {
        // A stream opened by GET brings changes, and in old revisions lists too.
        let of_interest = !self.lists.is_empty() || self.subscribes || !self.decided;
        if of_interest { self.shared.reads() } else { Reads::Nothing }
    }

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        match message.kind() {
            Kind::Notification if message.method().as_deref() == Some("notifications/tools/list_changed") => {
                // A store that does not take it leaves definitions that were listed.
                self.shared.catalogue.forget(&*scope.host, &ServerKey::behind(&*scope.host, scope.headers));
                Answer::Pass
            }
            Kind::Response => self.result(message, asked, scope),
            Kind::Request | Kind::Notification | Kind::Error => Answer::Pass,
        }
    }
}

impl GuardsExchange {
    /// Takes what is not approved out of a result that lists tools.
    fn result(&self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        let Some(result) = message.result() else { return Answer::Pass };
        let text = message.text();
        let Ok(kinds) = asked.lists(message, result) else { return self.unreadable() };
        if !kinds.contains(&ListKind::Tools) {
            return Answer::Pass;
        }
        let Some(Ok(listing)) = message.listing(ListKind::Tools) else { return self.unreadable() };
        let asked_with = self.lists.iter().find(|(id, _)| message.id().is_some_and(|of| of.raw() == id.raw()));
        let next = json::member(text, result, "nextCursor").and_then(|next| json::string(text, next));
        let place = asked_with.map(|(_, cursor)| Place { cursor: cursor.as_deref(), next: next.as_deref() });
        let Shared { guards, catalogue } = &*self.shared;
        let mut cleaned = Vec::new();
        let mut page = Page { tools: Vec::new(), place };
        for entry in &listing.entries {
            let (tool, edits) = listed(guards, text, entry);
            page.tools.push(tool);
            cleaned.push(edits);
        }
        let server = ServerKey::behind(&*scope.host, scope.headers);
        let endpoint = scope.headers.path();
        let tools = listing.entries.iter().map(|entry| (&*entry.name, entry.span));
        let review = catalogue
            .review(&*scope.host, &server, text, tools, |tools| Review::of(tools, guards, endpoint, &page))
            .unwrap_or_else(|_| Review::unremembered(guards, endpoint, &page));
        self.report(&review, scope);
        self.carry_out(&listing, &review, cleaned, scope);
        Answer::Pass
    }

    fn unreadable(&self) -> Answer {
        let decision = Decision::new(Reason::UnreadableResponse);
        if self.shared.guards.enforces() { Answer::Refuse(decision) } else { Answer::Pass }
    }

    /// Takes tools out of the list, and out of the others what they should not say.
    fn carry_out(&self, listing: &Listing<'_>, review: &Review, cleaned: Vec<Vec<Edit>>, scope: &mut Scope<'_>) {
        let guards = &self.shared.guards;
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        gone.extend(scope.splices.removed().map(|span| span.start));
        let (mut hidden, mut would_hide) = (0_u64, 0_u64);
        let judged = review.standings.iter().zip(&review.flaws).zip(cleaned);
        for (entry, ((standing, flaws), edits)) in listing.entries.iter().zip(judged) {
            // What another stage has taken out already is counted there.
            if gone.contains(&entry.span.start) {
                continue;
            }
            let is_unapproved = matches!(standing, Standing::Changed | Standing::Unpinned);
            if is_unapproved && guards.enforces_pins() || guards.refuses(*flaws) {
                hidden = hidden.saturating_add(1);
                scope.splices.remove_element(entry.span);
                continue;
            }
            if is_unapproved || guards.observes(*flaws) {
                would_hide = would_hide.saturating_add(1);
            }
            for (place, text) in edits {
                let mut string = String::with_capacity(text.len().saturating_add(2));
                json::write_string(&text, &mut string);
                scope.splices.replace(place, string.into_bytes());
            }
        }
        for (count, shadow) in [(hidden, false), (would_hide, true)] {
            if count > 0 {
                scope.count(Counter::Hidden { list: ListKind::Tools.method(), shadow }, count);
            }
        }
    }

    /// Counts what is new, and tells observers.
    fn report(&self, review: &Review, scope: &mut Scope<'_>) {
        for (change, name) in review.changes.iter().take(MAX_NOTES) {
            scope.note(change.note(), || name.clone());
        }
        for change in Change::ALL {
            let count = review.changes.iter().filter(|(kind, _)| *kind == change).count() as u64;
            if count > 0 {
                let shadow = !self.shared.guards.acts_on(change);
                scope.count(Counter::ToolFinding { finding: change.name(), shadow }, count);
                scope.log(Level::Warn, format!("meshward: guards: {count} of the server's tools {}", change.name()));
            }
        }
    }
}

/// A text in the place of a string.
type Edit = (json::Span, String);

/// What is to be known of a tool that is listed, and how it is cleaned.
fn listed<'e>(guards: &Guards, text: &str, entry: &'e Entry<'_>) -> (Listed<'e>, Vec<Edit>) {
    let hash = |pins: &Pins| {
        let fits = entry.span.len() <= pins.max_definition_bytes;
        if fits { Digest::of_definition(text, entry.span) } else { None }
    };
    let digest = guards.pins.as_ref().and_then(hash).unwrap_or(Digest::NONE);
    let definitions = guards.definitions.as_ref();
    let Inspection { flaws, cured, cleaned } =
        definitions.map(|definitions| definitions.inspect(text, entry.span)).unwrap_or_default();
    let look = definitions.filter(|definitions| definitions.looks_at_names());
    let look = look.map(|_| Look::of(&entry.name)).unwrap_or_default();
    let may_repeat = may_repeat(text, entry.span);
    (Listed { name: &entry.name, digest, flaws, cured, look, may_repeat }, cleaned)
}
