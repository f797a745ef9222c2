//! The record as it is written: its fields, which are stable, and their bounds.

use std::collections::BTreeMap;

use serde::Serialize;

/// One message that was decided, and what came of it. Fields without a value are left out.
///
/// Within one value of `audit` fields may be added; none is ever renamed, removed, or given another meaning.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Meshward audit record"))]
pub struct Record {
    /// The form of the record.
    pub audit: Form,
    /// When the request came in which the message was sent, or the message itself where the server sent it: RFC 3339, UTC, in
    /// microseconds.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub time: String,
    /// On which side the proxy stands.
    pub direction: Direction,
    /// Who sent the message.
    pub sender: Sender,
    /// The endpoint, by its configured path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Who the caller is, as the proxy has proved it. What could not be proved is left out.
    #[serde(skip_serializing_if = "Principal::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub principal: Principal,
    /// The client's name for itself, which nobody has proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The session: `sha256:` and the hash of its id in hexadecimal digits, or the id itself where `audit.session` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The id of the HTTP request (`x-request-id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The trace it belongs to (W3C Trace Context): 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[0-9a-f]{32}$")))]
    pub trace_id: Option<String>,
    /// The protocol revision, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<&'static str>,
    /// What the message is. Left out: it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Its method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its JSON-RPC id, or the id it answers, in the letters of JSON: `1` is a number, `"1"` a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its place in the batch it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// The tool it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The prompt it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The resources it is about, by their URIs, without user information and without all from the query on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub resources: Vec<String>,
    /// What was decided.
    pub decision: Decision,
    /// It was decided so, but not carried out: the message went on.
    pub shadow: bool,
    /// Whether the message was decided on, or the server's answer to it.
    pub phase: Phase,
    /// The stage that decided; `engine` for what holds before any stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    /// The rule that decided. Left out: a default did, or no rule is involved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it is refused, by the registry of reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// All that stages said of the message and of its answer, in order, where that is more than the one decision.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub rulings: Vec<Ruling>,
    /// Entries that were taken out of the list that answers it.
    #[serde(skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub hidden: u64,
    /// Likewise, but they are shown (shadow mode).
    #[serde(skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub would_hide: u64,
    /// What stages have found out about it or its answer, such as changes of the server's tools: the first 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub notes: Vec<Note>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether the result of a call says `isError`: the tool's, or ours where it is refused as a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    /// The code of the JSON-RPC error: the server's, or ours of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jsonrpc_code: Option<i64>,
    /// The HTTP status of the response, the server's or that of our refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Bytes of the message as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bytes: Option<u64>,
    /// Bytes of the HTTP request's body, as far as they came.
    pub request_bytes: u64,
    /// Bytes of the HTTP response's body as the server sent it, as far as they came.
    pub response_bytes: u64,
    /// Microseconds from `time` to the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_us: Option<u64>,
    /// Microseconds from `time` to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_us: Option<u64>,
    /// Microseconds from `time` to the end of the HTTP exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Bytes of `params.arguments` as they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_bytes: Option<u64>,
    /// The SHA-256 of `params.arguments`, over exactly the bytes that were sent: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub arguments_sha256: Option<String>,
    /// `params.arguments`, where `audit.arguments` says so, with what is secret in it taken out.
    #[serde(skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub arguments: Option<String>,
    /// The server's `result`, where `audit.results` says so, likewise.
    #[serde(skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub result: Option<String>,
    /// The fields that are not whole, or not there, because of a bound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub cut: Vec<&'static str>,
    /// Records of the same HTTP exchange that were not kept (`audit.max_records`).
    #[serde(skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub missing: u64,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The JSON Schema of a record, as it is published.
#[cfg(feature = "schema")]
#[must_use]
pub fn record_schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(Record);
    let properties = schema.pointer_mut("/properties").and_then(|value| value.as_object_mut());
    for property in
        properties.into_iter().flat_map(serde_json::Map::values_mut).filter_map(|value| value.as_object_mut())
    {
        // A field is there, or it is not; it is never null.
        if let Some(types) = property.get_mut("type").and_then(|value| value.as_array_mut()) {
            types.retain(|one| one != "null");
        }
        if let Some(forms) = property.get_mut("anyOf").and_then(|value| value.as_array_mut()) {
            forms.retain(|form| form.get("type").is_none_or(|one| one != "null"));
        }
        // Arguments and results are JSON already, and so written by another hand.
        property.remove("writeOnly");
        property.remove("default");
    }
    schema
}

/// The form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Form {
    /// The first.
    #[serde(rename = "meshward/v1")]
    V1,
}

impl Form {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "meshward/v1",
        }
    }
}

/// On which side a proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Before a server.
    Inbound,
    /// Behind a client.
    Outbound,
}

impl Direction {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The client.
    Client,
    /// The server: a request of its own, on the stream that answers the client.
    Server,
}

impl Sender {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Principal {
    /// The URI in the certificate of the peer, such as a SPIFFE id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The address the connection comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The claims of the verified token that `audit.claims` names, where they are texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub claims: BTreeMap<String, String>,
}

impl Principal {
    pub(crate) fn is_empty(&self) -> bool {
        self.peer.is_none() && self.source.is_none() && self.claims.is_empty()
    }
}

/// What a message is (JSON-RPC 2.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It waits for an answer.
    Request,
    /// It waits for none.
    Notification,
    /// It answers a request.
    Response,
    /// It answers a request with an error.
    Error,
}

impl Kind {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Notification => "notification",
            Self::Response => "response",
            Self::Error => "error",
        }
    }
}

/// Something that a stage has found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Note {
    /// What it is: `tool_changed`, `tool_unknown`, `tool_added`, `tool_removed`, `tool_renamed`, `tool_invisible`,
    /// `tool_matches`, `tool_lookalike`. There may be others.
    pub name: &'static str,
    /// What it is about: the tool's name; of a renamed one the old name, ` -> ` and the new one.
    pub value: String,
}

/// A place in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Batch {
    /// The first message has 0.
    pub index: u64,
    /// How many messages it has, as far as they are decided.
    pub of: u64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may go on.
    Allow,
    /// It may not.
    Deny,
    /// Nothing: the exchange ended before, or the proxy failed.
    None,
}

impl Decision {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::None => "none",
        }
    }
}

/// What a stage said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ruling {
    /// The stage.
    pub stage: &'static str,
    /// Of the message, or of its answer.
    pub phase: Phase,
    /// What it said.
    pub decision: Decision,
    /// It was not carried out.
    pub shadow: bool,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// What a decision is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// On the message.
    Request,
    /// On the server's answer to it.
    Response,
}

impl Phase {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It went on, and nothing more is known yet: the line was written while the exchange was under way, or the module has
    /// failed since.
    Pending,
    /// It was refused, or the server's answer to it was.
    Refused,
    /// The server answered it.
    Answered,
    /// It went on and expects no answer: a notification, a response, or a request of the server's own, which is answered
    /// in another exchange.
    Delivered,
    /// It went on, and no answer was read before the exchange ended.
    Unanswered,
    /// It was not decided, and did not go on.
    Failed,
}

impl Outcome {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Delivered => "delivered",
            Self::Unanswered => "unanswered",
            Self::Failed => "failed",
        }
    }
}
