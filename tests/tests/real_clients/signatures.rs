//! Two sidecars: the client's signs, the server's verifies, and neither client nor server notices. What is signed is what another
//! implementation verifies, and counts once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use meshward_tests::clients::{self, CLIENTS, Server};
use meshward_tests::proxy::{Host, Proxy};
use meshward_tests::raw;
use serde_json::{Value, json};

use super::counting::{Counting, counted};
use super::{both, document, each, features_with_stream};

const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";
const CALL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

fn signs() -> Value {
    let mut document = document(true, json!({"default": "allow"}));
    document["direction"] = json!("outbound");
    document["trace"] = json!({});
    document["replay"] = json!({"signatures": {"sign": {
        "key": {"id": "client", "algorithm": "ed25519", "secret": PRIVATE}, "tag": "mcp",
        "covers": ["traceparent", "accept", "content-type"],
    }}});
    document
}

fn verifies(header_hold: bool) -> Value {
    let mut document = document(header_hold, json!({"default": "allow"}));
    document["replay"] = json!({
        "signatures": {"verify": {
            "keys": [{"id": "client", "algorithm": "ed25519", "public_key": PUBLIC}], "tag": "mcp", "covers": ["content-type"],
        }},
        // The tests begin as soon as the proxies do.
        "nonces": {"restart": "accept"},
    });
    document
}

/// Sends the bytes of one request, and returns the status and the body of the response.
fn send(to: SocketAddr, request: impl AsRef<[u8]>) -> (u16, String) {
    let answer = raw::exchange(to, request).unwrap();
    (answer.status, answer.body)
}

fn ping() -> Vec<u8> {
    raw::request("tools.example", "POST", "/mcp", "mcp-protocol-version: 2025-11-25\r\n", CALL)
}

/// What the client's sidecar makes of a request: head and body as the next hop gets them.
fn signed(outbound: impl Fn(SocketAddr) -> Proxy) -> (String, String) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = outbound(upstream.local_addr().unwrap());
    let recorder = thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..read]);
            let text = String::from_utf8(request.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
                    return (head.to_owned(), body.to_owned());
                }
            }
            assert_ne!(read, 0, "{text}");
        }
    });
    let (status, _) = send(proxy.address(), ping());
    assert_eq!(status, 202, "{}", proxy.log());
    recorder.join().unwrap()
}

fn reason(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap_or_else(|_| panic!("{body}"))["error"]["data"]["reason"].clone()
}

fn two_sidecars(header_hold: bool) {
    let host = Host::Envoy;
    let server = Server::python().unwrap();
    let service = Counting::start();
    let verifies = counted(verifies(header_hold));
    let inbound = Proxy::counted(host, &verifies, server.address(), service.address()).unwrap();
    let outbound = Proxy::start(host, &signs(), inbound.address()).unwrap();
    each(CLIENTS, |client| {
        let (direct, proxied) = both(client, &server, &outbound, |key| features_with_stream(client, &server, key));
        assert_eq!(proxied, direct, "{client:?}\n{}", inbound.log());
    });

    assert!(service.asked() > 0, "nobody asks who counts for all proxies");

    // Past the client's sidecar nothing gets in.
    let (status, body) = send(inbound.address(), ping());
    assert_eq!((status, reason(&body)), (401, json!("signature_missing")));

    // Whoever sees a signed request can neither alter it nor send it again.
    let (head, body) = signed(|upstream| Proxy::start(host, &signs(), upstream).unwrap());
    let captured = format!("{head}\r\nconnection: close\r\n\r\n{body}");
    let altered = captured.replace("\"method\":\"ping\"", "\"method\":\"pong\"");
    assert_ne!(altered, captured);
    let (status, refused) = send(inbound.address(), &altered);
    assert_eq!((status, reason(&refused)), (401, json!("signature_invalid")));
    let (status, answer) = send(inbound.address(), &captured);
    // It is signed for all that the proxy knows; the server wants a session.
    assert!(!matches!(status, 401 | 403), "{status} {answer}\n{captured}");
    let (status, refused) = send(inbound.address(), &captured);
    assert_eq!((status, reason(&refused)), (200, json!("nonce_reused")));
}

#[test]
fn two_sidecars_in_envoy() {
    two_sidecars(true);
}

#[test]
fn two_sidecars_in_envoy_verifying_without_header_hold() {
    two_sidecars(false);
}

#[test]
fn another_implementation_verifies_what_was_signed() {
    let (head, body) = signed(|upstream| Proxy::start(Host::Envoy, &signs(), upstream).unwrap());
    assert!(body.contains("traceparent"), "{body}: what is signed is what the trace has edited");
    let headers: Vec<_> = head.lines().skip(1).map(|line| line.split_once(": ").unwrap()).collect();
    let asked = |body: &str| json!({"method": "POST", "url": "http://tools.example/mcp", "headers": headers, "body": body, "keys": {"client": PUBLIC}});
    let verify = |asked: Value| {
        let mut python = Command::new(clients::python().unwrap());
        let python = python.arg("verify_signature.py").current_dir(clients::folder());
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (verified, said) = verify(asked(&body));
    assert!(verified, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    for covered in ["@method", "@authority", "@path", "content-digest", "mcp-protocol-version", "traceparent", "accept"]
    {
        assert!(said[0]["covered"].as_array().unwrap().contains(&json!(format!("\"{covered}\""))), "{covered}: {said}");
    }
    assert_eq!(said[0]["parameters"]["tag"], "mcp");
    let (verified, said) = verify(asked(&body.replace("ping", "pong")));
    assert!(!verified && said.contains("InvalidSignature"), "{said}");
}
