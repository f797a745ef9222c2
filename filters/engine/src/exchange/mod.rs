//! The machine itself: which input means what in which state. The two directions have a file each; the request's decisions, with and without
//! a message, others.

mod decide;
mod establish;
mod observation;
mod parts;
mod request;
mod response;
mod waiting;
mod without_message;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use meshward_wire::limits::Limits;
use meshward_wire::message::{OwnedId, Reader};
use meshward_wire::refusal::Reason;
use meshward_wire::splice::Splices;

pub use self::observation::LateReport;
pub(crate) use self::observation::Remarks;
use self::observation::{Observation, Over};
use self::request::RequestState;
use self::response::ResponseState;
use crate::callout::CalloutOutcome;
use crate::effect::{Effect, Effects, Level};
use crate::headers::{HeaderDemand, KeptHeaders};
use crate::host::Host;
use crate::input::Input;
use crate::observer::Observer;
use crate::settings::Settings;
use crate::stage::{Asked, Decision, Editable, Lent, Reads, Scope, Stage, StageExchange};
use crate::ticker::{self, TickScope, Ticker};
use crate::trace::TraceId;

/// What all exchanges of a worker share: the settings, the stages in order, and the readers' scratch memory.
pub struct Pipeline {
    pub(crate) settings: Settings,
    pub(crate) stages: Vec<Box<dyn Stage>>,
    observers: Vec<Box<dyn Observer>>,
    /// An observer wants to know when a request was decided.
    times_decisions: bool,
    /// Likewise what its messages name.
    reads_names: bool,
    /// Observers hear at once that an exchange is over.
    reports_at_once: bool,
    /// Others hear it later.
    reports_late: bool,
    /// The places of the stages that do something from time to time.
    tickers: Vec<usize>,
    headers: HeaderDemand,
    /// How any response may have to be read, which must be known when a request's head passes.
    reads: Reads,
    edits_requests: bool,
    edits_response_heads: bool,
    edits_event_ids: bool,
    looks_into_arguments: bool,
    sees_bodies: bool,
    /// For exchanges that have not kept any yet.
    no_headers: Rc<KeptHeaders>,
    requests: Cell<Option<Reader>>,
    responses: Cell<Option<Reader>>,
    /// The memory of those that are over.
    #[expect(clippy::vec_box, reason = "they go from one exchange to the next, and do not move")]
    observations: RefCell<Vec<Box<Observation>>>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("settings", &self.settings)
            .field("stages", &self.stages)
            .field("observers", &self.observers)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// A pipeline of stages, run in this order on requests.
    #[must_use]
    pub fn new(settings: Settings, stages: Vec<Box<dyn Stage>>) -> Self {
        Self {
            headers: stages.iter().map(|stage| stage.headers()).fold(HeaderDemand::None, HeaderDemand::join),
            reads: stages.iter().map(|stage| stage.reads_responses()).fold(settings.reads_responses(), Reads::max),
            edits_requests: stages.iter().any(|stage| stage.edits_requests()),
            edits_response_heads: stages.iter().any(|stage| stage.edits_response_heads()),
            edits_event_ids: stages.iter().any(|stage| stage.edits_event_ids()),
            no_headers: Rc::default(),
            sees_bodies: stages.iter().any(|stage| stage.sees_bodies()),
            looks_into_arguments: stages.iter().any(|stage| stage.looks_into_arguments()),
            tickers: stages.iter().enumerate().filter_map(|(at, stage)| stage.ticker().map(|_| at)).collect(),
            settings,
            stages,
            observers: Vec::new(),
            times_decisions: false,
            reads_names: false,
            reports_at_once: false,
            reports_late: false,
            requests: Cell::new(None),
            responses: Cell::new(None),
            observations: RefCell::default(),
        }
    }

    /// Tells the stages that exchanges are to come. To be called once, when the configuration is loaded.
    pub fn start(&self, host: &dyn Host) {
        for stage in &self.stages {
            stage.start(host);
        }
    }

    /// The same, with one more observer. Responses are then read at least to know of them.
    #[must_use]
    pub fn observed_by(mut self, observer: Box<dyn Observer>) -> Self {
        self.headers = self.headers.join(observer.headers());
        self.reads = self.reads.max(Reads::Observes);
        self.times_decisions |= observer.times_decisions();
        self.reads_names |= observer.reads_names();
        self.reports_late |= observer.hears_late();
        self.reports_at_once |= !observer.hears_late();
        self.observers.push(observer);
        self
    }

    /// After how many milliseconds a stage wants [`Pipeline::tick`] next, and again and again. It can change with every input.
    #[must_use]
    pub fn tick_period(&self) -> Option<u32> {
        self.tickers().filter_map(Ticker::period).min()
    }

    /// Lets the stages do what they do from time to time. A callout among the effects ends with [`Pipeline::called`].
    pub fn tick(&self, host: &mut dyn Host, effects: &mut Effects) {
        for (place, ticker) in (0..).zip(self.tickers()) {
            if ticker.period().is_some() {
                ticker.tick(&mut TickScope::new(host, effects, place));
            }
        }
    }

    /// A callout of [`Pipeline::tick`], or of this, has ended.
    pub fn called(&self, id: u32, outcome: &CalloutOutcome, host: &mut dyn Host, effects: &mut Effects) {
        let (place, number) = ticker::parts(id);
        if let Some(ticker) = self.tickers().nth(usize::from(place)) {
            ticker.called(number, outcome, &mut TickScope::new(host, effects, place));
        }
    }

    fn tickers(&self) -> impl Iterator<Item = &dyn Ticker> {
        self.tickers.iter().filter_map(|at| self.stages.get(*at)?.ticker())
    }

    /// Lends out the reader of requests. A reader that is already lent (or was lost) is simply made anew.
    fn with_request_reader<T>(&self, work: impl FnOnce(&mut Reader) -> T) -> T {
        let mut reader = self
            .requests
            .take()
            .unwrap_or_else(|| Reader::new(self.settings.limits).keeping_arguments(self.looks_into_arguments));
        let done = work(&mut reader);
        self.requests.set(Some(reader));
        done
    }

    /// Likewise the reader of responses, which has the responses' bound.
    fn with_response_reader<T>(&self, work: impl FnOnce(&mut Reader) -> T) -> T {
        let mut reader = self.responses.take().unwrap_or_else(|| {
            Reader::new(Limits { max_bytes: self.settings.max_response_bytes, ..self.settings.limits })
        });
        let done = work(&mut reader);
        self.responses.set(Some(reader));
        done
    }

    /// Every stage's part in a new exchange.
    fn open(&self) -> Vec<Box<dyn StageExchange>> {
        self.stages.iter().map(|stage| stage.open()).collect()
    }
}

/// How a host should hand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyDemand {
    /// Not at all: it passes.
    Nothing,
    /// Whole: its length while it grows, its bytes when it is complete.
    Whole,
    /// Piece by piece, as it comes.
    Chunks,
    /// Not at all, but the length of each piece that passes.
    Lengths,
}

/// How an exchange stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not decided yet.
    Open,
    /// Not MCP: passed unread.
    Passed,
    /// Decided and let through.
    Allowed,
    /// Answered with a refusal.
    Denied(Reason),
    /// The exchange ended before it was decided, or a service that had to be asked failed.
    Failed,
}

/// One HTTP request and its response.
#[derive(Debug)]
pub struct Exchange {
    pipeline: Rc<Pipeline>,
    request: RequestState,
    response: ResponseState,
    /// The stages' parts, in their order; none until there is a request they will be asked about, and none once it is over.
    parts: Vec<Box<dyn StageExchange>>,
    /// What is kept of the request's head for the body phase.
    headers: Rc<KeptHeaders>,
    /// The same before a stage edited a mirrored header, if one did: the body comes as it was sent, and they mirror that.
    mirrored: Option<Rc<KeptHeaders>>,
    /// The head says how long the body is.
    declares_length: bool,
    asked: Asked,
    trace_id: Option<TraceId>,
    /// A GET: its response is a stream of the server's own.
    opens_stream: bool,
    /// How the response to what was asked is to be read.
    reads: Reads,
    /// Stages want to see the response's head whatever it is.
    edits_response_head: bool,
    next_callout: u32,
    outcome: Outcome,
    /// `None`: nobody observes, or there is nothing to observe.
    observation: Option<Box<Observation>>,
}

impl Exchange {
    /// A new exchange.
    #[must_use]
    pub fn new(pipeline: Rc<Pipeline>) -> Self {
        Self {
            headers: Rc::clone(&pipeline.no_headers),
            mirrored: None,
            pipeline,
            request: RequestState::Start,
            response: ResponseState::Start,
            parts: Vec::new(),
            declares_length: false,
            asked: Asked::default(),
            trace_id: None,
            opens_stream: false,
            reads: Reads::Nothing,
            edits_response_head: false,
            next_callout: 0,
            outcome: Outcome::Open,
            observation: None,
        }
    }

    /// Takes one input and writes what is to be done about it. `effects` is expected to be clear.
    pub fn handle(&mut self, input: Input<'_>, host: &mut dyn Host, effects: &mut Effects) {
        let over = match input {
            Input::End => Over::Ended,
            Input::Failed => Over::Failed,
            _ => Over::No,
        };
        match input {
            Input::RequestHeaders { headers, end_of_stream } => {
                self.request_headers(headers, end_of_stream, host, effects);
            }
            Input::RequestBodyGrew { buffered } => self.request_body_grew(buffered, effects),
            Input::RequestBodyComplete { body } => self.request_body_complete(body, host, effects),
            Input::ResponseHeaders { headers, end_of_stream } => {
                self.response_headers(headers, end_of_stream, host, effects);
            }
            Input::ResponseBodyGrew { buffered } => self.response_body_grew(buffered, effects),
            Input::ResponseBodyComplete { body } => self.response_body_complete(body, host, effects),
            Input::ResponseBodyChunk { chunk, end_of_stream } => {
                self.response_body_chunk(chunk, end_of_stream, host, effects);
            }
            Input::ResponseTrailers => self.response_trailers(host, effects),
            Input::CalloutResult { id, outcome } => self.callout_result(id, outcome, host, effects),
            Input::Tick => self.tick(host, effects),
            Input::End => self.end(),
            Input::Failed => {
                self.outcome = Outcome::Failed;
                self.end();
            }
        }
        if !self.parts.is_empty() && matches!(self.request, RequestState::Replied) {
            self.end_parts(host, effects);
        }
        if self.observation.is_some() {
            self.settle(over, host, effects);
        }
    }

    /// Tells the stages that the exchange is over. They hear it once: their parts go with it.
    fn end_parts(&mut self, host: &mut dyn Host, effects: &mut Effects) {
        let mut no_edits = Splices::default();
        for mut part in std::mem::take(&mut self.parts) {
            let lent = Lent {
                host: &mut *host,
                splices: &mut no_edits,
                headers: &self.headers,
                trace_id: &mut self.trace_id,
                editable: Editable::Nothing,
                remarks: None,
            };
            part.ended(&mut Scope::new(lent, effects));
        }
    }

    /// How the request body should come.
    #[must_use]
    pub const fn request_demand(&self) -> BodyDemand {
        match self.request {
            RequestState::Body | RequestState::NoBody | RequestState::Waiting(_) => BodyDemand::Whole,
            RequestState::Start | RequestState::Passing | RequestState::Replied => BodyDemand::Nothing,
        }
    }

    /// How the response body should come.
    #[must_use]
    pub const fn response_demand(&self) -> BodyDemand {
        match self.response {
            ResponseState::Whole => BodyDemand::Whole,
            ResponseState::Collected { .. }
            | ResponseState::Events(_)
            | ResponseState::ObservedEvents(_)
            | ResponseState::Substitute(_) => BodyDemand::Chunks,
            ResponseState::Passing if self.measures_response() => BodyDemand::Lengths,
            ResponseState::Start | ResponseState::Passing => BodyDemand::Nothing,
        }
    }

    /// Whether the response's head is of any interest. Where it is not, a host need not read it.
    #[must_use]
    pub const fn awaits_response(&self) -> bool {
        (!matches!(self.reads, Reads::Nothing) || self.edits_response_head || self.observation.is_some())
            && matches!(self.response, ResponseState::Start)
    }

    /// Whether the length of an upstream's response is of interest, though it is not read.
    const fn measures_response(&self) -> bool {
        match &self.observation {
            Some(observation) => observation.report.response.has_started,
            None => false,
        }
    }

    /// What all exchanges of the worker share.
    #[must_use]
    pub const fn pipeline(&self) -> &Rc<Pipeline> {
        &self.pipeline
    }

    /// How the exchange stands.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The trace that the request belongs to, if a stage looks at that; of a batch, the one of its last message so far.
    #[must_use]
    pub const fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    /// The id that an answer to the whole request carries.
    fn id(&self) -> Option<&OwnedId> {
        self.asked.first_id()
    }

    fn end(&mut self) {
        if self.outcome == Outcome::Open {
            self.outcome = Outcome::Failed;
        }
        self.request = RequestState::Replied;
        self.response = ResponseState::Passing;
    }

    /// How the stages read the response to what they have decided.
    fn reads_now(&self) -> Reads {
        let parts = self.parts.iter().map(|part| part.reads_response());
        let observers = if self.observation.is_some() { Reads::Observes } else { Reads::Nothing };
        parts.fold(self.pipeline.settings.reads_responses(), Reads::max).max(observers)
    }

    /// Counts a stage's refusal and says it to the operator.
    fn note_decision(effects: &mut Effects, stage: &str, decision: &Decision, shadow: bool) {
        Self::note_refusal(effects, stage, decision.reason, decision.rule.as_deref(), shadow);
    }

    /// Counts a refusal and says it to the operator: the reason and the rule, nothing a client wrote.
    fn note_refusal(effects: &mut Effects, by: &str, reason: Reason, rule: Option<&str>, shadow: bool) {
        effects.push(Effect::CountRefusal { reason, shadow });
        let verb = if shadow { "would refuse" } else { "refused" };
        let rule = rule.map(|rule| format!(" by rule `{rule}`")).unwrap_or_default();
        effects.push(Effect::Log(Level::Info, format!("{by} {verb} a message: {}{rule}", reason.name())));
    }
}
