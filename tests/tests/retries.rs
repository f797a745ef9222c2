//! What a real Envoy sends to a server again, and how long it waits, as the module tells it: a server that fails counts its calls.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use meshward_tests::envoy::{self, Envoy};
use meshward_tests::raw;
use serde_json::{Value, json};

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// A server that fails as the tool's arguments say, and counts what it is asked.
struct Failing {
    address: SocketAddr,
    counts: Counts,
}

impl Failing {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, counts) = (listener.local_addr().unwrap(), Counts::default());
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&shared);
                // A client that is gone is no fault of the server.
                thread::spawn(move || drop(serve(stream, &counts)));
            }
        });
        Self { address, counts }
    }

    /// How often it was asked, by the id of the request.
    fn asked(&self, id: &str) -> usize {
        self.counts.lock().unwrap().get(id).copied().unwrap_or_default()
    }
}

const PIECE: Duration = Duration::from_millis(200);

/// One request on a connection.
fn serve(stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut line, mut is_get) = (0, String::new(), false);
    while reader.read_line(&mut line)? > 2 {
        is_get |= line.starts_with("GET ");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        assert!(!line.to_ascii_lowercase().starts_with("x-envoy-retry"), "{line}");
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let message: Value = if is_get { json!({"id": "get"}) } else { serde_json::from_slice(&body).unwrap() };
    let id = message["id"].to_string();
    let time = {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(id.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    };
    let mut out = stream;
    let answer = |out: &mut TcpStream, status: &str, body: &str| {
        write!(
            out,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let result = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#);
    let events = |out: &mut TcpStream, count: usize| {
        write!(out, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
        for _ in 0..count {
            out.write_all(b"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n")?;
            thread::sleep(PIECE);
        }
        Ok(())
    };
    if is_get {
        return events(&mut out, 6);
    }
    if message["method"] == "tools/list" {
        let tool = |name: &str, annotations: Value| json!({"name": name, "inputSchema": {"type": "object"}, "annotations": annotations});
        let tools = [
            tool("read", json!({"readOnlyHint": true})),
            tool("set", json!({"idempotentHint": true})),
            tool("destroy", json!({"destructiveHint": true})),
            tool("patient", json!({"readOnlyHint": true})),
            tool("hasty", json!({"readOnlyHint": true})),
        ];
        return answer(
            &mut out,
            "200 OK",
            &json!({"jsonrpc": "2.0", "id": message["id"], "result": {"tools": tools}}).to_string(),
        );
    }
    match message["params"]["arguments"]["fails"].as_str().unwrap() {
        "with 503" => answer(&mut out, "503 Service Unavailable", ""),
        "by reset" => Ok(()),
        "once" if time == 1 => answer(&mut out, "503 Service Unavailable", ""),
        "once" => answer(&mut out, "200 OK", &result),
        "within its answer" => events(&mut out, 1),
        "by a pause" if time == 1 => {
            thread::sleep(PIECE.saturating_mul(10));
            Ok(())
        }
        "by a pause" => answer(&mut out, "200 OK", &result),
        "never, but streams" => {
            events(&mut out, 6)?;
            write!(out, "data: {result}\n\n")
        }
        other => panic!("{other}"),
    }
}

/// The sidecar as we ship it, but that its route retries everything, three times, and waits for half a second, as routes do by
/// default or more.
fn proxy(header_hold: bool, server: &Failing) -> (Envoy, SocketAddr) {
    let document = json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": header_hold,
        "pins": {"trust": "first_use"},
        "retries": {"rules": [
            {"tools": ["patient"], "try_timeout": "500ms"},
            {"tools": ["hasty"], "retry": false, "timeout": "300ms"},
        ]},
    });
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let plugin = format!("{manager}/http_filters/0/typed_config/config");
    let route = format!("{manager}/route_config/virtual_hosts/0/routes/0/route");
    let address = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    let mut sidecar = envoy::sidecar_inbound().unwrap();
    for (pointer, value) in [
        ("/static_resources/listeners/0/address/socket_address/port_value".to_owned(), json!(0)),
        (format!("{plugin}/allow_on_headers_stop_iteration"), json!(header_hold)),
        (format!("{plugin}/configuration/value"), json!(document.to_string())),
        (format!("{plugin}/vm_config/code/local/filename"), json!(envoy::module().unwrap())),
        (format!("{route}/timeout"), json!("0.5s")),
        (format!("{address}/socket_address/address"), json!(server.address.ip().to_string())),
        (format!("{address}/socket_address/port_value"), json!(server.address.port())),
    ] {
        *sidecar.pointer_mut(&pointer).unwrap_or_else(|| panic!("the sidecar has no {pointer}")) = value;
    }
    let route = sidecar.pointer_mut(&route).unwrap().as_object_mut().unwrap();
    route.insert("retry_policy".to_owned(), json!({"retry_on": "5xx,reset,connect-failure", "num_retries": 3}));
    let envoy = Envoy::start(sidecar, 1).unwrap();
    let address = *envoy.listeners().unwrap().values().next().unwrap();
    (envoy, address)
}

/// The status and the body, as far as they came.
fn send(to: SocketAddr, method: &str, extra: &str, body: &str) -> (u16, String) {
    let lines = format!("mcp-protocol-version: 2025-11-25\r\n{extra}");
    let answer = raw::exchange(to, raw::request("a", method, "/mcp", &lines, body)).unwrap();
    (answer.status, answer.body)
}

fn call(id: &str, tool: &str, fails: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {"fails": fails}}})
        .to_string()
}

/// What a client would ask of the router.
const GREEDY: &str = "x-envoy-retry-on: 5xx,reset\r\nx-envoy-max-retries: 5\r\nx-envoy-upstream-rq-timeout-ms: 50\r\n";

fn with_proxy(
    header_hold: bool,
    work: impl FnOnce(&Failing, &dyn Fn(&str, &str, &str) -> (u16, String, usize), SocketAddr),
) {
    let server = Failing::start();
    let (envoy, to) = proxy(header_hold, &server);
    let last = OnceLock::new();
    last.set(Mutex::new(0_usize)).unwrap();
    let list = json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"}).to_string();
    assert_eq!(send(to, "POST", "", &list).0, 200, "{}", envoy.log_tail());
    work(
        &server,
        &|tool, fails, extra| {
            let id = {
                let mut last = last.get().unwrap().lock().unwrap();
                *last = last.saturating_add(1);
                format!("call {last}")
            };
            let (status, body) = send(to, "POST", extra, &call(&id, tool, fails));
            (status, body, server.asked(&json!(id).to_string()))
        },
        to,
    );
}

#[test]
fn what_only_reads_is_sent_again_and_nothing_else() {
    with_proxy(true, |_, try_call, _| {
        for (tool, fails, status, tries) in [
            ("read", "with 503", 503, 3),
            ("read", "by reset", 503, 3),
            ("read", "once", 200, 2),
            ("set", "once", 200, 2),
            // The route's own policy would send these again.
            ("destroy", "with 503", 503, 1),
            ("destroy", "by reset", 503, 1),
            ("destroy", "once", 503, 1),
            ("unheard_of", "with 503", 503, 1),
        ] {
            for extra in ["", GREEDY] {
                let (seen, body, times) = try_call(tool, fails, extra);
                assert_eq!((seen, times), (status, tries), "{tool} fails {fails} {extra:?}: {body}");
            }
        }
        // An answer that has begun is not begun again.
        let (status, body, times) = try_call("read", "within its answer", "");
        assert_eq!((status, times), (200, 1), "{body}");
    });
}

#[test]
fn streams_have_no_end_that_a_route_sets_and_a_try_may_have_one() {
    with_proxy(true, |server, try_call, to| {
        // The route's time-out is half a second; the client asks for less.
        for extra in ["", GREEDY] {
            let (status, body, times) = try_call("read", "never, but streams", extra);
            assert_eq!((status, times), (200, 1), "{body}");
            assert!(body.contains("\"result\""), "{body}");
        }
        let (status, body) = send(to, "GET", GREEDY, "");
        assert_eq!((status, body.matches("notifications/message").count()), (200, 6), "{body}");
        assert_eq!(server.asked("\"get\""), 1);
        // The first try takes too long to begin, the second does not.
        let (status, body, times) = try_call("patient", "by a pause", "");
        assert_eq!((status, times), (200, 2), "{body}");
        let (status, body, times) = try_call("patient", "never, but streams", "");
        assert_eq!((status, times, body.contains("\"result\"")), (200, 1, true), "{body}");
        // A rule's time-out is for all of an answer.
        let (status, body, times) = try_call("hasty", "by a pause", "");
        assert_eq!((status, times), (504, 1), "{body}");
        let (_, body, times) = try_call("hasty", "never, but streams", "");
        assert_eq!((times, body.contains("\"result\"")), (1, false), "{body}");
    });
}

#[test]
fn without_header_hold_nothing_is_sent_again() {
    with_proxy(false, |_, try_call, _| {
        for tool in ["read", "destroy"] {
            for extra in ["", GREEDY] {
                let (status, body, times) = try_call(tool, "with 503", extra);
                assert_eq!((status, times), (503, 1), "{tool}: {body}");
            }
        }
        let (status, body, times) = try_call("read", "never, but streams", GREEDY);
        assert_eq!((status, times, body.contains("\"result\"")), (200, 1, true), "{body}");
    });
}
