//! The sidecar with an audit log and labelled spans, as we ship it, in a real Envoy: what its operator finds of each message.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use meshward_tests::cases::left::{AUDIT, Left};
use meshward_tests::envoy::{Envoy, module, sidecar_inbound, workspace};
use meshward_tests::mcp_server::McpServer;
use meshward_tests::otlp::{Receiver, Span};
use serde_json::{Value, json};

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const PLUGIN: &str = "http_filters/0/typed_config/config";

fn observed() -> Value {
    let text = std::fs::read_to_string(workspace().join("envoy-config/envoy/sidecar-observed.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn it_is_the_sidecar_and_what_observes_it() {
    let mut sidecar = observed();
    let manager = sidecar.pointer_mut(MANAGER).unwrap().as_object_mut().unwrap();
    assert!(manager.remove("access_log").is_some() && manager.remove("tracing").is_some());
    let mut plain = sidecar_inbound().unwrap();
    for document in [&mut sidecar, &mut plain] {
        let place = document.pointer_mut(&format!("{MANAGER}/{PLUGIN}/configuration/value")).unwrap();
        let mut configuration: Value = serde_json::from_str(place.as_str().unwrap()).unwrap();
        for section in ["audit", "spans"] {
            configuration.as_object_mut().unwrap().remove(section);
        }
        *place = configuration;
    }
    let clusters = sidecar.pointer_mut("/static_resources/clusters").unwrap().as_array_mut().unwrap();
    assert_eq!(clusters.pop().unwrap()["name"], "opentelemetry_collector");
    assert_eq!(sidecar, plain);
}

fn start(upstream: SocketAddr, spans: SocketAddr, log: &Path) -> (Envoy, SocketAddr) {
    let mut sidecar = observed();
    let port = |cluster: usize| {
        let endpoint = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
        format!("/static_resources/clusters/{cluster}/{endpoint}")
    };
    for (pointer, value) in [
        ("/static_resources/listeners/0/address/socket_address/port_value".to_owned(), json!(0)),
        (format!("{MANAGER}/{PLUGIN}/vm_config/code/local/filename"), json!(module().unwrap())),
        (format!("{MANAGER}/access_log/0/typed_config/path"), json!(log)),
        (port(0), json!(upstream.port())),
        (port(1), json!(spans.port())),
    ] {
        *sidecar.pointer_mut(&pointer).unwrap() = value;
    }
    // The tools of the server that answers here.
    let configuration = sidecar.pointer_mut(&format!("{MANAGER}/{PLUGIN}/configuration/value")).unwrap();
    *configuration = Value::from(configuration.as_str().unwrap().replace("get_*", "test_*"));
    // One span at a time, not many at once.
    let layer = json!({"name": "tests", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}});
    sidecar.as_object_mut().unwrap().insert("layered_runtime".to_owned(), json!({"layers": [layer]}));
    let envoy = Envoy::start(sidecar, 1).unwrap();
    let address = envoy.listeners().unwrap()["mcp_inbound"];
    (envoy, address)
}

/// Sends a stateless call, and reads the answer to its end.
fn call(address: SocketAddr, path: &str, id: u64, tool: &str) -> String {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": tool, "arguments": {"text": "s3cret"}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "hand-made", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    }})
    .to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: {tool}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The audit log, as soon as it has this many lines.
fn records(log: &Path, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if text.matches('\n').count() >= count {
            return Left(BTreeMap::from([(AUDIT.to_owned(), text.trim_end().to_owned())])).records().unwrap();
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn find<'s>(spans: &'s [Span], id: &str) -> &'s Span {
    let of = |span: &&Span| span.attributes.get("jsonrpc.request.id").is_some_and(|own| own == id);
    spans.iter().find(of).unwrap_or_else(|| panic!("no span of request {id}: {spans:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_a_line_of_the_audit_log_and_a_labelled_span() {
    let receiver = Receiver::start().await.unwrap();
    let server = McpServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let (_envoy, address) = start(server.address(), receiver.address(), &log);
    let answer = call(address, "/mcp", 1, "test_simple_text");
    assert!(answer.contains("\"result\""), "{answer}");
    assert!(call(address, "/mcp", 2, "delete_repo").contains("-31403"));
    assert!(call(address, "/mcp", 3, "test_nothing").contains("-32602"));
    assert!(call(address, "/mcp", 5, "test_error_handling").contains("isError"));
    // No endpoint: no record, and a span with the name that it has without us.
    call(address, "/elsewhere", 4, "test_simple_text");

    let records = records(&log, 4);
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
                field("is_error")
            ])
        })
        .collect();
    let expected = [
        json!(["1", "test_simple_text", "allow", "readers", "answered", null, false]),
        json!(["2", "delete_repo", "deny", "no-delete", "refused", -31403, null]),
        json!(["3", "test_nothing", "allow", "readers", "answered", -32602, null]),
        json!(["5", "test_error_handling", "allow", "readers", "answered", null, true]),
    ];
    assert_eq!(told, expected);
    assert!(!std::fs::read_to_string(&log).unwrap().contains("s3cret"));
    for record in &records {
        assert_eq!(record["principal"], json!({"source": "127.0.0.1"}));
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
