//! What no SDK sends: requests made by hand to be read one way by a proxy and another by a server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
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
            let (status, answer) = post(proxy.address(), path, headers, body).with_context(|| (*name).to_owned())?;
            let found = answer.pointer("/error/data/reason").and_then(Value::as_str).unwrap_or_default().to_owned();
            let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            let code = answer.pointer("/error/code").map(ToString::to_string).unwrap_or_default();
            let logged = proxy.decided_by().is_some();
            Ok(Row {
                sent: format!("by hand: {name}"),
                decided: if found.is_empty() { "allowed" } else { "refused" },
                expected: found == *reason && logged,
                why: found,
                seen: format!("HTTP {status}, error {code}: {message}"),
            })
        })
        .collect()
}

pub(crate) fn post(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    // At once: a proxy that has answered the head need not take what comes behind it.
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
