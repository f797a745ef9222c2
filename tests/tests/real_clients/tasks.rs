//! Tasks that belong to who made them, with a real client and a real server: both sides make tasks, ask for them, cancel and list them as they do
//! without us, and nobody else does.

use meshward_tests::clients::{Server, tasks};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

use super::document;

fn bound(header_hold: bool, list: &str) -> Value {
    let mut document = document(header_hold, json!({"default": "allow"}));
    document["identity"] = json!({"trusted_headers": ["x-user"]});
    document["replay"] = json!({"tasks": {
        "bound_to": ["headers.x-user"],
        "list": list,
        "keys": [{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}],
    }});
    document
}

/// What concerns the client itself, and what somebody else tried.
fn apart(lines: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    lines.into_iter().partition(|line| line.get("intruder").is_none())
}

/// The line that has a member.
fn with<'a>(lines: &'a mut [Value], member: &str) -> &'a mut Value {
    let line = lines.iter_mut().find(|line| line.get(member).is_some());
    line.unwrap_or_else(|| panic!("no {member}"))
}

/// The client's run through a proxy, which must be the one without; returns what others tried.
fn unnoticed(host: Host, document: &Value, intrudes: bool) -> Vec<Value> {
    let server = Server::everything().unwrap();
    let (mut direct, others) = apart(tasks(server.address(), false).unwrap());
    let known = &others[0]["got"]["result"];
    assert_eq!(known, &json!({"task": "task-2", "status": "working"}), "the server does not look who asks");
    // First that the direct run was what it is meant to be: tasks of both sides.
    let result = with(&mut direct, "text").clone();
    assert_eq!(result["related"], "task-1");
    assert!(result["text"][0]["text"].as_str().unwrap().starts_with("# Research Report: python (snake)"), "{result}");
    assert_eq!(with(&mut direct, "elicited")["elicited"], "task-1");
    assert_eq!(with(&mut direct, "cancelled")["cancelled"]["status"], "cancelled");
    assert_eq!(with(&mut direct, "sampling")["sampling"], "task-3");
    assert!(with(&mut direct, "sampled").to_string().contains("Task created: task-3"));

    let proxy = Proxy::start(host, document, server.address()).unwrap();
    let proxied = tasks(proxy.address(), intrudes).unwrap_or_else(|error| panic!("{error:#}\n{}", proxy.log()));
    let (proxied, others) = apart(proxied);
    if document["replay"]["tasks"]["list"] == "refuse" {
        assert!(direct[0]["tasks"].as_object_mut().unwrap().remove("list").is_some());
        let refused = json!({"code": -32601, "message": "MCP error -32601: Tasks are not listed here: keep their ids", "data": {"reason": "task_list_refused"}});
        with(&mut direct, "listed")["listed"] = json!({"error": refused});
    }
    for (line, direct) in proxied.iter().zip(&direct) {
        assert_eq!(line, direct);
    }
    assert_eq!(proxied.len(), direct.len());
    others
}

fn nobody_elses(host: Host, header_hold: bool, list: &str) {
    let others = unnoticed(host, &bound(header_hold, list), true);
    assert_eq!(others.len(), 17);
    let refused = json!({"status": 200, "error": {"code": -32602, "message": "Task not found", "data": {"reason": "task_id_unknown"}}});
    for line in others {
        assert_eq!(line["got"], refused, "{line}");
    }
}

#[test]
fn tasks_are_their_makers_through_envoy() {
    nobody_elses(Host::Envoy, true, "seal");
}

#[test]
fn tasks_are_their_makers_through_envoy_without_header_hold() {
    nobody_elses(Host::Envoy, false, "refuse");
}

#[test]
fn tasks_are_their_makers_through_serve() {
    nobody_elses(Host::Serve, true, "refuse");
}

#[test]
fn tasks_are_unnoticed_with_all_that_is_bound() {
    let mut document = bound(true, "seal");
    let keys = document["replay"]["tasks"]["keys"].clone();
    document["replay"]["sessions"] = json!({"bound_to": ["headers.x-user"], "keys": keys, "event_ids": true});
    document["replay"]["request_ids"] = json!({});
    let others = unnoticed(Host::Envoy, &document, false);
    assert_eq!(others[0]["got"]["status"], 404, "nor is the session Bob's: {others:?}");
}
