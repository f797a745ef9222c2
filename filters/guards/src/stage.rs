//! The guards as a stage of the exchange.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use meshward_catalogue::ServerKey;
use meshward_engine::store::digest;
use meshward_engine::{
    Answer, Asked, Call, CalloutOutcome, Counter, Decision, HeaderDemand, Headers, Host, KeptHeaders, Level, Reads,
    Scope, Stage, StageExchange, Target, Verdict,
};
use meshward_wire::json;
use meshward_wire::listing::{Entry, ListKind, Listing};
use meshward_wire::message::{Kind, Message, OwnedId};
use meshward_wire::refusal::Reason;

use crate::config::Mode;
use crate::digest::Digest;
use crate::pins::Pins;
use crate::store::Tables;
use crate::table::{Change, Listed, Page, Place, Review, Standing, Table};

/// The most changes of one list that are written into an audit record.
const MAX_NOTES: usize = 16;

/// Holds the server's tools against their pins: in lists, and when they are called.
#[derive(Debug)]
pub struct GuardsStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pins: Pins,
    tables: RefCell<Tables>,
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
    /// A stage for pins.
    #[must_use]
    pub fn new(pins: Pins) -> Self {
        Self { shared: Rc::new(Shared { pins, tables: RefCell::default() }) }
    }
}

impl Stage for GuardsStage {
    fn name(&self) -> &'static str {
        "guards"
    }

    fn edits_requests(&self) -> bool {
        false
    }

    fn reads_responses(&self) -> Reads {
        self.shared.reads()
    }

    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
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
    const fn reads(&self) -> Reads {
        match self.pins.mode {
            Mode::Enforce => Reads::Judges,
            Mode::Observe => Reads::Observes,
        }
    }

    /// The server behind an exchange, with the epoch of what is trusted of it.
    fn server(&self, host: &dyn Host, headers: &KeptHeaders) -> u64 {
        let key = ServerKey::behind(host, headers);
        digest([&key.to_bytes(), &self.pins.epoch.to_le_bytes()])
    }

    /// Why a tool may not be called.
    fn condemns(&self, host: &dyn Host, headers: &KeptHeaders, name: &str) -> Option<Reason> {
        let server = self.server(host, headers);
        let table = self.tables.borrow_mut().get(host, server, self.pins.max_servers);
        let nothing = || Rc::new(Table::new(server));
        let standing = table.unwrap_or_else(nothing).admits(&self.pins, self.pins.of(headers.path()), name);
        match standing {
            Standing::Approved => None,
            Standing::Changed => Some(Reason::ToolChanged),
            Standing::Unpinned => Some(Reason::ToolUnpinned),
            Standing::Unlisted => Some(Reason::ToolUnknown),
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
            ("tools/call", Target::Tool(name)) => {
                let Some(reason) = self.shared.condemns(&*scope.host, scope.headers, name) else {
                    return Verdict::Pass;
                };
                match self.shared.pins.mode {
                    Mode::Enforce => Verdict::Refuse(Decision::new(reason)),
                    Mode::Observe => Verdict::Observe(Decision::new(reason)),
                }
            }
            _ => Verdict::Pass,
        }
    }

    fn resumed(&mut self, call: &Call<'_>, _: &CalloutOutcome, scope: &mut Scope<'_>) -> Verdict {
        // Asks no service, so an answer cannot be its own: decide as at first.
        self.request(call, scope)
    }

    fn reads_response(&self) -> Reads {
        // A stream opened by GET brings changes, and in old revisions lists too.
        let of_interest = !self.lists.is_empty() || self.subscribes || !self.decided;
        if of_interest { self.shared.reads() } else { Reads::Nothing }
    }

    fn response_head(&mut self, _: Headers<'_>, _: &mut Scope<'_>) {}

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        match message.kind() {
            Kind::Notification if message.method().as_deref() == Some("notifications/tools/list_changed") => {
                let server = self.shared.server(&*scope.host, scope.headers);
                let (max, mut tables) = (self.shared.pins.max_servers, self.shared.tables.borrow_mut());
                // A store that does not take it leaves definitions that were listed.
                if tables.get(&*scope.host, server, max).is_some() {
                    let _: Result<(), _> = tables.change(&*scope.host, server, max, Table::forget);
                }
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
        let Ok(listing) = Listing::read(text, result, ListKind::Tools) else { return self.unreadable() };
        let asked_with = self.lists.iter().find(|(id, _)| message.id().is_some_and(|of| of.raw() == id.raw()));
        let next = json::member(text, result, "nextCursor").and_then(|next| json::string(text, next));
        let place = asked_with.map(|(_, cursor)| Place { cursor: cursor.as_deref(), next: next.as_deref() });
        let Shared { pins, tables } = &*self.shared;
        let listed = |entry: &'_ Entry<'_>| {
            let fits = entry.span.len() <= pins.max_definition_bytes;
            let digest = if fits { Digest::of_definition(text, entry.span) } else { None };
            digest.unwrap_or(Digest::NONE)
        };
        let tools = listing.entries.iter().map(|entry| Listed { name: &entry.name, digest: listed(entry) });
        let page = Page { tools: tools.collect(), place };
        let server = self.shared.server(&*scope.host, scope.headers);
        let pinned = pins.of(scope.headers.path());
        let review = tables
            .borrow_mut()
            .change(&*scope.host, server, pins.max_servers, |table| table.review(pins, pinned, &page));
        // What cannot be remembered is held against the configuration alone.
        let review = review.unwrap_or_else(|_| Review::unremembered(pinned, &page));
        self.report(&review, scope);
        self.drop_tools(&listing, &review, scope);
        Answer::Pass
    }

    fn unreadable(&self) -> Answer {
        let decision = Decision::new(Reason::UnreadableResponse);
        match self.shared.pins.mode {
            Mode::Enforce => Answer::Refuse(decision),
            Mode::Observe => Answer::Pass,
        }
    }

    fn drop_tools(&self, listing: &Listing<'_>, review: &Review, scope: &mut Scope<'_>) {
        let condemned = |standing: &Standing| matches!(standing, Standing::Changed | Standing::Unpinned);
        let entries = listing.entries.iter().zip(&review.standings).filter(|(_, standing)| condemned(standing));
        let shadow = self.shared.pins.mode == Mode::Observe;
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        gone.extend(scope.splices.removed().map(|span| span.start));
        let mut hidden = 0_u64;
        // What another stage has taken out already is counted there.
        for (entry, _) in entries.filter(|(entry, _)| !gone.contains(&entry.span.start)) {
            hidden = hidden.saturating_add(1);
            if !shadow {
                scope.splices.remove_element(entry.span);
            }
        }
        if hidden > 0 {
            scope.count(Counter::Hidden { list: ListKind::Tools.method(), shadow }, hidden);
        }
    }

    /// Counts what is new, and tells observers.
    fn report(&self, review: &Review, scope: &mut Scope<'_>) {
        let shadow = self.shared.pins.mode == Mode::Observe;
        for (change, name) in review.changes.iter().take(MAX_NOTES) {
            scope.note(change.note(), || name.clone());
        }
        for change in Change::ALL {
            let count = review.changes.iter().filter(|(kind, _)| *kind == change).count() as u64;
            if count > 0 {
                scope.count(Counter::ToolFinding { finding: change.name(), shadow }, count);
                scope.log(Level::Warn, format!("meshward: guards: {count} of the server's tools {}", change.name()));
            }
        }
    }
}
