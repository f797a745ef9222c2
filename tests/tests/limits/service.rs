//! Limits of a rate limit service: the `limitador` crate on a real Redis, which is stopped, killed and started again while calls come.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use meshward_tests::grpc;
use meshward_tests::limitador::{free_port, limitador, redis};
use meshward_tests::proxy::Proxy;
use serde_json::json;

use crate::support::*;

/// How long the service may take.
const TIMEOUT: Duration = Duration::from_millis(200);
/// How long a call may take: that, and what a busy machine takes.
const BOUND: Duration = Duration::from_secs(3);
/// How many calls the service permits in its window.
const MAX: u32 = 200;

fn limits(on_failure: &str) -> serde_json::Value {
    let mut document = document(json!([
        {"name": "counted", "key": ["tool"], "scope": "service", "on_failure": on_failure},
    ]));
    document["rate_limit_service"] =
        json!({"cluster": "rls", "domain": "tests", "timeout_ms": u64::try_from(TIMEOUT.as_millis()).unwrap()});
    document
}

fn over() -> Answer {
    Answer::Refused("rate_limited".to_owned(), Some(1))
}

fn unknown(on_failure: &str) -> Answer {
    match on_failure {
        "allow" => Answer::Passed,
        _ => Answer::Refused("rate_limit_unavailable".to_owned(), Some(1)),
    }
}

/// One call, which must not take longer than it may.
async fn call(client: &mut Client, tool: &str) -> Answer {
    let begun = Instant::now();
    let answer = tokio::time::timeout(BOUND, client.call(tool)).await;
    answer.unwrap_or_else(|_| panic!("{tool} hangs for {:?}", begun.elapsed()))
}

/// Calls until it is as it should be.
async fn until(client: &mut Client, tool: &str, expected: &Answer) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = call(client, tool).await;
        if answer == *expected {
            return;
        }
        assert!(Instant::now() < end, "{answer:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_stopped_killed_and_started_again_under_load() {
    for on_failure in ["deny", "allow"] {
        let port = free_port().unwrap();
        let mut database = redis(port, &[]).unwrap();
        let (_service, address) = limitador(port, MAX).unwrap();
        let server = Server::start().await;
        let proxy = eight_workers(&limits(on_failure), &server, Some(address));

        // So many calls pass, and no more.
        let mut clients = Vec::new();
        for _ in 0..16 {
            clients.push(Client::connect(proxy.address()).await);
        }
        let presses = clients.into_iter().map(|mut client| {
            tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..40 {
                    match call(&mut client, "counted").await {
                        Answer::Passed => passed += 1,
                        answer => assert_eq!(answer, over()),
                    }
                }
                passed
            })
        });
        let mut passed = 0;
        for press in presses.collect::<Vec<_>>() {
            passed += press.await.unwrap();
        }
        // Limitador on Redis reads before it counts: what comes at the same moment can pass beside the limit.
        assert!((MAX..=MAX + 16).contains(&passed), "{passed} of {MAX} passed");

        // While all this happens, calls never stop coming, and each is answered as the setting says.
        let stop = Arc::new(AtomicBool::new(false));
        let pressing = press(&proxy, on_failure, &stop);
        let mut client = Client::connect(proxy.address()).await;
        let lost = unknown(on_failure);

        database.signal("-STOP").unwrap();
        for _ in 0..5 {
            let begun = Instant::now();
            assert_eq!(call(&mut client, "other").await, lost, "{on_failure}, stalled");
            assert!(begun.elapsed() >= TIMEOUT / 2, "it was waited for");
        }
        database.signal("-CONT").unwrap();
        until(&mut client, "counted", &over()).await;

        database.signal("-KILL").unwrap();
        drop(database);
        // The connection is refused at once, or tried again for as long as it may take.
        until(&mut client, "counted", &lost).await;
        for _ in 0..20 {
            assert_eq!(call(&mut client, "counted").await, lost, "{on_failure}, killed");
        }
        // What Redis had counted is gone with it.
        database = redis(port, &[]).unwrap();
        until(&mut client, "after", &Answer::Passed).await;
        until(&mut client, "counted", &over()).await;

        stop.store(true, Ordering::SeqCst);
        let calls = pressing.await.unwrap();
        eprintln!("{on_failure}: {calls} calls while Redis came and went, none of them hung");
        assert!(calls > 50, "{calls}");
        drop(database);
    }
}

/// Calls from many clients until it is stopped: each call is answered, in one of the ways that the setting permits.
fn press(proxy: &Proxy, on_failure: &'static str, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    let (address, stop) = (proxy.address(), Arc::clone(stop));
    tokio::spawn(async move {
        let clients = (0..8).map(|_| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut calls = 0;
                while !stop.load(Ordering::SeqCst) {
                    let answer = call(&mut client, "counted").await;
                    let permitted = [Answer::Passed, over(), unknown(on_failure)];
                    assert!(permitted.contains(&answer), "{answer:?}");
                    calls += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                calls
            })
        });
        let mut calls = 0;
        for client in clients.collect::<Vec<_>>() {
            calls += client.await.unwrap();
        }
        calls
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_away_late_or_wrong_holds_nobody_up() {
    let wrong = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let late = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (wrong_address, late_address) = (wrong.local_addr().unwrap(), late.local_addr().unwrap());
    tokio::spawn(grpc::serve(
        wrong,
        Arc::new(|_| Box::pin(async { Ok(bytes::Bytes::from_static(b"<html>no</html>")) })),
    ));
    tokio::spawn(grpc::serve(late, Arc::new(|_| Box::pin(std::future::pending()))));
    // Takes connections, and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let server = Server::start().await;
    for on_failure in ["deny", "allow"] {
        for (name, address) in
            [("wrong", wrong_address), ("late", late_address), ("silent", silent.local_addr().unwrap()), ("away", away)]
        {
            let proxy = eight_workers(&limits(on_failure), &server, Some(address));
            let mut clients = Vec::new();
            for _ in 0..12 {
                clients.push(Client::connect(proxy.address()).await);
            }
            let calls = clients.into_iter().map(|mut client| {
                tokio::spawn(async move {
                    for _ in 0..3 {
                        assert_eq!(call(&mut client, "now").await, unknown(on_failure), "{name}");
                    }
                })
            });
            for call in calls.collect::<Vec<_>>() {
                call.await.unwrap();
            }
        }
    }
}
