//! Results that are searched for secrets, between real clients and servers: nothing changes but the secrets.

use meshward_tests::clients::{CLIENTS, Mode, Server};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

use super::{both, comparable, each, features_held, of};

fn searching() -> Value {
    json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": true,
        "results": {},
    })
}

/// One that nobody has, put together here so that no scanner takes it for a real one.
fn secret() -> String {
    ["gh", "p_", &"aB3cD5eF7gH9".repeat(3)].concat()
}

/// The server that the MCP project shows everything with: sessions, and answers as events.
fn what_everything_gives_out(host: Host) {
    let server = Server::everything().unwrap();
    let proxy = Proxy::start(host, &searching(), server.address()).unwrap();
    let steps = json!([
        {"list": "tools"},
        {"call": "echo", "arguments": {"message": "hü \"x\" \\ \u{1d11e}"}},
        {"call": "get-sum", "arguments": {"a": 2, "b": 3}},
        {"call": "get-tiny-image"},
        {"call": "get-structured-content", "arguments": {"location": "Chicago"}},
        {"call": "get-annotated-message", "arguments": {"messageType": "error", "includeImage": true}},
        {"call": "trigger-sampling-request", "arguments": {"prompt": "why?", "maxTokens": 10}},
        {"call": "trigger-elicitation-request"},
        {"prompt": "simple-prompt"},
    ]);
    let leak = json!([{"call": "echo", "arguments": {"message": format!("key={}, \"x\"", secret())}}]);
    each(CLIENTS.into_iter().filter(|client| client.mode == Mode::Session), |client| {
        let direct = comparable(client.run(server.address(), &steps).unwrap());
        let proxied = comparable(client.run(proxy.address(), &steps).unwrap());
        assert_eq!(proxied, direct, "{client:?}");
        let lines = client.run(proxy.address(), &leak).unwrap();
        assert_eq!(of(&lines, "echo")["seen"]["text"], "Echo: key=[redacted:github_token], \"x\"", "{client:?}");
    });
}

#[test]
fn what_everything_gives_out_through_envoy() {
    what_everything_gives_out(Host::Envoy);
}

#[test]
fn what_everything_gives_out_through_serve() {
    what_everything_gives_out(Host::Serve);
}

/// Both revisions, JSON and events, and a result that is long, but not too long to be held.
#[test]
fn every_feature_is_what_it_was() {
    let server = Server::python().unwrap();
    let proxy = Proxy::start(Host::Envoy, &searching(), server.address()).unwrap();
    each(CLIENTS, |client| {
        let (direct, proxied) = both(client, &server, &proxy, |key| features_held(client, &server, key));
        assert_eq!(proxied, direct, "{client:?}");
        let leak = json!([{"call": "get_small", "arguments": {"text": secret()}}]);
        let lines = client.run(proxy.address(), &leak).unwrap();
        let text = of(&lines, "get_small")["seen"]["text"].to_string();
        assert!(text.contains("[redacted:github_token]") && !text.contains(&secret()), "{client:?}: {text}");
    });
}
