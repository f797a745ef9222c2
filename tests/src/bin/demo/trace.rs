//! What trace context the client sends, what of it reaches the server, and what the audit record says.

use anyhow::{Context as _, Result, ensure};
use meshward_tests::mcp_server::McpServer;
use meshward_tests::raw;
use serde::Serialize;
use serde_json::{Value, json};

use crate::proxy::Proxy;

/// A call and its trace.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What the client sent, in the head and in `params._meta`.
    pub(crate) sent: [String; 2],
    /// What the server got there.
    pub(crate) got: [String; 2],
    /// The trace by the audit record.
    pub(crate) recorded: String,
    /// Whether that is what ought to happen.
    pub(crate) expected: bool,
}

const NONE: &str = "";
const HEAD: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaaaaaaaaaaa-01";
const META: &str = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-bbbbbbbbbbbbbbbb-01";

/// Head and `_meta` of the client, and of the server where that is not a trace that begins here.
const CALLS: [([&str; 2], Option<[&str; 2]>); 4] = [
    // As MCP's SDKs do.
    ([NONE, META], Some([META, META])),
    ([HEAD, META], Some([HEAD, META])),
    (["00-malformed", META], Some([META, META])),
    ([NONE, NONE], None),
];

pub(crate) fn rows(proxy: &Proxy, server: &McpServer) -> Result<Vec<Row>> {
    CALLS.iter().zip(100_u64..).map(|((sent, expected), id)| row(proxy, server, *sent, *expected, id)).collect()
}

fn row(
    proxy: &Proxy,
    server: &McpServer,
    [head, meta]: [&str; 2],
    expected: Option<[&str; 2]>,
    id: u64,
) -> Result<Row> {
    let mut members = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "demo", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if let Some(members) = members.as_object_mut().filter(|_| !meta.is_empty()) {
        members.insert("traceparent".to_owned(), meta.into());
    }
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": { "name": "test_simple_text", "_meta": members } });
    let mut fields =
        "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: test_simple_text\r\n".to_owned();
    if !head.is_empty() {
        fields.push_str(&format!("traceparent: {head}\r\n"));
    }
    let answer = raw::post(proxy.address(), "/mcp", &fields, body.to_string())?;
    ensure!(answer.status == 200, "the call was answered with {}", answer.status);
    let received = server.received().into_iter().find_map(|request| {
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        (body.get("id") == Some(&json!(id))).then_some((request.headers, body))
    });
    let (headers, body) = received.context("the call did not reach the server")?;
    let in_head = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let in_meta = body.pointer("/params/_meta/traceparent").and_then(Value::as_str).unwrap_or_default();
    let mut found = None;
    for at_least in 1.. {
        let records = proxy.audit_records(at_least)?;
        found = records.into_iter().find(|record| record.get("id") == Some(&json!(id.to_string())));
        if found.is_some() {
            break;
        }
    }
    let recorded = found.and_then(|record| Some(record.get("trace_id")?.as_str()?.to_owned())).unwrap_or_default();
    let is_right = match expected {
        Some(expected) => expected == [in_head, in_meta],
        // The same in both places, and sampled.
        None => in_head == in_meta && in_head.starts_with("00-") && in_head.ends_with("-03"),
    };
    Ok(Row {
        sent: [head, meta].map(str::to_owned),
        got: [in_head, in_meta].map(str::to_owned),
        expected: is_right && in_meta.get(3..35) == Some(&recorded),
        recorded,
    })
}
