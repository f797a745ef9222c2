//! Edits change what they are to change, and nothing else.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use meshward_wire::json::{self, Span};
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

const fn whole(text: &str) -> Span {
    Span { start: 0, end: text.len() }
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
            r#"{"method":"m","params":{"_meta": null,"a":1},"jsonrpc":"2.0"}"#,
            r#"{"method":"m","params":{"_meta": {"t":"x"},"a":1},"jsonrpc":"2.0"}"#,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
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

#[test]
fn a_removal_swallows_what_lies_inside_of_it() {
    let text = r#"{"t":[{"n":"a"},{"n":"b"},{"n":"c"}],"u":1}"#;
    let span = |part: &str| {
        let start = text.find(part).unwrap();
        Span { start, end: start + part.len() }
    };
    let second = span(r#"{"n":"b"}"#);
    let without = r#"{"t":[{"n":"a"},{"n":"c"}],"u":1}"#;
    let inside: [&dyn Fn(&mut Splices); 6] = [
        &|splices| splices.remove_element(second),
        &|splices| splices.replace(second, b"null".to_vec()),
        &|splices| splices.replace(span("\"b\""), b"\"x\"".to_vec()),
        &|splices| splices.remove_member(json::members(text, second).next().unwrap()),
        &|splices| splices.insert_member(text, second, "k", "0"),
        &|splices| splices.replace(Span { start: second.start, end: second.start + 1 }, Vec::new()),
    ];
    for edit in inside {
        for first in [true, false] {
            let mut splices = Splices::default();
            if first {
                splices.remove_element(second);
                edit(&mut splices);
            } else {
                edit(&mut splices);
                splices.remove_element(second);
            }
            let out = splices.apply(text.as_bytes()).unwrap();
            assert_eq!(std::str::from_utf8(&out).unwrap(), without);
        }
    }
    // All at once; twice the same insertion is no clash where nothing is left to insert into.
    let mut splices = Splices::default();
    inside.iter().chain(&inside).for_each(|edit| edit(&mut splices));
    assert_eq!(splices.apply(text.as_bytes()).unwrap(), without.as_bytes());
}

#[test]
fn what_only_touches_a_removal_stays_or_clashes() {
    let text = "[1, 2, 3]";
    let two = Span { start: 4, end: 5 };
    for (other, expected) in [
        // Right before it, and where the next element begins.
        (Span { start: 4, end: 4 }, Some("[1, x3]")),
        (Span { start: 7, end: 7 }, Some("[1, x3]")),
        (Span { start: 3, end: 4 }, Some("[1,x3]")),
        (Span { start: 7, end: 8 }, Some("[1, x]")),
        // The comma goes with it.
        (Span { start: 5, end: 5 }, None),
        (Span { start: 6, end: 6 }, None),
        (Span { start: 5, end: 6 }, None),
        // Part of it, and all of it and more.
        (Span { start: 3, end: 5 }, None),
        (Span { start: 4, end: 6 }, None),
        (Span { start: 1, end: 8 }, None),
    ] {
        for first in [true, false] {
            let mut splices = Splices::default();
            if first {
                splices.remove_element(two);
            }
            splices.replace(other, b"x".to_vec());
            if !first {
                splices.remove_element(two);
            }
            let out = splices.apply(text.as_bytes()).ok().map(|out| String::from_utf8(out).unwrap());
            assert_eq!(out.as_deref(), expected, "{other:?}");
        }
    }
}

/// A value as some writer might put it: with and without white space.
fn written(value: &serde_json::Value, pretty: bool) -> String {
    if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap()
}

proptest! {
    #[test]
    fn editing_elements_is_the_same_edit_on_the_tree(
        array in prop::collection::vec((".*", 0..3_u8), 0..8),
        pretty: bool,
    ) {
        let text = written(&serde_json::json!({"tools": array.iter().map(|(text, _)| text).collect::<Vec<_>>()}), pretty);
        let tools = json::member(&text, whole(&text), "tools").unwrap();
        let mut splices = Splices::default();
        let mut left = Vec::new();
        for (element, (old, edit)) in json::elements(&text, tools).zip(&array) {
            match edit {
                0 => splices.remove_element(element),
                1 => splices.replace(element, b"[1, 2]".to_vec()),
                _ => {}
            }
            match edit {
                0 => {}
                1 => left.push(serde_json::json!([1, 2])),
                _ => left.push(serde_json::json!(old)),
            }
        }
        let out = splices.apply(text.as_bytes()).unwrap();
        let tree: serde_json::Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(tree, serde_json::json!({ "tools": left }));
    }

    /// A filter and another stage at work on one list, neither knowing of the other.
    #[test]
    fn removals_win_over_edits_inside_and_nothing_else_changes(
        tools in prop::collection::vec((".*", prop::collection::vec(any::<i32>(), 0..4), 0..4_u8, 0..6_u8), 0..8),
        blanks in "[ \t\r\n]{0,3}",
        order: bool,
    ) {
        let tool = |name: &str, tags: &[i32]| {
            let tags: Vec<_> = tags.iter().map(i32::to_string).collect();
            let name = serde_json::json!(name);
            format!("{{{blanks}\"name\"{blanks}:{name},\"tags\":{blanks}[{}{blanks}]}}", tags.join(&format!("{blanks},")))
        };
        let raw: Vec<String> = tools.iter().map(|(name, tags, ..)| tool(name, tags)).collect();
        let head = format!("{blanks}{{\"a\":[1,{blanks}2],{blanks}\"tools\":{blanks}[");
        let tail = format!("]{blanks},\"z\":{blanks}[]}}{blanks}");
        let text = format!("{head}{blanks}{}{blanks}{tail}", raw.join(&format!("{blanks},{blanks}")));
        let list = json::member(&text, Span { start: blanks.len(), end: text.trim_end().len() }, "tools").unwrap();
        let (mut removals, mut edits) = (Vec::new(), Vec::new());
        let mut left = Vec::new();
        for ((element, raw), (name, tags, gone, edit)) in json::elements(&text, list).zip(&raw).zip(&tools) {
            prop_assert_eq!(element.of(&text), raw);
            let name_at = json::member(&text, element, "name").unwrap();
            let tags_at = json::member(&text, element, "tags").unwrap();
            let mut tree = serde_json::json!({"name": name, "tags": tags});
            match edit {
                0 => {
                    edits.push((name_at, Some("\"new\"")));
                    tree["name"] = "new".into();
                }
                1 => {
                    edits.extend(json::elements(&text, tags_at).map(|tag| (tag, None)));
                    tree["tags"] = serde_json::json!([]);
                }
                2 => {
                    edits.push((json::members(&text, element).last().unwrap().span(), None));
                    tree.as_object_mut().unwrap().remove("tags");
                }
                _ => {}
            }
            if *gone == 0 {
                removals.push((element, None));
            } else {
                left.push((tree, (*edit > 2).then_some(raw)));
            }
        }
        let mut splices = Splices::default();
        let (first, second) = if order { (removals, edits) } else { (edits, removals) };
        for (at, new) in first.into_iter().chain(second) {
            match new {
                Some(new) => splices.replace(at, new.as_bytes().to_vec()),
                None => splices.remove_element(at),
            }
        }
        let out = String::from_utf8(splices.apply(text.as_bytes()).unwrap()).unwrap();
        prop_assert!(out.starts_with(&head) && out.ends_with(&tail));
        let tree: serde_json::Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(&tree["tools"], &left.iter().map(|(tree, _)| tree.clone()).collect::<serde_json::Value>());
        let list = json::member(&out, Span { start: blanks.len(), end: out.trim_end().len() }, "tools").unwrap();
        for (element, (_, untouched)) in json::elements(&out, list).zip(&left) {
            prop_assert!(untouched.is_none_or(|raw| raw == element.of(&out)));
        }
    }

    #[test]
    fn editing_members_is_the_same_edit_on_the_tree(
        object in prop::collection::btree_map(".*", (any::<i32>(), any::<bool>()), 0..6),
        insert: bool,
        pretty: bool,
    ) {
        let before: serde_json::Map<_, _> = object.iter().map(|(key, (value, _))| (key.clone(), (*value).into())).collect();
        let mut after: serde_json::Map<_, _> =
            object.iter().filter(|(_, (_, gone))| !gone).map(|(key, (value, _))| (key.clone(), (*value).into())).collect();
        let text = written(&before.into(), pretty);
        let mut splices = Splices::default();
        for member in json::members(&text, whole(&text)) {
            if object[&*json::unescape(member.key.of(&text))].1 {
                splices.remove_member(member);
            }
        }
        // Longer than any key that the strategy makes.
        let key = "\u{1}\"new\"".repeat(64);
        if insert {
            splices.insert_member(&text, whole(&text), &key, "{}");
            after.insert(key, serde_json::json!({}));
        }
        let out = splices.apply(text.as_bytes()).unwrap();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), serde_json::Value::Object(after));
    }

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
