//! First use, raced by eight workers of a real Envoy: of many definitions that a server lists at once, one is trusted.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use meshward_tests::envoy;
use meshward_tests::proxy::Proxy;
use meshward_tests::raw;
use serde_json::{Value, json};

/// How many clients list at once, and how often.
const CLIENTS: usize = 32;
const ROUNDS: usize = 6;

/// A server that describes its tool in other words each time.
fn changing() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            // A client that is gone is no fault of the server.
            thread::spawn(move || drop(serve(stream, &count)));
        }
    });
    address
}

fn serve(mut stream: TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length])?;
    let words = format!("In words {}", count.fetch_add(1, Ordering::Relaxed));
    let tool = json!({"name": "search", "description": words, "inputSchema": {"type": "object"}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}}).to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The words of the tool, if the client sees it.
fn list(to: SocketAddr, path: &str, begin: &Barrier) -> Option<String> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    begin.wait();
    let answer = raw::post(to, path, "", body).unwrap().body;
    // Behind the head, and within the framing of a chunk if there is one.
    let begin = answer.find('{').unwrap_or_else(|| panic!("{answer:?}"));
    let end = answer.rfind('}').unwrap().checked_add(1).unwrap();
    let value: Value = serde_json::from_str(answer.get(begin..end).unwrap()).unwrap();
    value["result"]["tools"].as_array().unwrap().first().map(|tool| tool["description"].as_str().unwrap().to_owned())
}

#[test]
fn of_many_definitions_at_once_one_is_trusted() {
    let path = |round: usize| format!("/mcp/{round}");
    // Each endpoint is a server of its own, so each is used first once.
    let document = json!({
        "apiVersion": "meshward/v1",
        "endpoints": (0..ROUNDS).map(|round| json!({"path": path(round)})).collect::<Vec<_>>(),
        "header_hold": true,
        "pins": {"trust": "first_use"},
    });
    let proxy = Proxy::envoy(&document, changing(), &envoy::module().unwrap(), 8, None).unwrap();
    let to = proxy.address();
    for round in 0..ROUNDS {
        let (path, begin) = (path(round), Barrier::new(CLIENTS));
        let seen: Vec<_> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| list(to, &path, &begin))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        // Every answer had words of its own: but for those of one, all were held back.
        assert_eq!(seen.iter().flatten().count(), 1, "round {round}: {seen:?}\n{}", proxy.log());
    }
}
