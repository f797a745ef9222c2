//! The policy as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{
    Answer, Asked, Call, Counter, Decision, HeaderDemand, Headers, Host, KeptHeaders, Reads, Scope, Stage,
    StageExchange, Verdict,
};
use meshward_identity::{Caller, Identity};
use meshward_wire::listing::{self, ListKind};
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::{self, Revision, VersionHeader};

use crate::config::{Effect, Mode};
use crate::decide::{Policy, Ruling};
use crate::filter::Filter;
use crate::rule::{Match, Part, Rule};
use crate::sessions;
use crate::subject::{Direction, Known, Subject};

/// Asks the policy about every message of the client, about every request of the server's own, and about every entry
/// of a list.
#[derive(Debug)]
pub struct PolicyStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    policy: Policy,
    identity: Identity,
}

/// The policy's part in one exchange.
#[derive(Debug)]
struct PolicyExchange {
    shared: Rc<Shared>,
    /// Read once, when it is first needed.
    caller: Option<Caller>,
    client: Option<String>,
    revision: Option<Revision>,
    /// The client's messages have come: there may be lists among what they ask for.
    decided: bool,
    asks_for_list: bool,
    /// One of them opens a session, in which the client's name is not said again.
    initializes: bool,
}

impl PolicyStage {
    /// A stage for a policy, and for where identities come from.
    #[must_use]
    pub fn new(policy: Policy, identity: Identity) -> Self {
        Self { shared: Rc::new(Shared { policy, identity }) }
    }
}

impl Stage for PolicyStage {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn reads_responses(&self) -> Reads {
        let policy = &self.shared.policy;
        let judged = self.shared.reads(policy.filters_lists() || policy.judges_server());
        judged.max(if policy.wants_client { Reads::Observes } else { Reads::Nothing })
    }

    fn headers(&self) -> HeaderDemand {
        self.shared.policy.headers.clone()
    }

    fn looks_into_arguments(&self) -> bool {
        self.shared.policy.rules.iter().any(Rule::wants_arguments)
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(PolicyExchange {
            shared: Rc::clone(&self.shared),
            caller: None,
            client: None,
            revision: None,
            decided: false,
            asks_for_list: false,
            initializes: false,
        })
    }
}

impl Shared {
    /// How a response is read that is of interest. In shadow mode nothing is refused, not even what cannot be read.
    const fn reads(&self, of_interest: bool) -> Reads {
        match (of_interest, self.policy.mode) {
            (false, _) => Reads::Nothing,
            (true, Mode::Enforce) => Reads::Judges,
            (true, Mode::Shadow) => Reads::Observes,
        }
    }

    fn decision(ruling: &Ruling) -> Decision {
        Decision { rule: ruling.rule.clone(), refusal: ruling.refusal.clone(), ..Decision::new(ruling.reason) }
    }
}

impl StageExchange for PolicyExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        self.decided = true;
        self.revision = call.revision;
        // A response answers a request of the server's own: there is no operation of the client in it.
        if matches!(call.message.kind(), Kind::Response | Kind::Error) {
            return Verdict::Pass;
        }
        let method = call.message.method().unwrap_or_default();
        self.asks_for_list |= ListKind::of_method(&method).is_some();
        self.initializes |= method == "initialize";
        if self.shared.policy.wants_client {
            let said = call.message.client_name().map(String::from);
            self.client = said.or_else(|| {
                let session = scope.headers.all("mcp-session-id").next()?;
                sessions::client_of(&*scope.host, session)
            });
        }
        let shared = Rc::clone(&self.shared);
        let Self { caller, client, .. } = self;
        let caller = caller.get_or_insert_with(|| shared.identity.caller(shared.policy.wanted, &*scope.host));
        let subject = Subject::of_call(call, &method, client.as_deref(), caller, scope.headers);
        let ruling = decide(&shared.policy, &subject, scope);
        if let Some(rule) = &ruling.rule {
            scope.allowed_by(rule);
        }
        match (ruling.effect, shared.policy.mode) {
            (Effect::Deny, Mode::Enforce) => Verdict::Refuse(Shared::decision(&ruling)),
            (Effect::Deny, Mode::Shadow) => Verdict::Observe(Shared::decision(&ruling)),
            (Effect::Allow, _) => match ruling.shadow {
                Some(rule) => Verdict::Observe(Decision { rule: Some(rule), ..Decision::new(Reason::Denied) }),
                None => Verdict::Pass,
            },
        }
    }

    fn reads_response(&self) -> Reads {
        let policy = &self.shared.policy;
        // On a stream that resumes another, anything may come that was asked for elsewhere.
        let may_list = self.asks_for_list || !self.decided;
        let judged = self.shared.reads(policy.filters_lists() && may_list || policy.judges_server());
        let opens_session = policy.wants_client && self.initializes;
        judged.max(if opens_session { Reads::Observes } else { Reads::Nothing })
    }

    fn response_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) {
        if !self.decided {
            // A stream opened by GET: all that is known of the client is what its head says.
            let version = VersionHeader::read(scope.headers.all(revision::HEADER));
            self.revision = if let VersionHeader::Known(revision) = version { Some(revision) } else { None };
            let session = scope.headers.all("mcp-session-id").next().filter(|_| self.shared.policy.wants_client);
            self.client = session.and_then(|session| sessions::client_of(&*scope.host, session));
        }
        if let (true, Some(client), Some(session)) = (self.initializes, &self.client, head.first("mcp-session-id")) {
            sessions::remember(&*scope.host, session, client);
        }
    }

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        match message.kind() {
            Kind::Request if self.shared.policy.judges_server() => {
                let method = message.method().unwrap_or_default();
                self.server_request(&method, scope)
            }
            Kind::Response => self.result(message, asked, scope),
            Kind::Request | Kind::Notification | Kind::Error => Answer::Pass,
        }
    }
}

impl PolicyExchange {
    /// A subject of this exchange, about nothing yet.
    fn subject<'s>(
        &'s mut self,
        method: &'s str,
        direction: Direction,
        headers: &'s KeptHeaders,
        host: &dyn Host,
    ) -> Subject<'s> {
        let Self { shared, caller, client, revision, .. } = self;
        let caller = caller.get_or_insert_with(|| shared.identity.caller(shared.policy.wanted, host));
        Subject {
            method,
            direction,
            upkeep: false,
            target: meshward_engine::Target::None,
            is_template: false,
            client: client.as_deref(),
            revision: *revision,
            session: headers.all("mcp-session-id").next().and_then(|id| std::str::from_utf8(id).ok()),
            arguments: Known::Absent,
            meta: Known::Absent,
            caller,
            headers,
        }
    }

    /// Decides on a request of the server's own.
    fn server_request(&mut self, method: &str, scope: &mut Scope<'_>) -> Answer {
        let shared = Rc::clone(&self.shared);
        let subject = Subject {
            upkeep: method == "ping",
            ..self.subject(method, Direction::Server, scope.headers, &*scope.host)
        };
        let ruling = decide(&shared.policy, &subject, scope);
        if let Some(rule) = &ruling.rule {
            scope.allowed_by(rule);
        }
        match (ruling.effect, shared.policy.mode) {
            (Effect::Deny, Mode::Enforce) => Answer::Refuse(Shared::decision(&ruling)),
            (Effect::Deny, Mode::Shadow) => Answer::Observe(Shared::decision(&ruling)),
            (Effect::Allow, _) => match ruling.shadow {
                Some(rule) => Answer::Observe(Decision { rule: Some(rule), ..Decision::new(Reason::Denied) }),
                None => Answer::Pass,
            },
        }
    }

    /// Filters a result that lists, and decides on the requests of the server's own in one that asks for input.
    fn result(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        let Some(result) = message.result() else { return Answer::Pass };
        let text = message.text();
        let unreadable = Answer::Refuse(Decision::new(Reason::UnreadableResponse));
        if self.shared.policy.judges_server() {
            // Since 2026-07-28 they are part of a result (basic/patterns/mrtr).
            let Ok(requests) = listing::input_requests(text, result) else { return unreadable };
            for request in requests {
                match self.server_request(&request.method, scope) {
                    Answer::Pass => {}
                    refused => return refused,
                }
            }
        }
        if !self.shared.policy.filters_lists() {
            return Answer::Pass;
        }
        let Ok(kinds) = asked.lists(message, result) else { return unreadable };
        let shared = Rc::clone(&self.shared);
        for (number, kind) in kinds.into_iter().enumerate() {
            let subject = self.subject(Filter::used_by(kind), Direction::Client, scope.headers, &*scope.host);
            let filter = Filter { policy: &shared.policy, subject };
            let Some(Ok(listing)) = message.listing(kind) else { return unreadable };
            filter.apply(text, &listing, kind, scope);
            if number == 0 {
                filter.make_private(text, &listing, scope);
            }
        }
        Answer::Pass
    }
}

/// Decides, and counts what could not be evaluated on the way.
pub(crate) fn decide(policy: &Policy, subject: &Subject<'_>, scope: &mut Scope<'_>) -> Ruling {
    if let Some(listener) = &policy.listener {
        listener.hear(policy, subject);
    }
    policy.decide(subject, &mut |_, effect, matched| {
        if matched == Match::Doubt(Part::When) {
            scope.count(Counter::ConditionFailed { allows: effect == Effect::Allow }, 1);
        }
    })
}
