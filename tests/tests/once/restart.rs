//! What was captured before a proxy was started anew, of each kind that counts once, where no service remembers it.

use std::time::{Duration, Instant};

use http::Method;
use meshward_tests::clients::BoundToken;
use meshward_tests::proxy::Proxy;
use serde_json::json;

use crate::service::{METHODS, SECRET, bound_to, signed_once};
use crate::support::*;

type Fields = Vec<(String, String)>;

/// Sends requests that are made anew each time until they pass, and the same again, here and behind a restart.
async fn captured(begin: impl Fn() -> Proxy, make: impl Fn(&Method) -> Fields, again: impl Fn(&Method) -> Answer) {
    let send = async |to: &Proxy, method: &Method, fields: &Fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Client::connect(to.address()).await.send(method, &fields).await
    };
    let before_start = |method: &Method| Answer::decided(method, "nonce_before_start");
    // What was made before the proxy began is not accepted, so it waits.
    let fresh = async |to: &Proxy, method: &Method| {
        let end = Instant::now() + PATIENCE;
        loop {
            let fields = make(method);
            match send(to, method, &fields).await {
                Answer::Passed => return fields,
                refused => assert_eq!(refused, before_start(method)),
            }
            assert!(Instant::now() < end, "a sender that tries again does not get through");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let proxy = begin();
    let mut used = Vec::new();
    for method in &METHODS {
        let fields = fresh(&proxy, method).await;
        assert_eq!(send(&proxy, method, &fields).await, again(method), "{method}");
        used.push((method, fields));
    }
    drop(proxy);
    let proxy = begin();
    for (method, fields) in used {
        assert_eq!(send(&proxy, method, &fields).await, before_start(method), "{method}");
        fresh(&proxy, method).await;
        // It is known from then on.
        assert_eq!(send(&proxy, method, &fields).await, again(method), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_does_not_pass_after_a_restart() {
    let server = Server::start().await;
    let keys = json!([{"id": "client", "algorithm": "hmac-sha256", "secret": SECRET}]);
    let document = document(json!({"signatures": {"verify": {"keys": keys, "clock_skew": "1s"}}}));
    let begin = || envoy_with(&document, &server, 2, None);
    let make = |method: &Method| signed_once(method, &now().to_string());
    captured(begin, make, |method| Answer::decided(method, "nonce_reused")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_does_not_pass_after_a_restart() {
    let server = Server::start().await;
    let token = BoundToken::new().unwrap();
    let document = document(json!({"dpop": {"clock_skew": "1s"}}));
    let begin = || Proxy::behind(&[token.jwt_filter()], &document, server.address).unwrap();
    let again = |_: &Method| Answer::refused(401, "dpop_proof_reused");
    captured(begin, |method| bound_to(&token, method), again).await;
}
