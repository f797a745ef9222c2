use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Reader};
use meshward_wire::splice::Splices;
use proptest::prelude::*;

use super::*;
use crate::letters::written;

fn with<T>(text: &str, look: impl FnOnce(&Message<'_>) -> T) -> T {
    match Reader::new(Limits::default()).read(text.as_bytes()) {
        Ok(Body::One(message)) => look(&message),
        other => panic!("{text}: {other:?}"),
    }
}

/// What a client says, in short: an id, with `?` where it may be its own; `!` where there is none.
fn said(text: &str) -> Vec<String> {
    let short = |presented: Presented<'_>| match presented {
        Presented::Id { at, id, may_be_own } => {
            assert_eq!(json::string(text, at).as_ref(), Some(&id), "{text}");
            format!("{id}{}", if may_be_own { "?" } else { "" })
        }
        Presented::NoId => "!".to_owned(),
    };
    with(text, |message| presented(message).into_iter().map(&short).collect())
}

fn gives(text: &str, is_known: bool, lists: bool) -> Vec<String> {
    with(text, |message| {
        let given = given(message, is_known, lists);
        assert!(given.iter().all(|(at, id)| json::string(text, *at).as_ref() == Some(id)), "{text}");
        given.into_iter().map(|(_, id)| id.into_owned()).collect()
    })
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

fn response(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)
}

#[test]
fn what_a_client_says_of_a_task_is_found() {
    const R: &str = "io.modelcontextprotocol/related-task";
    let meta = |related: &str| format!(r#"{{"_meta":{{"a":1,"{R}":{related},"progressToken":2}}}}"#);
    for (text, expected) in [
        (request("tasks/get", r#"{"taskId":"a"}"#), &["a"][..]),
        (request("tasks/result", r#"{"x":[1,{"taskId":"b"}],"task\u0049d":"\u0061"}"#), &["a"]),
        (request("tasks/cancel", r#"{"taskId":"a"}"#), &["a"]),
        (request("tasks/update", r#"{"taskId":"a","inputResponses":{"taskId":"b"}}"#), &["a"]),
        // A notification of the name is no less about the task.
        (notification("tasks/cancel", r#"{"taskId":"a"}"#), &["a"]),
        (request("tasks/get", "{}"), &["!"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get"}"#.to_owned(), &["!"]),
        (request("tasks/get", r#"{"taskId":7}"#), &["!"]),
        (request("tasks/get", r#"{"taskId":null}"#), &["!"]),
        (request("tasks/get", r#"{"taskId":["a"]}"#), &["!"]),
        (request("tasks/later", r#"{"taskId":"a"}"#), &["a"]),
        (request("tasks/later", "{}"), &[]),
        (request("tasks/list", r#"{"taskId":"a","cursor":"b"}"#), &[]),
        (request("tools/call", r#"{"name":"get","taskId":"a","task":{"taskId":"b"}}"#), &[]),
        // The client's own.
        (notification("notifications/tasks/status", r#"{"taskId":"a","status":"working"}"#), &[]),
        (response(r#"{"task":{"taskId":"a","status":"working"},"taskId":"b","tasks":[{"taskId":"c"}]}"#), &[]),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"a","data":{"taskId":"a"}}}"#.to_owned(), &[]),
        // Related tasks.
        (request("tools/call", &meta(r#"{"taskId":"a"}"#)), &["a"]),
        (request("tasks/get", &format!(r#"{{"taskId":"a","_meta":{{"{R}":{{"taskId":"b"}}}}}}"#)), &["a", "b"]),
        (notification("notifications/progress", &meta(r#"{"taskId":"a"}"#)), &["a?"]),
        (response(&meta(r#"{"taskId":"a"}"#)), &["a?"]),
        (response(&meta(r#"{"taskId":"a","taskID":"b"}"#)), &["!", "a?"]),
        (response(&meta(r#"{"taskId":1}"#)), &["!"]),
        (response(&meta("{}")), &["!"]),
        (response(&meta("null")), &["!"]),
        (response(&meta(r#""a""#)), &["!"]),
        (response(r#"{"_Meta":{}}"#), &["!"]),
        (response(r#"{"_meta":7}"#), &[]),
        (request("tools/call", r#"{"_meta":{"io.modelcontextprotocol/related-Task":{"taskId":"a"}}}"#), &["!"]),
        (request("tools/call", r#"{"_meta":{"io.modelcontextprotocol/relat\u0065d-task":{"taskId":"a"}}}"#), &["a"]),
        // What a client listens to.
        (request("subscriptions/listen", r#"{"notifications":{"taskIds":["a",1,"b"]}}"#), &["a", "!", "b"]),
        (request("subscriptions/listen", r#"{"notifications":{"taskIds":[]}}"#), &[]),
        (request("subscriptions/listen", r#"{"notifications":{"taskIds":null,"toolsListChanged":true}}"#), &[]),
        (request("subscriptions/listen", r#"{"notifications":{"taskIds":"a"}}"#), &["!"]),
        (request("subscriptions/listen", r#"{"notifications":{"taskids":["a"]}}"#), &["!"]),
        (request("subscriptions/listen", "{}"), &[]),
    ] {
        assert_eq!(said(&text), expected, "{text}");
    }
}

#[test]
fn what_a_server_says_of_a_task_is_found() {
    const TASK: &str = r#"{"taskId":"a","status":"working"}"#;
    let meta = r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}"#;
    for (text, expected) in [
        (response(&format!(r#"{{"task":{TASK}}}"#)), &["a"][..]),
        (response(TASK), &["a"]),
        (response(r#"{"status":"completed","taskId":"a","result":{"taskId":"b","status":"c"}}"#), &["a"]),
        (response(&format!(r#"{{"tasks":[{TASK},{{"taskId":"b"}},7,{TASK}],"nextCursor":"c"}}"#)), &["a", "a"]),
        (response(meta), &["a"]),
        (response(r#"{"taskId":"a"}"#), &[]),
        (response(r#"{"taskId":7,"status":"working"}"#), &[]),
        (response(r#"{"taskId":"a","status":7}"#), &[]),
        (response(&format!(r#"{{"structuredContent":{TASK},"content":[{TASK}]}}"#)), &[]),
        (notification("notifications/tasks/status", TASK), &["a"]),
        (notification("notifications/tasks", TASK), &["a"]),
        (notification("notifications/tasks", "{}"), &[]),
        (notification("notifications/progress", meta), &["a"]),
        (
            notification("notifications/subscriptions/acknowledged", r#"{"notifications":{"taskIds":["a",7,"b"]}}"#),
            &["a", "b"],
        ),
        (request("elicitation/create", meta), &["a"]),
        // The client's own.
        (request("tasks/get", r#"{"taskId":"a"}"#), &[]),
        (request("tasks/result", r#"{"taskId":"a"}"#), &[]),
    ] {
        assert_eq!(gives(&text, true, true), expected, "{text}");
    }
    // What a method that is not MCP's answers may have such members of its own, and what no list may say is not sealed.
    for (text, is_known, lists, expected) in [
        (response(TASK), false, true, &[][..]),
        (response(&format!(r#"{{"tasks":[{TASK}]}}"#)), false, true, &[]),
        (response(&format!(r#"{{"tasks":[{TASK}]}}"#)), true, false, &[]),
        (response(&format!(r#"{{"task":{TASK}}}"#)), false, false, &["a"]),
    ] {
        assert_eq!(gives(&text, is_known, lists), expected, "{text}");
    }
}

#[test]
fn the_capability_to_list_is_found_where_it_is() {
    let found = |result: &str| with(&response(result), |message| listing_capability(message).is_some());
    assert!(found(r#"{"capabilities":{"tasks":{"cancel":{},"list":{}}}}"#));
    for none in [
        r#"{"capabilities":{"tasks":{"cancel":{"list":{}}},"list":{}}}"#,
        r#"{"tasks":{"list":{}}}"#,
        r#"{"capabilities":{"tasks":true}}"#,
    ] {
        assert!(!found(none), "{none}");
    }
}

/// Members that a message of the server may have, some of them of tasks, in any order and any number of times nested.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let name = prop::sample::select(vec![
        "taskId",
        "status",
        "task",
        "tasks",
        "_meta",
        "io.modelcontextprotocol/related-task",
        "notifications",
        "taskIds",
        "x",
    ]);
    let leaf = prop_oneof![
        "[a-z\"\\\\é]{0,4}".prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from)
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn a_sealed_message_has_its_ids_where_they_were(
        body in value(),
        of in prop::sample::select(vec!["result", "notifications/tasks", "notifications/subscriptions/acknowledged", "ping"]),
        lists in any::<bool>(),
    ) {
        prop_assume!(body.is_object());
        let text = match of {
            "result" => response(&body.to_string()),
            method => notification(method, &body.to_string()),
        };
        let edited = with(&text, |message| {
            let mut splices = Splices::default();
            for (at, id) in given(message, true, lists) {
                splices.replace(at, written(&format!("{id}~k")));
            }
            String::from_utf8(splices.apply(text.as_bytes()).unwrap()).unwrap()
        });
        let sealed: Vec<String> = gives(&text, true, lists).into_iter().map(|id| format!("{id}~k")).collect();
        prop_assert_eq!(gives(&edited, true, lists), sealed);
        // What is not an id is as it was.
        prop_assert_eq!(edited.replace("~k", ""), text);
    }
}
