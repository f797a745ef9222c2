//! Requests through a module: pausing and continuing in each phase, both hold modes, buffers, limits, trailers.

use crate::support::{Rig, Wat, bytes, diary, fields, get, post};
use host_harness::{HeaderMap, PluginConfig};

const CONTINUE: i32 = 0;
const PAUSE: i32 = 1;

fn holding() -> PluginConfig {
    PluginConfig { allow_on_headers_stop_iteration: true, ..PluginConfig::default() }
}

/// A module that answers `headers` to request headers and `body` to body pieces, and `CONTINUE` to the last one.
fn body_reader(headers: i32, body: i32) -> Wat {
    let mut wat = Wat::new();
    diary(&mut wat, "request_headers", headers);
    let text = wat.text("body ");
    wat.on(
        "proxy_on_request_body",
        3,
        &format!(
            "(call $say_number {text} (local.get $b)) (call $say_buffer (i32.const 0))
             (if (result i32) (local.get $c) (then (i32.const 0)) (else (i32.const {body})))"
        ),
    );
    wat
}

#[test]
fn what_continues_passes_as_it_came() {
    let mut rig = Rig::new(&body_reader(CONTINUE, CONTINUE));
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    assert_eq!(rig.out(), ["up headers /mcp"]);
    rig.worker.request_data(id, bytes("ab"), false);
    assert_eq!(rig.out(), [r#"up data "ab""#], "a piece goes on at once");
    rig.worker.request_data(id, bytes("cd"), true);
    assert_eq!(rig.out(), [r#"up data "cd" end"#]);
    assert_eq!(rig.diary(), ["request_headers 4", "body 2", "ab", "body 2", "cd"], "pieces are seen one by one");
}

#[test]
fn a_module_without_callbacks_lets_everything_pass() {
    let mut rig = Rig::new(&Wat::new());
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("ab"), false);
    rig.worker.request_trailers(id, fields(&[("t", "1")]));
    rig.worker.response_headers(id, crate::support::status("200"), false);
    rig.worker.response_data(id, bytes("x"), true);
    assert_eq!(
        rig.out(),
        [
            "up headers /mcp",
            r#"up data "ab""#,
            r#"up trailers {b"t": b"1"}"#,
            "client headers 200",
            r#"client data "x" end"#
        ]
    );
}

#[test]
fn a_paused_body_is_shown_whole_each_time() {
    let mut rig = Rig::new(&body_reader(CONTINUE, PAUSE));
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    for piece in ["ab", "cd"] {
        rig.worker.request_data(id, bytes(piece), false);
    }
    assert_eq!(rig.out(), ["up headers /mcp"], "headers are gone, the body is held");
    rig.worker.request_data(id, bytes(""), true);
    assert_eq!(rig.out(), [r#"up data "abcd" end"#]);
    assert_eq!(rig.diary()[1..], ["body 2", "ab", "body 4", "abcd", "body 4", "abcd"]);
}

#[test]
fn after_a_continue_only_the_new_piece_is_shown() {
    let mut wat = Wat::new();
    let text = wat.text("body ");
    // Pauses on the first piece, continues on the second, pauses on the third.
    wat.with("(global $calls (mut i32) (i32.const 0))").on(
        "proxy_on_request_body",
        3,
        &format!(
            "(call $say_number {text} (local.get $b))
             (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (i32.and (global.get $calls) (i32.const 1))"
        ),
    );
    let mut rig = Rig::new(&wat);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    for piece in ["a", "b", "c"] {
        rig.worker.request_data(id, bytes(piece), false);
    }
    assert_eq!(rig.diary(), ["body 1", "body 2", "body 1"]);
    assert_eq!(rig.out(), ["up headers /mcp", r#"up data "ab""#]);
    rig.worker.request_data(id, bytes("d"), true);
    assert_eq!(rig.out(), [r#"up data "cd" end"#]);
}

#[test]
fn without_header_hold_a_pause_on_headers_stops_everything() {
    let mut wat = body_reader(PAUSE, PAUSE);
    wat.at(
        "proxy_on_tick",
        1,
        "(drop (call $set_effective_context (i32.const 2))) (drop (call $continue_stream (i32.const 0)))",
    );
    wat.on("proxy_on_configure", 2, "(drop (call $set_tick_period (i32.const 1))) (i32.const 1)");
    let mut rig = Rig::new(&wat);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("ab"), false);
    rig.worker.request_data(id, bytes("cd"), false);
    rig.worker.request_data(id, bytes(""), true);
    assert_eq!(rig.out(), Vec::<String>::new());
    assert_eq!(rig.diary(), ["request_headers 4"], "no body callback while everything is stopped");
    std::thread::sleep(std::time::Duration::from_millis(5));
    rig.worker.run_timers();
    assert_eq!(rig.out(), ["up headers /mcp", r#"up data "abcd" end"#]);
    assert_eq!(rig.diary()[1..], ["body 4", "abcd"], "the body is shown once, whole, when it goes on");
}

#[test]
fn what_a_stop_held_back_can_be_paused_again() {
    let mut wat = body_reader(PAUSE, PAUSE);
    wat.at(
        "proxy_on_tick",
        1,
        "(drop (call $set_effective_context (i32.const 2))) (drop (call $continue_stream (i32.const 0)))",
    );
    wat.on("proxy_on_configure", 2, "(drop (call $set_tick_period (i32.const 1))) (i32.const 1)");
    let mut rig = Rig::new(&wat);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    for piece in ["ab", "cd"] {
        rig.worker.request_data(id, bytes(piece), false);
    }
    std::thread::sleep(std::time::Duration::from_millis(5));
    rig.worker.run_timers();
    assert_eq!(rig.out(), ["up headers /mcp"]);
    rig.worker.request_data(id, bytes("ef"), true);
    assert_eq!(rig.diary()[1..], ["body 4", "abcd", "body 6", "abcdef"]);
    assert_eq!(rig.out(), [r#"up data "abcdef" end"#]);
}

#[test]
fn with_header_hold_headers_wait_for_the_body() {
    let mut rig = Rig::with(&body_reader(PAUSE, PAUSE), holding());
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("ab"), false);
    assert_eq!(rig.out(), Vec::<String>::new());
    rig.worker.request_data(id, bytes("cd"), true);
    assert_eq!(rig.out(), ["up headers /mcp", r#"up data "abcd" end"#]);
    assert_eq!(rig.diary(), ["request_headers 4", "body 2", "ab", "body 4", "abcd"]);
}

#[test]
fn held_headers_can_be_changed_from_the_body_and_only_then() {
    let late = |config: PluginConfig, verdict: i32| {
        let mut wat = Wat::new();
        wat.on("proxy_on_request_headers", 3, &format!("(i32.const {verdict})"));
        let (name, value, status) = (wat.text("x-late"), wat.text("1"), wat.text("status "));
        wat.on(
            "proxy_on_request_body",
            3,
            &format!("(call $say_number {status} (call $replace_header (i32.const 0) {name} {value})) (i32.const 0)"),
        );
        let mut rig = Rig::with(&wat, config);
        let id = rig.open();
        rig.worker.request_headers(id, post(), false);
        rig.worker.request_data(id, bytes("ab"), true);
        let late = rig.worker.events().into_iter().any(|event| format!("{event:?}").contains("x-late"));
        (rig.diary(), late)
    };
    assert_eq!(late(holding(), PAUSE), (vec!["status 0".to_owned()], true));
    // BadArgument, as Envoy says when the map is gone.
    assert_eq!(late(holding(), CONTINUE), (vec!["status 2".to_owned()], false));
}

#[test]
fn a_body_can_be_replaced_extended_and_prepended() {
    let edit = |start: i32, len: i32| {
        let mut wat = Wat::new();
        let (new, status) = (wat.text("NEW"), wat.text("status "));
        wat.on(
            "proxy_on_request_body",
            3,
            &format!(
                "(call $say_number {status} (call $set_buffer_bytes (i32.const 0) (i32.const {start}) (i32.const {len}) {new}))
                 (i32.const 0)"
            ),
        );
        let mut rig = Rig::new(&wat);
        let id = rig.open();
        rig.worker.request_headers(id, post(), false);
        rig.worker.request_data(id, bytes("body"), true);
        let out = rig.out().pop().unwrap();
        (rig.diary().pop().unwrap(), out)
    };
    let ok = |out: &str| ("status 0".to_owned(), format!("up data {out:?} end"));
    assert_eq!(edit(0, 4), ok("NEW"));
    assert_eq!(edit(0, 100), ok("NEW"));
    assert_eq!(edit(0, 2), ok("NEWdy"));
    assert_eq!(edit(0, 0), ok("NEWbody"));
    assert_eq!(edit(4, 0), ok("bodyNEW"));
    assert_eq!(edit(2, 1), ("status 2".to_owned(), "up data \"body\" end".to_owned()), "not in the middle");
}

#[test]
fn a_body_that_is_not_as_long_as_promised_is_flagged() {
    for (new, flagged) in [("NEW", true), ("LONGER", true), ("SAME", false)] {
        let mut wat = Wat::new();
        let text = wat.text(new);
        wat.on(
            "proxy_on_request_body",
            3,
            &format!("(drop (call $set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 4) {text})) (i32.const 0)"),
        );
        let mut rig = Rig::new(&wat);
        let id = rig.open();
        let mut headers = post();
        headers.append("content-length", "4");
        rig.worker.request_headers(id, headers, false);
        rig.worker.request_data(id, bytes("body"), true);
        let out = rig.out();
        assert_eq!(out.contains(&"up reset ContentLengthMismatch".to_owned()), flagged, "{new}: {out:?}");
        assert_eq!(out.contains(&"client reset ContentLengthMismatch".to_owned()), flagged, "{new}: {out:?}");
    }
}

#[test]
fn trailers_end_a_body_that_can_still_be_read() {
    let mut wat = Wat::new();
    diary(&mut wat, "request_body", PAUSE);
    let name = wat.text("t");
    wat.on(
        "proxy_on_request_trailers",
        2,
        &format!("(call $say_buffer (i32.const 0)) (call $say_header (i32.const 1) {name}) (i32.const 0)"),
    );
    let mut rig = Rig::new(&wat);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("ab"), false);
    rig.worker.request_data(id, bytes("cd"), false);
    rig.worker.request_trailers(id, fields(&[("T", "1")]));
    assert_eq!(rig.diary(), ["request_body 2", "request_body 4", "abcd", "1"], "no piece says it is the last");
    assert_eq!(rig.out(), ["up headers /mcp", r#"up data "abcd""#, r#"up trailers {b"t": b"1"}"#]);
}

#[test]
fn more_than_the_buffer_limit_is_answered_with_413() {
    for (len, refused) in [(9, false), (10, false), (11, true)] {
        let config = PluginConfig { buffer_limit: 10, ..PluginConfig::default() };
        let mut rig = Rig::with(&body_reader(CONTINUE, PAUSE), config);
        let id = rig.open();
        rig.worker.request_headers(id, post(), false);
        rig.worker.request_data(id, bytes("12345"), false);
        rig.worker.request_data(id, bytes("67890123").slice(..len - 5), false);
        let out = rig.out();
        let expected: &[&str] = if refused {
            &["up headers /mcp", "up reset LocalReply", "client headers 413", r#"client data "Payload Too Large" end"#]
        } else {
            &["up headers /mcp"]
        };
        assert_eq!(out, expected, "{len} bytes");
        assert_eq!(rig.diary()[3], format!("body {len}"), "the module sees what was too much");
        let info = rig.worker.close(id).unwrap();
        assert_eq!(info.response_code_details.as_deref(), refused.then_some("request_payload_too_large"));
    }
}

#[test]
fn envoys_413_comes_before_what_the_module_says_to_too_much() {
    let mut wat = Wat::new();
    let body = wat.text("no");
    // Waits for four bytes, then replies.
    wat.on(
        "proxy_on_request_body",
        3,
        &format!(
            "(if (i32.ge_u (local.get $b) (i32.const 4)) (then (call $reply (i32.const 400) {body}))) (i32.const 1)"
        ),
    );
    for (limit, code) in [(3, "413"), (4, "400")] {
        let mut rig = Rig::with(&wat, PluginConfig { buffer_limit: limit, ..PluginConfig::default() });
        let id = rig.open();
        rig.worker.request_headers(id, post(), false);
        rig.worker.request_data(id, bytes("12"), false);
        rig.worker.request_data(id, bytes("34"), false);
        assert_eq!(rig.out()[2], format!("client headers {code}"));
    }
}

#[test]
fn with_header_hold_the_upstream_sees_nothing_of_a_413() {
    let config = PluginConfig { buffer_limit: 3, ..holding() };
    let mut rig = Rig::with(&body_reader(PAUSE, PAUSE), config);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("1234"), false);
    assert_eq!(rig.out(), ["client headers 413", r#"client data "Payload Too Large" end"#]);
}

#[test]
fn a_stop_of_everything_pushes_back_instead_of_413() {
    let config = PluginConfig { buffer_limit: 3, ..PluginConfig::default() };
    let mut rig = Rig::with(&body_reader(PAUSE, PAUSE), config);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    assert!(rig.worker.wants_request_data(id));
    rig.worker.request_data(id, bytes("1234"), false);
    assert!(!rig.worker.wants_request_data(id));
    assert_eq!(rig.out(), Vec::<String>::new());
}

#[test]
fn a_request_without_a_body_ends_with_its_headers() {
    let mut rig = Rig::new(&body_reader(CONTINUE, PAUSE));
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    assert_eq!(rig.out(), ["up headers /mcp end"]);
    assert_eq!(rig.diary(), ["request_headers end 4"]);
}

#[test]
fn what_comes_after_the_end_is_dropped() {
    let mut rig = Rig::new(&body_reader(CONTINUE, CONTINUE));
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("a"), true);
    rig.out();
    rig.worker.request_data(id, bytes("b"), true);
    rig.worker.request_trailers(id, HeaderMap::new());
    rig.worker.request_headers(id, post(), true);
    assert_eq!(rig.out(), Vec::<String>::new());
}

#[test]
fn a_client_that_leaves_resets_the_upstream_once() {
    let mut rig = Rig::new(&body_reader(CONTINUE, CONTINUE));
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.out();
    rig.worker.client_reset(id);
    rig.worker.request_data(id, bytes("late"), true);
    rig.worker.response_headers(id, crate::support::status("200"), true);
    assert!(rig.worker.close(id).is_some());
    assert_eq!(rig.out(), ["up reset ClientGone"]);
    assert!(rig.worker.close(id).is_none());
}
