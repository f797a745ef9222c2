//! What is reported of an exchange to those who count it and those who record it.
//!
//! Plain data, collected once for all [`crate::Observer`]s, and only where there is one. Every time is [`crate::Host::now`]:
//! nanoseconds since 1970-01-01 UTC.

use std::rc::Rc;

use meshward_wire::message::{Kind, OwnedId};
use meshward_wire::method::Method;
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;

use crate::exchange::Outcome;
use crate::settings::Direction;
use crate::stage::Target;
use crate::trace::TraceId;

/// One HTTP exchange: the request, what was decided on the messages in it, and what came of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// On which side of the server or client the proxy stands.
    pub direction: Direction,
    /// The endpoint by its configured path. `None`: the path was refused because it only resembles one, or is none.
    pub endpoint: Option<Rc<str>>,
    /// The request's method in HTTP.
    pub http_method: HttpMethod,
    /// `Mcp-Session-Id`: the request's, or the one that the server gives with its answer.
    pub session: Option<String>,
    /// How the exchange stands.
    pub outcome: Outcome,
    /// The request's head came.
    pub started: u64,
    /// All of the request was decided, where an observer wants to know when ([`crate::Observer::times_decisions`]).
    pub decided: Option<u64>,
    /// The exchange was over.
    pub ended: Option<u64>,
    /// Bytes of the request's body, as far as they were shown.
    pub request_bytes: u64,
    /// Bytes that were read as JSON, of request and response.
    pub parsed_bytes: u64,
    /// The messages of the client, in order. A POST that is refused before one could be read has one all the same, without a
    /// kind; so has a refused request of another method. What other requests (GET, DELETE) do is no message.
    pub messages: Vec<MessageReport>,
    /// The response.
    pub response: ResponseReport,
}

/// A method of HTTP, as far as MCP has a use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpMethod {
    /// Sends messages.
    Post,
    /// Opens a stream of the server's own.
    Get,
    /// Ends a session.
    Delete,
    /// Asks for permission (CORS).
    Options,
    /// None of these.
    Other,
}

/// One message: what it is, what was decided on it, and what came of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MessageReport {
    /// What it is. `None`: it could not be read.
    pub kind: Option<Kind>,
    /// Its method, where MCP knows it.
    pub method: Option<&'static Method>,
    /// Its method, where MCP does not know it: as the client wrote it, so of any length up to the reader's bound.
    pub other_method: Option<String>,
    /// What it is about, where an observer wants to know by name ([`crate::Observer::reads_names`]).
    pub target: Option<Target<'static>>,
    /// The id it has, or the one it answers.
    pub id: Option<OwnedId>,
    /// The protocol revision.
    pub revision: Option<Revision>,
    /// The trace it belongs to, where a stage looks at that.
    pub trace_id: Option<TraceId>,
    /// The client's name for itself, where the message says it and an observer wants to know.
    pub client: Option<String>,
    /// The decision. In a batch a later message can still turn `Allowed` into `Denied(BatchRefused)`.
    pub decision: Decided,
    /// What the stages said, on the message and on its answer, in order. One that passes a message by a rule of its own is
    /// among them; one that has nothing to say of it is not.
    pub rulings: Vec<Ruling>,
    /// What stages have found out and only observers want, by name ([`crate::Scope::note`]).
    pub notes: Vec<(&'static str, String)>,
    /// The entries of its answer, a list, that the caller does not see.
    pub hidden: u64,
    /// Likewise, but they are shown (shadow mode).
    pub would_hide: u64,
    /// The answer: the server's before stages edit it, or ours where the request is refused. `None`: none came, or it could
    /// not be read, or none is expected.
    pub answer: Option<AnswerReport>,
}

/// How a message was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Decided {
    /// Not yet.
    #[default]
    Open,
    /// It went on.
    Allowed,
    /// It went on, but only because a stage observes: it would have been refused.
    Observed(Reason),
    /// It was refused.
    Denied(Reason),
    /// It was not decided: the exchange ended before, or we failed.
    Failed,
}

/// What a stage said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The stage's name; `engine` for what holds before any stage.
    pub stage: &'static str,
    /// Of the message, or of its answer.
    pub on: Phase,
    /// What it said.
    pub effect: RulingEffect,
    /// The rule that decided, if one did.
    pub rule: Option<Rc<str>>,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From the client.
    Request,
    /// From the server.
    Response,
}

/// What a ruling comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RulingEffect {
    /// It may go on.
    Allows,
    /// It would be refused, were the stage not only observing.
    WouldRefuse(Reason),
    /// It is refused.
    Refuses(Reason),
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerReport {
    /// When it had come.
    pub at: u64,
    /// What it is.
    pub is: AnswerKind,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// A result; of a tool that failed (`isError`) or not.
    Result {
        /// The result of a tool call says `isError: true`.
        is_error: bool,
    },
    /// An error with its code; `None`: beyond 64 bits.
    Error {
        /// `error.code`.
        code: Option<i64>,
    },
}

/// The response as the upstream sent it, or as we made it for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseReport {
    /// The HTTP status. `None`: there was none.
    pub status: Option<u16>,
    /// The upstream's head came.
    pub has_started: bool,
    /// The server gave the session's id with it.
    pub gives_session: bool,
    /// It is a stream of events.
    pub is_stream: bool,
    /// The first event with data came.
    pub first_event: Option<u64>,
    /// Bytes of its body.
    pub bytes: u64,
    /// Events with data.
    pub events: u64,
    /// `notifications/progress` among the server's messages.
    pub progress: u64,
    /// `notifications/cancelled` among them.
    pub cancelled: u64,
    /// Requests of the server's own among them.
    pub requests: u64,
    /// Some of it could not be read.
    pub is_unread: bool,
    /// All of it came. Otherwise it was cut off: by the upstream, or because the client went away.
    pub is_complete: bool,
}

/// Codes that are the client's fault, and no errors of a server (OpenTelemetry semantic conventions for MCP, server spans).
const CLIENT_FAULTS: [i64; 5] = [-32700, -32600, -32601, -32602, -32002];

/// Whether a JSON-RPC error with this code is a failure of the operation, as seen from this side: behind a client every
/// one is. `None`: the code is beyond 64 bits.
#[must_use]
pub fn is_failure(side: Direction, code: Option<i64>) -> bool {
    side == Direction::Outbound || code.is_none_or(|code| !CLIENT_FAULTS.contains(&code))
}

impl MessageReport {
    /// Whether an answer is expected.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.kind == Some(Kind::Request)
    }

    /// The ruling that refused the message or its answer.
    #[must_use]
    pub fn refusal(&self) -> Option<&Ruling> {
        self.rulings.iter().find(|ruling| matches!(ruling.effect, RulingEffect::Refuses(_)))
    }
}
