//! No key is in anything that a proxy writes or answers: its log at its loudest, access log and audit records, metrics, refusals, and, of
//! keys from the environment, its own configuration.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request as HttpRequest;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use meshward_signatures::SigningKey;
use meshward_tests::envoy::{self, Envoy};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::signing;
use crate::support::*;

/// A key in the letters in which somebody could write it down.
struct Secret {
    name: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    fn new(name: &'static str, bytes: &[u8]) -> Self {
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let numbers = format!("{bytes:?}");
        let numbers = numbers.trim_matches(['[', ']']).to_owned();
        let texts = [STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes), hex.to_uppercase(), hex, numbers];
        let forms = texts.into_iter().map(String::into_bytes).chain([bytes.to_vec()]).collect();
        Self { name, forms }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| text.windows(form.len()).any(|part| part == form))
    }
}

fn bytes_of(name: &str) -> [u8; 32] {
    std::array::from_fn(|at| name.bytes().cycle().nth(at).unwrap() ^ u8::try_from(at * 37 % 251).unwrap())
}

/// What was written while requests were sent.
struct Run {
    /// Where, and what.
    written: Vec<(String, Vec<u8>)>,
}

impl Run {
    async fn send(&mut self, envoy: &Envoy, what: &str, method: &str, headers: &[(String, String)], body: &str) -> u16 {
        let address = *envoy.listeners().unwrap().values().next().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = HttpRequest::builder().method(method).uri("/mcp").header("host", AUTHORITY);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let head = format!("{:?}", response.headers());
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        self.written.push((format!("the answer to {what}"), [head.as_bytes(), &body].concat()));
        status
    }
}

fn usual(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let usual = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let is_given = |name: &str| more.iter().any(|(given, _)| *given == name);
    let usual = usual.iter().filter(|(name, _)| !is_given(name));
    usual.chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The fields of a request that is signed with a shared key.
fn signed(key: &[u8], more: &[(&str, &str)], body: &str) -> Vec<(String, String)> {
    let usual = usual(more);
    let usual: Vec<_> = usual.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    signing::signed(("shared", SigningKey::hmac(key).unwrap()), &usual, body, None)
}

/// A configuration with keys of all kinds but one, from the environment and its own.
fn full(mode: &str, [other, before, state, task, _]: &[String; 5]) -> Value {
    json!({
        "apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}], "header_hold": true,
        "audit": {"output": "both"}, "metrics": {},
        "replay": {
            "signatures": {
                "verify": {"nonce": "ignored", "mode": mode, "keys": [
                    {"id": "shared", "algorithm": "hmac-sha256", "env": "SIGNATURES"},
                    {"id": "other", "algorithm": "hmac-sha256", "secret": other}]},
                "sign": {"key": {"id": "own", "algorithm": "ed25519", "env": "PRIVATE"}},
            },
            "sessions": {"bound_to": ["source"], "event_ids": true, "keys": [
                {"id": "now", "env": "SESSIONS"}, {"id": "before", "secret": before}]},
            "request_state": {"bound_to": ["source"], "keys": [
                {"id": "now", "env": "STATES"}, {"id": "before", "secret": state}]},
            "tasks": {"bound_to": ["source"], "keys": [
                {"id": "now", "env": "TASKS"}, {"id": "before", "secret": task}]},
        }
    })
}

/// A configuration with the keys of the nonces that proofs must have: what has no proof comes no further.
fn challenging([.., challenge]: &[String; 5]) -> Value {
    let keys = json!([{"id": "now", "env": "CHALLENGES"}, {"id": "before", "secret": challenge}]);
    json!({
        "apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}], "header_hold": true,
        "audit": {"output": "both"}, "metrics": {}, "replay": {"dpop": {"nonce": {"keys": keys}}}
    })
}

/// The sidecar that we ship, with the module's environment, and with what the module leaves in its access log, which is its log.
fn sidecar(document: &Value, server: &Server) -> Value {
    const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let plugin = format!("{MANAGER}/http_filters/0/typed_config/config");
    let upstream = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    let mut sidecar = envoy::sidecar_inbound().unwrap();
    for (pointer, value) in [
        ("/static_resources/listeners/0/address/socket_address/port_value".to_owned(), json!(0)),
        (format!("{plugin}/allow_on_headers_stop_iteration"), json!(true)),
        (format!("{plugin}/configuration/value"), json!(document.to_string())),
        (format!("{plugin}/vm_config/code/local/filename"), json!(envoy::module().unwrap())),
        (format!("{upstream}/socket_address/address"), json!(server.address.ip().to_string())),
        (format!("{upstream}/socket_address/port_value"), json!(server.address.port())),
    ] {
        *sidecar.pointer_mut(&pointer).unwrap() = value;
    }
    let variables = json!({"host_env_keys": ["SIGNATURES", "PRIVATE", "SESSIONS", "STATES", "TASKS", "CHALLENGES"]});
    let machine = sidecar.pointer_mut(&format!("{plugin}/vm_config")).and_then(Value::as_object_mut).unwrap();
    machine.insert("environment_variables".to_owned(), variables);
    let everything = json!({"head": "%REQ(SIGNATURE)% %REQ(MCP-SESSION-ID)%", "audit": "%FILTER_STATE(wasm.meshward.audit:PLAIN)%",
        "details": "%RESPONSE_CODE_DETAILS%"});
    let logger = json!([{
        "name": "all",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": everything}
        }
    }]);
    let manager = sidecar.pointer_mut(MANAGER).and_then(Value::as_object_mut).unwrap();
    manager.insert("access_log".to_owned(), logger);
    sidecar
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = Secret::new("a", &bytes_of("a"));
    for form in &secret.forms {
        assert!(secret.is_in(&[b"before ", form.as_slice(), b" behind"].concat()));
    }
    assert!(!secret.is_in(STANDARD.encode(bytes_of("b")).as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_in_what_a_proxy_writes_or_answers() {
    let [shared, other, session, state, state_env, before] =
        ["shared", "other", "session", "state", "state-env", "before"].map(bytes_of);
    let [task, task_env, challenge, challenge_env] = ["task", "task-env", "challenge", "challenge-env"].map(bytes_of);
    let private = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let pem = private.serialize_pem();
    let der = private.serialize_der();
    // The private key itself: 32 bytes behind the head of a PrivateKeyInfo (RFC 8410, section 7).
    let seed = der
        .windows(4)
        .position(|part| part == [0x04, 0x22, 0x04, 0x20])
        .map(|at| der.get(at + 4..at + 36).unwrap().to_vec());
    let letters: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let from_environment = [
        Secret::new("the key of signatures", &shared),
        Secret::new("the key of sessions", &session),
        Secret::new("the private key", &seed.unwrap()),
        Secret { name: "the private key in PEM", forms: vec![letters.get(..60).unwrap().as_bytes().to_vec()] },
        Secret::new("the key of states", &state_env),
        Secret::new("the key of tasks", &task_env),
        Secret::new("the key of challenges", &challenge_env),
    ];
    let configured = [
        Secret::new("the other key of signatures", &other),
        Secret::new("the key of states before", &state),
        Secret::new("the key of sessions before", &before),
        Secret::new("the key of tasks before", &task),
        Secret::new("the key of challenges before", &challenge),
    ];
    let keys = [other, before, state, task, challenge].map(|key| STANDARD.encode(key));
    let server = Server::start().await;
    let variables = [
        ("SIGNATURES", STANDARD.encode(shared)),
        ("PRIVATE", pem),
        ("SESSIONS", STANDARD.encode(session)),
        ("STATES", STANDARD.encode(state_env)),
        ("TASKS", STANDARD.encode(task_env)),
        ("CHALLENGES", STANDARD.encode(challenge_env)),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();

    let mut run = Run { written: Vec::new() };
    for mode in ["enforce", "observe"] {
        let envoy = Envoy::start_with(sidecar(&full(mode, &keys), &server), 1, &variables, "trace").unwrap();
        let call = call_of("get");
        let passes = run.send(&envoy, "a signed call", "POST", &signed(&shared, &[], &call), &call).await;
        assert_eq!(passes, 200, "{mode}");
        let enforced = |status| if mode == "enforce" { status } else { 200 };
        for (what, headers, status) in [
            ("a call that is not signed", usual(&[]), enforced(401)),
            ("a call with a wrong signature", signed(&other, &[], &call), enforced(401)),
            ("a session without a seal", signed(&shared, &[("mcp-session-id", "s-1")], &call), 404),
            (
                "a forged session",
                signed(&shared, &[("mcp-session-id", &format!("s~now~{}", "A".repeat(43)))], &call),
                404,
            ),
            ("an event without a seal", signed(&shared, &[("last-event-id", "e-1")], &call), 400),
        ] {
            assert_eq!(run.send(&envoy, what, "POST", &headers, &call).await, status, "{mode}: {what}");
        }
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}});
        let params = json!({"name": "get", "requestState": format!("s~now~{}", "A".repeat(70)), "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let mirrored = [("mcp-method", "tools/call"), ("mcp-name", "get"), ("mcp-protocol-version", "2026-07-28")];
        run.send(&envoy, "a forged state", "POST", &signed(&shared, &mirrored, &body), &body).await;

        for id in ["t-1".to_owned(), format!("t~now~{}", "A".repeat(43)), format!("t~before~{}", "A".repeat(43))] {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": id}}).to_string();
            let status = run.send(&envoy, "a task's forged id", "POST", &signed(&shared, &[], &body), &body).await;
            assert_eq!(status, 200, "{mode}: a JSON-RPC error");
        }

        for page in ["/stats", "/stats/prometheus", "/clusters", "/listeners"] {
            run.written.push((format!("{mode}: {page}"), envoy.get(page).unwrap().into_bytes()));
        }
        let dump = envoy.get("/config_dump").unwrap().into_bytes();
        for secret in &from_environment {
            assert!(!secret.is_in(&dump), "{mode}: {} is in the configuration that Envoy shows", secret.name);
        }
        let log = envoy.stop().unwrap();
        assert!(log.contains("proxy_on_request_headers"), "{mode}: the log is not loud:\n{log}");
        assert!(log.contains("signature_missing"), "{mode}: there are no audit records");
        run.written.push((format!("{mode}: the log"), log.into_bytes()));
    }
    let envoy = Envoy::start_with(sidecar(&challenging(&keys), &server), 1, &variables, "trace").unwrap();
    let token = [("authorization", "DPoP a.b.c"), ("dpop", "a.b.c")];
    for (what, headers) in [("a call without a proof", usual(&[])), ("a call with a token", usual(&token))] {
        assert_eq!(run.send(&envoy, what, "POST", &headers, &call_of("get")).await, 401, "{what}");
        let (_, answer) = run.written.last().unwrap();
        assert!(String::from_utf8_lossy(answer).contains("now~"), "{what}: no nonce was given out");
    }
    let dump = envoy.get("/config_dump").unwrap().into_bytes();
    assert!(!from_environment.iter().any(|secret| secret.is_in(&dump)), "the configuration that Envoy shows has a key");
    run.written.push(("the log with challenges".to_owned(), envoy.stop().unwrap().into_bytes()));

    // A configuration that is refused, for each key that is none.
    for (pointer, value) in [
        ("/replay/signatures/verify/keys/1/secret", json!(format!("!{}", STANDARD.encode(other)))),
        ("/replay/sessions/keys/1/secret", json!([STANDARD.encode(before)])),
        ("/replay/request_state/keys/1/secret", json!({"is": STANDARD.encode(state)})),
        ("/replay/tasks/keys/1/secret", json!(format!("{}=", STANDARD.encode(task)))),
        ("/replay/signatures/sign/key/env", json!("SESSIONS")),
        ("/replay/sessions/keys/0/env", json!("PRIVATE")),
    ] {
        let mut document = full("enforce", &keys);
        *document.pointer_mut(pointer).unwrap() = value;
        let refused = Envoy::start_with(sidecar(&document, &server), 1, &variables, "trace").unwrap_err();
        let text = format!("{refused:?}");
        assert!(text.contains("configuration refused"), "{pointer}: {text}");
        run.written.push((format!("the refusal of {pointer}"), text.into_bytes()));
    }
    for (place, text) in &run.written {
        for secret in from_environment.iter().chain(&configured) {
            assert!(!secret.is_in(text), "{} is in {place}", secret.name);
        }
    }
}
