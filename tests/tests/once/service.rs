//! Nonces of two Envoys with one rate limit service: the `limitador` crate on a real Redis, which is stopped, killed and started again
//! under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use meshward_signatures::SigningKey;
use meshward_tests::limitador::{free_port, limitador, redis};
use meshward_tests::proxy::Proxy;
use serde_json::{Value, json};

use crate::signing::signed;
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
fn asking(replay: Value) -> Value {
    let mut document = document(replay);
    document
        .as_object_mut()
        .unwrap()
        .insert("rate_limit_service".to_owned(), json!({"cluster": "rls", "domain": "tests", "timeout_ms": 200}));
    document
}

/// Sends a nonce on a connection of its own, which must not take longer than it may.
async fn send(to: SocketAddr, nonce: &str) -> Answer {
    let sent = async { Client::connect(to).await.call("get", &[("x-nonce", nonce)]).await };
    tokio::time::timeout(BOUND, sent).await.unwrap_or_else(|_| panic!("{nonce} hangs"))
}

/// Sends new nonces until one comes to what it should.
async fn until(to: SocketAddr, name: &str, expected: &Answer) {
    let end = Instant::now() + PATIENCE;
    for number in 0.. {
        let answer = send(to, &format!("{name}-{number}")).await;
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

const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const SECRET_BYTES: &[u8] = b"01234567890123456789012345678901";

/// The fields of a call that is signed now, with a nonce.
fn signed_once(nonce: &str) -> Vec<(String, String)> {
    signed(("client", SigningKey::hmac(SECRET_BYTES).unwrap()), &[], &call_of("get"), Some(nonce))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_passes_one_of_two_proxies() {
    let port = free_port().unwrap();
    let _database = redis(port, &[]).unwrap();
    let (_service, address) = limitador(port, 1).unwrap();
    let server = Server::start().await;
    let document = asking(json!({
        "signatures": {"verify": {"keys": [{"id": "client", "algorithm": "hmac-sha256", "secret": SECRET}]}},
        "nonces": {"service": true},
    }));
    let begin = || envoy_with(&document, &server, 2, Some(address));
    let (one, other) = (begin(), begin());
    let send = async |to: &Proxy, tool: &str, fields: &[(String, String)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = async { Client::connect(to.address()).await.call(tool, &fields).await };
        tokio::time::timeout(BOUND, sent).await.unwrap()
    };
    let reused = Answer::refused(200, "nonce_reused");
    for number in 0..50 {
        let fields = signed_once(&format!("signed-{number}"));
        let (first, second) = if number % 2 == 0 { (&one, &other) } else { (&other, &one) };
        // What was not signed uses no nonce.
        assert_eq!(send(first, "set", &fields).await, Answer::refused(401, "signature_invalid"));
        assert_eq!(send(first, "get", &fields).await, Answer::Passed);
        assert_eq!(send(second, "get", &fields).await, reused, "on another proxy");
        assert_eq!(send(first, "get", &fields).await, reused, "on the same");
    }
    let fields = signed_once("signed-0");
    drop(one);
    let one = begin();
    assert_eq!(send(&one, "get", &fields).await, reused, "after a restart, signed anew with a nonce that was used");
    assert_eq!(server.calls(), 50);
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
        let reused = Answer::refused(200, "nonce_reused");

        // Load all the while: nothing hangs, and no nonce passes twice.
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let load = (0..8).map(|client| {
            let (stop, sent, reused) = (Arc::clone(&stop), Arc::clone(&sent), reused.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let nonce = format!("load-{client}-{number}");
                    let first = send(to, &nonce).await;
                    assert!(matches!(first, Answer::Passed | Answer::Refused(503, _)), "{nonce}: {first:?}");
                    assert_eq!(send(to, &nonce).await, reused, "{nonce}");
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
            for number in 0..20 {
                let answer = send(to, &format!("{way}-without-{number}")).await;
                assert_eq!(answer, without, "{way}");
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
