//! A real server whose tools change under its clients: definitions, names, and what only a model reads.

use meshward_tests::clients::{CLIENTS, Server};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

fn tools_that_change(host: Host, header_hold: bool) {
    let server = Server::changing().unwrap();
    let config = json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": header_hold,
        "pins": {"trust": "first_use"},
        "definitions": {},
    });
    let proxy = Proxy::start(host, &config, server.address()).unwrap();
    let text = json!({"text": "x"});
    let steps = json!([
        {"list": "tools"},
        {"call": "search", "arguments": text},
        {"call": "change", "arguments": text},
        {"list": "tools"},
        {"call": "search", "arguments": text},
        {"call": "notes", "arguments": text},
        {"call": "restore", "arguments": text},
        {"list": "tools"},
        {"call": "search", "arguments": text},
    ]);
    // One after the other: they share the server.
    for client in CLIENTS {
        let lines = client.run(proxy.address(), &steps).unwrap_or_else(|error| panic!("{error:#}\n{}", proxy.log()));
        let [_, before, call, _, changed, refused, hidden, _, after, last, ..] = &lines[..] else {
            panic!("{lines:#?}")
        };
        let seen = |line: &Value| line["seen"]["tools"].clone();
        assert_eq!(seen(before), json!(["search", "delete", "change", "restore"]), "{client:?}");
        assert_eq!(seen(changed), json!(["remove", "change", "restore"]), "{client:?}");
        assert_eq!(seen(after), seen(before), "{client:?}");
        for (line, reason) in [(refused, "tool_changed"), (hidden, "tool_refused")] {
            let error = &line["error"];
            assert_eq!(
                (&error["code"], &error["data"]["reason"]),
                (&json!(-31403), &json!(reason)),
                "{client:?}: {line}"
            );
        }
        for call in [call, last] {
            assert_eq!(call["seen"]["text"], "search was called", "{client:?}");
        }
    }
    let calls = server.calls().unwrap();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!((count("search"), count("notes")), (2 * CLIENTS.len(), 0));
}

#[test]
fn tools_that_change_through_envoy() {
    tools_that_change(Host::Envoy, true);
}

#[test]
fn tools_that_change_through_serve() {
    tools_that_change(Host::Serve, false);
}
