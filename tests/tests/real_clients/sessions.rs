//! Sessions that belong to who opened them, with real clients and a real server: whose they are is in them, and nobody else.

use std::net::SocketAddr;

use meshward_tests::clients::{CLIENTS, Mode, Server};
use meshward_tests::proxy::{Host, Proxy};
use meshward_tests::raw;
use serde_json::{Value, json};

use super::{all_features, both, document, each};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

fn bound(header_hold: bool) -> Value {
    let mut document = document(header_hold, json!({"default": "allow"}));
    document["identity"] = json!({"trusted_headers": ["x-user"]});
    document["replay"] = json!({"sessions": {
        "bound_to": ["headers.x-user"],
        "keys": [{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}],
    }});
    document
}

/// Sends one request of a user, and returns the status and the session's id of the response.
fn send(to: SocketAddr, method: &str, user: &str, session: Option<&str>, body: &str) -> (u16, Option<String>) {
    let session = session.map(|session| format!("mcp-session-id: {session}\r\n")).unwrap_or_default();
    let lines = format!("x-user: {user}\r\n{session}mcp-protocol-version: 2025-11-25\r\n");
    let answer = raw::exchange(to, raw::request(&to.to_string(), method, "/mcp", &lines, body)).unwrap();
    (answer.status, answer.field("mcp-session-id").map(str::to_owned))
}

fn sessions(host: Host, header_hold: bool) {
    let server = Server::python().unwrap();
    let proxy = Proxy::start(host, &bound(header_hold), server.address()).unwrap();
    // Clients notice nothing.
    each(CLIENTS.into_iter().filter(|client| client.mode == Mode::Session), |client| {
        let (direct, proxied) = both(client, &server, &proxy, |key| all_features(client, &server, key));
        assert_eq!(proxied, direct, "{client:?}");
    });

    // Alice opens a session, which the server knows by another id.
    let proxy = proxy.address();
    let (status, session) = send(proxy, "POST", "alice", None, INITIALIZE);
    let session = session.unwrap();
    assert_eq!(status, 200);
    let (servers_id, _) = session.split_once('~').unwrap();
    assert_eq!(send(proxy, "POST", "alice", Some(&session), PING).0, 200);
    assert_eq!(send(server.address(), "POST", "bob", Some(servers_id), PING).0, 200, "the server does not look");
    // Bob has seen it, in whole or in part.
    for (user, presented) in [("bob", session.as_str()), ("bob", servers_id), ("alice", servers_id), ("", &session)] {
        for (method, body) in [("POST", PING), ("GET", ""), ("DELETE", "")] {
            let refused = send(proxy, method, user, Some(presented), body);
            assert_eq!(refused, (404, None), "{method} by `{user}` with {presented}");
        }
    }
    // Nothing happened to it, until she ends it.
    assert_eq!(send(proxy, "POST", "alice", Some(&session), PING).0, 200);
    assert_eq!(send(proxy, "DELETE", "alice", Some(&session), "").0, 200);
    assert_eq!(send(proxy, "POST", "alice", Some(&session), PING).0, 404);
}

#[test]
fn sessions_through_envoy() {
    sessions(Host::Envoy, true);
}

#[test]
fn sessions_through_envoy_without_header_hold() {
    sessions(Host::Envoy, false);
}

#[test]
fn sessions_through_serve() {
    sessions(Host::Serve, true);
}
