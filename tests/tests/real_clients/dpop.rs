//! Access tokens that are bound to a key: a real client that has it notices nothing but the challenge, and nobody else gets in. The proofs
//! are another implementation's.

use meshward_tests::clients::{BoundToken, Client, Mode, Sdk, Server};
use meshward_tests::proxy::Proxy;
use meshward_tests::raw::{self, Answer};
use serde_json::{Value, json};

use super::counting::{Counting, counted};
use super::{assert_asked_aside, comparable, document, each, features_with_stream, of};

const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

fn bound(header_hold: bool, dpop: Value) -> Value {
    let mut document = document(header_hold, json!({"default": "allow"}));
    // The test begins as soon as the proxy does.
    document["replay"] = json!({"dpop": dpop, "nonces": {"restart": "accept"}});
    document
}

fn clients_with_their_keys(header_hold: bool) {
    let nonce = json!({"nonce": {"keys": [{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}});
    let server = Server::python().unwrap();
    let token = BoundToken::new().unwrap();
    let service = Counting::start();
    let (filters, document) = ([token.jwt_filter()], counted(bound(header_hold, nonce)));
    let proxy = Proxy::behind_counted(&filters, &document, server.address(), service.address()).unwrap();
    each([Mode::Session, Mode::Stateless].map(|mode| Client { sdk: Sdk::Python, mode }), |client| {
        let steps =
            |way: &str| features_with_stream(client, &server, &format!("dpop-{header_hold}-{:?}-{way}", client.mode));
        let direct = client.run(server.address(), &steps("direct")).unwrap();
        let proxied = client.run_bound(proxy.address(), &steps("proxied"), &token);
        let proxied = proxied.unwrap_or_else(|error| panic!("{error:#}\n{}", proxy.log()));
        assert_asked_aside(&direct);
        assert_eq!(comparable(proxied), comparable(direct), "{client:?}");
        // Without it nobody gets in; the one mode sees that when it connects, the other with its first request.
        let stranger = client.run(proxy.address(), &json!([{"list": "tools"}]));
        assert!(stranger.is_err() || stranger.is_ok_and(|lines| of(&lines, "tools")["seen"].is_null()), "{client:?}");
    });
    let refused = proxy.scrape().unwrap();
    assert!(service.asked() > 0, "nobody asks who counts for all proxies");
    assert!(refused.contains("dpop_nonce_missing"), "no client was asked for a nonce: {refused}");
}

#[test]
fn clients_with_their_keys_through_envoy() {
    clients_with_their_keys(true);
}

#[test]
fn clients_with_their_keys_through_envoy_without_header_hold() {
    clients_with_their_keys(false);
}

#[test]
fn what_was_captured_is_of_no_use() {
    let server = Server::python().unwrap();
    let token = BoundToken::new().unwrap();
    let proxy = Proxy::behind(&[token.jwt_filter()], &bound(true, json!({})), server.address()).unwrap();
    let to = proxy.address();
    let url = format!("http://{to}/mcp");
    let send = |method: &str, lines: &str| -> Answer {
        let lines = format!("mcp-protocol-version: 2025-11-25\r\n{lines}");
        let body = if method == "POST" { PING } else { "" };
        raw::exchange(to, raw::request(&to.to_string(), method, "/mcp", &lines, body)).unwrap()
    };
    let reason = |answer: &Answer| {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
        (answer.status, body["error"]["data"]["reason"].as_str().unwrap_or_default().to_owned())
    };
    let bearer = |scheme: &str| format!("authorization: {scheme} {}\r\n", token.token);

    let captured = format!("{}dpop: {}\r\n", bearer("DPoP"), token.proof("POST", &url).unwrap());
    // It counts for all that the proxy knows; the server wants a session.
    let answer = send("POST", &captured);
    assert!(!matches!(answer.status, 401 | 403), "{answer:?}");
    for (method, lines, expected) in [
        ("POST", captured.clone(), "dpop_proof_reused"),
        ("DELETE", captured.clone(), "dpop_proof_invalid"),
        ("POST", bearer("DPoP"), "dpop_proof_missing"),
        ("POST", bearer("Bearer"), "dpop_token_downgraded"),
        ("POST", captured.replace("authorization: DPoP", "authorization: Bearer"), "dpop_token_downgraded"),
        ("POST", String::new(), "dpop_token_missing"),
        (
            "POST",
            format!("{}dpop: {}\r\n", bearer("DPoP"), token.proof("POST", "http://a/mcp").unwrap()),
            "dpop_proof_invalid",
        ),
        ("POST", format!("{captured}dpop: x\r\n"), "dpop_proof_invalid"),
    ] {
        let refused = send(method, &lines);
        assert_eq!(reason(&refused), (401, expected.to_owned()), "{lines}");
        assert!(refused.field("www-authenticate").is_some_and(|value| value.starts_with("DPoP ")), "{refused:?}");
    }
    // Whoever has another key has no use for the token either.
    let stranger = BoundToken { token: token.token.clone(), ..BoundToken::new().unwrap() };
    let refused = send("POST", &format!("{}dpop: {}\r\n", bearer("DPoP"), stranger.proof("POST", &url).unwrap()));
    assert_eq!(reason(&refused), (401, "dpop_proof_invalid".to_owned()));
    // And a new proof by the right one counts.
    let again = send("POST", &format!("{}dpop: {}\r\n", bearer("DPoP"), token.proof("POST", &url).unwrap()));
    assert!(!matches!(again.status, 401 | 403), "{again:?}");
}
