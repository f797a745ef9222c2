//! Every reason to refuse, in one table: its name, its JSON-RPC code, its HTTP status and its words.
//!
//! Codes are MCP's where the specification defines one (JSON-RPC 2.0, section 5.1; MCP 2026-07-28, basic, error codes).
//! Ours lie outside JSON-RPC's reserved range (-32768 to -32000): -31000 less the HTTP status they come with. Names and
//! codes are stable; the words are for people and never repeat what was sent.

use crate::message::OwnedId;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $code:literal, $status:literal, $message:literal;)*) => {
        /// Why something is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name, in metrics, logs and the error's `data.reason`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The JSON-RPC error code.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What is wrong, for whoever sent it.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

reasons! {
    /// No content where a message must be.
    EmptyBody, "empty_body", -32700, 400, "The request has no body: send one JSON-RPC message";
    /// A byte order mark.
    ByteOrderMark, "byte_order_mark", -32700, 400, "The body begins with a byte order mark: send UTF-8 without one";
    /// Not UTF-8.
    InvalidUtf8, "invalid_utf8", -32700, 400, "The body is not valid UTF-8";
    /// Not JSON.
    InvalidJson, "invalid_json", -32700, 400, "The body is not valid JSON";
    /// JSON that ends too early.
    TruncatedJson, "truncated_json", -32700, 400, "The body ends before its JSON value does";
    /// Something behind the JSON value.
    TrailingData, "trailing_data", -32700, 400, "There is data behind the JSON value: send one value";
    /// A string with an unescaped control character.
    ControlCharacter, "control_character", -32700, 400, "A string holds a control character that is not escaped";
    /// A surrogate without its other half.
    LoneSurrogate, "lone_surrogate", -32700, 400, "A string holds an escaped surrogate without its other half";
    /// A number no double can hold.
    NumberOutOfRange, "number_out_of_range", -32700, 400, "A number is beyond the range of a double";
    /// Nested deeper than the bound.
    TooDeep, "too_deep", -32700, 400, "The message is nested too deeply";
    /// A member twice in one object.
    DuplicateKey, "duplicate_key", -32700, 400, "An object has a member twice: send each member once";
    /// Neither an object nor an array.
    NotAnObject, "not_an_object", -32600, 400, "A JSON-RPC message is an object";
    /// An array without messages.
    EmptyBatch, "empty_batch", -32600, 400, "The batch is empty";
    /// More messages than the bound.
    BatchTooLong, "batch_too_long", -32600, 400, "The batch has too many messages";
    /// A member of the envelope, of `params` or of `params.ref` that a case-insensitive reader takes for a known one.
    CaseVariant, "case_variant", -32600, 400, "A member differs from a known one only in case or by a NUL: write it as the protocol does";
    /// `jsonrpc` is not `"2.0"`.
    NotJsonRpc2, "not_jsonrpc_2", -32600, 400, "`jsonrpc` must be \"2.0\"";
    /// `method` is not a string.
    InvalidMethod, "invalid_method", -32600, 400, "`method` must be a string without NUL, of a sensible length";
    /// `id` is neither a string nor an integer.
    InvalidId, "invalid_id", -32600, 400, "`id` must be a string or an integer, without NUL, of a sensible length";
    /// `params` is not an object.
    ParamsNotAnObject, "params_not_an_object", -32602, 400, "`params` must be an object";
    /// Both `result` and `error`.
    ResultAndError, "result_and_error", -32600, 400, "A response has either `result` or `error`, not both";
    /// `method` beside `result` or `error`.
    RequestAndResponse, "request_and_response", -32600, 400, "A message is a request or a response, not both";
    /// None of `method`, `result` and `error`.
    NoMethod, "no_method", -32600, 400, "The message has no `method`, `result` or `error`";
    /// A result without an id.
    ResponseWithoutId, "response_without_id", -32600, 400, "A response needs the `id` of its request";
    /// `result` is not an object.
    ResultNotAnObject, "result_not_an_object", -32600, 400, "`result` must be an object";
    /// `error` is not what JSON-RPC says.
    InvalidError, "invalid_error", -32600, 400, "`error` must be an object with an integer `code` and a string `message`";
    /// A name or URI that holds NUL or is too long.
    InvalidName, "invalid_name", -32602, 400, "A name or URI holds NUL or is too long";
    /// A parameter that the method needs is missing or of the wrong type.
    InvalidParams, "invalid_params", -32602, 400, "A parameter that this method needs is missing or of the wrong type";
    /// A batch where none is accepted.
    BatchRefused, "batch_refused", -32600, 400, "Batches are not accepted here: send each message on its own";
    /// A mirrored header disagrees with the body.
    HeaderMismatch, "header_mismatch", -32020, 400, "A mirrored header does not match the request body";
    /// A mirrored header is given more than once.
    HeaderRepeated, "header_repeated", -32020, 400, "A mirrored header is given more than once";
    /// A mirrored header that the revision requires is missing.
    HeaderMissing, "header_missing", -32020, 400, "A mirrored header that this protocol version requires is missing";
    /// A mirrored header cannot be read.
    HeaderMalformed, "header_malformed", -32020, 400, "A mirrored header is malformed or too long";
    /// A protocol revision nobody here knows.
    UnsupportedProtocolVersion, "unsupported_protocol_version", -32022, 400, "Unsupported protocol version";
    /// Not an endpoint.
    PathNotFound, "path_not_found", -31404, 404, "There is no MCP endpoint at this path";
    /// A path that a server could take for an endpoint.
    PathLookalike, "path_lookalike", -31404, 404, "This path only resembles an MCP endpoint: send the exact path";
    /// A method that MCP does not use.
    MethodNotAllowed, "method_not_allowed", -31405, 405, "An MCP endpoint takes POST, GET, DELETE and OPTIONS";
    /// A header that would make the request another method.
    MethodOverride, "method_override", -31400, 400, "Method override headers are not accepted";
    /// An attempt to leave HTTP.
    UpgradeNotAllowed, "upgrade_not_allowed", -31400, 400, "An MCP endpoint does not switch protocols: leave out `upgrade`";
    /// A body where none belongs.
    BodyNotAllowed, "body_not_allowed", -31400, 400, "A request with this method has no body";
    /// Not JSON by its media type.
    UnsupportedMediaType, "unsupported_media_type", -31415, 415, "Send `content-type: application/json`, once, in UTF-8";
    /// A compressed body.
    UnsupportedContentEncoding, "unsupported_content_encoding", -31415, 415, "Send the body without content coding";
    /// A body longer than the bound.
    BodyTooLarge, "body_too_large", -31413, 413, "The request body is too large";
    /// Denied by policy.
    Denied, "denied", -31403, 403, "This operation is not permitted";
    /// Denied by policy because a condition could not be evaluated.
    ConditionFailed, "condition_failed", -31403, 403, "This operation is not permitted";
    /// A resource URI that breaks the rules for URIs.
    UriRefused, "uri_refused", -31403, 403, "This resource URI is not permitted";
    /// A method that is not among the allowed ones.
    MethodRefused, "method_refused", -32601, 403, "This method is not available here";
    /// A browser's request from a page that may not send any (DNS rebinding).
    OriginRefused, "origin_refused", -31403, 403, "Requests from this origin are not permitted";
    /// Arguments that do not fit the tool's input schema.
    ArgumentsInvalid, "arguments_invalid", -32602, 400, "The arguments do not fit the tool's input schema";
    /// Arguments that must fit a schema that cannot be used.
    SchemaUnusable, "schema_unusable", -32602, 400, "The tool's input schema cannot be used";
    /// A tool of which no definition is known.
    ToolUnknown, "tool_unknown", -32602, 400, "This tool is not known here: list the tools first";
    /// A tool whose definition is another than the approved one.
    ToolChanged, "tool_changed", -31403, 403, "This tool's definition is not the one that was approved";
    /// A tool whose definition says what none may say, or whose name looks like another's.
    ToolRefused, "tool_refused", -31403, 403, "This tool's definition is not acceptable";
    /// A tool whose definition nobody has approved.
    ToolUnpinned, "tool_unpinned", -31403, 403, "This tool's definition was not approved";
    /// Arguments longer than the tool's bound.
    ArgumentsTooLarge, "arguments_too_large", -32602, 400, "The arguments are too large for this tool";
    /// A session's id that was not given out here.
    SessionUnknown, "session_unknown", -31404, 404, "This session is not known: initialize a new one";
    /// A session's id whose seal is broken.
    SessionForged, "session_forged", -31404, 404, "This session is not known: initialize a new one";
    /// A session's id that was given to another caller.
    SessionMoved, "session_moved", -31404, 404, "This session is not known: initialize a new one";
    /// An event id that was not given out here.
    EventIdUnknown, "event_id_unknown", -31400, 400, "This event id is not known: open a new stream without it";
    /// An event id whose seal is broken, or of another session.
    EventIdForged, "event_id_forged", -31400, 400, "This event id is not known: open a new stream without it";
    /// An event id that was given to another caller.
    EventIdMoved, "event_id_moved", -31400, 400, "This event id is not known: open a new stream without it";
    /// A message that does not say what shows that it is fresh.
    FreshnessMissing, "freshness_missing", -31400, 400, "A message has to say here, once and well-formed, when it was made, or a nonce";
    /// A message made too long ago.
    MessageTooOld, "message_too_old", -31403, 403, "This message is too old: send a new one";
    /// A message made in the future.
    MessageFromFuture, "message_from_future", -31403, 403, "This message was made in the future: set the clock";
    /// A sequence number that has come, or is too far behind.
    SequenceReused, "sequence_reused", -31403, 403, "A message with this sequence number came before, or many that are higher: send a new one";
    /// A nonce for the second time.
    NonceReused, "nonce_reused", -31403, 403, "This message was sent before: send a new one, with a new nonce";
    /// A message from before the nonces are remembered.
    NonceBeforeStart, "nonce_before_start", -31403, 403, "Nobody here remembers whether this message was sent before: send a new one, with a new nonce";
    /// No room to remember another nonce.
    NoncesFull, "nonces_full", -31503, 503, "No more nonces can be remembered: try again later, with a new nonce";
    /// Nobody answers whether a nonce was used.
    NoncesUnavailable, "nonces_unavailable", -31503, 503, "Whether this message was sent before cannot be found out: try again later, with a new nonce";
    /// A result, or a message of the server, with something that must not leave it.
    ResultRefused, "result_refused", -31403, 403, "The result holds what may not be given out";
    /// The id of a request for the second time.
    RequestIdReused, "request_id_reused", -32600, 400, "This request id was used before: send each request with an id of its own";
    /// A progress token that is in use.
    ProgressTokenReused, "progress_token_reused", -32602, 400, "This progress token is in use: send each request with a token of its own";
    /// No room to remember another id, or no store.
    RequestIdsUnavailable, "request_ids_unavailable", -31503, 503, "Whether this request id was used before cannot be found out: try again later";
    /// A response to what was not asked.
    ResponseUnasked, "response_unasked", -31502, 502, "The server answered something else than what was asked";
    /// A `requestState` that was not given out here, or long ago.
    RequestStateUnknown, "request_state_unknown", -32602, 400, "This requestState is not known: begin the request anew";
    /// A `requestState` whose seal is broken, or of another request.
    RequestStateForged, "request_state_forged", -32602, 400, "This requestState is not known: begin the request anew";
    /// A `requestState` that was given to another caller.
    RequestStateMoved, "request_state_moved", -32602, 400, "This requestState is not known: begin the request anew";
    /// A `requestState` for the second time.
    RequestStateReused, "request_state_reused", -32602, 400, "This requestState was used: begin the request anew";
    /// A task's id that was not given out here.
    TaskIdUnknown, "task_id_unknown", -32602, 400, "Task not found";
    /// A task's id whose seal is broken.
    TaskIdForged, "task_id_forged", -32602, 400, "Task not found";
    /// A task's id that was given to another caller.
    TaskIdMoved, "task_id_moved", -32602, 400, "Task not found";
    /// A list of tasks, from a server that nobody trusts to tell callers apart.
    TaskListRefused, "task_list_refused", -32601, 403, "Tasks are not listed here: keep their ids";
    /// A call without an idempotency key where it needs one, or with one that is none.
    IdempotencyKeyInvalid, "idempotency_key_invalid", -31400, 400, "A call of this tool has to carry one idempotency key, of up to 256 bytes";
    /// An idempotency key of another call.
    IdempotencyKeyReused, "idempotency_key_reused", -31422, 422, "This idempotency key is another call's: use a new one";
    /// A call that runs.
    CallRunning, "call_running", -31409, 409, "The call with this idempotency key is still running";
    /// A call that was answered.
    CallAnswered, "call_answered", -31409, 409, "The call with this idempotency key was carried out and answered: the answer is not kept here";
    /// A call that may have run.
    CallUnknown, "call_unknown", -31409, 409, "The call with this idempotency key was sent on, and nobody knows whether it was carried out";
    /// No room to remember another idempotency key, or no store.
    IdempotencyUnavailable, "idempotency_unavailable", -31503, 503, "Idempotency keys cannot be remembered at present: try again later";
    /// No signature where one must be.
    SignatureMissing, "signature_missing", -31401, 401, "This request must be signed: `accept-signature` says how";
    /// A signature that is not that of this request; and what callers are told of any that does not count.
    SignatureForged, "signature_invalid", -31401, 401, "The signature of this request does not count";
    /// A signature that cannot be read, or is of a kind that is not known here.
    SignatureMalformed, "signature_malformed", -31401, 401, "The signature of this request cannot be read";
    /// A signature by a key that is not known.
    SignatureKeyUnknown, "signature_key_unknown", -31401, 401, "The key of this signature is not known";
    /// A signature that says another algorithm than its key's.
    SignatureAlgorithm, "signature_algorithm", -31401, 401, "The algorithm of this signature is not that of its key";
    /// A signature that does not cover what it must.
    SignatureIncomplete, "signature_incomplete", -31401, 401, "The signature of this request does not cover all that it must";
    /// A signature that is too old.
    SignatureExpired, "signature_expired", -31401, 401, "The signature of this request has expired";
    /// A signature from the future.
    SignatureEarly, "signature_early", -31401, 401, "The signature of this request is from the future";
    /// A signature without a nonce, where it must have one.
    SignatureWithoutNonce, "signature_without_nonce", -31401, 401, "The signature of this request has no nonce";
    /// A signature by a key that may be among those which could not be fetched.
    SignatureKeysUnavailable, "signature_keys_unavailable", -31503, 503, "The keys of signatures are not there at present: try again later";
    /// A body that is not the one whose digest was signed.
    DigestMismatch, "digest_mismatch", -31401, 401, "The body of this request is not the one that was signed";
    /// A digest that cannot be read, or of no algorithm that is known here.
    DigestUnusable, "digest_unusable", -31401, 401, "The digest of this request cannot be used";
    /// No access token that somebody has verified, where a bound one must be.
    DpopTokenMissing, "dpop_token_missing", -31401, 401, "An access token that is bound to a key is needed here, with a proof: `www-authenticate` says how";
    /// An access token that is bound to no key, where it must be.
    DpopTokenUnbound, "dpop_token_unbound", -31401, 401, "This access token is not bound to a key";
    /// A bound access token that comes as though it were not.
    DpopTokenDowngraded, "dpop_token_downgraded", -31401, 401, "This access token is bound to a key: send it as `authorization: DPoP`, with a proof";
    /// An access token that is bound to another key.
    DpopKeyMismatch, "dpop_key_mismatch", -31401, 401, "This access token is bound to another key";
    /// No proof where one must be.
    DpopProofMissing, "dpop_proof_missing", -31401, 401, "This access token needs a proof in `dpop`";
    /// A proof that is not signed with its key; and what callers are told of any that does not count.
    DpopProofInvalid, "dpop_proof_invalid", -31401, 401, "The DPoP proof of this request does not count";
    /// A proof that cannot be read, or several.
    DpopProofMalformed, "dpop_proof_malformed", -31401, 401, "The DPoP proof of this request cannot be read";
    /// A proof by an algorithm that is not accepted.
    DpopAlgorithm, "dpop_algorithm", -31401, 401, "The algorithm of this DPoP proof is not accepted";
    /// A proof for another method or URI.
    DpopTargetMismatch, "dpop_target_mismatch", -31401, 401, "This DPoP proof is for another request";
    /// A proof for another token.
    DpopTokenMismatch, "dpop_token_mismatch", -31401, 401, "This DPoP proof is for another access token";
    /// A proof that is too old.
    DpopProofExpired, "dpop_proof_expired", -31401, 401, "This DPoP proof is too old";
    /// A proof from the future.
    DpopProofEarly, "dpop_proof_early", -31401, 401, "This DPoP proof is from the future";
    /// A proof for the second time.
    DpopProofReused, "dpop_proof_reused", -31401, 401, "This DPoP proof was used before: make a new one for each request";
    /// A proof without a nonce, where it must have one; and what callers are told of any other that it has.
    DpopNonceMissing, "dpop_nonce_missing", -31401, 401, "Proofs need the nonce in `dpop-nonce`: make a new one";
    /// A proof with a nonce that was not given out here, or long ago.
    DpopNonceUnknown, "dpop_nonce_unknown", -31401, 401, "The nonce of this DPoP proof does not count";
    /// More calls than a limit permits.
    RateLimited, "rate_limited", -31429, 429, "Too many calls: try again later";
    /// More calls at once than a limit permits.
    TooManyConcurrent, "too_many_concurrent", -31429, 429, "Too many calls at once: try again when one has ended";
    /// A limit that nobody can hold the call against now.
    RateLimitUnavailable, "rate_limit_unavailable", -31503, 503, "Calls cannot be counted now: try again later";
    /// What the server sent cannot be read.
    UnreadableResponse, "unreadable_response", -31502, 502, "The server's response could not be read";
    /// What the server sent is longer than the bound.
    ResponseTooLarge, "response_too_large", -31502, 502, "The server's response is too large to be inspected";
    /// Our own fault.
    InternalError, "internal_error", -32603, 500, "Internal error";
}

impl Reason {
    /// What the caller is told: a reason that would show how the policy is written, or how near a forgery came, is not its
    /// business.
    #[must_use]
    pub const fn shown(self) -> Self {
        match self {
            Self::ConditionFailed => Self::Denied,
            Self::SessionForged | Self::SessionMoved => Self::SessionUnknown,
            Self::EventIdForged | Self::EventIdMoved => Self::EventIdUnknown,
            Self::SignatureMalformed
            | Self::SignatureKeyUnknown
            | Self::SignatureAlgorithm
            | Self::SignatureIncomplete
            | Self::SignatureExpired
            | Self::SignatureEarly
            | Self::SignatureWithoutNonce
            | Self::DigestMismatch
            | Self::DigestUnusable => Self::SignatureForged,
            Self::DpopProofMalformed
            | Self::DpopAlgorithm
            | Self::DpopKeyMismatch
            | Self::DpopTargetMismatch
            | Self::DpopTokenMismatch
            | Self::DpopProofExpired
            | Self::DpopProofEarly => Self::DpopProofInvalid,
            Self::DpopNonceUnknown => Self::DpopNonceMissing,
            Self::RequestStateForged | Self::RequestStateMoved => Self::RequestStateUnknown,
            Self::TaskIdForged | Self::TaskIdMoved => Self::TaskIdUnknown,
            reason => reason,
        }
    }

    /// Whether it is a decision on a message that reads well, as a server could make it too. Its error comes with HTTP
    /// 200, since clients show a JSON-RPC error as what it is only when the transport succeeded.
    #[must_use]
    pub const fn is_decision(self) -> bool {
        matches!(
            self,
            Self::Denied
                | Self::ConditionFailed
                | Self::UriRefused
                | Self::MethodRefused
                | Self::ArgumentsInvalid
                | Self::ArgumentsTooLarge
                | Self::SchemaUnusable
                | Self::ToolUnknown
                | Self::ToolChanged
                | Self::ToolUnpinned
                | Self::ToolRefused
                | Self::RateLimited
                | Self::TooManyConcurrent
                | Self::RateLimitUnavailable
                | Self::RequestStateUnknown
                | Self::RequestStateForged
                | Self::RequestStateMoved
                | Self::RequestStateReused
                | Self::TaskIdUnknown
                | Self::TaskIdForged
                | Self::TaskIdMoved
                | Self::TaskListRefused
                | Self::MessageTooOld
                | Self::MessageFromFuture
                | Self::SequenceReused
                | Self::NonceReused
                | Self::NonceBeforeStart
        )
    }
}

/// The body of a refusal: a JSON-RPC error.
///
/// `id` is left out where there is none to answer (MCP's schema has it optional, and not null). `message` replaces the
/// reason's own words; `data` adds members to `error.data`, their values being JSON.
#[must_use]
pub fn error_body(reason: Reason, id: Option<&OwnedId>, message: Option<&str>, data: &[(&str, String)]) -> Vec<u8> {
    let mut out = String::with_capacity(192);
    out.push_str("{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.push_str("\"id\":");
        out.push_str(id.raw());
        out.push(',');
    }
    out.push_str("\"error\":{\"code\":");
    out.push_str(&reason.code().to_string());
    out.push_str(",\"message\":");
    crate::json::write_string(message.unwrap_or(reason.message()), &mut out);
    out.push_str(",\"data\":{\"reason\":\"");
    out.push_str(reason.name());
    out.push('"');
    for (name, value) in data {
        out.push(',');
        crate::json::write_string(name, &mut out);
        out.push(':');
        out.push_str(value);
    }
    out.push_str("}}}");
    out.into_bytes()
}

/// The result of a tool call that is refused: one text, and `isError`, so that a model reads it. `stateless`: the revision has results say
/// their type (2026-07-28, basic, Results).
#[must_use]
pub fn tool_result_body(id: &OwnedId, text: &str, stateless: bool) -> Vec<u8> {
    let mut out = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{", id.raw());
    if stateless {
        out.push_str("\"resultType\":\"complete\",");
    }
    out.push_str("\"content\":[{\"type\":\"text\",\"text\":");
    crate::json::write_string(text, &mut out);
    out.push_str("}],\"isError\":true}}");
    out.into_bytes()
}

/// What a server does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown<'a> {
    /// A tool by its name.
    Tool(&'a str),
    /// A prompt by its name.
    Prompt(&'a str),
    /// A resource.
    Resource {
        /// Its URI.
        uri: &'a str,
        /// Since 2026-07-28 it has no code of its own any more.
        stateless: bool,
    },
}

/// What a server says that does not know a thing, word for word as in the specification (server/tools, server/prompts, server/resources, Error
/// Handling).
#[must_use]
pub fn unknown_body(id: Option<&OwnedId>, unknown: Unknown<'_>) -> Vec<u8> {
    let mut out = "{\"jsonrpc\":\"2.0\",".to_owned();
    if let Some(id) = id {
        out.push_str("\"id\":");
        out.push_str(id.raw());
        out.push(',');
    }
    let code = if matches!(unknown, Unknown::Resource { stateless: false, .. }) { -32002 } else { -32602 };
    out.push_str(&format!("\"error\":{{\"code\":{code},\"message\":"));
    match unknown {
        Unknown::Tool(name) => crate::json::write_string(&format!("Unknown tool: {name}"), &mut out),
        Unknown::Prompt(name) => crate::json::write_string(&format!("Unknown prompt: {name}"), &mut out),
        Unknown::Resource { uri, .. } => {
            out.push_str("\"Resource not found\",\"data\":{\"uri\":");
            crate::json::write_string(uri, &mut out);
            out.push('}');
        }
    }
    out.push_str("}}");
    out.into_bytes()
}

/// The method under which a client gets a server's request that is refused. No client knows it, so the client itself tells
/// the server that the request came to nothing (JSON-RPC 2.0, section 5.1, -32601), and the server does not wait.
pub const REFUSED_METHOD: &str = "meshward/refused";

/// A server's request in place of the one that is refused, with its id and nothing else of it.
#[must_use]
pub fn refused_request(id: &OwnedId, reason: Reason) -> Vec<u8> {
    let (id, reason) = (id.raw(), reason.shown().name());
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{REFUSED_METHOD}\",\"params\":{{\"reason\":\"{reason}\"}}}}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_codes_fit_their_status() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let code = reason.code();
            let ours = !(-32768..=-32000).contains(&code);
            assert!(!ours || code == -31000 - i32::from(reason.http_status()), "{reason:?}");
            assert!(!reason.message().is_empty());
        }
    }

    #[test]
    fn error_bodies_are_json_rpc_errors() {
        let id = OwnedId::from_raw("\"a\\u0062\"");
        let data = [("supported", "[\"2025-11-25\"]".to_owned())];
        let body = error_body(Reason::Denied, Some(&id), Some("say \"no\"\n"), &data);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"error\":{\"code\":-31403,\"message\":\"say \\\"no\\\"\\n\",\
             \"data\":{\"reason\":\"denied\",\"supported\":[\"2025-11-25\"]}}}"
        );
        let body: serde_json::Value = serde_json::from_slice(&error_body(Reason::EmptyBody, None, None, &[])).unwrap();
        assert_eq!(body.get("id"), None);
        assert_eq!(body["error"]["code"], -32700);
    }
}
