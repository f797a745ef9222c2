//! Calls under an idempotency key, on eight workers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_carried_out_once_however_often_it_is_sent() {
    let server = Server::start().await;
    let proxy = envoy_with(&document(json!({"idempotency": {}})), &server, 8, None);
    let address = proxy.address();

    // Thirty at the same moment: one is carried out.
    let calls = (0..30).map(|_| {
        tokio::spawn(async move { Client::connect(address).await.call("get", &[("idempotency-key", "k-1")]).await })
    });
    let mut passed = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Answer::Passed => passed += 1,
            Answer::Refused(409, reason) => {
                assert!(matches!(reason.as_str(), "call_running" | "call_answered"), "{reason}")
            }
            answer => panic!("{answer:?}"),
        }
    }
    assert_eq!((passed, server.calls()), (1, 1));

    // While it runs, and when it has run.
    let key = [("idempotency-key", "k-2")];
    let first = tokio::spawn(async move { Client::connect(address).await.call("hang", &key).await });
    server.until(2).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.call("hang", &key).await, Answer::refused(409, "call_running"));
    server.release();
    assert_eq!(first.await.unwrap(), Answer::Passed);
    assert_eq!(client.call("hang", &key).await, Answer::refused(409, "call_answered"));

    // The client goes away, or the server: nobody knows whether it ran.
    let key = [("idempotency-key", "k-3")];
    let gone = tokio::spawn(async move { Client::connect(address).await.call("hang", &key).await });
    server.until(3).await;
    gone.abort();
    let end = Instant::now() + PATIENCE;
    loop {
        let again = client.call("hang", &key).await;
        if again == Answer::refused(409, "call_unknown") {
            break;
        }
        assert_eq!(again, Answer::refused(409, "call_running"));
        assert!(Instant::now() < end, "it runs for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let key = [("idempotency-key", "k-4")];
    assert!(matches!(client.call("reset", &key).await, Answer::Failed(_)));
    assert_eq!(client.call("reset", &key).await, Answer::refused(409, "call_unknown"));
    assert_eq!(server.calls(), 4);
}
