//! What works on messages: the stages, in the order the configuration composes them.

use std::borrow::Cow;

use meshward_wire::message::{Message, OwnedId};
use meshward_wire::method::Method;
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;
use meshward_wire::splice::Splices;

use crate::callout::{Callout, CalloutOutcome};
use crate::headers::KeptHeaders;
use crate::host::Host;

/// One concern: policy, replay checks, trace context, metrics. Shared by all exchanges of a worker, so it keeps no
/// state of one.
///
/// No method has a default: a stage that wraps another must forward them all, and the compiler says so.
pub trait Stage: std::fmt::Debug {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Decides one message of the client, and may edit it.
    fn request(&self, call: &Call<'_>, splices: &mut Splices, host: &mut dyn Host) -> Verdict;

    /// Goes on with a message for which it asked another service.
    fn resumed(&self, call: &Call<'_>, outcome: &CalloutOutcome, splices: &mut Splices, host: &mut dyn Host)
    -> Verdict;

    /// Whether it ever edits a request: its `content-length` must then go before the body is known.
    fn edits_requests(&self) -> bool;

    /// Whether it ever reads a response: the client's `accept-encoding` must then go.
    fn reads_responses(&self) -> bool;

    /// Whether it reads the responses to this message.
    fn reads_responses_to(&self, call: &Call<'_>) -> bool;

    /// Judges one message of the server.
    fn response(&self, message: &Message<'_>, asked: &Asked, host: &mut dyn Host) -> Answer;
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
    /// The `mcp-*` header fields of the request.
    pub headers: &'a KeptHeaders,
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
    /// Nothing with a name.
    None,
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
    /// Another service must be asked first.
    Ask(Callout),
}

/// Why a stage refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The entry in the registry of reasons.
    pub reason: Reason,
    /// The rule that decided, for the operator; never shown to the caller.
    pub rule: Option<String>,
}

/// The request that a response answers.
#[derive(Debug, Default)]
pub struct Asked {
    /// Its id; `None` for a notification, a response, or a stream opened by GET.
    pub id: Option<OwnedId>,
    /// Its method, where MCP knows it.
    pub method: Option<&'static Method>,
}

/// What a stage makes of a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may go on as it is.
    Pass,
    /// These bytes go on in its place.
    Replace(Vec<u8>),
    /// It does not go on. Where a response is expected, an error takes its place.
    Drop,
}
