//! A case as it is written: the fields of a `*.yaml` file under `tests/cases`, after variants are merged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use super::body::BodySpec;
use super::caller::Caller;
use super::left::LeftSpec;
use crate::envoy;

/// What one case says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseSpec {
    /// Why the case is there, in a line.
    pub(super) about: String,
    /// A file in `configs/` without its extension, or the configuration itself.
    pub(super) config: Value,
    /// Which module plays it.
    #[serde(default)]
    pub(super) module: Build,
    /// With and without header hold; both unless the case says otherwise.
    #[serde(default = "both_modes")]
    pub(super) modes: Vec<Mode>,
    /// Downstream protocols; both unless the case says otherwise.
    #[serde(default = "both_protocols")]
    pub(super) http: Vec<Http>,
    /// Who the client is.
    #[serde(default)]
    pub(super) caller: Caller,
    /// The variants of the file are steps: played one after another on each host, so that one sees what those before have
    /// left in the shared store.
    #[serde(default)]
    pub(super) in_order: bool,
    /// What the client sends.
    #[serde(default)]
    pub(super) request: RequestSpec,
    /// What the upstream answers when it gets the request.
    #[serde(default)]
    pub(super) answer: AnswerSpec,
    /// What must be seen.
    pub(super) expect: Expect,
    /// Reasons that are counted though the message passes (shadow mode).
    #[serde(default)]
    pub(super) shadow: Vec<String>,
    /// Entries taken out of lists, by the list's method.
    #[serde(default)]
    pub(super) hidden: BTreeMap<String, u64>,
    /// Entries that are left only because the policy is in shadow mode, likewise.
    #[serde(default)]
    pub(super) would_hide: BTreeMap<String, u64>,
    /// What the guards find about the server's tools.
    #[serde(default)]
    pub(super) findings: BTreeMap<String, u64>,
    /// Likewise, where the guards only observe.
    #[serde(default)]
    pub(super) observed_findings: BTreeMap<String, u64>,
    /// Conditions that cannot be evaluated, by the effect of their rule.
    #[serde(default)]
    pub(super) failed_conditions: BTreeMap<String, u64>,
    /// What is measured by the `metrics` section, by series (`name{label="value",…}`, labels sorted): the value of a counter or
    /// a gauge, the count of a histogram.
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, u64>,
    /// What is left with the host for its access log and its tracer.
    #[serde(default)]
    pub(super) leaves: LeftSpec,
    /// Envoy itself answers with this status, whatever a filter says; the other hosts go by `expect`.
    #[serde(default)]
    pub(super) envoy_answers: Option<u16>,
}

/// A build of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// `meshward.wasm`.
    #[default]
    Plain,
    /// `meshward-schema.wasm`, which checks arguments against input schemas.
    Schema,
}

impl Build {
    /// Where it is.
    ///
    /// # Errors
    /// When it is not there.
    pub fn file(self) -> Result<PathBuf> {
        match self {
            Self::Plain => envoy::module(),
            Self::Schema => envoy::schema_module(),
        }
    }
}

/// Whether the host lets request headers wait for the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// `allow_on_headers_stop_iteration` is set.
    Hold,
    /// It is not: the upstream may see headers of a refused request.
    NoHold,
}

/// A downstream protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "u8")]
pub enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

impl TryFrom<u8> for Http {
    type Error = String;

    fn try_from(version: u8) -> Result<Self, String> {
        match version {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err(format!("HTTP/{version} is not driven; 1 and 2 are")),
        }
    }
}

fn both_modes() -> Vec<Mode> {
    vec![Mode::Hold, Mode::NoHold]
}

fn both_protocols() -> Vec<Http> {
    vec![Http::One, Http::Two]
}

/// One field line each, so that order and duplicates can be written down.
pub(super) type FieldLines = Vec<BTreeMap<String, String>>;

/// A request. What is not given is what an MCP client sends: `POST /mcp` with its usual header fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RequestSpec {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    /// Field lines; those of a usual name (`content-type`, `accept`) take the place of the usual line.
    pub(super) headers: FieldLines,
    /// Usual field lines that are not sent.
    pub(super) without: Vec<String>,
    /// The body; none when absent.
    pub(super) body: Option<BodySpec>,
    pub(super) framing: Framing,
    pub(super) cuts: Cuts,
    /// The client goes away when it has sent the body, but not that this was all of it.
    pub(super) breaks_off: bool,
    /// Trailer fields; over HTTP/1.1 the body must be `chunked`.
    pub(super) trailers: FieldLines,
    /// The exact bytes on an HTTP/1.1 connection, instead of all above but `body`, which then says what of it the
    /// upstream must see. Only a real proxy reads them: the case is Envoy's alone.
    pub(super) raw: Option<BodySpec>,
}

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// By `content-length`.
    #[default]
    Length,
    /// By chunks in HTTP/1.1, by the end of the stream in HTTP/2.
    Chunked,
}

/// Where a body is cut into pieces: chunks, `DATA` frames, or writes to the socket.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Cuts {
    #[default]
    Whole,
    Every(EveryByte),
    At(Vec<usize>),
}

/// The word `every_byte`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EveryByte {
    EveryByte,
}

/// An answer of the upstream; by default the result of a tool call, as JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AnswerSpec {
    pub(super) status: Option<u16>,
    /// Field lines; a `content-type` takes the place of `application/json`.
    pub(super) headers: FieldLines,
    pub(super) body: Option<BodySpec>,
    pub(super) framing: Framing,
    pub(super) cuts: Cuts,
    /// Each piece is sent only after the client has got all of the pieces before it.
    pub(super) waits: bool,
    /// The body is all that comes, and no end of it: once the client has it, somebody goes away.
    pub(super) breaks_off: Option<Side>,
}

/// An end of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who sent the request.
    Client,
    /// Who answers it.
    Upstream,
}

/// What must be seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// The upstream gets the request and the client the answer, byte for byte.
    Passes,
    /// The same, but these request header fields are taken out on the way.
    PassesWithout(Vec<String>),
    /// The client gets the answer, its body byte for byte, and the upstream the request, with these edits.
    Edited(Edited),
    /// The client goes away before its request is whole: it gets nothing, and the upstream nothing of the body.
    BrokenOff,
    /// The client gets a refusal; the upstream gets nothing of the body.
    Refused(Refused),
    /// The client gets an array of errors, one for each request of a batch; the upstream nothing of the body.
    RefusedBatch(RefusedBatch),
    /// The client gets exactly this, with 200; the upstream gets nothing of the body.
    Answered(Answered),
    /// The upstream gets the request byte for byte, the client something else than the answer.
    Replaced(Replaced),
}

/// What the upstream gets in place of the request, and the client in place of the answer's head. In its texts `<trace:32>` stands for 32 hexadecimal digits that are not known
/// before, the same ones wherever they stand for one exchange.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edited {
    /// The body from its first byte to its last; the request's when absent.
    pub body: Option<String>,
    /// The field lines of these names.
    pub headers: Vec<BTreeMap<String, String>>,
    /// Request header fields that are not there.
    pub without: Vec<String>,
    /// The field lines of these names in the answer, in place of the upstream's.
    pub answer_headers: Vec<BTreeMap<String, String>>,
    /// Field lines of the answer that do not reach the client.
    pub answer_without: Vec<String>,
    /// The answer's body from its first byte to its last; the upstream's when absent.
    pub answer_body: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// `error.code`.
    pub code: i64,
    /// `error.data.reason`.
    pub reason: String,
    /// The reason that is counted, where it is another.
    pub counted: Option<String>,
    /// The `id`, as JSON, to the letter; no `id` at all when absent.
    pub id: Option<String>,
    /// Other members of `error.data`.
    #[serde(default)]
    pub data: serde_json::Map<String, Value>,
    /// After how many seconds the client may try again, at least and at most: in `retry-after`, and so in `error.data.retryAfter`.
    #[serde(default)]
    pub retry_after: Option<[u32; 2]>,
    /// Response header fields that must be there.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, String>>,
    /// It is refused for its head: the upstream gets nothing even where headers are not held.
    #[serde(default)]
    pub early: bool,
}

/// A refusal in other words than an error of ours.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The body from its first byte to its last.
    pub body: String,
    /// The reason that is counted.
    pub counted: String,
}

/// The refusal of a batch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedBatch {
    /// The HTTP status.
    pub status: u16,
    /// The errors in order.
    pub errors: Vec<ErrorSpec>,
    /// The reason that is counted.
    pub counted: String,
}

/// A JSON-RPC error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorSpec {
    /// `error.code`.
    pub code: i64,
    /// `error.data.reason`.
    pub reason: String,
    /// The `id`, as JSON, to the letter; no `id` at all when absent.
    pub id: Option<String>,
    /// Other members of `error.data`.
    #[serde(default)]
    pub data: serde_json::Map<String, Value>,
}

/// What the client gets in place of the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// The HTTP status; the answer's when absent.
    pub status: Option<u16>,
    /// The body from its first byte to its last.
    pub body: Vec<ReplacedPart>,
    /// Response header fields that must be there.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, String>>,
    /// The reasons that are counted.
    pub counted: Vec<String>,
}

/// A part of a replaced body.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ReplacedPart {
    /// These bytes.
    Text(String),
    /// A JSON-RPC error.
    Error {
        /// Which.
        error: ErrorSpec,
    },
}
