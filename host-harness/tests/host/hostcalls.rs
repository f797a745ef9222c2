//! What a module can ask its host: fields, properties, shared data, queues, metrics, time, environment.

use std::collections::BTreeMap;
use std::time::Duration;

use host_harness::{
    Clock, Event, Frame, HeaderMap, Host, HostOptions, LogLevel, PluginConfig, Properties, Random, VirtualClock,
};

use crate::support::{Rig, Wat, bytes, fields, get, post, status};

/// A module that runs `body` for request headers.
fn on_headers(wat: &mut Wat, body: &str) -> Rig {
    wat.on("proxy_on_request_headers", 3, &format!("{body} (i32.const 0)"));
    Rig::new(wat)
}

fn request(rig: &mut Rig, headers: HeaderMap) -> HeaderMap {
    let id = rig.open();
    rig.worker.request_headers(id, headers, true);
    match rig.worker.next_event() {
        Some(Event::ToUpstream(_, Frame::Headers { headers, .. })) => headers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn fields_are_added_replaced_and_removed() {
    let mut wat = Wat::new();
    let (add, replace, remove) = (wat.text("X-Many"), wat.text("x-one"), wat.text("x-gone"));
    let (three, new) = (wat.text("3"), wat.text("new"));
    let (many, absent, status_text) = (wat.text("x-many"), wat.text("x-absent"), wat.text("pairs "));
    let body = format!(
        "(drop (call $add_header (i32.const 0) {add} {three}))
         (drop (call $replace_header (i32.const 0) {replace} {new}))
         (drop (call $remove_header (i32.const 0) {remove}))
         (drop (call $replace_header (i32.const 0) {absent} {new}))
         (call $say_header (i32.const 0) {many}) (call $say_header (i32.const 0) {remove})
         (call $say_number {status_text} (call $get_pairs (i32.const 2) (i32.const 0) (i32.const 4)))"
    );
    let mut rig = on_headers(&mut wat, &body);
    let sent = fields(&[
        (":path", "/"),
        ("x-many", "1"),
        ("x-one", "a"),
        ("X-Gone", "a"),
        ("x-many", "2"),
        ("x-one", "b"),
        ("x-gone", "b"),
    ]);
    assert_eq!(
        request(&mut rig, sent),
        fields(&[
            (":path", "/"),
            ("x-many", "1"),
            ("x-one", "new"),
            ("x-many", "2"),
            ("x-many", "3"),
            ("x-absent", "new")
        ])
    );
    assert_eq!(
        rig.diary(),
        ["1", "x-gone1", "pairs 0"],
        "first value, NotFound, empty pairs of a map that is not there"
    );
}

#[test]
fn fields_that_envoy_joins_are_joined() {
    let mut wat = Wat::new();
    let (name, value) = (wat.text("content-type"), wat.text("c"));
    let mut rig = on_headers(&mut wat, &format!("(drop (call $add_header (i32.const 0) {name} {value}))"));
    let sent = fields(&[(":path", "/"), ("content-type", "a"), ("x", "1"), ("Content-Type", "b"), ("x", "2")]);
    assert_eq!(request(&mut rig, sent), fields(&[(":path", "/"), ("content-type", "a,b,c"), ("x", "1"), ("x", "2")]));
}

#[test]
fn changing_request_fields_chooses_the_route_anew() {
    let mut wat = Wat::new();
    let (name, value) = (wat.text("x"), wat.text("1"));
    let body = format!("(drop (call $replace_header (i32.const 0) {name} {value}))");
    let mut rig = on_headers(&mut wat, &body);
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    assert_eq!(rig.worker.close(id).unwrap().route_cache_clears, 1);
}

#[test]
fn properties_are_those_of_the_stream_the_plugin_and_the_headers() {
    let mut wat = Wat::new();
    let paths = [
        "source\0address",
        "connection\0mtls",
        "plugin_root_id",
        "request\0path",
        "request\0url_path",
        "request\0query",
        "request\0host",
        "request\0headers\0x",
        "metadata\0filter_metadata\0a.b\0sub",
        "no\0such",
    ];
    let says: String = paths.map(|path| format!("(call $say_property {})", wat.text(path))).join("\n");
    let late = wat.text("request\0path");
    wat.on("proxy_on_request_headers", 3, &format!("{says} (i32.const 0)"));
    wat.on("proxy_on_request_body", 3, &format!("(call $say_property {late}) (i32.const 0)"));
    let mut rig = Rig::with(&wat, PluginConfig { root_id: "root".into(), ..PluginConfig::default() });
    let properties = Properties::new()
        .with(&["source", "address"], "10.0.0.1:80")
        .with(&["connection", "mtls"], true)
        .with(&["metadata", "filter_metadata", "a.b", "sub"], "alice");
    let id = rig.worker.open(properties);
    let mut headers = post();
    headers.set(":path", "/mcp?a=b");
    headers.append("x", "1");
    headers.append("x", "2");
    rig.worker.request_headers(id, headers, false);
    rig.worker.request_data(id, bytes("x"), true);
    assert_eq!(
        rig.diary(),
        ["10.0.0.1:80", "\u{1}", "root", "/mcp?a=b", "/mcp", "a=b", "test", "1,2", "alice", "status 1", "status 1"],
        "the path is not to be had when the headers are gone"
    );
}

#[test]
fn what_a_module_sets_is_filter_state() {
    let mut wat = Wat::new();
    let (name, value, own, full) =
        (wat.text("verdict"), wat.text("deny"), wat.text("verdict"), wat.text("filter_state\0wasm.verdict"));
    let body =
        format!("(drop (call $set_property {name} {value})) (call $say_property {own}) (call $say_property {full})");
    let mut rig = on_headers(&mut wat, &body);
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    assert_eq!(rig.diary(), ["deny", "deny"]);
    let info = rig.worker.close(id).unwrap();
    assert_eq!(info.filter_state, BTreeMap::from([("wasm.verdict".to_owned(), bytes("deny"))]));
}

/// Writes `x-value` to the key `k` with the CAS number that it read before (0 if there was none), and says what came.
fn writer(read_first: bool) -> Wat {
    let mut wat = Wat::new();
    let (key, text, name) = (wat.text("k"), wat.text("set "), wat.text("x-value"));
    let read = if read_first {
        format!("(drop (call $get_shared_data {key} (i32.const 0) (i32.const 4) (i32.const 8)))")
    } else {
        "(i32.store (i32.const 8) (i32.const 77))".to_owned()
    };
    wat.on(
        "proxy_on_request_headers",
        3,
        &format!(
            "{read}
             (drop (call $get_header (i32.const 0) {name} (i32.const 0) (i32.const 4)))
             (call $say_number {text} (call $set_shared_data {key}
                (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.load (i32.const 8))))
             (i32.const 0)"
        ),
    );
    wat
}

#[test]
fn shared_data_is_written_by_compare_and_swap_within_a_vm_id() {
    let host = Host::default();
    let vm = |vm_id: &str| PluginConfig { vm_id: vm_id.into(), ..PluginConfig::default() };
    let mut first = Rig::on(&host, &writer(true), vm("a"));
    let mut second = Rig::on(&host, &writer(false), vm("a"));
    let mut other = Rig::on(&host, &writer(false), vm("b"));
    let value = |value: &'static str| fields(&[(":path", "/"), ("x-value", value)]);
    request(&mut first, value("one"));
    request(&mut first, value("two"));
    assert_eq!(host.shared_data("a", b"k"), Some((bytes("two"), 2)));
    request(&mut second, value("three"));
    assert_eq!(host.shared_data("a", b"k"), Some((bytes("two"), 2)), "77 is not its number");
    request(&mut other, value("four"));
    assert_eq!(host.shared_data("b", b"k"), Some((bytes("four"), 3)), "a new key takes any number");
    assert_eq!(first.diary(), ["set 0", "set 0", "set 8", "set 0"]);
}

#[test]
fn queues_pass_values_between_workers() {
    let host = Host::default();
    let mut reader = Wat::new();
    let (name, ready) = (reader.text("jobs"), reader.text("ready "));
    reader.on("proxy_on_vm_start", 2, &format!("(drop (call $register_queue {name} (i32.const 0))) (i32.const 1)"));
    reader.at(
        "proxy_on_queue_ready",
        2,
        &format!(
            "(drop (call $dequeue (local.get $b) (i32.const 0) (i32.const 4))) (call $say_given)
             (call $say_number {ready} (call $dequeue (local.get $b) (i32.const 0) (i32.const 4)))"
        ),
    );
    let mut writer = Wat::new();
    let (vm_id, name, value) = (writer.text(""), writer.text("jobs"), writer.text("job 1"));
    writer.on(
        "proxy_on_request_headers",
        3,
        &format!(
            "(drop (call $resolve_queue {vm_id} {name} (i32.const 16)))
             (drop (call $enqueue (i32.load (i32.const 16)) {value})) (i32.const 0)"
        ),
    );
    let mut reader = Rig::on(&host, &reader, PluginConfig::default());
    let mut writer = Rig::on(&host, &writer, PluginConfig::default());
    assert_eq!(reader.worker.next_timer(), None);
    request(&mut writer, get());
    assert_eq!(reader.worker.next_timer(), Some(Duration::ZERO));
    reader.worker.run_timers();
    assert_eq!(host.logs().into_iter().map(|line| line.message).collect::<Vec<_>>(), ["job 1", "ready 7"]);
    assert_eq!(reader.worker.next_timer(), None);
}

#[test]
fn metrics_count_in_the_host() {
    let mut wat = Wat::new();
    let (counter, gauge, histogram, text) = (wat.text("c"), wat.text("g"), wat.text("h"), wat.text("status "));
    let body = format!(
        "(drop (call $define_metric (i32.const 0) {counter} (i32.const 16)))
         (drop (call $increment_metric (i32.load (i32.const 16)) (i64.const 2)))
         (call $say_number {text} (call $increment_metric (i32.load (i32.const 16)) (i64.const -1)))
         (drop (call $define_metric (i32.const 1) {gauge} (i32.const 16)))
         (drop (call $record_metric (i32.load (i32.const 16)) (i64.const 9)))
         (drop (call $increment_metric (i32.load (i32.const 16)) (i64.const -2)))
         (drop (call $get_metric (i32.load (i32.const 16)) (i32.const 24)))
         (call $say_number {text} (i32.load (i32.const 24)))
         (drop (call $define_metric (i32.const 2) {histogram} (i32.const 16)))
         (drop (call $record_metric (i32.load (i32.const 16)) (i64.const 7)))
         (call $say_number {text} (call $get_metric (i32.load (i32.const 16)) (i32.const 24)))
         (call $say_number {text} (call $increment_metric (i32.const 400) (i64.const 1)))"
    );
    let mut rig = on_headers(&mut wat, &body);
    request(&mut rig, get());
    request(&mut rig, get());
    assert_eq!(rig.diary()[..4], ["status 2", "status 7", "status 2", "status 1"]);
    let metrics = rig.host.metrics();
    assert_eq!(metrics.counter("c"), 4);
    assert_eq!(metrics.gauges["g"], 7);
    let histogram = &metrics.histograms["h"];
    assert_eq!((histogram.count, histogram.sum), (2, 14));
    let at_most = |bound: f64| histogram.buckets.iter().find(|(upper, _)| *upper >= bound).unwrap().1;
    assert_eq!((at_most(5.0), at_most(10.0)), (0, 2));
}

#[test]
fn time_and_randomness_can_be_fixed() {
    let seen = |seed: u64| {
        let clock = VirtualClock::new(Duration::from_secs(100));
        let options = HostOptions {
            clock: Clock::Virtual(clock.clone()),
            random: Random::Seeded(seed),
            ..HostOptions::default()
        };
        let mut wat = Wat::new();
        let text = wat.text("");
        wat.on(
            "proxy_on_request_headers",
            3,
            &format!(
                "(drop (call $get_time (i32.const 16)))
                 (call $say_number {text} (i32.wrap_i64 (i64.div_u (i64.load (i32.const 16)) (i64.const 1000000))))
                 (drop (call $random_get (i32.const 16) (i32.const 4)))
                 (call $say_number {text} (i32.load (i32.const 16)))
                 (i32.const 0)"
            ),
        );
        let mut rig = Rig::on(&Host::new(options), &wat, PluginConfig::default());
        clock.advance(Duration::from_millis(1500));
        request(&mut rig, get());
        rig.diary()
    };
    assert_eq!(seen(1)[0], "101500");
    assert_eq!(seen(1), seen(1));
    assert_ne!(seen(1)[1], seen(2)[1]);
}

#[test]
fn a_tick_runs_when_it_is_due() {
    let clock = VirtualClock::new(Duration::ZERO);
    let host = Host::new(HostOptions { clock: Clock::Virtual(clock.clone()), ..HostOptions::default() });
    let mut wat = Wat::new();
    let text = wat.text("tick");
    wat.on("proxy_on_vm_start", 2, "(drop (call $set_tick_period (i32.const 100))) (i32.const 1)");
    wat.at("proxy_on_tick", 1, &format!("(call $say {text})"));
    let mut rig = Rig::on(&host, &wat, PluginConfig::default());
    assert_eq!(rig.worker.next_timer(), Some(Duration::from_millis(100)));
    clock.advance(Duration::from_millis(99));
    rig.worker.run_timers();
    assert_eq!(rig.diary(), Vec::<String>::new());
    clock.advance(Duration::from_millis(1));
    rig.worker.run_timers();
    rig.worker.run_timers();
    assert_eq!(rig.diary(), ["tick"]);
    assert_eq!(rig.worker.next_timer(), Some(Duration::from_millis(100)));
}

#[test]
fn standard_output_and_environment_are_there() {
    let mut wat = Wat::new();
    // One vector at 32: the environment's text, without its last byte.
    wat.on(
        "proxy_on_vm_start",
        2,
        "(drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
         (drop (call $environ_get (i32.const 64) (i32.const 256)))
         (i32.store (i32.const 32) (i32.load (i32.const 64)))
         (i32.store (i32.const 36) (i32.sub (i32.load (i32.const 20)) (i32.const 1)))
         (drop (call $fd_write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40)))
         (i32.const 1)",
    );
    let environment = BTreeMap::from([("NAME".to_owned(), "value".to_owned())]);
    let rig = Rig::with(&wat, PluginConfig { environment, ..PluginConfig::default() });
    let line = rig.host.logs().pop().unwrap();
    assert_eq!((line.level, line.message.as_str()), (LogLevel::Error, "NAME=value"));
}

#[test]
fn log_lines_have_a_level_and_a_limit() {
    let host = Host::new(HostOptions { log_level: LogLevel::Warn, log_lines: 2, ..HostOptions::default() });
    let mut wat = Wat::new();
    let text = wat.text("line");
    wat.on(
        "proxy_on_request_headers",
        3,
        &format!("(drop (call $log (i32.const 2) {text})) (drop (call $log (i32.const 3) {text})) (i32.const 0)"),
    );
    let config = PluginConfig { name: "n".into(), root_id: "r".into(), vm_id: "v".into(), ..PluginConfig::default() };
    let mut rig = Rig::on(&host, &wat, config);
    for _ in 0..3 {
        request(&mut rig, get());
    }
    assert_eq!(host.logs().len(), 2);
    let lines: Vec<String> = host.logs().iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["[warning][wasm] wasm log n r v: line"; 2]);
}

#[test]
fn bad_pointers_are_told_not_trapped() {
    let mut wat = Wat::new();
    let text = wat.text("status ");
    let body = format!(
        "(call $say_number {text} (call $log (i32.const 2) (i32.const -8) (i32.const 16)))
         (call $say_number {text} (call $get_header (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)))
         (call $say_number {text} (call $get_buffer_bytes (i32.const 3) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)))
         (call $say_number {text} (call $set_effective_context (i32.const 99)))
         (call $say_number {text} (call $done))"
    );
    let mut rig = on_headers(&mut wat, &body);
    request(&mut rig, get());
    assert_eq!(rig.diary(), ["status 6", "status 2", "status 1", "status 2", "status 1"]);
}

#[test]
fn response_properties_are_there_in_their_time() {
    let mut wat = Wat::new();
    let (code, details) = (wat.text("response\0code"), wat.text("response\0code_details"));
    let name = wat.text("x");
    wat.at("proxy_on_log", 1, &format!("(call $say_property {details}) (call $say_header (i32.const 2) {name})"));
    wat.on(
        "proxy_on_response_headers",
        3,
        &format!(
            "(if (call $get_property {code} (i32.const 0) (i32.const 4)) (then (unreachable)))
             (call $say_number (i32.const 512) (i32.const 7) (i32.load (i32.load (i32.const 0)))) (i32.const 0)"
        ),
    );
    let mut rig = Rig::new(&wat);
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    let mut headers = status("207");
    headers.append("x", "1");
    rig.worker.response_headers(id, headers, true);
    rig.worker.close(id);
    assert_eq!(rig.diary(), ["status 207", "status 1", "1"]);
}
