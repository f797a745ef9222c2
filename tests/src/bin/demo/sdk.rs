//! What a real client sends: the official Rust SDK, in session mode and stateless.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use rmcp::model::{CallToolRequestParams, ProgressNotificationParam, ProtocolVersion};
use rmcp::service::{NotificationContext, RoleClient, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _};

use crate::Row;
use crate::proxy::Proxy;

/// A client that notes when progress arrives.
#[derive(Debug, Clone)]
struct Client {
    begin: Instant,
    arrivals: Arc<Mutex<Vec<u128>>>,
}

impl ClientHandler for Client {
    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let Ok(mut arrivals) = self.arrivals.lock() {
            arrivals.push(self.begin.elapsed().as_millis());
        }
    }
}

/// A tool, its argument `name`, and the reason for which the call is expected to be refused.
const CALLS: [(&str, &str, &str); 6] = [
    ("test_simple_text", "", ""),
    ("test_tool_with_progress", "", ""),
    ("json_schema_2020_12_tool", "Ada", ""),
    ("json_schema_2020_12_tool", "Mallory", "denied"),
    ("test_tool_with_logging", "", "denied"),
    ("test_sampling", "", "denied"),
];

pub(crate) async fn rows(proxy: &mut Proxy) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let stateless = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    for (mode, lifecycle) in [("session", ClientLifecycleMode::Initialize), ("stateless", stateless)] {
        let client = Client { begin: Instant::now(), arrivals: Arc::default() };
        let (begin, arrivals) = (client.begin, Arc::clone(&client.arrivals));
        let transport = StreamableHttpClientTransport::from_uri(proxy.url());
        let client = client.serve_with_lifecycle(transport, lifecycle).await?;
        let tools: Vec<_> = client.list_tools(None).await?.tools.into_iter().map(|tool| tool.name).collect();
        rows.push(Row {
            sent: format!("{mode}: tools/list"),
            decided: "allowed",
            why: "filtered by the same rules".to_owned(),
            seen: format!("{} tools: {}", tools.len(), tools.join(", ")),
            // What some arguments are good enough for is listed; what is never allowed is not.
            expected: CALLS.iter().all(|(name, argument, reason)| {
                tools.iter().any(|tool| tool == name) == (reason.is_empty() || !argument.is_empty())
            }),
        });
        for (tool, argument, reason) in CALLS {
            if let Ok(mut arrivals) = arrivals.lock() {
                arrivals.clear();
            }
            let started = begin.elapsed().as_millis();
            let mut call = CallToolRequestParams::new(tool);
            let mut sent = format!("{mode}: tools/call {tool}");
            if !argument.is_empty() {
                let arguments = serde_json::json!({ "name": argument });
                sent = format!("{sent} {arguments}");
                call.arguments = arguments.as_object().cloned();
            }
            let result = client.call_tool(call).await;
            let ended = begin.elapsed().as_millis();
            let arrivals = arrivals.lock().map(|arrivals| arrivals.clone()).unwrap_or_default();
            // The server reports every 50 ms: events that were held back would come at once.
            let streamed =
                arrivals.last().zip(arrivals.first()).is_none_or(|(last, first)| last.saturating_sub(*first) >= 50);
            let mut row = row(
                proxy,
                sent,
                reason,
                result.map(|result| {
                    let text =
                        result.content.first().and_then(|content| content.as_text().map(|text| text.text.clone()));
                    let mut seen = text.unwrap_or_default();
                    if !arrivals.is_empty() {
                        let times: Vec<_> =
                            arrivals.iter().map(|at| format!("{} ms", at.saturating_sub(started))).collect();
                        let total = ended.saturating_sub(started);
                        seen = format!("{seen}; progress after {}, the result after {total} ms", times.join(", "));
                    }
                    seen
                }),
            );
            row.expected &= streamed;
            rows.push(row);
        }
        let _ended = client.cancel().await;
    }
    Ok(rows)
}

fn row(proxy: &mut Proxy, sent: String, reason: &str, result: Result<String, ServiceError>) -> Row {
    match result {
        Ok(seen) => Row { sent, decided: "allowed", why: String::new(), seen, expected: reason.is_empty() },
        Err(ServiceError::McpError(error)) => {
            let found =
                error.data.as_ref().and_then(|data| data.get("reason")?.as_str()).unwrap_or_default().to_owned();
            let expected = !reason.is_empty() && found == reason;
            let rule = match proxy.decided_by() {
                Some(Some(rule)) => format!(" by rule `{rule}`"),
                Some(None) => " by default".to_owned(),
                None => ", but the log does not say so".to_owned(),
            };
            let seen = format!("MCP error {}: {}", error.code.0, error.message);
            Row { sent, decided: "refused", why: format!("{found}{rule}"), seen, expected }
        }
        Err(error) => Row { sent, decided: "refused", why: String::new(), seen: error.to_string(), expected: false },
    }
}
