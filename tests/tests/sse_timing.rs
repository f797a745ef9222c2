//! Events of a stream reach the client one by one: the server sends each only when the client has the one before.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

/// Nothing here takes longer unless it is held back.
const PATIENCE: Duration = Duration::from_secs(20);

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_it","arguments":{},"_meta":{"progressToken":"p"}}}"#;

/// What the server sends, piece by piece; each as a chunk of HTTP/1.1 of its own.
const PIECES: [&str; 7] = [
    // What the Python SDK begins a session's stream with.
    "id: 0\ndata: \nretry: 100\n\n",
    "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"p\",\"progress\":1}}\n\n",
    ": still here\n\n",
    "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"p\",\"progress\":2}}\r\n\r\n",
    "id: 5\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[],\"maxTokens\":1}}\n\n",
    "data: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"two lines\"}}\n\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}\n\n",
];

fn document(responses: &str, header_hold: bool) -> Value {
    json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": header_hold,
        "protocol": {"responses": responses},
        "policy": {"mode": "enforce", "default": "allow", "rules": []},
    })
}

/// Reads a message's head and returns it.
fn head(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "the connection ended in {head:?}");
    }
    head
}

/// A server that answers one request with a stream of events, of which it sends the next piece when it is told to. It
/// sends the head at once.
fn server(pieces: &'static [&'static str]) -> (SocketAddr, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (next, told) = channel();
    thread::spawn(move || answer(&listener, pieces, &told));
    (address, next)
}

fn answer(listener: &TcpListener, pieces: &[&str], told: &Receiver<()>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let request = head(&mut reader).to_ascii_lowercase();
    if request.starts_with("post") {
        // Envoy keeps the length or sends chunks; either way the body is the call.
        let mut body = String::new();
        while !body.contains(CALL) {
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            body.push(char::from(byte[0]));
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    for piece in pieces {
        if told.recv().is_err() {
            return;
        }
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    // The proxy may keep the connection; it ends with the test.
    let _ = told.recv();
}

/// Reads chunks until as many bytes have come as `wanted` has, and returns their text.
fn read_piece(reader: &mut impl BufRead, wanted: usize) -> String {
    let mut text = String::new();
    while text.len() < wanted {
        let mut size = String::new();
        if let Err(error) = reader.read_line(&mut size) {
            panic!("{text:?} and then nothing more ({error})");
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        assert_ne!(size, 0, "the stream ended after {text:?}");
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).unwrap();
        chunk.truncate(size);
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

/// Plays all pieces through a proxy; the next is sent only when the one before is here, byte for byte.
fn step_by_step(host: Host, document: &Value, post: bool, pieces: &'static [&'static str]) {
    let (upstream, next) = server(pieces);
    let proxy = Proxy::start(host, document, upstream).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if post {
        let length = CALL.len();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nhost: mcp\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\nmcp-session-id: s\r\n\
             content-length: {length}\r\n\r\n{CALL}"
        )
    } else {
        write!(
            stream,
            "GET /mcp HTTP/1.1\r\nhost: mcp\r\naccept: text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n\
             mcp-session-id: s\r\n\r\n"
        )
    }
    .unwrap();
    let mut reader = BufReader::new(stream);
    // The head comes before there is any event: clients wait for it.
    let head = head(&mut reader);
    assert!(head.starts_with("HTTP/1.1 200"), "{host:?} {document}: {head}");
    for piece in pieces {
        next.send(()).unwrap();
        assert_eq!(read_piece(&mut reader, piece.len()), *piece, "{host:?} {document}");
    }
    let mut end = String::new();
    reader.read_line(&mut end).unwrap();
    assert_eq!(end, "0\r\n", "{host:?} {document}");
}

fn answers_and_streams(host: Host, responses: &str) {
    for hold in [true, false] {
        step_by_step(host, &document(responses, hold), true, &PIECES);
    }
    // A stream of what the server has to say by itself: no answer to a call is in it.
    let (_, unasked) = PIECES.split_last().unwrap();
    step_by_step(host, &document(responses, true), false, unasked);
}

#[test]
fn events_pass_one_by_one_through_envoy() {
    answers_and_streams(Host::Envoy, "pass");
}

#[test]
fn events_pass_one_by_one_through_envoy_when_responses_are_read_strictly() {
    answers_and_streams(Host::Envoy, "strict");
}

#[test]
fn events_pass_one_by_one_through_serve() {
    answers_and_streams(Host::Serve, "pass");
}

#[test]
fn events_pass_one_by_one_through_serve_when_responses_are_read_strictly() {
    answers_and_streams(Host::Serve, "strict");
}

/// One event in three pieces. Where messages are not read, they are not waited for either.
const TORN: [&str; 3] = ["data: {\"jsonrpc\":\"2.0\",\"id\":7,", "\"result\":{\"content\":[", "]}}\n\n"];

#[test]
fn pieces_of_an_event_pass_as_they_come_through_envoy() {
    step_by_step(Host::Envoy, &document("pass", true), true, &TORN);
}

#[test]
fn pieces_of_an_event_pass_as_they_come_through_serve() {
    step_by_step(Host::Serve, &document("pass", true), true, &TORN);
}
