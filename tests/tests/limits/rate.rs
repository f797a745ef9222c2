//! Calls per second.

use std::time::{Duration, Instant};

use meshward_tests::proxy::Proxy;
use serde_json::json;

use crate::support::*;

/// How many connections press, on all workers.
const CLIENTS: usize = 64;
const WORKERS: u32 = 8;

/// Presses for a while: how many calls passed, and in which time at least and at most.
async fn press(proxy: &Proxy, time: Duration) -> (u32, Duration, Duration) {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(proxy.address()).await);
    }
    let begun = Instant::now();
    let end = begun + time;
    let presses = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let mut passed = 0_u32;
            while Instant::now() < end {
                match client.call("now").await {
                    Answer::Passed => passed += 1,
                    Answer::Refused(reason, wait) => assert_eq!((reason.as_str(), wait), ("rate_limited", Some(1))),
                    Answer::Failed(status) => panic!("{status}"),
                }
            }
            passed
        })
    });
    let mut passed = 0;
    for press in presses.collect::<Vec<_>>() {
        passed += press.await.unwrap();
    }
    (passed, time, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_let_so_many_calls_pass_as_the_limit_permits() {
    let server = Server::start().await;
    for limit in [50_u32, 400] {
        let document = document(json!([{"name": "n", "per_second": limit, "burst": WORKERS}]));
        let proxy = eight_workers(&document, &server, None);
        let (passed, least, most) = press(&proxy, Duration::from_secs(6)).await;
        let permitted = f64::from(limit) * most.as_secs_f64() + f64::from(WORKERS);
        let expected = f64::from(limit) * least.as_secs_f64();
        eprintln!(
            "{limit} per second: {passed} in {:.3} s, {:+.2} %",
            most.as_secs_f64(),
            (f64::from(passed) / expected - 1.0) * 100.0
        );
        assert!(f64::from(passed) <= permitted, "{passed} calls passed, more than {permitted}");
        assert!(f64::from(passed) >= expected * 0.98, "{passed} calls passed, of {expected}");
        assert!(f64::from(passed) <= expected * 1.02 + f64::from(WORKERS), "{passed} calls passed, of {expected}");
        let workers =
            proxy.as_envoy().unwrap().stats("listener_manager.worker|listener.*worker_.*downstream_cx_total").unwrap();
        let busy = workers.values().filter(|connections| **connections > 0).count();
        assert!(busy > 4, "connections on {busy} workers only: {workers:?}");
    }
}
