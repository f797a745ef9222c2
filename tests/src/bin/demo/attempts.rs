//! What no SDK sends: requests made by hand to be read one way by a proxy and another by a server.

use anyhow::{Context as _, Result};
use meshward_tests::raw;
use serde_json::Value;

use crate::Row;
use crate::proxy::Proxy;

/// Name, path, further headers, body, and the reason that is expected.
type Attempt = (&'static str, &'static str, &'static str, &'static [u8], &'static str);

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_sampling"}}"#;
const TWICE: &[u8] =
    br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_simple_text","na\u006de":"test_sampling"}}"#;
const BATCH: &[u8] = br#"[{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_sampling"}}]"#;
const TWO: &[u8] =
    br#"{"jsonrpc":"2.0","id":7,"method":"ping"}{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"test_sampling"}}"#;
const CASE: &[u8] =
    br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_simple_text","Name":"test_sampling"}}"#;

const ATTEMPTS: [Attempt; 7] = [
    ("the name twice, once written with an escape", "/mcp", "", TWICE, "duplicate_key"),
    ("`Name` beside `name`", "/mcp", "", CASE, "case_variant"),
    ("a second message behind the first", "/mcp", "", TWO, "trailing_data"),
    ("a batch", "/mcp", "", BATCH, "batch_refused"),
    ("`Mcp-Name` of another tool", "/mcp", "mcp-name: test_simple_text\r\n", CALL, "header_mismatch"),
    ("a compressed body", "/mcp", "content-encoding: gzip\r\n", b"\x1f\x8b", "unsupported_content_encoding"),
    ("the path `/%6dcp`", "/%6dcp", "", CALL, "path_lookalike"),
];

pub(crate) fn rows(proxy: &mut Proxy) -> Result<Vec<Row>> {
    ATTEMPTS
        .iter()
        .map(|(name, path, headers, body, reason)| {
            let response = raw::post(proxy.address(), path, headers, body).with_context(|| (*name).to_owned())?;
            let answer: Value = serde_json::from_str(&response.body).unwrap_or_default();
            let found = answer.pointer("/error/data/reason").and_then(Value::as_str).unwrap_or_default().to_owned();
            let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            let code = answer.pointer("/error/code").map(ToString::to_string).unwrap_or_default();
            let logged = proxy.decided_by().is_some();
            Ok(Row {
                sent: format!("by hand: {name}"),
                decided: if found.is_empty() { "allowed" } else { "refused" },
                expected: found == *reason && logged,
                why: found,
                seen: format!("HTTP {}, error {code}: {message}", response.status),
            })
        })
        .collect()
}
