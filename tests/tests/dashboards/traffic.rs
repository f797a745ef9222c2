//! What goes through the proxies while they are watched, and what those who sent it counted.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use meshward_tests::raw;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::ServiceError;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};

/// How many calls came to what: (tool, outcome).
pub(crate) type Counts = BTreeMap<(String, &'static str), u64>;

/// A tool, its argument `name`, and how often it is called among others.
const CALLS: [(&str, &str, usize); 8] = [
    ("test_simple_text", "", 8),
    ("test_tool_with_progress", "", 2),
    ("json_schema_2020_12_tool", "Ada", 4),
    ("json_schema_2020_12_tool", "Mallory", 1),
    ("json_schema_2020_12_tool", "", 1),
    ("test_error_handling", "", 1),
    ("test_tool_with_logging", "", 2),
    ("test_image_content", "", 2),
];

/// Lets clients of the official SDK call tools for some time, one after the other in the one lifecycle or the other, several of them at
/// a time.
pub(crate) async fn of_clients(address: SocketAddr, time: Duration) -> Counts {
    let begin = Instant::now();
    let clients = (0..4).map(|number| tokio::spawn(sessions(address, begin, time, number)));
    let mut counts = Counts::new();
    for client in clients.collect::<Vec<_>>() {
        for (call, count) in client.await.unwrap() {
            *counts.entry(call).or_default() += count;
        }
    }
    counts
}

/// One client after the other.
async fn sessions(address: SocketAddr, begin: Instant, time: Duration, number: usize) -> Counts {
    let calls: Vec<_> =
        CALLS.iter().flat_map(|(tool, name, count)| std::iter::repeat_n((*tool, *name), *count)).collect();
    let has_session = number.is_multiple_of(2);
    let mut counts = Counts::new();
    while begin.elapsed() < time {
        let lifecycle = if has_session {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
        };
        let transport = StreamableHttpClientTransport::from_uri(format!("http://{address}/mcp"));
        let client = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
        // The proxies learn the names of tools from the list.
        let tools = client.list_all_tools().await.unwrap();
        assert!(tools.iter().all(|tool| tool.name != "test_tool_with_logging"), "a tool that is denied is listed");
        client.list_all_prompts().await.unwrap();
        // Not in their order, so that each kind comes all the time.
        for step in 0..calls.len() {
            let (tool, name) = calls[(step * 8 + number * 5) % calls.len()];
            let mut call = CallToolRequestParams::new(tool);
            if !name.is_empty() {
                call.arguments = serde_json::json!({ "name": name }).as_object().cloned();
            }
            let outcome = match client.call_tool(call).await {
                Ok(result) if result.is_error == Some(true) => "tool_error",
                Ok(_) => "ok",
                Err(ServiceError::McpError(error)) if error.code.0 == -31403 => "refused",
                Err(error) => panic!("{tool}: {error}"),
            };
            *counts.entry((tool.to_owned(), outcome)).or_default() += 1;
            // Up and down, so that a chart has something to show.
            let wave = (begin.elapsed().as_secs_f64() / 9.0 + number as f64).sin();
            tokio::time::sleep(Duration::from_millis((110.0 - 70.0 * wave) as u64)).await;
        }
        if has_session {
            // The client answers the question of this tool that it cannot sample.
            let refused = client.call_tool(CallToolRequestParams::new("test_sampling")).await;
            assert!(matches!(refused, Err(ServiceError::McpError(_))), "{refused:?}");
            *counts.entry(("test_sampling".to_owned(), "error")).or_default() += 1;
        }
        client.cancel().await.unwrap();
    }
    counts
}

const REVISION: &str = "mcp-protocol-version: 2025-11-25\r\n";
const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_simple_text"}}"#;
const TWICE: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","n\u0061me":"test_sampling"}}"#;
const CANCEL: &str = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;

/// What no SDK sends, and one cancellation; returns how many refusals there were for which reason.
pub(crate) fn by_hand(address: SocketAddr) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let attempts = [("/mcp", "", TWICE, "duplicate_key"), ("/mcp/", "", CALL, "path_lookalike")];
    for (path, header, body, reason) in attempts.repeat(4) {
        *counts.entry(reason).or_default() += refused(address, path, header, body, reason);
    }
    let origin = refused(address, "/mcp", "origin: https://evil.example\r\n", CALL, "origin_refused");
    counts.insert("origin_refused", origin);
    raw::post(address, "/mcp", REVISION, CANCEL).unwrap();
    // Someone who goes away in the middle of a request.
    let mut stream = TcpStream::connect(address).unwrap();
    let request = raw::request(&address.to_string(), "POST", "/mcp", REVISION, CALL);
    stream.write_all(request.strip_suffix(&CALL.as_bytes()[20..]).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    counts
}

fn refused(address: SocketAddr, path: &str, lines: &str, body: &str, reason: &str) -> u64 {
    let answer = raw::post(address, path, &format!("{REVISION}{lines}"), body).unwrap();
    assert!(answer.body.contains(&format!("\"reason\":\"{reason}\"")), "{reason}: {answer:?}");
    1
}
