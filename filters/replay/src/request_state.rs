//! The stage: a `requestState` (MCP 2026-07-28, basic/patterns/mrtr) goes back once, from whom it was given to, with the request that it
//! was given for. It comes last, so that a state is used only by a request that goes on.

use std::borrow::Cow;
use std::rc::Rc;

use meshward_engine::{
    Answer, Asked, Call, Callout, CalloutOutcome, Decision, HeaderDemand, Host, KeptHeaders, Mode, Reads, Scope, Stage,
    StageExchange, Target, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::json::{self, Span};
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Era;

use crate::binding::{Binding, demand};
use crate::config::RequestStateConfig;
use crate::key::Environment;
use crate::letters::{canonical, written};
use crate::nonces::{Nonces, Window};
use crate::seal::Broken;
use crate::stages::ReplayError;
use crate::state_seal::{Opened, UNIQUE, open, seal};

/// The member of a result, and of the parameters of the request that goes on with it.
const MEMBER: &str = "requestState";
const SECOND: u64 = 1_000_000_000;

/// Binds states to who got them.
#[derive(Debug)]
pub struct RequestStateStage {
    shared: Rc<Shared>,
}

struct Shared {
    mode: Mode,
    binding: Binding,
    /// In nanoseconds.
    life: u64,
    nonces: Rc<Nonces>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl RequestStateStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub(crate) fn new(
        config: &RequestStateConfig,
        identity: Identity,
        nonces: Rc<Nonces>,
        environment: Environment<'_>,
    ) -> Result<Self, ReplayError> {
        let binding = Binding::new("request_state", &config.bound_to, &config.keys, identity, environment)?;
        let shared = Shared { mode: config.mode, binding, life: config.life.nanoseconds(), nonces };
        Ok(Self { shared: Rc::new(shared) })
    }
}

impl Stage for RequestStateStage {
    fn name(&self) -> &'static str {
        "request_state"
    }

    fn edits_requests(&self) -> bool {
        true
    }

    fn reads_responses(&self) -> Reads {
        Reads::Judges
    }

    fn headers(&self) -> HeaderDemand {
        demand(self.shared.binding.owners.headers())
    }

    fn start(&self, host: &dyn Host) {
        self.shared.nonces.start(host);
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(RequestStateExchange { shared: Rc::clone(&self.shared), asked: Vec::new() })
    }
}

impl Shared {
    /// The state as the server gave it, and what is wrong with it.
    fn take<'s>(
        &self,
        presented: &'s str,
        purpose: &[u8],
        host: &dyn Host,
        headers: &KeptHeaders,
    ) -> (Option<&'s str>, Result<Option<Callout>, Reason>) {
        let owner = self.binding.owners.owner(host, headers);
        let Opened { state, sealed, unique } = match open(&self.binding.keys, presented, &owner, purpose) {
            Ok(opened) => opened,
            Err(Broken::Unknown) => return (None, Err(Reason::RequestStateUnknown)),
            Err(Broken::Forged) => return (None, Err(Reason::RequestStateForged)),
            Err(Broken::Moved) => return (None, Err(Reason::RequestStateMoved)),
        };
        let sealed = sealed.saturating_mul(SECOND);
        let window = Window { from: Some(sealed), until: sealed.saturating_add(self.life) };
        if window.until < host.now() {
            return (Some(state), Err(Reason::RequestStateUnknown));
        }
        let used = self.nonces.accept_everywhere(host, b"request state", &unique, window);
        (Some(state), used.map_err(of_state))
    }
}

/// The reason as it is told of a state.
fn of_state(reason: Reason) -> Reason {
    if reason == Reason::NonceReused { Reason::RequestStateReused } else { reason }
}

/// What a state is given for: a method, and the tool, prompt or resource.
fn purpose(call: &Call<'_>) -> Vec<u8> {
    let target: &[Cow<'_, str>] = match &call.target {
        Target::Tool(name) | Target::Prompt(name) | Target::Resource(name) => std::slice::from_ref(name),
        Target::Resources(uris) => uris,
        Target::None => &[],
    };
    let mut purpose = Vec::with_capacity(64);
    let method = call.message.method().unwrap_or_default();
    for part in std::iter::once(&method).chain(target) {
        purpose.extend((part.len() as u64).to_be_bytes());
        purpose.extend(part.as_bytes());
    }
    purpose
}

/// The stage's part in one exchange.
#[derive(Debug)]
struct RequestStateExchange {
    shared: Rc<Shared>,
    /// What may be answered with a state: the requests' ids, and what each is for.
    asked: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A state where there is one.
enum Place<'m> {
    Nowhere,
    NoString,
    Here(Span, Cow<'m, str>),
}

fn state<'m>(message: &Message<'m>, object: Option<Span>) -> Place<'m> {
    let text = message.text();
    match object.and_then(|object| json::member(text, object, MEMBER)) {
        None => Place::Nowhere,
        Some(value) => json::string(text, value).map_or(Place::NoString, |state| Place::Here(value, state)),
    }
}

impl RequestStateExchange {
    fn verdict(&self, taken: Result<(), Reason>) -> Verdict {
        match (taken.map_err(Decision::new), self.shared.mode) {
            (Ok(()), _) => Verdict::Pass,
            (Err(decision), Mode::Enforce) => Verdict::Refuse(decision),
            (Err(decision), Mode::Observe) => Verdict::Observe(decision),
        }
    }
}

impl StageExchange for RequestStateExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        let message = call.message;
        let purpose = purpose(call);
        let (unsealed, taken) = match state(message, message.params()) {
            Place::Nowhere => (None, Ok(None)),
            Place::NoString => (None, Err(Reason::RequestStateUnknown)),
            Place::Here(place, presented) => {
                let (state, taken) = self.shared.take(&presented, &purpose, &*scope.host, scope.headers);
                (state.map(|state| (place, written(state))), taken)
            }
        };
        if let Some((place, state)) = unsealed {
            scope.splices.replace(place, state);
        }
        let is_stateless = call.revision.is_some_and(|revision| revision.era() == Era::Stateless);
        // Other methods that are known are answered at once.
        let may_wait =
            call.method.is_none_or(|method| matches!(method.name, "tools/call" | "prompts/get" | "resources/read"));
        if let Some(id) = message.id().filter(|_| is_stateless && may_wait && message.kind() == Kind::Request) {
            self.asked.push((canonical(id.raw()), purpose));
        }
        match taken {
            Ok(Some(callout)) => Verdict::Ask(callout),
            taken => self.verdict(taken.map(|_| ())),
        }
    }

    fn resumed(&mut self, _: &Call<'_>, ended: &CalloutOutcome, _: &mut Scope<'_>) -> Verdict {
        // What it edited before it asked is kept.
        self.verdict(self.shared.nonces.answered(ended).map_err(of_state))
    }

    fn reads_response(&self) -> Reads {
        if self.asked.is_empty() { Reads::Nothing } else { Reads::Judges }
    }

    fn response(&mut self, message: &Message<'_>, _: &Asked, scope: &mut Scope<'_>) -> Answer {
        let (place, given) = match state(message, message.result()) {
            Place::Nowhere => return Answer::Pass,
            Place::NoString => return Answer::Refuse(Decision::new(Reason::UnreadableResponse)),
            Place::Here(place, given) => (place, given),
        };
        let id = message.id().map(|id| canonical(id.raw()));
        // What was not asked here is not bound, and is refused when it comes back.
        let Some((_, purpose)) = self.asked.iter().find(|(asked, _)| Some(asked) == id.as_ref()) else {
            return Answer::Pass;
        };
        let mut unique = [0; UNIQUE];
        if !scope.host.random(&mut unique) {
            return Answer::Refuse(Decision::new(Reason::InternalError));
        }
        let owner = self.shared.binding.owners.owner(&*scope.host, scope.headers);
        let now = scope.host.now().checked_div(SECOND).unwrap_or_default();
        let sealed = seal(&self.shared.binding.sealing, &given, &owner, purpose, now, &unique);
        scope.splices.replace(place, written(&sealed));
        Answer::Pass
    }
}
