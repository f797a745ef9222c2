//! Nonces, signatures and proofs of two Envoys with one rate limit service: the `limitador` crate on a real Redis, which is stopped, killed and
//! started again under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use meshward_signatures::SigningKey;
use meshward_tests::clients::BoundToken;
use meshward_tests::limitador::{free_port, limitador, redis};
use meshward_tests::proxy::Proxy;
use serde_json::{Value, json};

use crate::signing::{signed, signed_head};
use crate::support::*;

/// How long a call may take: the service's 200 ms, and what a busy machine takes.
const BOUND: Duration = Duration::from_secs(3);

fn shared(unsure: &str) -> Value {
    asking(json!({
        "freshness": {"nonce": {"header": "x-nonce"}, "max_age": "5m"},
        "nonces": {"service": true, "unsure": unsure},
    }))
}

/// A configuration that has a service to ask.
pub(crate) fn asking(replay: Value) -> Value {
    let mut document = document(replay);
    document
        .as_object_mut()
        .unwrap()
        .insert("rate_limit_service".to_owned(), json!({"cluster": "rls", "domain": "tests", "timeout_ms": 200}));
    document
}

/// With a message, and without.
pub(crate) const METHODS: [Method; 3] = [Method::POST, Method::GET, Method::DELETE];

/// Sends a request with these fields on a connection of its own, which must not take longer than it may.
async fn send_fields(to: SocketAddr, method: &Method, fields: &[(String, String)]) -> Answer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let sent = async { Client::connect(to).await.send(method, &fields).await };
    tokio::time::timeout(BOUND, sent).await.unwrap_or_else(|_| panic!("{method} {fields:?} hangs"))
}

/// Likewise one with a nonce.
async fn send_as(method: &Method, to: SocketAddr, nonce: &str) -> Answer {
    send_fields(to, method, &[("x-nonce".to_owned(), nonce.to_owned())]).await
}

/// Likewise a call.
async fn send(to: SocketAddr, nonce: &str) -> Answer {
    send_as(&Method::POST, to, nonce).await
}

/// Sends new nonces, with messages and without, until one comes to what it should.
async fn until(to: SocketAddr, name: &str, expected: &Answer) {
    let end = Instant::now() + PATIENCE;
    for (number, method) in METHODS.iter().cycle().enumerate() {
        let answer = send_as(method, to, &format!("{name}-{number}")).await;
        if answer == *expected {
            return;
        }
        assert!(Instant::now() < end, "{name}: {answer:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_passes_one_of_two_proxies() {
    let port = free_port().unwrap();
    let _database = redis(port, &[]).unwrap();
    let (_service, address) = limitador(port, 1).unwrap();
    let server = Server::start().await;
    let begin = || envoy_with(&shared("refuse"), &server, 2, Some(address));
    let (one, other) = (begin(), begin());
    let reused = Answer::refused(200, "nonce_reused");
    for number in 0..200 {
        let nonce = format!("two-{number}");
        let (first, second) = if number % 2 == 0 { (&one, &other) } else { (&other, &one) };
        assert_eq!(send(first.address(), &nonce).await, Answer::Passed);
        assert_eq!(send(second.address(), &nonce).await, reused, "on another proxy");
        assert_eq!(send(first.address(), &nonce).await, reused, "on the same");
    }
    // A proxy that begins anew remembers nothing: the service does.
    drop(one);
    let one = begin();
    assert_eq!(send(one.address(), "two-0").await, reused);
    assert_eq!(send(one.address(), "two-new").await, Answer::Passed);
    assert_eq!(server.calls(), 201);
}

pub(crate) const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const SECRET_BYTES: &[u8] = b"01234567890123456789012345678901";

/// The fields of a request that is signed now, with a nonce: of a call, or of what has no message.
pub(crate) fn signed_once(method: &Method, nonce: &str) -> Vec<(String, String)> {
    let key = ("client", SigningKey::hmac(SECRET_BYTES).unwrap());
    match *method {
        Method::POST => signed(key, &[], &call_of("get"), Some(nonce)),
        _ => signed_head(key, method.as_str(), &[], Some(nonce)),
    }
}

/// With header hold and without.
fn both_modes(mut document: Value) -> [Value; 2] {
    let held = document.clone();
    document["header_hold"] = json!(false);
    [held, document]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_passes_one_of_two_proxies() {
    let port = free_port().unwrap();
    let _database = redis(port, &[]).unwrap();
    let (_service, address) = limitador(port, 1).unwrap();
    let server = Server::start().await;
    let documents = both_modes(asking(json!({
        "signatures": {"verify": {"keys": [{"id": "client", "algorithm": "hmac-sha256", "secret": SECRET}]}},
        // The test begins as soon as the proxies do.
        "nonces": {"service": true, "restart": "accept"},
    })));
    let [one, other] = documents.each_ref().map(|document| envoy_with(document, &server, 2, Some(address)));
    for number in 0..90 {
        let (method, elsewhere) = (&METHODS[number % 3], &METHODS[(number + 1) % 3]);
        let nonce = format!("signed-{number}");
        let fields = signed_once(method, &nonce);
        let reused = Answer::decided(method, "nonce_reused");
        let (first, second) = if number % 2 == 0 { (&one, &other) } else { (&other, &one) };
        // What was not signed uses no nonce.
        let moved = send_fields(first.address(), elsewhere, &fields).await;
        assert!(matches!(moved, Answer::Refused(401, _)), "{moved:?}");
        assert_eq!(send_fields(first.address(), method, &fields).await, Answer::Passed, "{method}");
        assert_eq!(send_fields(second.address(), method, &fields).await, reused, "{method} on another proxy");
        assert_eq!(send_fields(first.address(), method, &fields).await, reused, "{method} on the same");
        let anew = send_fields(second.address(), elsewhere, &signed_once(elsewhere, &nonce)).await;
        assert_eq!(anew, Answer::decided(elsewhere, "nonce_reused"), "signed anew with a nonce that was used");
    }
    drop(one);
    let one = envoy_with(&documents[0], &server, 2, Some(address));
    for method in &METHODS {
        let again = send_fields(one.address(), method, &signed_once(method, "signed-0")).await;
        assert_eq!(again, Answer::decided(method, "nonce_reused"), "after a restart");
    }
    assert_eq!(server.calls(), 90);
}

/// The fields of a request whose token is bound to a key, with a new proof.
pub(crate) fn bound_to(token: &BoundToken, method: &Method) -> Vec<(String, String)> {
    let proof = token.proof(method.as_str(), &format!("http://{AUTHORITY}/mcp")).unwrap();
    vec![("authorization".to_owned(), format!("DPoP {}", token.token)), ("dpop".to_owned(), proof)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_passes_one_of_two_proxies() {
    let port = free_port().unwrap();
    let _database = redis(port, &[]).unwrap();
    let (_service, address) = limitador(port, 1).unwrap();
    let server = Server::start().await;
    let token = BoundToken::new().unwrap();
    let documents = both_modes(asking(json!({"dpop": {}, "nonces": {"service": true, "restart": "accept"}})));
    let begin =
        |document: &Value| Proxy::behind_counted(&[token.jwt_filter()], document, server.address, address).unwrap();
    let [one, other] = documents.each_ref().map(begin);
    let reused = Answer::refused(401, "dpop_proof_reused");
    let mut captured = Vec::new();
    for number in 0..6 {
        let method = &METHODS[number % 3];
        let fields = bound_to(&token, method);
        let (first, second) = if number % 2 == 0 { (&one, &other) } else { (&other, &one) };
        assert_eq!(send_fields(first.address(), method, &fields).await, Answer::Passed, "{method}");
        assert_eq!(send_fields(second.address(), method, &fields).await, reused, "{method} on another proxy");
        assert_eq!(send_fields(first.address(), method, &fields).await, reused, "{method} on the same");
        captured.push((method, fields));
    }
    drop(one);
    let one = begin(&documents[0]);
    for (method, fields) in captured {
        assert_eq!(send_fields(one.address(), method, &fields).await, reused, "{method} after a restart");
    }
    assert_eq!(server.calls(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_stopped_killed_filled_and_started_again_under_load() {
    for (unsure, without) in [("refuse", Answer::refused(503, "nonces_unavailable")), ("accept", Answer::Passed)] {
        let port = free_port().unwrap();
        let mut database = redis(port, &[]).unwrap();
        let (_service, address) = limitador(port, 1).unwrap();
        let server = Server::start().await;
        let proxy = envoy_with(&shared(unsure), &server, 8, Some(address));
        let to = proxy.address();
        // Load all the while: nothing hangs, and no nonce passes twice.
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let load = (0..8).map(|client| {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                for (number, method) in METHODS.iter().cycle().enumerate() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let nonce = format!("load-{client}-{number}");
                    let first = send_as(method, to, &nonce).await;
                    assert!(matches!(first, Answer::Passed | Answer::Refused(503, _)), "{method} {nonce}: {first:?}");
                    let again = send_as(method, to, &nonce).await;
                    assert_eq!(again, Answer::decided(method, "nonce_reused"), "{method} {nonce}");
                    sent.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        });
        let load: Vec<_> = load.collect();
        until(to, "before", &Answer::Passed).await;
        for way in ["stopped", "killed", "filled"] {
            match way {
                "stopped" => database.signal("-STOP").unwrap(),
                "killed" => database.signal("-KILL").unwrap(),
                // It has room for nothing.
                _ => {
                    drop(database);
                    database = redis(port, &["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).unwrap();
                }
            }
            if unsure == "refuse" {
                until(to, way, &without).await;
            }
            for (number, method) in (0..21).zip(METHODS.iter().cycle()) {
                let answer = send_as(method, to, &format!("{way}-without-{number}")).await;
                assert_eq!(answer, without, "{way}, {method}");
            }
            match way {
                "stopped" => database.signal("-CONT").unwrap(),
                _ => {
                    drop(database);
                    database = redis(port, &[]).unwrap();
                }
            }
            until(to, &format!("{way}-again"), &Answer::Passed).await;
            eprintln!("{unsure}, {way}: {} nonces so far", sent.load(Ordering::SeqCst));
        }
        stop.store(true, Ordering::SeqCst);
        for client in load {
            client.await.unwrap();
        }
    }
}
