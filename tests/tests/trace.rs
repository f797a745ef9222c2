//! One trace from a real client over a real Envoy to a real server, by the ids that they export.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use meshward_tests::clients::{Client, Mode, Sdk, Server};
use meshward_tests::otlp::{Receiver, Span};
use meshward_tests::tracing::{Tracer, start};
use serde_json::{Value, json};

/// What the SDK calls the span of a call, and of a call that it answers.
const SENT: &str = "MCP send tools/call get_small";
const ANSWERED: &str = "tools/call get_small";
/// What Envoy's tracer calls any request.
const PROXIED: &str = "ingress";

fn document(header_hold: bool, trace: &Value) -> Value {
    json!({"apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}], "header_hold": header_hold, "trace": trace})
}

fn step() -> Value {
    json!([{"call": "get_small", "arguments": {"text": "x"}}])
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

/// SDKs write their context into the message alone: only what has read that can put Envoy's span into the trace.
#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_client_envoy_and_server_are_one_trace() {
    for mode in [Mode::Session, Mode::Stateless] {
        let receiver = Receiver::start().await.unwrap();
        let url = format!("http://{}/v1/traces", receiver.address());
        let server = Server::python_traced(&url).unwrap();
        let (_envoy, address) =
            start(Tracer::Behind, &document(true, &json!({})), server.address(), receiver.address()).unwrap();
        let client = Client { sdk: Sdk::Python, mode };
        let seen = client.run_traced(address, &step(), Some(&url)).unwrap();
        assert_eq!(seen[1]["seen"]["text"], json!("small: x"), "{seen:?}");
        let spans = spans_of_the_call(&receiver).await;
        let sent = one(&spans, "client", SENT, None);
        let answered = one(&spans, "server", ANSWERED, None);
        let proxied = one(&spans, "mcp-sidecar", PROXIED, Some(&sent.trace_id));
        // The convention: the client's span is the parent of the server's. Envoy's is beside it, for the HTTP request.
        assert_eq!((&answered.trace_id, &answered.parent_span_id), (&sent.trace_id, &sent.span_id));
        assert_eq!(proxied.parent_span_id, sent.span_id);
        assert_eq!((sent.kind, answered.kind, proxied.kind), (3, 2, 2));
        assert_eq!(sent.parent_span_id, "");
    }
}

/// A client without a tracer: the trace begins with Envoy's span, which is the parent of the server's.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_client_has_no_context_the_servers_span_is_a_child_of_envoys() {
    for header_hold in [true, false] {
        let receiver = Receiver::start().await.unwrap();
        let server = Server::python_traced(&format!("http://{}/v1/traces", receiver.address())).unwrap();
        let document = document(header_hold, &json!({"proxy_span": true}));
        let (_envoy, address) = start(Tracer::Beside, &document, server.address(), receiver.address()).unwrap();
        let client = Client { sdk: Sdk::Python, mode: Mode::Stateless };
        client.run(address, &step()).unwrap();
        let spans = spans_of_the_call(&receiver).await;
        let answered = one(&spans, "server", ANSWERED, None);
        let proxied = one(&spans, "mcp-sidecar", PROXIED, Some(&answered.trace_id));
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
        let document = document(header_hold, &json!({"proxy_span": tracer == Tracer::Beside}));
        let (_envoy, address) = start(tracer, &document, server.address(), receiver.address()).unwrap();
        call(address, &format!("00-{TRACE}-00000000000000aa-01"), &format!("00-{TRACE}-00000000000000bb-01"));
        let spans = spans_of_the_call(&receiver).await;
        let answered = one(&spans, "server", ANSWERED, Some(TRACE));
        let proxied = one(&spans, "mcp-sidecar", PROXIED, Some(TRACE));
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
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: get_small\r\ntraceparent: {head}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("small: x"), "{answer}");
}
