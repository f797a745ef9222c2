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
    /// What the server sent cannot be read.
    UnreadableResponse, "unreadable_response", -31502, 502, "The server's response could not be read";
    /// What the server sent is longer than the bound.
    ResponseTooLarge, "response_too_large", -31502, 502, "The server's response is too large to be inspected";
    /// Our own fault.
    InternalError, "internal_error", -32603, 500, "Internal error";
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
