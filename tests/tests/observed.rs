//! The sidecar with an audit log and labelled spans, as we ship it, in a real Envoy: what its operator finds of each message.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use meshward_tests::envoy::sidecar_inbound;
use meshward_tests::mcp_server::McpServer;
use meshward_tests::otlp::{Receiver, Span};
use meshward_tests::tracing::{MANAGERS, Sidecar, Tracer, configuration, sidecar};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

#[test]
fn it_is_the_sidecar_and_what_observes_it() {
    let [front, decides] = MANAGERS;
    let (observed, plain) = (sidecar().unwrap(), sidecar_inbound().unwrap());
    for (manager, added) in [
        (front, &["audit", "trace"][..]),
        (decides, &["audit", "catalogue", "identity", "metrics", "policy", "spans", "trace"]),
    ] {
        let mut own = configuration(&observed, manager).unwrap();
        let sections = own.as_object_mut().unwrap();
        for section in added {
            assert!(sections.remove(*section).is_some(), "{section}");
        }
        let mut expected = configuration(&plain, front).unwrap();
        let policy = expected.as_object_mut().unwrap().remove("policy");
        assert_eq!(own, expected);
        if manager == decides {
            assert_eq!(configuration(&observed, decides).unwrap().get("policy"), policy.as_ref());
        }
    }
    // What both files have besides: of the listeners, what is not their own.
    let rest = |document: &Value, manager: &str, own: &[&str]| {
        let mut manager = document.pointer(manager).unwrap().clone();
        let filters = manager["http_filters"].as_array_mut().unwrap();
        filters.retain(|filter| filter["name"] != "envoy.filters.http.set_filter_state");
        for place in ["/name", "/typed_config/config/name", "/typed_config/config/configuration"] {
            *filters[0].pointer_mut(place).unwrap() = Value::Null;
        }
        own.iter().for_each(|member| drop(manager.as_object_mut().unwrap().remove(*member)));
        manager
    };
    let own = ["access_log", "route_config", "stat_prefix", "tracing"];
    let expected = rest(&plain, front, &own);
    assert_eq!(rest(&observed, front, &own), expected);
    assert_eq!(rest(&observed, decides, &own), expected);
    for place in ["/admin", "/stats_config", "/overload_manager", "/static_resources/clusters/0"] {
        assert_eq!(observed.pointer(place), plain.pointer(place), "{place}");
    }
    let route = "route_config/virtual_hosts/0/routes/0";
    assert_eq!(observed.pointer(&format!("{decides}/{route}")), plain.pointer(&format!("{front}/{route}")),);
}

/// A stateless call.
fn call(id: u64, tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": tool, "arguments": {"text": "s3cret"}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "hand-made", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    }})
    .to_string()
}

/// Sends a message from an address of the loopback interface, and reads the answer to its end.
async fn send(from: u8, to: SocketAddr, path: &str, tool: &str, body: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from)), 0)).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: {tool}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

fn find<'s>(spans: &'s [Span], id: &str) -> &'s Span {
    let of = |span: &&Span| span.attributes.get("jsonrpc.request.id").is_some_and(|own| own == id);
    spans.iter().find(of).unwrap_or_else(|| panic!("no span of request {id}: {spans:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_a_line_of_the_audit_log_and_a_labelled_span() {
    let receiver = Receiver::start().await.unwrap();
    let server = McpServer::start().unwrap();
    // The tools of the server that answers here.
    let tools = |document: &mut Value| {
        let rules = document["policy"]["rules"].as_array_mut().unwrap();
        rules[0]["tools"] = json!(["test_*"]);
    };
    let sidecar = Sidecar::start(Tracer::Behind, tools, server.address(), receiver.address()).unwrap();
    let to = sidecar.address();
    let answer = send(1, to, "/mcp", "test_simple_text", &call(1, "test_simple_text")).await;
    assert!(answer.contains("\"result\""), "{answer}");
    // Whose call it is comes through to what decides: no connection between the two is another client's.
    assert!(send(2, to, "/mcp", "delete_repo", &call(2, "delete_repo")).await.contains("-31403"));
    assert!(send(3, to, "/mcp", "test_nothing", &call(3, "test_nothing")).await.contains("-32602"));
    assert!(send(2, to, "/mcp", "test_error_handling", &call(5, "test_error_handling")).await.contains("isError"));
    // What cannot be read as a message gets as far as to the first connection manager.
    let twice = r#"{"jsonrpc":"2.0","id":6,"id":6,"method":"ping"}"#;
    assert!(send(4, to, "/mcp", "", twice).await.contains("duplicate_key"));
    // No endpoint: no record, and a span with the name that it has without us.
    send(1, to, "/elsewhere", "test_simple_text", &call(4, "test_simple_text")).await;

    let records = sidecar.records(5).unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let field = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
            json!([
                field("id"),
                field("tool"),
                field("decision"),
                field("rule"),
                field("outcome"),
                field("jsonrpc_code"),
                field("is_error"),
                record["principal"]["source"]
            ])
        })
        .collect();
    let expected = [
        json!(["1", "test_simple_text", "allow", "readers", "answered", null, false, "127.0.0.1"]),
        json!(["2", "delete_repo", "deny", "no-delete", "refused", -31403, null, "127.0.0.2"]),
        json!(["3", "test_nothing", "allow", "readers", "answered", -32602, null, "127.0.0.3"]),
        json!(["5", "test_error_handling", "allow", "readers", "answered", null, true, "127.0.0.2"]),
        json!([null, null, "deny", null, "refused", -32700, null, "127.0.0.4"]),
    ];
    assert_eq!(told, expected);
    assert!(!std::fs::read_to_string(sidecar.audit_log()).unwrap().contains("s3cret"));
    for record in &records {
        assert_eq!(record["trace_id"].as_str().is_some(), !record["kind"].is_null(), "{record}");
        assert!(record["duration_us"].as_u64().unwrap() >= record["decided_us"].as_u64().unwrap());
    }

    let spans = receiver.spans(5).await.unwrap();
    let mut unnamed = 0;
    for span in &spans {
        assert!(!span.attributes.values().any(|text| text.contains("s3cret")), "{span:?}");
        unnamed += usize::from(span.name == "ingress" && !span.attributes.contains_key("mcp.method.name"));
    }
    assert_eq!(unnamed, 1, "{spans:#?}");
    for (id, name, error, code) in [
        ("1", "tools/call test_simple_text", None, None),
        ("2", "tools/call delete_repo", Some("-31403"), Some("-31403")),
        ("3", "tools/call test_nothing", None, Some("-32602")),
        ("5", "tools/call test_error_handling", Some("tool_error"), None),
    ] {
        let span = find(&spans, id);
        let of = |key: &str| span.attributes.get(key).map(String::as_str);
        assert_eq!((span.name.as_str(), span.kind), (name, 2));
        assert_eq!(of("mcp.method.name"), Some("tools/call"));
        assert_eq!(of("gen_ai.operation.name"), Some("execute_tool"));
        assert_eq!(of("gen_ai.tool.name"), name.split(' ').nth(1));
        assert_eq!(of("mcp.protocol.version"), Some("2026-07-28"));
        assert_eq!((of("error.type"), of("rpc.response.status_code")), (error, code), "{id}");
        assert_eq!((of("gen_ai.prompt.name"), of("mcp.session.id"), of("mcp.resource.uri")), (None, None, None));
    }
}
