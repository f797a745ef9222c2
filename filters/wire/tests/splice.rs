//! Edits change what they are to change, and nothing else.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use meshward_wire::json::Span;
use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Reader};
use meshward_wire::splice::Splices;
use proptest::prelude::*;

fn set_meta(body: &str, members: &[(&str, &str)]) -> String {
    let Ok(Body::One(message)) = Reader::new(Limits::default()).read(body.as_bytes()).map_err(|e| panic!("{e}")) else {
        panic!("{body}")
    };
    let mut splices = Splices::default();
    splices.set_meta(&message, members);
    String::from_utf8(splices.apply(body.as_bytes()).unwrap()).unwrap()
}

#[test]
fn sets_members_of_meta_wherever_they_are_missing() {
    for (body, edited) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#,
            r#"{"params":{"_meta":{"t":"x"}},"jsonrpc":"2.0","id":1,"method":"m"}"#,
        ),
        (
            r#"{"method":"m","params":{},"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta":{"t":"x"}},"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"method":"m","params":{ "a" : 1 },"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta":{"t":"x"}, "a" : 1 },"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"method":"m","params":{"_meta":{ }},"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta":{"t":"x" }},"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"method":"m","params":{"_meta":{"a":1}},"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta":{"t":"x","a":1}},"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"method":"m","params":{"_meta":{"\u0074" : [1] }},"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta":{"\u0074" : "x" }},"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"method":"m","params":{"_meta":null},"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta":{"t":"x"}},"jsonrpc":"2.0"}"#,
        ),
    ] {
        assert_eq!(set_meta(body, &[("t", "\"x\"")]), edited);
    }
}

#[test]
fn elements_go_with_their_comma() {
    let text = r#"[ "a" , "b" ,"c"]"#;
    let spans = [Span { start: 2, end: 5 }, Span { start: 8, end: 11 }, Span { start: 13, end: 16 }];
    for (gone, left) in [
        (vec![0], r#"[ "b" ,"c"]"#),
        (vec![1], r#"[ "a" , "c"]"#),
        (vec![2], r#"[ "a" , "b" ]"#),
        (vec![0, 1], r#"[ "c"]"#),
        (vec![1, 2], r#"[ "a" ]"#),
        (vec![0, 2], r#"[ "b" ]"#),
        (vec![0, 1, 2], r#"[ ]"#),
    ] {
        let mut splices = Splices::default();
        gone.iter().for_each(|i: &usize| splices.remove_element(spans[*i]));
        let out = splices.apply(text.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(&out).unwrap(), left, "{gone:?}");
    }
}

#[test]
fn edits_that_clash_are_an_error() {
    let span = |start, end| Span { start, end };
    for (a, b) in
        [(span(0, 3), span(2, 4)), (span(1, 1), span(1, 1)), (span(0, 4), span(1, 2)), (span(0, 1), span(3, 99))]
    {
        let mut splices = Splices::default();
        splices.replace(a, b"x".to_vec());
        splices.replace(b, b"y".to_vec());
        assert!(splices.apply(b"abcd").is_err(), "{a:?} {b:?}");
    }
}

proptest! {
    #[test]
    fn setting_meta_is_the_same_edit_on_the_tree(
        params in prop::option::of(prop::collection::btree_map("[a-z]{1,3}", any::<i32>(), 0..3)),
        meta in prop::option::of(prop::collection::btree_map("[a-c]", ".*", 0..3)),
        pretty: bool,
    ) {
        let mut tree = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "m"});
        if let Some(params) = &params { tree["params"] = serde_json::json!(params); }
        if let Some(meta) = &meta { tree["params"]["_meta"] = serde_json::json!(meta); }
        let body = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        let edited = set_meta(&body, &[("a", "\"1\""), ("z", "2")]);
        tree["params"]["_meta"]["a"] = "1".into();
        tree["params"]["_meta"]["z"] = 2.into();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&edited).unwrap(), tree);
        // Every byte of the original is still there, in order, but for replaced values.
        if !meta.is_some_and(|meta| meta.contains_key("a")) {
            let mut rest = edited.bytes();
            prop_assert!(body.bytes().all(|b| rest.any(|e| e == b)));
        }
    }
}
