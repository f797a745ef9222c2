//! Real MCP clients and servers, with the module between them: what a client sees is what it sees without.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod counting;
mod dpop;
mod guards;
mod metrics;
mod once;
mod policy;
mod results;
mod sessions;
mod signatures;
mod tasks;

use std::thread;

use meshward_tests::clients::{CLIENTS, Client, Mode, Sdk, Server, inspect};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

/// The configuration, with a policy.
fn document(header_hold: bool, policy: Value) -> Value {
    json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": header_hold,
        "policy": policy,
    })
}

/// All is allowed but these tools.
fn allow_but(tools: Value) -> Value {
    json!({"mode": "enforce", "default": "allow", "rules": [{"name": "not-these", "effect": "deny", "tools": tools}]})
}

/// Every feature of `python_server.py`; the denied call is in the middle, so that it shows that a client can go on.
fn all_features(client: Client, server: &Server, key: &str) -> Value {
    // The Python SDK takes no event above 1 MiB, and its server answers a session with events.
    let lines = if client == (Client { sdk: Sdk::Python, mode: Mode::Session }) { 28_000 } else { 50_000 };
    json!([
        {"list": "tools"},
        {"call": "get_small", "arguments": {"text": "hü \u{1d11e} \"quoted\""}},
        {"call": "delete_repo", "arguments": {"name": "meshward"}},
        {"call": "get_large", "arguments": {"lines": lines}},
        {"call": "get_progress", "arguments": {"key": key}, "seen": format!("http://{}/seen/{key}", server.address())},
        {"call": "get_sampled"},
        {"call": "get_elicited"},
        {"prompt": "greeting", "arguments": {"name": "Bo"}},
        {"read": "memo://welcome"},
    ])
}

/// The same, and in a session a question on the stream that a GET opens.
fn features_with_stream(client: Client, server: &Server, key: &str) -> Value {
    let mut steps = all_features(client, server, key);
    if client.mode == Mode::Session {
        steps.as_array_mut().unwrap().push(json!({"call": "ask_aside"}));
    }
    steps
}

/// The same, with answers that a proxy may hold: within the bound that a configuration has by default.
fn features_held(client: Client, server: &Server, key: &str) -> Value {
    let mut steps = all_features(client, server, key);
    let large = steps.as_array_mut().unwrap().iter_mut().find(|step| step["call"] == "get_large").unwrap();
    large["arguments"]["lines"] = json!(12_000);
    steps
}

/// What a client saw, without what differs from one run to the next.
fn comparable(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        let Some(seen) = line.get_mut("seen").and_then(Value::as_object_mut) else { continue };
        seen.remove("at_ms");
        for progress in seen.get_mut("progress").and_then(Value::as_array_mut).into_iter().flatten() {
            let progress = progress.as_object_mut().unwrap();
            progress.remove("at_ms");
            let value = progress["value"].as_f64().unwrap();
            progress.insert("value".to_owned(), json!(value));
        }
    }
    lines
}

/// The line about one step.
fn of<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("no step {name} in {lines:#?}"))
}

/// What a client sees of a tool that is denied: nothing in the list, and a refusal of the call. `direct` is what it sees
/// without the policy.
fn assert_denied(client: Client, mut proxied: Vec<Value>, mut direct: Vec<Value>, tool: &str) {
    assert_refused(client, of(&proxied, tool));
    let list = direct.iter_mut().find(|line| line["name"] == "tools").unwrap();
    let tools = list["seen"]["tools"].as_array_mut().unwrap();
    let before = tools.len();
    tools.retain(|name| name != tool);
    assert_eq!(before - tools.len(), 1, "{client:?}: the server has no {tool}");
    for lines in [&mut proxied, &mut direct] {
        lines.retain(|line| line["name"] != tool);
    }
    assert_eq!(proxied, direct, "{client:?}");
}

/// Takes the steps without a proxy and with it, and returns what was seen each time.
fn both(client: Client, server: &Server, proxy: &Proxy, steps: impl Fn(&str) -> Value) -> (Vec<Value>, Vec<Value>) {
    let key = |way: &str| format!("{:?}-{:?}-{way}", client.sdk, client.mode);
    let direct = client.run(server.address(), &steps(&key("direct"))).unwrap();
    let proxied = client.run(proxy.address(), &steps(&key("proxied")));
    let proxied = proxied.unwrap_or_else(|error| panic!("{error:#}\n{}", proxy.log()));
    assert_eq!(direct[0]["revision"], client.mode.revision());
    assert_asked_aside(&direct);
    (comparable(direct), comparable(proxied))
}

/// Whoever was to be asked on the stream of a GET was.
fn assert_asked_aside(lines: &[Value]) {
    if let Some(line) = lines.iter().find(|line| line["name"] == "ask_aside") {
        assert_eq!(line["seen"]["text"], "the model says sampled: are you there?", "{line}");
    }
}

/// A refusal is an error of the protocol, with its code, message and data, not a failure of the transport.
fn assert_refused(client: Client, line: &Value) {
    const MESSAGE: &str = "This operation is not permitted";
    let (kind, message) = match client.sdk {
        Sdk::Python => ("MCPError", MESSAGE.to_owned()),
        Sdk::TypeScript => ("ProtocolError", MESSAGE.to_owned()),
        Sdk::TypeScriptV1 => ("McpError", format!("MCP error -31403: {MESSAGE}")),
    };
    let error = &line["error"];
    assert_eq!(error["type"], kind, "{client:?}: {line}");
    assert_eq!(error["code"], -31403, "{client:?}: {line}");
    assert_eq!(error["message"], message, "{client:?}: {line}");
    assert_eq!(error["data"]["reason"], "denied", "{client:?}: {line}");
}

/// Runs `check` for all clients at once.
fn each(clients: impl IntoIterator<Item = Client>, check: impl Fn(Client) + Sync) {
    thread::scope(|scope| {
        for client in clients {
            let check = &check;
            scope.spawn(move || check(client));
        }
    });
}

fn every_feature_but_one_tool(host: Host, header_hold: bool) {
    let server = Server::python().unwrap();
    let proxy =
        Proxy::start(host, &document(header_hold, allow_but(json!(["delete_repo"]))), server.address()).unwrap();
    each(CLIENTS, |client| {
        let (direct, proxied) = both(client, &server, &proxy, |key| all_features(client, &server, key));
        // First that the direct run was what it is meant to be.
        assert_eq!(of(&direct, "delete_repo")["seen"]["text"], "meshward is gone", "{client:?}");
        assert_eq!(of(&direct, "get_progress")["seen"]["text"], "all were seen in time", "{client:?}");
        assert_eq!(
            of(&direct, "get_progress")["seen"]["progress"],
            json!([{"value": 1.0}, {"value": 2.0}, {"value": 3.0}]),
            "{client:?}"
        );
        assert_eq!(of(&direct, "get_sampled")["asked"], json!(["sampling"]), "{client:?}");
        assert_eq!(of(&direct, "get_elicited")["asked"], json!(["elicitation"]), "{client:?}");
        assert_eq!(of(&direct, "get_elicited")["seen"]["text"], "the user is Ada", "{client:?}");
        assert!(of(&direct, "get_large")["seen"]["text"]["bytes"].as_u64().unwrap() >= 840_000, "{client:?}");
        // Then the denied tool, and that all the rest is as it was.
        assert_denied(client, proxied, direct, "delete_repo");
    });
    let calls = server.calls().unwrap();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!(count("get_small"), 2 * CLIENTS.len());
    assert_eq!(count("delete_repo"), CLIENTS.len(), "the denied tool must run in the direct runs only");
}

#[test]
fn every_feature_through_envoy() {
    every_feature_but_one_tool(Host::Envoy, true);
}

#[test]
fn every_feature_through_envoy_without_header_hold() {
    every_feature_but_one_tool(Host::Envoy, false);
}

#[test]
fn every_feature_through_serve() {
    every_feature_but_one_tool(Host::Serve, true);
}

#[test]
fn every_feature_through_serve_without_header_hold() {
    every_feature_but_one_tool(Host::Serve, false);
}

fn only_what_is_allowed(host: Host) {
    let server = Server::python().unwrap();
    let policy = json!({
        "mode": "enforce",
        "default": "deny",
        "rules": [{"name": "small", "effect": "allow", "methods": ["tools/call"], "tools": ["get_small"]}],
    });
    let proxy = Proxy::start(host, &document(true, policy), server.address()).unwrap();
    each(CLIENTS, |client| {
        let (direct, proxied) = both(client, &server, &proxy, |key| all_features(client, &server, key));
        assert_eq!(direct.len(), proxied.len(), "{client:?}");
        for (line, direct) in proxied.iter().zip(&direct) {
            let allowed = matches!(line["step"].as_str(), Some("connect" | "end"));
            if line["step"] == "list" {
                assert_eq!(line["seen"], json!({"tools": ["get_small"]}), "{client:?}");
            } else if allowed || line["name"] == "get_small" {
                assert_eq!(line, direct, "{client:?}");
            } else {
                assert_refused(client, line);
            }
        }
    });
    let calls = server.calls().unwrap();
    assert_eq!(calls.iter().filter(|call| *call == "get_small").count(), 2 * CLIENTS.len());
    for name in ["delete_repo", "get_large", "get_progress"] {
        assert_eq!(calls.iter().filter(|call| *call == name).count(), CLIENTS.len(), "{name}");
    }
}

#[test]
fn only_what_is_allowed_through_envoy() {
    only_what_is_allowed(Host::Envoy);
}

#[test]
fn only_what_is_allowed_through_serve() {
    only_what_is_allowed(Host::Serve);
}

/// The server that the MCP project shows everything with. It knows sessions only.
fn everything(host: Host) {
    let server = Server::everything().unwrap();
    let proxy = Proxy::start(host, &document(true, allow_but(json!(["get-env"]))), server.address()).unwrap();
    let steps = json!([
        {"list": "tools"},
        {"call": "echo", "arguments": {"message": "hü"}},
        {"call": "get-env"},
        {"call": "get-sum", "arguments": {"a": 2, "b": 3}},
        {"call": "get-tiny-image"},
        {"call": "trigger-long-running-operation", "arguments": {"duration": 1.2, "steps": 4}},
        {"call": "trigger-sampling-request", "arguments": {"prompt": "why?", "maxTokens": 10}},
        {"call": "trigger-elicitation-request"},
        {"prompt": "simple-prompt"},
    ]);
    each(CLIENTS.into_iter().filter(|client| client.mode == Mode::Session), |client| {
        let proxied = client.run(proxy.address(), &steps).unwrap();
        // Four notifications, 300 ms apart: held back until the end they would all come at once.
        let progress = of(&proxied, "trigger-long-running-operation")["seen"]["progress"].as_array().unwrap().clone();
        let times: Vec<_> = progress.iter().map(|progress| progress["at_ms"].as_f64().unwrap()).collect();
        assert_eq!(times.len(), 4, "{client:?}");
        assert!(times[3] - times[0] > 450.0, "{client:?}: {times:?}");

        let direct = comparable(client.run(server.address(), &steps).unwrap());
        let proxied = comparable(proxied);
        assert_eq!(of(&direct, "echo")["seen"]["text"], "Echo: hü", "{client:?}");
        assert_eq!(of(&direct, "trigger-sampling-request")["asked"], json!(["sampling"]), "{client:?}");
        assert_eq!(of(&direct, "trigger-elicitation-request")["asked"], json!(["elicitation"]), "{client:?}");
        assert!(of(&direct, "get-env").get("error").is_none(), "{client:?}");
        assert_denied(client, proxied, direct, "get-env");
    });
}

#[test]
fn everything_through_envoy() {
    everything(Host::Envoy);
}

#[test]
fn everything_through_serve() {
    everything(Host::Serve);
}

/// The MCP Inspector, which developers look at servers with.
fn inspector(host: Host) {
    let server = Server::python().unwrap();
    let mut policy = allow_but(json!(["delete_repo"]));
    let not_this = json!({"name": "not-this", "effect": "deny", "tools": ["get_small"], "when": "args.text == 'no'"});
    policy["rules"].as_array_mut().unwrap().push(not_this);
    let proxy = Proxy::start(host, &document(true, policy), server.address()).unwrap();
    for mode in [Mode::Session, Mode::Stateless] {
        let call = ["--method", "tools/call", "--tool-name"];
        let small = [&call[..], &["get_small", "--tool-arg", "text=hi"]].concat();
        for options in [&["--method", "tools/list"][..], &small] {
            let mut direct = inspect(server.address(), mode, options).unwrap();
            if let Some(tools) = direct.output.get_mut("tools").and_then(Value::as_array_mut) {
                tools.retain(|tool| tool["name"] != "delete_repo");
            }
            let proxied = inspect(proxy.address(), mode, options).unwrap();
            assert_eq!(direct.status, Some(0), "{mode:?}: {direct:?}");
            assert_eq!(proxied.status, Some(0), "{mode:?}: {proxied:?}");
            assert_eq!(proxied.output, direct.output, "{mode:?}");
        }
        // It calls only what it finds in the list.
        for (tool, argument, said) in [
            ("delete_repo", "name=meshward", "Tool 'delete_repo' not found on server"),
            ("get_small", "text=no", "This operation is not permitted"),
        ] {
            let denied = [&call[..], &[tool, "--tool-arg", argument]].concat();
            let refused = inspect(proxy.address(), mode, &denied).unwrap();
            assert_ne!(refused.status, Some(0), "{mode:?}: {refused:?}");
            let message = refused.output["error"]["message"].as_str().unwrap();
            assert!(message.contains(said), "{mode:?}: {refused:?}");
        }
    }
    assert!(!server.calls().unwrap().contains(&"delete_repo".to_owned()));
}

#[test]
fn the_inspector_through_envoy() {
    inspector(Host::Envoy);
}

#[test]
fn the_inspector_through_serve() {
    inspector(Host::Serve);
}
