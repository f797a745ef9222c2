//! What is to pass once, with real clients: they use no id and no token twice, and get their sessions, events and states back as they were.

use meshward_tests::clients::{CLIENTS, Server};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

use super::{both, document, each, features_held};

fn checked(header_hold: bool) -> Value {
    let keys = json!([{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]);
    let mut document = document(header_hold, json!({"default": "allow"}));
    document["replay"] = json!({
        "sessions": {"keys": keys, "event_ids": true},
        "request_ids": {},
        "request_state": {"keys": keys},
        "idempotency": {},
    });
    document
}

fn once(host: Host, header_hold: bool) {
    let server = Server::python().unwrap();
    let proxy = Proxy::start(host, &checked(header_hold), server.address()).unwrap();
    each(CLIENTS, |client| {
        let (direct, proxied) = both(client, &server, &proxy, |key| features_held(client, &server, key));
        assert_eq!(proxied, direct, "{client:?}\n{}", proxy.log());
    });
}

#[test]
fn once_through_envoy() {
    once(Host::Envoy, true);
}

#[test]
fn once_through_envoy_without_header_hold() {
    once(Host::Envoy, false);
}

#[test]
fn once_through_serve() {
    once(Host::Serve, true);
}
