//! What the policy does, as real clients and a real server see it: refusals in every shape, lists of several pages, and
//! questions of the server that are refused.

use meshward_tests::clients::{CLIENTS, Client, Mode, Sdk, Server};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

use super::{document, each, of};

/// How the SDK shows a JSON-RPC error.
fn assert_error(client: Client, line: &Value, code: i64, message: &str) {
    let (kind, message) = match client.sdk {
        Sdk::Python => ("MCPError", message.to_owned()),
        Sdk::TypeScript if message == "Resource not found" => ("ResourceNotFoundError", message.to_owned()),
        Sdk::TypeScript => ("ProtocolError", message.to_owned()),
        Sdk::TypeScriptV1 => ("McpError", format!("MCP error {code}: {message}")),
    };
    let error = &line["error"];
    assert_eq!(error["type"], kind, "{client:?}: {line}");
    assert_eq!(error["code"], code, "{client:?}: {line}");
    assert_eq!(error["message"], message, "{client:?}: {line}");
}

fn run(client: Client, proxy: &Proxy, steps: &Value) -> Vec<Value> {
    let lines = client.run(proxy.address(), steps).unwrap_or_else(|error| panic!("{error:#}\n{}", proxy.log()));
    assert_eq!(lines[0]["revision"], client.mode.revision());
    lines
}

/// Refusals in every shape, and questions that the server may not ask.
fn refusals(host: Host, header_hold: bool) {
    let server = Server::python().unwrap();
    let mut policy = json!({
        "default": "allow",
        "rules": [
            {
                "name": "arguments", "effect": "deny", "tools": ["get_small"], "message": "Not this text",
                "when": "arg.text.matches('(?i)secret')",
            },
            {"name": "words", "effect": "deny", "tools": ["delete_repo"], "message": "Ask \"ops\" first"},
            {"name": "result", "effect": "deny", "tools": ["get_progress"], "refuse_as": "result", "message": "Not before ü"},
            {"name": "hidden", "effect": "deny", "tools": ["get_large"], "resources": ["memo://*"], "hide": true},
            {"name": "prompts", "effect": "deny", "prompts": ["greeting"], "message": "No prompts today"},
            {"name": "sampling", "effect": "deny", "direction": "server", "methods": ["sampling/createMessage"]},
        ],
    });
    // What a condition may name is declared: nothing starts with this one.
    assert!(Proxy::start(host, &document(header_hold, policy.clone()), server.address()).is_err());
    policy["rules"][0]["when"] = json!("args.text.matches('(?i)secret')");

    let proxy = Proxy::start(host, &document(header_hold, policy), server.address()).unwrap();
    let steps = json!([
        {"list": "tools"},
        {"list": "prompts"},
        {"list": "resources"},
        {"call": "delete_repo", "arguments": {"name": "meshward"}},
        {"call": "get_progress", "arguments": {"key": "x"}},
        {"call": "get_large", "arguments": {"lines": 1}},
        {"prompt": "greeting", "arguments": {"name": "Bo"}},
        {"read": "memo://welcome"},
        {"call": "get_small", "arguments": {"text": "the SECRET"}},
        // A question of the server is a message of its own in a session, and a result in 2026-07-28.
        {"call": "get_sampled"},
        {"call": "get_answers"},
        {"call": "get_elicited"},
    ]);
    each(CLIENTS, |client| {
        let lines = run(client, &proxy, &steps);
        // `get_small` is shown, as some arguments may be used.
        let tools = json!({"tools": ["get_small", "get_sampled", "get_elicited", "get_answers", "ask_aside"]});
        assert_eq!(of(&lines, "tools")["seen"], tools, "{client:?}");
        assert_eq!(of(&lines, "prompts")["seen"], json!({"prompts": []}), "{client:?}");
        assert_eq!(of(&lines, "resources")["seen"], json!({"resources": []}), "{client:?}");
        assert_error(client, of(&lines, "delete_repo"), -31403, "Ask \"ops\" first");
        let failed = &of(&lines, "get_progress")["seen"];
        assert_eq!((&failed["is_error"], &failed["text"]), (&json!(true), &json!("Not before ü")), "{client:?}");
        assert_error(client, of(&lines, "get_large"), -32602, "Unknown tool: get_large");
        assert_error(client, of(&lines, "greeting"), -31403, "No prompts today");
        // Version 2 of the TypeScript SDK knows both codes for it, and shows the newer one.
        let newer = client.mode == Mode::Stateless || client.sdk == Sdk::TypeScript;
        assert_error(client, of(&lines, "memo://welcome"), if newer { -32602 } else { -32002 }, "Resource not found");
        assert_error(client, of(&lines, "get_small"), -31403, "Not this text");
        let sampled = of(&lines, "get_sampled");
        assert_eq!(sampled["asked"], json!([]), "{client:?}: {sampled}");
        if client.mode == Mode::Stateless {
            super::assert_refused(client, sampled);
        } else {
            let answers = of(&lines, "get_answers");
            let text = "sampling/createMessage: error -32601, elicitation/create: answered";
            assert_eq!(answers["seen"]["text"], text, "{client:?}: {answers}");
            assert_eq!(answers["asked"], json!(["elicitation"]), "{client:?}: {answers}");
        }
        // It can go on after all that.
        assert_eq!(of(&lines, "get_elicited")["seen"]["text"], "the user is Ada", "{client:?}");
    });
    let calls = server.calls().unwrap();
    let allowed = ["get_answers", "get_elicited"];
    assert!(calls.iter().all(|call| allowed.contains(&call.as_str())), "a tool ran that was refused: {calls:?}");
    // What the server sees of a question that is refused: an error, and at once.
    let asked = server.asked().unwrap();
    let sampling: Vec<_> = asked.iter().filter(|one| one["method"] == "sampling/createMessage").collect();
    let in_sessions = sampling.iter().filter(|one| one["outcome"] == "error -32601");
    assert_eq!(in_sessions.count(), CLIENTS.iter().filter(|client| client.mode == Mode::Session).count());
    for one in sampling {
        // On its own it gives up after ten seconds.
        assert!(one["ms"].as_f64().unwrap() < 5_000.0, "{one}");
    }
}

#[test]
fn refusals_through_envoy() {
    refusals(Host::Envoy, true);
}

#[test]
fn refusals_through_envoy_without_header_hold() {
    refusals(Host::Envoy, false);
}

#[test]
fn refusals_through_serve() {
    refusals(Host::Serve, true);
}

#[test]
fn refusals_through_serve_without_header_hold() {
    refusals(Host::Serve, false);
}

/// Lists of four pages, of which one has nothing left to show.
fn lists_of_several_pages(host: Host, header_hold: bool, answers_json: bool) {
    let server = Server::paged(answers_json).unwrap();
    let policy = json!({
        "default": "allow",
        "rules": [{
            "name": "no-secrets", "effect": "deny",
            "tools": ["secret_*"], "prompts": ["secret_*"], "resources": ["memo://secret_*"],
        }],
    });
    let proxy = Proxy::start(host, &document(header_hold, policy), server.address()).unwrap();
    let steps = json!([
        {"list": "tools"},
        {"list": "prompts"},
        {"list": "resources"},
        {"list": "templates"},
        {"call": "f", "arguments": {"text": "x"}},
        {"call": "secret_g", "arguments": {"text": "x"}},
    ]);
    each(CLIENTS, |client| {
        let lines = run(client, &proxy, &steps);
        let seen = |what: &str| of(&lines, what)["seen"][what].clone();
        assert_eq!(seen("tools"), json!(["a", "e", "f"]), "{client:?}");
        assert_eq!(seen("prompts"), json!(["a", "e", "f"]), "{client:?}");
        assert_eq!(seen("resources"), json!(["memo://a/", "memo://e/", "memo://f/"]), "{client:?}");
        assert_eq!(seen("templates"), json!(["memo://a/{part}", "memo://e/{part}", "memo://f/{part}"]), "{client:?}");
        assert_eq!(of(&lines, "f")["seen"]["text"], "f was called", "{client:?}");
        super::assert_refused(client, of(&lines, "secret_g"));
    });
    let calls = server.calls().unwrap();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    for list in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        for page in [0, 2, 4, 6] {
            assert!(
                count(&format!("{list} {page}")) >= CLIENTS.len(),
                "{list}: not every client asked for page {page}"
            );
        }
    }
    assert_eq!((count("f"), count("secret_g")), (CLIENTS.len(), 0));
}

#[test]
fn pages_as_json_through_envoy() {
    lists_of_several_pages(Host::Envoy, true, true);
}

#[test]
fn pages_as_events_through_envoy_without_header_hold() {
    lists_of_several_pages(Host::Envoy, false, false);
}

#[test]
fn pages_as_events_through_serve_without_header_hold() {
    lists_of_several_pages(Host::Serve, false, false);
}
