//! Responses through a module, and replies in the upstream's place.

use host_harness::{HeaderMap, PluginConfig, StreamId};

use crate::support::{Rig, Wat, bytes, diary, fields, get, post, status};

const CONTINUE: i32 = 0;
const PAUSE: i32 = 1;

fn holding() -> PluginConfig {
    PluginConfig { allow_on_headers_stop_iteration: true, ..PluginConfig::default() }
}

/// A module that replies with 403 and `no` from one callback, and keeps a diary of the response callbacks.
fn replier(callback: &str, parameters: usize) -> Wat {
    let mut wat = Wat::new();
    let body = wat.text("no");
    for response in ["response_headers", "response_body", "response_trailers"] {
        if !callback.ends_with(response) {
            diary(&mut wat, response, CONTINUE);
        }
    }
    wat.on(callback, parameters, &format!("(call $reply (i32.const 403) {body}) (i32.const 1)"));
    wat
}

fn exchange(rig: &mut Rig) -> StreamId {
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    id
}

#[test]
fn a_reply_from_request_headers_keeps_the_upstream_out() {
    let mut rig = Rig::new(&replier("proxy_on_request_headers", 3));
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("late"), true);
    assert_eq!(rig.out(), ["client headers 403", r#"client data "no" end"#]);
    assert_eq!(rig.diary(), ["response_headers 3", "response_body end 2"], "the reply passes the response callbacks");
}

#[test]
fn a_reply_from_the_body_resets_an_upstream_that_has_the_headers() {
    let mut rig = Rig::new(&replier("proxy_on_request_body", 3));
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("x"), true);
    rig.worker.response_headers(id, status("200"), true);
    assert_eq!(rig.out(), ["up headers /mcp", "up reset LocalReply", "client headers 403", r#"client data "no" end"#]);
}

#[test]
fn with_header_hold_a_reply_from_the_body_is_all_there_is() {
    let mut wat = replier("proxy_on_request_body", 3);
    wat.on("proxy_on_request_headers", 3, "(i32.const 1)");
    let mut rig = Rig::with(&wat, holding());
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("x"), true);
    assert_eq!(rig.out(), ["client headers 403", r#"client data "no" end"#]);
}

#[test]
fn a_reply_has_length_and_type_and_the_fields_it_was_given() {
    let replied = |method: &'static str, body: &str, pairs: &[(&str, &str)]| {
        let mut wat = Wat::new();
        let (body, pairs) = (wat.text(body), wat.pairs(pairs));
        wat.on(
            "proxy_on_request_headers",
            3,
            &format!(
                "(drop (call $send_local_response (i32.const 404) (i32.const 0) (i32.const 0) {body} {pairs} (i32.const -1)))
                 (i32.const 1)"
            ),
        );
        let mut rig = Rig::new(&wat);
        let id = rig.open();
        rig.worker.request_headers(id, fields(&[(":method", method), (":path", "/")]), true);
        rig.worker.events()
    };
    let headers = |events: &[host_harness::Event]| match &events[0] {
        host_harness::Event::ToClient(_, host_harness::Frame::Headers { headers, end_stream }) => {
            (headers.clone(), *end_stream)
        }
        other => panic!("{other:?}"),
    };
    let plain = fields(&[(":status", "404"), ("content-length", "2"), ("content-type", "text/plain")]);
    assert_eq!(headers(&replied("GET", "no", &[])), (plain.clone(), false));
    assert_eq!(headers(&replied("HEAD", "no", &[])), (plain, true), "no body for HEAD");
    let json = fields(&[(":status", "404"), ("content-type", "application/json"), ("x", "1"), ("content-length", "2")]);
    let given = [("Content-Type", "application/json"), ("x", "1")];
    assert_eq!(headers(&replied("GET", "no", &given)), (json, false));
    assert_eq!(headers(&replied("GET", "", &given)), (fields(&[(":status", "404"), ("x", "1")]), true));
}

#[test]
fn a_reply_from_response_headers_takes_their_place() {
    let mut rig = Rig::new(&replier("proxy_on_response_headers", 3));
    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("200"), false);
    rig.worker.response_data(id, bytes("secret"), true);
    assert_eq!(
        rig.out(),
        ["up headers /mcp end", "up reset LocalReply", "client headers 403", r#"client data "no" end"#]
    );
    assert_eq!(rig.diary(), Vec::<String>::new(), "such a reply does not pass the module again");
}

#[test]
fn a_reply_from_the_response_body_comes_too_late_unless_headers_are_held() {
    let mut rig = Rig::new(&replier("proxy_on_response_body", 3));
    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("200"), false);
    rig.worker.response_data(id, bytes("secret"), false);
    rig.worker.response_data(id, bytes("more"), true);
    let out = rig.out();
    assert_eq!(
        out[1..],
        ["client headers 200", "up reset LocalReplyTooLate", "client reset LocalReplyTooLate"],
        "nothing of the body goes out"
    );

    let mut wat = Wat::new();
    let body = wat.text("no");
    wat.on("proxy_on_response_headers", 3, "(i32.const 1)");
    wat.on("proxy_on_response_body", 3, &format!("(call $reply (i32.const 403) {body}) (i32.const 1)"));
    let mut rig = Rig::with(&wat, holding());
    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("200"), false);
    rig.worker.response_data(id, bytes("secret"), true);
    assert_eq!(rig.out()[1..], ["client headers 403", r#"client data "no" end"#]);
}

#[test]
fn a_second_reply_is_ignored_once_the_first_is_out() {
    let mut wat = Wat::new();
    let (first, second) = (wat.text("one"), wat.text("two"));
    let body = format!("(call $reply (i32.const 400) {first}) (call $reply (i32.const 500) {second}) (i32.const 1)");
    wat.on("proxy_on_request_headers", 3, &body);
    let mut rig = Rig::new(&wat);
    exchange(&mut rig);
    assert_eq!(rig.out(), ["client headers 400", r#"client data "one" end"#]);
}

#[test]
fn a_reply_to_the_own_reply_takes_its_place() {
    let mut wat = Wat::new();
    let (first, second) = (wat.text("one"), wat.text("two"));
    wat.on("proxy_on_request_headers", 3, &format!("(call $reply (i32.const 400) {first}) (i32.const 1)"));
    wat.on("proxy_on_response_headers", 3, &format!("(call $reply (i32.const 500) {second}) (i32.const 1)"));
    let mut rig = Rig::new(&wat);
    exchange(&mut rig);
    assert_eq!(rig.out(), ["client headers 500", r#"client data "two" end"#]);
}

#[test]
fn a_streamed_response_passes_piece_by_piece() {
    let mut wat = Wat::new();
    diary(&mut wat, "response_headers", CONTINUE);
    diary(&mut wat, "response_body", CONTINUE);
    let mut rig = Rig::new(&wat);
    let id = exchange(&mut rig);
    rig.out();
    rig.worker.response_headers(id, status("200"), false);
    rig.worker.response_data(id, bytes("data: 1\n\n"), false);
    assert_eq!(rig.out(), ["client headers 200", r#"client data "data: 1\n\n""#]);
    rig.worker.response_data(id, bytes("data: 22\n\n"), false);
    assert_eq!(rig.out(), [r#"client data "data: 22\n\n""#]);
    rig.worker.response_data(id, bytes(""), true);
    assert_eq!(rig.out(), [r#"client data "" end"#]);
    assert_eq!(rig.diary(), ["response_headers 1", "response_body 9", "response_body 10", "response_body end 0"]);
}

#[test]
fn too_much_of_a_held_response_is_500_or_a_reset() {
    for (config, expected) in [
        (holding(), vec!["up reset LocalReply", "client headers 500", r#"client data "Internal Server Error" end"#]),
        (PluginConfig::default(), vec!["client headers 200", "up reset BufferOverflow", "client reset BufferOverflow"]),
    ] {
        let hold = i32::from(config.allow_on_headers_stop_iteration);
        let mut wat = Wat::new();
        diary(&mut wat, "response_headers", hold);
        diary(&mut wat, "response_body", PAUSE);
        let mut rig = Rig::with(&wat, PluginConfig { buffer_limit: 4, ..config });
        let id = exchange(&mut rig);
        rig.out();
        rig.worker.response_headers(id, status("200"), false);
        rig.worker.response_data(id, bytes("1234"), false);
        rig.worker.response_data(id, bytes("5"), false);
        assert_eq!(rig.out(), expected);
        assert_eq!(rig.diary(), ["response_headers 1", "response_body 4"], "what was too much is not shown");
        let info = rig.worker.close(id).unwrap();
        assert_eq!(info.response_code_details.as_deref(), Some("response_payload_too_large"));
    }
}

#[test]
fn a_replaced_response_body_needs_its_length_taken_off() {
    let replace = |take_off: bool| {
        let mut wat = Wat::new();
        let (name, new) = (wat.text("content-length"), wat.text("longer than before"));
        let remove =
            if take_off { format!("(drop (call $remove_header (i32.const 2) {name}))") } else { String::new() };
        wat.on("proxy_on_response_headers", 3, &format!("{remove} (i32.const 0)"));
        wat.on(
            "proxy_on_response_body",
            3,
            &format!("(drop (call $set_buffer_bytes (i32.const 1) (i32.const 0) (i32.const 4) {new})) (i32.const 0)"),
        );
        let mut rig = Rig::new(&wat);
        let id = exchange(&mut rig);
        rig.out();
        rig.worker.response_headers(id, fields(&[(":status", "200"), ("content-length", "4")]), false);
        rig.worker.response_data(id, bytes("body"), true);
        rig.out()
    };
    assert_eq!(replace(true), ["client headers 200", r#"client data "longer than before" end"#]);
    assert_eq!(replace(false), ["client headers 200", "client reset ContentLengthMismatch"]);
}

#[test]
fn responses_without_a_body_may_promise_a_length() {
    for (method, code) in [("HEAD", "200"), ("GET", "304")] {
        let mut rig = Rig::new(&Wat::new());
        let id = rig.open();
        rig.worker.request_headers(id, fields(&[(":method", method), (":path", "/")]), true);
        rig.out();
        rig.worker.response_headers(id, fields(&[(":status", code), ("content-length", "4")]), true);
        assert_eq!(rig.out(), [format!("client headers {code} end")]);
    }
}

#[test]
fn response_trailers_end_a_held_body() {
    let mut wat = Wat::new();
    diary(&mut wat, "response_body", PAUSE);
    diary(&mut wat, "response_trailers", CONTINUE);
    let mut rig = Rig::new(&wat);
    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("200"), false);
    rig.worker.response_data(id, bytes("x"), false);
    rig.worker.response_trailers(id, fields(&[("grpc-status", "0")]));
    assert_eq!(
        rig.out()[1..],
        ["client headers 200", r#"client data "x""#, r#"client trailers {b"grpc-status": b"0"}"#]
    );
    assert_eq!(rig.diary(), ["response_body 1", "response_trailers 1"]);
}

#[test]
fn an_upstream_that_breaks_off_is_503_before_headers_and_a_reset_after() {
    let mut wat = Wat::new();
    diary(&mut wat, "response_headers", CONTINUE);
    let mut rig = Rig::new(&wat);
    let id = exchange(&mut rig);
    rig.worker.upstream_reset(id);
    let out = rig.out();
    assert_eq!(out[1], "client headers 503");
    assert!(out[2].contains("upstream connect error"), "{out:?}");
    assert_eq!(rig.diary(), ["response_headers 3"]);

    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("200"), false);
    rig.out();
    rig.worker.upstream_reset(id);
    assert_eq!(rig.out(), ["client reset UpstreamGone"]);
}

#[test]
fn a_response_that_is_complete_before_the_request_ends_it() {
    let mut rig = Rig::new(&Wat::new());
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.response_headers(id, status("401"), true);
    rig.worker.request_data(id, bytes("late"), true);
    assert_eq!(rig.out(), ["up headers /mcp", "client headers 401 end", "up reset ResponseComplete"]);
}

#[test]
fn a_closed_stream_is_reset_on_both_sides() {
    let mut wat = Wat::new();
    wat.on("proxy_on_response_headers", 3, "(drop (call $close_stream (i32.const 1))) (i32.const 1)");
    let mut rig = Rig::new(&wat);
    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("200"), false);
    assert_eq!(rig.out()[1..], ["up reset ClosedByFilter", "client reset ClosedByFilter"]);
    assert_eq!(rig.worker.close(id).unwrap().response_code_details.as_deref(), Some("wasm_close_stream"));
}

#[test]
fn the_module_logs_when_all_is_over_and_sees_all_headers_then() {
    let mut wat = Wat::new();
    let (path, code, status_text) = (wat.text(":path"), wat.text(":status"), wat.text("set "));
    let (done, delete) = (wat.text("done"), wat.text("delete"));
    wat.at(
        "proxy_on_log",
        1,
        &format!(
            "(call $say_header (i32.const 0) {path}) (call $say_header (i32.const 2) {code})
             (call $say_number {status_text} (call $replace_header (i32.const 2) {path} {code}))"
        ),
    );
    wat.on("proxy_on_done", 1, &format!("(call $say {done}) (i32.const 1)"));
    wat.at("proxy_on_delete", 1, &format!("(call $say {delete})"));
    let mut rig = Rig::new(&wat);
    let id = exchange(&mut rig);
    rig.worker.response_headers(id, status("204"), true);
    assert_eq!(rig.diary(), Vec::<String>::new());
    rig.worker.close(id);
    assert_eq!(rig.diary(), ["/mcp", "204", "set 2", "done", "delete"], "read, not changed");
}

#[test]
fn a_proxys_own_reply_passes_the_module_like_a_response() {
    let mut wat = Wat::new();
    diary(&mut wat, "response_headers", CONTINUE);
    diary(&mut wat, "response_body", CONTINUE);
    let mut rig = Rig::new(&wat);
    let id = exchange(&mut rig);
    rig.worker.local_reply(id, 504, bytes("upstream request timeout"), "response_timeout");
    assert_eq!(
        rig.out(),
        [
            "up headers /mcp end",
            "up reset LocalReply",
            "client headers 504",
            r#"client data "upstream request timeout" end"#
        ]
    );
    assert_eq!(rig.diary(), ["response_headers 3", "response_body end 24"]);
    rig.worker.response_headers(id, HeaderMap::new(), true);
    assert_eq!(rig.out(), Vec::<String>::new());
}
