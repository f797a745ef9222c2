//! One trace from a real client over a real Envoy to a real server, by the ids that they export.

#![expect(clippy::float_cmp, clippy::panic, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use meshward_tests::clients::{Client, Mode, Sdk, Server};
use meshward_tests::otlp::{Receiver, Span};
use meshward_tests::raw;
use meshward_tests::scrape::{samples, sum};
use meshward_tests::tracing::{Sidecar, Tracer};
use serde_json::{Value, json};

/// What the SDK calls the span of a call.
const SENT: &str = "MCP send tools/call get_small";
/// What it calls that of a call that it answers, and what Envoy's is called by what Meshward leaves for it.
const ANSWERED: &str = "tools/call get_small";

fn step() -> Value {
    json!([{"call": "get_small", "arguments": {"text": "x"}}])
}

/// The tracer is in the connection manager in which the message is read.
fn beside(document: &mut Value, header_hold: bool) {
    document["header_hold"] = json!(header_hold);
    document["trace"] = json!({"proxy_span": true});
    document.as_object_mut().unwrap().remove("identity");
}

/// The spans, once there is one of this name of the server, and Envoy's of the same request.
async fn spans_of_the_call(receiver: &Receiver) -> Vec<Span> {
    for at_least in 1.. {
        let spans = receiver.spans(at_least).await.unwrap();
        let answered = spans.iter().find(|span| span.service == "server" && span.name == ANSWERED);
        // Envoy's is done when the server's answer is at its end, and comes later.
        if answered.is_some_and(|answered| {
            spans.iter().any(|span| span.service == "mcp-sidecar" && span.trace_id == answered.trace_id)
        }) {
            return spans;
        }
    }
    Vec::new()
}

fn one<'s>(spans: &'s [Span], service: &str, name: &str, trace: Option<&str>) -> &'s Span {
    let mut found = spans.iter().filter(|span| {
        span.service == service && span.name == name && trace.is_none_or(|trace| span.trace_id == trace)
    });
    let span = found.next().unwrap_or_else(|| panic!("no {name} of {service} in {spans:#?}"));
    assert!(found.next().is_none(), "several {name} of {service} in {spans:#?}");
    span
}

/// SDKs write their context into the message alone: only what has read that can put Envoy's span into the trace. The file that
/// does so shows an operator the rest as well: what the span is about, the record, and the metrics.
#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_client_envoy_and_server_are_one_trace() {
    // In front of a server, and behind a client.
    for (mode, direction, side) in [(Mode::Session, "inbound", "server"), (Mode::Stateless, "outbound", "client")] {
        let receiver = Receiver::start().await.unwrap();
        let url = format!("http://{}/v1/traces", receiver.address());
        let server = Server::python_traced(&url).unwrap();
        let edit = |document: &mut Value| document["direction"] = json!(direction);
        let sidecar = Sidecar::start(Tracer::Behind, edit, server.address(), receiver.address()).unwrap();
        let client = Client { sdk: Sdk::Python, mode };
        // What the server lists is known by its name to the metrics.
        let steps = json!([{"list": "tools"}, step()[0]]);
        let seen = client.run_traced(sidecar.address(), &steps, Some(&url)).unwrap();
        assert_eq!(seen[2]["seen"]["text"], json!("small: x"), "{seen:?}");
        let spans = spans_of_the_call(&receiver).await;
        let sent = one(&spans, "client", SENT, None);
        let answered = one(&spans, "server", ANSWERED, None);
        let proxied = one(&spans, "mcp-sidecar", ANSWERED, Some(&sent.trace_id));
        // The convention: the client's span is the parent of the server's. Envoy's is beside it, for the HTTP request.
        assert_eq!((&answered.trace_id, &answered.parent_span_id), (&sent.trace_id, &sent.span_id));
        assert_eq!(proxied.parent_span_id, sent.span_id);
        assert_eq!((sent.kind, answered.kind, proxied.kind), (3, 2, 2));
        assert_eq!(sent.parent_span_id, "");

        let record = (1..).find_map(|at_least| {
            sidecar.records(at_least).unwrap().into_iter().find(|record| record["tool"] == "get_small")
        });
        let record = record.unwrap();
        assert_eq!((&record["trace_id"], &record["direction"]), (&json!(sent.trace_id), &json!(direction)));
        let session = record.get("session").and_then(Value::as_str);
        assert_eq!(session.is_some(), mode == Mode::Session, "{record}");
        let told = ["id", "revision", "decision", "rule", "outcome"].map(|name| record[name].as_str().unwrap());
        let [id, revision, ..] = told;
        assert_eq!(told[2..], ["allow", "readers", "answered"]);
        assert_eq!(record["principal"], json!({"source": "127.0.0.1"}));

        let labels: BTreeMap<_, _> = proxied
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| {
                ["mcp.", "gen_ai.", "jsonrpc.", "rpc.", "error."].iter().any(|area| name.starts_with(area))
            })
            .collect();
        let mut expected = BTreeMap::from([
            ("mcp.method.name", "tools/call"),
            ("mcp.protocol.version", revision),
            ("jsonrpc.request.id", id),
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "get_small"),
        ]);
        expected.extend(session.map(|session| ("mcp.session.id", session)));
        assert_eq!(labels, expected);

        let call = [("mcp_method_name", "tools/call"), ("gen_ai_tool_name", "get_small")];
        let counted = |metric: &str, more: &[(&str, &str)]| {
            let scraped = samples(&sidecar.scrape().unwrap()).unwrap();
            sum(&scraped, metric, &[&call, more].concat())
        };
        // What is measured may wait a moment, and histograms are as of Envoy's last flush.
        let durations = format!("mcp_{side}_operation_duration_milliseconds_count");
        let expected: [(&str, &[(&str, &str)]); 3] = [
            ("meshward_requests_total", &[("outcome", "ok")]),
            ("meshward_decisions_total", &[("decision", "allowed"), ("rule", "readers")]),
            (&durations, &[("mcp_protocol_version", revision)]),
        ];
        let deadline = Instant::now() + Duration::from_secs(20);
        while expected.iter().any(|(metric, labels)| counted(metric, labels) != 1.0) {
            assert!(Instant::now() < deadline, "{}", sidecar.scrape().unwrap());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A client without a tracer: the trace begins with Envoy's span, which is the parent of the server's.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_client_has_no_context_the_servers_span_is_a_child_of_envoys() {
    for header_hold in [true, false] {
        let receiver = Receiver::start().await.unwrap();
        let server = Server::python_traced(&format!("http://{}/v1/traces", receiver.address())).unwrap();
        let edit = |document: &mut Value| beside(document, header_hold);
        let sidecar = Sidecar::start(Tracer::Beside, edit, server.address(), receiver.address()).unwrap();
        let client = Client { sdk: Sdk::Python, mode: Mode::Stateless };
        client.run(sidecar.address(), &step()).unwrap();
        let spans = spans_of_the_call(&receiver).await;
        let answered = one(&spans, "server", ANSWERED, None);
        let proxied = one(&spans, "mcp-sidecar", ANSWERED, Some(&answered.trace_id));
        assert_eq!((answered.parent_span_id.as_str(), proxied.parent_span_id.as_str()), (&*proxied.span_id, ""));
    }
}

/// A client whose HTTP library has a span too, a child of that of the call, and says it in the head.
#[tokio::test(flavor = "multi_thread")]
async fn a_context_in_the_head_and_one_in_the_message_keep_their_places() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    for (tracer, header_hold) in [(Tracer::Beside, true), (Tracer::Beside, false), (Tracer::Behind, true)] {
        let receiver = Receiver::start().await.unwrap();
        let server = Server::python_traced(&format!("http://{}/v1/traces", receiver.address())).unwrap();
        let edit = |document: &mut Value| {
            if tracer == Tracer::Beside {
                beside(document, header_hold);
            }
        };
        let sidecar = Sidecar::start(tracer, edit, server.address(), receiver.address()).unwrap();
        call(sidecar.address(), &format!("00-{TRACE}-00000000000000aa-01"), &format!("00-{TRACE}-00000000000000bb-01"));
        let spans = spans_of_the_call(&receiver).await;
        let answered = one(&spans, "server", ANSWERED, Some(TRACE));
        let proxied = one(&spans, "mcp-sidecar", ANSWERED, Some(TRACE));
        assert_eq!(answered.parent_span_id, "00000000000000bb");
        assert_eq!(proxied.parent_span_id, "00000000000000aa");
    }
}

/// A stateless call, with one context in its head and one in its message.
fn call(address: SocketAddr, head: &str, message: &str) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "get_small", "arguments": {"text": "x"}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "hand-made", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
            "traceparent": message,
        }
    }})
    .to_string();
    let lines = format!(
        "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: get_small\r\ntraceparent: {head}\r\n"
    );
    let answer = raw::post(address, "/mcp", &lines, &body).unwrap();
    assert!(answer.body.contains("small: x"), "{answer:?}");
}
