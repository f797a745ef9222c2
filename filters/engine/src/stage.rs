//! What works on messages: the stages, in the order the configuration composes them.

use std::borrow::Cow;
use std::fmt::Debug;
use std::rc::Rc;

use meshward_wire::json::Span;
use meshward_wire::listing::{self, ListKind, Unlistable};
use meshward_wire::message::{Id, Message, OwnedId};
use meshward_wire::method::Method;
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;
use meshward_wire::splice::Splices;

use crate::callout::{Callout, CalloutOutcome};
use crate::effect::{Counter, Effect, Effects, HeaderEdit, Level};
use crate::exchange::Remarks;
use crate::headers::{HeaderDemand, Headers, KeptHeaders};
use crate::host::Host;
use crate::series::Series;
use crate::ticker::Ticker;
use crate::trace::TraceId;

/// One concern: policy, replay checks, trace context, metrics. It is shared by all exchanges of a worker; what it keeps
/// of one is in the [`StageExchange`] it opens.
pub trait Stage {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Whether it ever edits a request: its `content-length` must then go before the body is known.
    fn edits_requests(&self) -> bool {
        false
    }

    /// Whether it sees requests as a whole ([`StageExchange::request_body`], [`StageExchange::request_leaves`]). Neither is called where
    /// no stage says so.
    fn sees_bodies(&self) -> bool {
        false
    }

    /// How it reads any response at most: the client's `accept-encoding` must go if it ever does.
    fn reads_responses(&self) -> Reads {
        Reads::Nothing
    }

    /// Whether it ever edits the head of a response ([`StageExchange::edit_response_head`]).
    fn edits_response_heads(&self) -> bool {
        false
    }

    /// Whether it ever edits the ids of events ([`StageExchange::edit_event_id`]), of responses that it reads to judge them.
    fn edits_event_ids(&self) -> bool {
        false
    }

    /// The request header fields it wants to see in the body phase, besides `mcp-*`.
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
    }

    /// Whether it looks for members of a call's arguments: the reader then notes where they are.
    fn looks_into_arguments(&self) -> bool {
        false
    }

    /// The configuration is loaded, and no exchange has begun. The store may have been in use for long.
    fn start(&self, _: &dyn Host) {}

    /// What it does from time to time, apart from any exchange.
    fn ticker(&self) -> Option<&dyn Ticker> {
        None
    }

    /// Its part in one exchange.
    fn open(&self) -> Box<dyn StageExchange>;
}

/// A stage's part in one exchange.
pub trait StageExchange {
    /// Sees the request's head, before any message, and judges what the head alone condemns. It may edit header fields, which
    /// without header hold are out of reach when the messages come; stages after it find them edited in [`Scope::headers`].
    fn request_head(&mut self, _: Headers<'_>, _: &mut Scope<'_>) -> HeadVerdict {
        HeadVerdict::Pass
    }

    /// Sees the whole body of a request as it came, before its messages are read, and judges what the body alone condemns. Not
    /// called for what has no body.
    fn request_body(&mut self, _: &[u8], _: &mut Scope<'_>) -> HeadVerdict {
        HeadVerdict::Pass
    }

    /// Decides one message of the client, and may edit it.
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict;

    /// Goes on with a message for which it asked another service.
    fn resumed(&mut self, call: &Call<'_>, _: &CalloutOutcome, scope: &mut Scope<'_>) -> Verdict {
        // Who asks no service gets no answer of its own: it decides as at first.
        self.request(call, scope)
    }

    /// Decides a request that has no message (GET, DELETE, OPTIONS), once all stages have let its head pass; it waits at its
    /// head, and may be edited. `answer`: how the call ended that this stage asked for. The answer to what is refused is that of
    /// [`HeadVerdict::Refuse`].
    fn request_without_message(&mut self, _answer: Option<&CalloutOutcome>, _: &mut Scope<'_>) -> Verdict {
        Verdict::Pass
    }

    /// Sees a request that all stages let pass, with its body as it goes on (empty: it has none), and may still edit its header
    /// fields: without header hold only those of a request without a body.
    fn request_leaves(&mut self, _: &[u8], _: &mut Scope<'_>) {}

    /// How it reads the response to the messages it has decided; if it has decided none, what comes on a stream that a
    /// GET opens.
    fn reads_response(&self) -> Reads {
        Reads::Nothing
    }

    /// Sees the head of whatever response the server sends, before anything of it is read, and may edit it. Asked only of a
    /// stage that says so ([`Stage::edits_response_heads`]).
    fn edit_response_head(&mut self, _: Headers<'_>, _: &mut Scope<'_>) {}

    /// Sees the head of a successful response that it reads.
    fn response_head(&mut self, _: Headers<'_>, _: &mut Scope<'_>) {}

    /// Edits the id of an event, with which a client can come back for what is behind it (WHATWG HTML, section 9.2.4). Asked only of a
    /// stage that says so ([`Stage::edits_event_ids`]).
    fn edit_event_id(&mut self, _: &[u8], _: &mut Scope<'_>) -> EventId {
        EventId::Keep
    }

    /// Judges one message of the server, and may edit it.
    fn response(&mut self, _: &Message<'_>, _: &Asked, _: &mut Scope<'_>) -> Answer {
        Answer::Pass
    }

    /// The exchange is over: it was refused here, its response has come to its end, one of both sides went away, or we failed. Called
    /// once, and last, for every part that was opened; only a trap of the module can come before it. Nothing can be edited any
    /// more, nor asked of another service.
    fn ended(&mut self, _: &mut Scope<'_>) {}
}

// Not a bound of the traits: the module would carry everybody's formatting, which nobody there asks for.
impl Debug for dyn Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stage").field(&self.name()).finish()
    }
}

impl Debug for dyn StageExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StageExchange")
    }
}

/// How a response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Reads {
    /// Not at all.
    #[default]
    Nothing,
    /// To know of it: what cannot be read passes.
    Observes,
    /// To decide on it: what cannot be read is refused.
    Judges,
}

/// What a stage works with, besides the message.
pub struct Scope<'a> {
    /// The world.
    pub host: &'a mut dyn Host,
    /// Edits of the body the message came in.
    pub splices: &'a mut Splices,
    /// The request's header fields that are kept.
    pub headers: &'a KeptHeaders,
    /// The trace that the request belongs to, once a stage knows it.
    pub trace_id: &'a mut Option<TraceId>,
    /// Whose header fields can still be edited.
    editable: Editable,
    effects: &'a mut Effects,
    /// Where there are observers.
    remarks: Option<&'a mut Remarks>,
}

/// What an exchange lends to a [`Scope`].
pub(crate) struct Lent<'a> {
    pub(crate) host: &'a mut dyn Host,
    pub(crate) splices: &'a mut Splices,
    pub(crate) headers: &'a KeptHeaders,
    pub(crate) trace_id: &'a mut Option<TraceId>,
    pub(crate) editable: Editable,
    pub(crate) remarks: Option<&'a mut Remarks>,
}

/// Whose header fields are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Editable {
    Nothing,
    RequestHead,
    ResponseHead,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(lent: Lent<'a>, effects: &'a mut Effects) -> Self {
        let Lent { host, splices, headers, trace_id, editable, remarks } = lent;
        Self { host, splices, headers, trace_id, editable, effects, remarks }
    }

    /// Whether the request's header fields can still be edited: in [`StageExchange::request_head`] and
    /// [`StageExchange::request_without_message`], and with header hold until the request is decided.
    #[must_use]
    pub const fn can_edit_request_head(&self) -> bool {
        matches!(self.editable, Editable::RequestHead)
    }

    /// Edits a header field of the request. Does nothing where that is too late.
    pub fn edit_request_head(&mut self, edit: HeaderEdit) {
        if self.can_edit_request_head() {
            self.effects.push(Effect::RequestHeader(edit));
        }
    }

    /// Edits a header field of the response. Does nothing but in [`StageExchange::edit_response_head`].
    pub fn edit_response_head(&mut self, edit: HeaderEdit) {
        if self.editable == Editable::ResponseHead {
            self.effects.push(Effect::ResponseHeader(edit));
        }
    }

    /// Adds a header field to the answer, if the stage refuses now: what the caller is to do (`www-authenticate`).
    pub fn answer_with(&mut self, name: &'static str, value: String) {
        self.effects.reply_headers.push((name, value));
    }

    /// Adds to a counter.
    pub fn count(&mut self, counter: Counter, by: u64) {
        if let Some(remarks) = &mut self.remarks {
            remarks.counted(counter, by);
        }
        self.effects.push(Effect::Count { counter, by });
    }

    /// Adds to a series of the stage's own.
    pub fn measure(&mut self, series: &Rc<Series>, by: u64) {
        self.effects.push(Effect::Measure { series: Rc::clone(series), by: i64::try_from(by).unwrap_or(i64::MAX) });
    }

    /// Tells observers by which rule the message at hand passes.
    pub fn allowed_by(&mut self, rule: &Rc<str>) {
        if let Some(remarks) = &mut self.remarks {
            remarks.allowed_by = Some(Rc::clone(rule));
        }
    }

    /// Tells observers something about the message at hand. It is not worked out where there are none.
    pub fn note(&mut self, name: &'static str, value: impl FnOnce() -> String) {
        if let Some(remarks) = &mut self.remarks {
            remarks.notes.push((name, value()));
        }
    }

    /// Writes a line to the host's log. It never holds arguments, results or header values.
    pub fn log(&mut self, level: Level, line: String) {
        self.effects.push(Effect::Log(level, line));
    }
}

impl Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("splices", &self.splices).finish_non_exhaustive()
    }
}

/// A message of the client, with what the engine has established about it.
#[derive(Debug)]
pub struct Call<'a> {
    /// The message.
    pub message: &'a Message<'a>,
    /// Its method, where MCP knows it.
    pub method: Option<&'static Method>,
    /// What it is about.
    pub target: Target<'a>,
    /// The protocol revision of the exchange; `None` while `initialize` negotiates one that is not known here.
    pub revision: Option<Revision>,
}

/// What a message is about, by MCP's kinds of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// A tool by its name.
    Tool(Cow<'a, str>),
    /// A prompt by its name.
    Prompt(Cow<'a, str>),
    /// A resource, or a template, by its URI.
    Resource(Cow<'a, str>),
    /// Several resources by their URIs: `subscriptions/listen` (2026-07-28). Never empty.
    Resources(Vec<Cow<'a, str>>),
    /// Nothing with a name.
    None,
}

impl Target<'_> {
    /// The same, with its names copied.
    #[must_use]
    pub fn into_owned(self) -> Target<'static> {
        let owned = |name: Cow<'_, str>| Cow::Owned(name.into_owned());
        match self {
            Self::Tool(name) => Target::Tool(owned(name)),
            Self::Prompt(name) => Target::Prompt(owned(name)),
            Self::Resource(uri) => Target::Resource(owned(uri)),
            Self::Resources(uris) => Target::Resources(uris.into_iter().map(owned).collect()),
            Self::None => Target::None,
        }
    }
}

/// What a stage says of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Pass,
    /// It may go on, but only because the stage observes: it would have been refused.
    Observe(Decision),
    /// It is refused.
    Refuse(Decision),
    /// Another service must be asked first: the request waits.
    Ask(Callout),
}

/// What a stage says of a request's head, or of its whole body.
#[derive(Debug, PartialEq, Eq)]
pub enum HeadVerdict {
    /// It may go on.
    Pass,
    /// It may go on, but only because the stage observes: it would have been refused.
    Observe(Decision),
    /// It is refused, before any message is read: the answer is an error in the reason's own words, without an id.
    Refuse(Decision),
}

impl From<HeadVerdict> for Verdict {
    fn from(verdict: HeadVerdict) -> Self {
        match verdict {
            HeadVerdict::Pass => Self::Pass,
            HeadVerdict::Observe(decision) => Self::Observe(decision),
            HeadVerdict::Refuse(decision) => Self::Refuse(decision),
        }
    }
}

/// Why and how a stage refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The entry in the registry of reasons, counted and logged.
    pub reason: Reason,
    /// The rule that decided, for the operator; never shown to the caller.
    pub rule: Option<Rc<str>>,
    /// What the caller gets, if the message is a request; otherwise there is nobody to answer.
    pub refusal: Refusal,
    /// After so many seconds the caller may try again: `retry-after` (RFC 9110, section 10.2.3), and, of a message,
    /// `retryAfter` in the error's data.
    pub retry_after: Option<u32>,
}

impl Decision {
    /// A refusal in the reason's own words.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, rule: None, refusal: Refusal::Error { message: None }, retry_after: None }
    }
}

/// The shape of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A JSON-RPC error, in other words than the reason's where there are some.
    Error {
        /// The words.
        message: Option<Rc<str>>,
    },
    /// The result of a tool call that failed, so that a model reads why. For any other message: as `Error`.
    ToolResult {
        /// The words.
        message: Option<Rc<str>>,
    },
    /// As the specification has a server answer who knows no such thing. For what has no name: as `Error`.
    Unknown,
}

/// The requests that a response may answer.
#[derive(Debug, Default)]
pub struct Asked {
    requests: Vec<AskedRequest>,
}

#[derive(Debug)]
struct AskedRequest {
    id: OwnedId,
    method: Option<&'static Method>,
}

impl Asked {
    pub(crate) fn push(&mut self, id: OwnedId, method: Option<&'static Method>) {
        self.requests.push(AskedRequest { id, method });
    }

    /// The id of the first request. `None` on a stream opened by GET, and where only notifications or responses were
    /// sent.
    #[must_use]
    pub fn first_id(&self) -> Option<&OwnedId> {
        self.requests.first().map(|request| &request.id)
    }

    /// The methods, where MCP knows them, of the requests with an id: one, unless a client used the id twice, and none
    /// for what was not asked for in this exchange.
    pub fn methods_of<'s>(&'s self, id: Option<Id<'s>>) -> impl Iterator<Item = Option<&'static Method>> + 's {
        self.requests
            .iter()
            .filter(move |request| id.is_some_and(|id| id.raw() == request.id.raw()))
            .map(|request| request.method)
    }

    /// What a result lists: by the method that asked for it, or, where that is not known, by its members.
    ///
    /// # Errors
    /// A member that resembles one that lists.
    pub fn lists(&self, message: &Message<'_>, result: Span) -> Result<Vec<ListKind>, Unlistable> {
        let mut methods = self.methods_of(message.id());
        match (methods.next(), methods.next()) {
            (Some(method), None) => {
                Ok(method.and_then(|method| ListKind::of_method(method.name)).into_iter().collect())
            }
            // Asked for elsewhere, or one id for several requests.
            _ => listing::kinds_by_shape(message.text(), result),
        }
    }
}

/// What a stage makes of the id of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventId {
    /// It stays.
    Keep,
    /// This one takes its place.
    Set(Vec<u8>),
    /// The event has none.
    Remove,
}

/// What a stage makes of a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may go on, with the edits.
    Pass,
    /// It may go on, with the edits, but only because the stage observes: it would have been refused.
    Observe(Decision),
    /// These bytes go on in its place.
    Replace(Vec<u8>),
    /// It is refused: a response becomes an error; a request goes on as one that no client knows, so that the client tells
    /// the server; a notification is dropped.
    Refuse(Decision),
    /// It is refused, and nothing goes on under its id. Where a response is expected, an error with the reason takes its place.
    Discard(Decision),
    /// It does not go on. Where a response is expected, an error takes its place.
    Drop,
}
