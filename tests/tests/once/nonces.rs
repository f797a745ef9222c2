//! Nonces, on eight workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

const WORKERS: u32 = 8;
const CLIENTS: usize = 32;
const NONCES: usize = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_let_none_of_200_000_nonces_pass_twice() {
    let server = Server::start().await;
    let document = document(json!({
        "freshness": {"nonce": {"header": "x-nonce"}, "max_age": "1h"},
        "nonces": {"capacity": NONCES},
    }));
    let proxy = envoy_with(&document, &server, WORKERS, None);
    let before = proxy.as_envoy().unwrap().resident_bytes();
    let (begun, passed, again) = (Instant::now(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients = (0..CLIENTS).map(|client| {
        let (address, passed, again) = (proxy.address(), Arc::clone(&passed), Arc::clone(&again));
        tokio::spawn(async move {
            // Another connection is another worker, by chance.
            let (mut sender, mut replayer) = (Client::connect(address).await, Client::connect(address).await);
            for number in (client..NONCES).step_by(CLIENTS) {
                let nonce = number.to_string();
                let headers = [("x-nonce", nonce.as_str())];
                if number % 100 != 0 {
                    assert_eq!(sender.call("get", &headers).await, Answer::Passed, "{number}: no false refusal");
                    passed.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                // One in a hundred is sent twice, at the same moment.
                let (one, other) = tokio::join!(sender.call("get", &headers), replayer.call("get", &headers));
                let refused = Answer::refused(200, "nonce_reused");
                assert!(
                    one == Answer::Passed && other == refused || one == refused && other == Answer::Passed,
                    "{number}: {one:?}, {other:?}"
                );
                passed.fetch_add(1, Ordering::SeqCst);
                again.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(passed.load(Ordering::SeqCst), NONCES);
    assert_eq!(again.load(Ordering::SeqCst), NONCES / 100);
    assert_eq!(server.calls(), NONCES, "what the server got");
    let after = proxy.as_envoy().unwrap().resident_bytes();
    eprintln!("{NONCES} nonces in {:?}; Envoy has {before:?} bytes before and {after:?} after", begun.elapsed());
    let workers =
        proxy.as_envoy().unwrap().stats("listener_manager.worker|listener.*worker_.*downstream_cx_total").unwrap();
    let busy = workers.values().filter(|connections| **connections > 0).count();
    assert!(busy > 4, "connections on {busy} workers only: {workers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captured_message_does_not_pass_after_a_restart() {
    let server = Server::start().await;
    let document = document(json!({
        "freshness": {"nonce": {"header": "x-nonce"}, "timestamp": {"header": "x-time"}, "max_age": "1h", "skew": "1s"},
    }));
    let begin = || envoy_with(&document, &server, 2, None);
    let proxy = begin();
    // What was made before the proxy began is not accepted, so it waits.
    let fresh = async |address| {
        let end = Instant::now() + PATIENCE;
        loop {
            let (nonce, time) = (now().to_string(), now().to_string());
            let sent = Client::connect(address).await.call("get", &[("x-nonce", &nonce), ("x-time", &time)]).await;
            if sent == Answer::Passed {
                return (nonce, time);
            }
            assert_eq!(sent, Answer::refused(200, "nonce_before_start"));
            assert!(Instant::now() < end, "a sender that tries again does not get through");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (nonce, time) = fresh(proxy.address()).await;
    let captured = [("x-nonce", nonce.as_str()), ("x-time", time.as_str())];
    let again = Client::connect(proxy.address()).await.call("get", &captured).await;
    assert_eq!(again, Answer::refused(200, "nonce_reused"));
    drop(proxy);
    let proxy = begin();
    let again = Client::connect(proxy.address()).await.call("get", &captured).await;
    assert_eq!(again, Answer::refused(200, "nonce_before_start"));
    fresh(proxy.address()).await;
    let again = Client::connect(proxy.address()).await.call("get", &captured).await;
    assert!(matches!(again, Answer::Refused(200, _)), "{again:?}");
}
