//! Calls of a module to other services: answers, time-outs, and streams that are over before the answer.

use std::time::Duration;

use host_harness::{
    CalloutToken, Clock, Event, FailurePolicy, GrpcCall, HeaderMap, Host, HostOptions, HttpCall, HttpResponse,
    PluginConfig, VirtualClock,
};

use crate::support::{Rig, Wat, bytes, fields, get};

fn with_cluster() -> PluginConfig {
    PluginConfig { clusters: vec!["auth".into()], ..PluginConfig::default() }
}

/// A module that asks `cluster` about each request and holds it until the answer, which it logs.
fn asker(cluster: &str, pairs: &[(&str, &str)]) -> Wat {
    let mut wat = Wat::new();
    let (cluster, pairs, body, none) = (wat.text(cluster), wat.pairs(pairs), wat.text("who?"), wat.text(""));
    let (call, answer, code, fields) = (wat.text("call "), wat.text("fields "), wat.text(":status"), wat.text("code "));
    wat.with("(global $stream (mut i32) (i32.const 0))");
    wat.on(
        "proxy_on_request_headers",
        3,
        &format!(
            "(global.set $stream (local.get $a))
             (call $say_number {call} (call $http_call {cluster} {pairs} {body} {none} (i32.const 500) (i32.const 16)))
             (i32.const 1)"
        ),
    );
    wat.at(
        "proxy_on_http_call_response",
        5,
        &format!(
            "(call $say_number {answer} (local.get $c))
             (call $say_header (i32.const 6) {code})
             (call $say_buffer (i32.const 4))
             (drop (call $get_status (i32.const 24) (i32.const 0) (i32.const 4)))
             (call $say_number {fields} (i32.load (i32.const 24)))
             (if (i32.eqz (call $set_effective_context (global.get $stream)))
               (then (drop (call $continue_stream (i32.const 0)))))"
        ),
    );
    wat
}

const CALL: [(&str, &str); 3] = [(":method", "POST"), (":path", "/check"), (":authority", "auth")];

fn http_call(rig: &mut Rig) -> HttpCall {
    match rig.worker.next_event() {
        Some(Event::HttpCall(call)) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_lets_the_request_go_on() {
    let mut rig = Rig::with(&asker("auth", &CALL), with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let call = http_call(&mut rig);
    assert_eq!(call.cluster, "auth");
    assert_eq!(
        call.headers,
        fields(&[(":method", "POST"), (":path", "/check"), (":authority", "auth"), ("content-length", "4")])
    );
    assert_eq!((&call.body[..], call.timeout), (&b"who?"[..], Some(Duration::from_millis(500))));
    assert_eq!(rig.out(), Vec::<String>::new());
    let answer = HttpResponse { headers: fields(&[(":status", "200")]), body: bytes("you"), ..HttpResponse::default() };
    rig.worker.http_call_response(call.token, Some(answer.clone()));
    assert_eq!(rig.out(), ["up headers /mcp end"]);
    assert_eq!(rig.diary(), ["call 0", "fields 1", "200", "you", "code 0"]);
    rig.worker.http_call_response(call.token, Some(answer));
    assert_eq!(rig.diary().len(), 5, "an answer counts once");
}

#[test]
fn a_call_needs_a_known_cluster_and_a_whole_request() {
    for (cluster, pairs, expected) in [("other", &CALL[..], "call 2"), ("auth", &CALL[1..], "call 2")] {
        let mut rig = Rig::with(&asker(cluster, pairs), with_cluster());
        let id = rig.open();
        rig.worker.request_headers(id, get(), true);
        assert_eq!(rig.diary(), [expected]);
        assert_eq!(rig.out(), Vec::<String>::new());
    }
}

#[test]
fn a_call_that_breaks_off_says_so() {
    let mut rig = Rig::with(&asker("auth", &CALL), with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let call = http_call(&mut rig);
    rig.worker.http_call_response(call.token, None);
    // Status 2 of the header, nothing in the buffer, BrokenConnection.
    assert_eq!(rig.diary()[1..], ["fields 0", ":status2", "", "code 11"]);
    assert_eq!(rig.out(), ["up headers /mcp end"]);
}

#[test]
fn a_call_that_takes_too_long_is_answered_with_504() {
    let clock = VirtualClock::new(Duration::ZERO);
    let host = Host::new(HostOptions { clock: Clock::Virtual(clock.clone()), ..HostOptions::default() });
    let mut rig = Rig::on(&host, &asker("auth", &CALL), with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let call = http_call(&mut rig);
    assert_eq!(rig.worker.next_timer(), Some(Duration::from_millis(500)));
    clock.advance(Duration::from_millis(499));
    rig.worker.run_timers();
    assert_eq!(rig.out(), Vec::<String>::new());
    clock.advance(Duration::from_millis(1));
    rig.worker.run_timers();
    assert_eq!(rig.worker.next_event(), Some(Event::CancelCallout(call.token)));
    assert_eq!(rig.out(), ["up headers /mcp end"]);
    assert_eq!(rig.diary()[1..], ["fields 3", "504", "upstream request timeout", "code 0"]);
    rig.worker.http_call_response(call.token, Some(HttpResponse::unreachable()));
    assert_eq!(rig.diary().len(), 5, "what comes after the time-out is dropped");
}

#[test]
fn an_answer_after_the_stream_is_over_reaches_the_root_alone() {
    let mut rig = Rig::with(&asker("auth", &CALL), with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let call = http_call(&mut rig);
    rig.worker.client_reset(id);
    rig.worker.close(id);
    rig.worker.http_call_response(call.token, Some(HttpResponse::unreachable()));
    assert_eq!(rig.diary()[1], "fields 3");
    assert_eq!(rig.out(), Vec::<String>::new(), "there is nothing to continue");
}

#[test]
fn a_reply_can_come_from_an_answer() {
    let mut wat = asker("auth", &CALL);
    let body = wat.text("no");
    wat.at(
        "proxy_on_tick",
        1,
        &format!("(drop (call $set_effective_context (global.get $stream))) (call $reply (i32.const 403) {body})"),
    );
    wat.on("proxy_on_vm_start", 2, "(drop (call $set_tick_period (i32.const 1))) (i32.const 1)");
    let mut rig = Rig::with(&wat, with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    http_call(&mut rig);
    std::thread::sleep(Duration::from_millis(5));
    rig.worker.run_timers();
    assert_eq!(rig.out(), ["client headers 403", r#"client data "no" end"#]);
}

#[test]
fn a_new_vm_does_not_hear_the_answers_of_the_old_one() {
    let clock = VirtualClock::new(Duration::ZERO);
    let host = Host::new(HostOptions { clock: Clock::Virtual(clock.clone()), ..HostOptions::default() });
    let mut wat = asker("auth", &CALL);
    wat.at("proxy_on_tick", 1, "(unreachable)");
    wat.on("proxy_on_vm_start", 2, "(drop (call $set_tick_period (i32.const 10))) (i32.const 1)");
    let config = PluginConfig { failure_policy: FailurePolicy::Reload, ..with_cluster() };
    let mut rig = Rig::on(&host, &wat, config);
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let call = http_call(&mut rig);
    clock.advance(Duration::from_millis(10));
    rig.worker.run_timers();
    assert!(rig.worker.failed());
    clock.advance(Duration::from_secs(1));
    let next = rig.open();
    rig.worker.request_headers(next, get(), true);
    assert_eq!(rig.worker.next_event(), Some(Event::CancelCallout(call.token)));
    let second = http_call(&mut rig);
    assert_ne!(second.token, call.token);
    let said = rig.diary().len();
    rig.worker.http_call_response(call.token, Some(HttpResponse::unreachable()));
    assert_eq!(rig.diary().len(), said);
}

/// A module that makes a unary gRPC call for each request and logs what comes of it.
fn grpc_asker(cluster: impl AsRef<[u8]>) -> Wat {
    let mut wat = Wat::new();
    let (cluster, service, method) = (wat.text(cluster), wat.text("a.B"), wat.text("Do"));
    let (metadata, message) = (wat.pairs(&[("k", "v")]), wat.text("message"));
    let (call, close) = (wat.text("call "), wat.text("close "));
    wat.on(
        "proxy_on_request_headers",
        3,
        &format!(
            "(call $say_number {call}
               (call $grpc_call {cluster} {service} {method} {metadata} {message} (i32.const 100) (i32.const 16)))
             (i32.const 1)"
        ),
    );
    wat.at("proxy_on_grpc_receive", 3, "(call $say_buffer (i32.const 5))");
    wat.at(
        "proxy_on_grpc_close",
        3,
        &format!(
            "(call $say_number {close} (local.get $c))
             (drop (call $get_status (i32.const 24) (i32.const 0) (i32.const 4))) (call $say_given)"
        ),
    );
    wat
}

fn grpc_call(rig: &mut Rig) -> GrpcCall {
    match rig.worker.next_event() {
        Some(Event::GrpcCall(call)) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_grpc_call_has_one_answer() {
    // By the name of the cluster, and by a serialized GrpcService that names it.
    for cluster in [&b"auth"[..], b"\x0a\x06\x0a\x04auth"] {
        let mut rig = Rig::with(&grpc_asker(cluster), with_cluster());
        let id = rig.open();
        rig.worker.request_headers(id, get(), true);
        let call = grpc_call(&mut rig);
        assert_eq!((call.cluster.as_str(), call.service.as_str(), call.method.as_str()), ("auth", "a.B", "Do"));
        assert_eq!((call.initial_metadata, &call.message[..]), (fields(&[("k", "v")]), &b"message"[..]));
        rig.worker.grpc_message(call.token, bytes("answer"));
        rig.worker.grpc_message(call.token, bytes("again"));
        assert_eq!(rig.diary(), ["call 0", "answer"]);
    }
    let mut rig = Rig::with(&grpc_asker("other"), with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    assert_eq!(rig.diary(), ["call 4"], "ParseFailure");
}

#[test]
fn a_grpc_call_fails_or_times_out_with_a_status() {
    let clock = VirtualClock::new(Duration::ZERO);
    let host = Host::new(HostOptions { clock: Clock::Virtual(clock.clone()), ..HostOptions::default() });
    let mut rig = Rig::on(&host, &grpc_asker("auth"), with_cluster());
    let (first, second) = (rig.open(), rig.open());
    rig.worker.request_headers(first, get(), true);
    let call = grpc_call(&mut rig);
    rig.worker.grpc_close(call.token, 14, "unavailable");
    rig.worker.request_headers(second, get(), true);
    grpc_call(&mut rig);
    clock.advance(Duration::from_millis(100));
    rig.worker.run_timers();
    assert_eq!(rig.diary(), ["call 0", "close 14", "unavailable", "call 0", "close 4", ""]);
}

#[test]
fn a_grpc_stream_goes_both_ways() {
    let mut wat = Wat::new();
    let (cluster, service, method, none) = (wat.text("auth"), wat.text("a.B"), wat.text("Do"), wat.text(""));
    let (message, name, text) = (wat.text("up"), wat.text("m"), wat.text("status "));
    wat.on(
        "proxy_on_request_headers",
        3,
        &format!(
            "(drop (call $grpc_stream {cluster} {service} {method} {none} (i32.const 16)))
             (drop (call $grpc_send (i32.load (i32.const 16)) {message} (i32.const 0)))
             (drop (call $grpc_close (i32.load (i32.const 16))))
             (call $say_number {text} (call $grpc_send (i32.const 99) {message} (i32.const 0)))
             (call $say_number {text} (call $grpc_cancel (i32.const 99)))
             (i32.const 1)"
        ),
    );
    wat.at("proxy_on_grpc_receive_initial_metadata", 3, &format!("(call $say_header (i32.const 4) {name})"));
    wat.at("proxy_on_grpc_receive", 3, "(call $say_buffer (i32.const 5))");
    wat.at("proxy_on_grpc_receive_trailing_metadata", 3, &format!("(call $say_header (i32.const 5) {name})"));
    wat.at("proxy_on_grpc_close", 3, &format!("(call $say_number {text} (local.get $c))"));
    let mut rig = Rig::with(&wat, with_cluster());
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let events = rig.worker.events();
    let token = CalloutToken::Grpc(1);
    assert!(matches!(&events[0], Event::GrpcStream(stream) if stream.token == token && stream.method == "Do"));
    assert_eq!(
        events[1..],
        [Event::GrpcSend { token, message: bytes("up"), end_stream: false }, Event::GrpcEnd(token)]
    );
    rig.worker.grpc_initial_metadata(token, fields(&[("m", "first")]));
    rig.worker.grpc_message(token, bytes("one"));
    rig.worker.grpc_message(token, bytes("two"));
    rig.worker.grpc_trailing_metadata(token, fields(&[("m", "last")]));
    rig.worker.grpc_close(token, 0, "");
    rig.worker.grpc_message(token, bytes("late"));
    rig.worker.grpc_initial_metadata(token, HeaderMap::new());
    assert_eq!(rig.diary(), ["status 1", "status 1", "first", "one", "two", "last", "status 0"]);
}
