//! Modules that cannot be loaded, refuse to start, trap, or take too much.

use std::time::Duration;

use host_harness::{
    Clock, FailurePolicy, Host, HostOptions, LogLevel, Module, ModuleError, PluginConfig, VirtualClock, VmLimits,
    Worker,
};

use crate::support::{Rig, Wat, bytes, diary, fields, get, post, status};

/// A module that traps on requests with an `x-trap` field.
fn trapper() -> Wat {
    let mut wat = Wat::new();
    let name = wat.text("x-trap");
    wat.on(
        "proxy_on_request_headers",
        3,
        &format!(
            "(if (i32.eqz (call $get_header (i32.const 0) {name} (i32.const 0) (i32.const 4))) (then (unreachable)))
             (i32.const 0)"
        ),
    );
    diary(&mut wat, "response_headers", 0);
    wat
}

fn trap(rig: &mut Rig) -> Vec<String> {
    let id = rig.open();
    rig.worker.request_headers(id, fields(&[(":method", "GET"), (":path", "/"), ("x-trap", "1")]), true);
    rig.out()
}

fn request(rig: &mut Rig) -> Vec<String> {
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    rig.out()
}

fn with_policy(failure_policy: FailurePolicy) -> PluginConfig {
    PluginConfig { failure_policy, ..PluginConfig::default() }
}

#[test]
fn unknown_imports_are_named() {
    let text = r#"(module
        (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (import "env" "proxy_teleport" (func))
        (import "wasi_snapshot_preview1" "sock_send" (func))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    match Module::from_bytes(&wat::parse_str(text).unwrap()) {
        Err(ModuleError::UnknownImports(names)) => {
            assert_eq!(names, ["env.proxy_teleport", "wasi_snapshot_preview1.sock_send"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_plugin_is_refused() {
    let load = |text: &str| Module::from_bytes(&wat::parse_str(text).unwrap()).unwrap_err();
    assert!(matches!(Module::from_bytes(b"no wasm"), Err(ModuleError::Invalid(_))));
    assert!(matches!(load("(module)"), ModuleError::AbiVersion));
    assert!(matches!(load(r#"(module (func (export "proxy_abi_version_0_1_0")))"#), ModuleError::AbiVersion));
    assert!(matches!(load(r#"(module (func (export "proxy_abi_version_0_2_1")))"#), ModuleError::NoAllocator));
    let wrong = r#"(module (import "env" "proxy_log" (func (param i64)))
        (func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    assert!(matches!(load(wrong), ModuleError::Invalid(message) if message.contains("proxy_log")));
}

#[test]
fn a_module_that_refuses_its_configuration_does_not_start() {
    let mut wat = Wat::new();
    let complaint = wat.text("rule 3: no such thing");
    wat.on(
        "proxy_on_configure",
        2,
        &format!("(drop (call $log (i32.const 5) {complaint})) (call $say_buffer (i32.const 7)) (i32.const 0)"),
    );
    let config = PluginConfig { name: "p".into(), configuration: bytes("{}"), ..PluginConfig::default() };
    let error = Worker::start(&wat.module(), &config, &Host::default()).unwrap_err();
    assert!(error.reason.contains("refused its configuration"), "{error}");
    let logs: Vec<_> = error.logs.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(logs, [(LogLevel::Critical, "rule 3: no such thing"), (LogLevel::Info, "{}")]);
}

#[test]
fn a_trap_is_503_for_its_stream_whatever_the_policy() {
    for policy in [FailurePolicy::Closed, FailurePolicy::Open, FailurePolicy::Reload] {
        let mut rig = Rig::with(&trapper(), with_policy(policy));
        let id = rig.open();
        rig.worker.request_headers(id, fields(&[(":method", "GET"), (":path", "/"), ("x-trap", "1")]), true);
        assert_eq!(rig.out(), ["client headers 503 end"], "{policy:?}");
        assert!(rig.worker.failed());
        assert_eq!(rig.diary(), Vec::<String>::new(), "a module that is gone is not asked about the 503");
        let info = rig.worker.close(id).unwrap();
        assert_eq!(info.response_code_details.as_deref(), Some("wasm_fail_stream"));
        assert_eq!(rig.host.stats().vm_failures, 1);
        let line = rig.host.logs().pop().unwrap();
        assert_eq!(line.level, LogLevel::Critical);
        assert!(line.message.starts_with("Function: proxy_on_request_headers failed:"), "{line}");
        assert!(line.message.contains("unreachable"), "{line}");
    }
}

#[test]
fn closed_answers_503_from_then_on() {
    let mut rig = Rig::with(&trapper(), with_policy(FailurePolicy::Closed));
    assert_eq!(request(&mut rig), ["up headers /mcp end"]);
    trap(&mut rig);
    for _ in 0..2 {
        assert_eq!(request(&mut rig), ["client headers 503 end"]);
    }
}

#[test]
fn open_goes_on_without_the_module() {
    let mut rig = Rig::with(&trapper(), with_policy(FailurePolicy::Open));
    trap(&mut rig);
    let id = rig.open();
    rig.worker.request_headers(id, post(), false);
    rig.worker.request_data(id, bytes("x"), true);
    rig.worker.response_headers(id, status("200"), true);
    assert_eq!(rig.out(), ["up headers /mcp", r#"up data "x" end"#, "client headers 200 end"]);
    assert!(rig.worker.close(id).is_some());
    assert_eq!(rig.diary(), Vec::<String>::new());
}

#[test]
fn reload_starts_a_new_vm_but_not_too_often() {
    let clock = VirtualClock::new(Duration::from_secs(1_700_000_000));
    let host = Host::new(HostOptions { clock: Clock::Virtual(clock.clone()), ..HostOptions::default() });
    let mut rig = Rig::on(&host, &trapper(), with_policy(FailurePolicy::Reload));
    clock.advance(Duration::from_secs(2));
    trap(&mut rig);
    assert_eq!(request(&mut rig), ["up headers /mcp end"], "the next stream has a new VM");
    assert_eq!(host.stats().vm_starts, 2);
    trap(&mut rig);
    assert_eq!(request(&mut rig), ["client headers 503 end"], "the second trap came too soon");
    clock.advance(Duration::from_millis(999));
    assert_eq!(request(&mut rig), ["client headers 503 end"]);
    clock.advance(Duration::from_millis(1));
    assert_eq!(request(&mut rig), ["up headers /mcp end"]);
    assert_eq!(host.stats().vm_starts, 3);
}

#[test]
fn other_streams_of_the_vm_are_lost_with_it() {
    for policy in [FailurePolicy::Closed, FailurePolicy::Open, FailurePolicy::Reload] {
        let clock = VirtualClock::new(Duration::ZERO);
        let host = Host::new(HostOptions { clock: Clock::Virtual(clock.clone()), ..HostOptions::default() });
        let mut rig = Rig::on(&host, &trapper(), with_policy(policy));
        clock.advance(Duration::from_secs(2));
        let (waiting, answered) = (rig.open(), rig.open());
        for id in [waiting, answered] {
            rig.worker.request_headers(id, post(), false);
        }
        rig.worker.response_headers(answered, status("200"), false);
        rig.out();
        trap(&mut rig);
        request(&mut rig);
        rig.worker.request_data(waiting, bytes("x"), true);
        assert_eq!(rig.out(), ["up reset LocalReply", "client headers 503 end"], "{policy:?}");
        rig.worker.response_data(answered, bytes("x"), true);
        assert_eq!(rig.out(), ["up reset FilterFailed", "client reset FilterFailed"], "{policy:?}");
    }
}

#[test]
fn an_endless_loop_is_stopped() {
    let mut wat = Wat::new();
    wat.on("proxy_on_request_headers", 3, "(loop $for_ever (br $for_ever)) (i32.const 0)");
    let limits = VmLimits { call_time: Duration::from_millis(50), ..VmLimits::default() };
    let mut rig = Rig::with(&wat, PluginConfig { limits, ..PluginConfig::default() });
    let started = std::time::Instant::now();
    assert_eq!(request(&mut rig), ["client headers 503 end"]);
    assert!(started.elapsed() >= Duration::from_millis(40), "{:?}", started.elapsed());
    assert!(rig.host.logs().pop().unwrap().message.contains("interrupt"));
}

#[test]
fn memory_has_a_limit() {
    let grow = |limit: usize| {
        let mut wat = Wat::new();
        let text = wat.text("pages ");
        wat.on(
            "proxy_on_request_headers",
            3,
            &format!("(drop (memory.grow (i32.const 12))) (call $say_number {text} (memory.size)) (i32.const 0)"),
        );
        let limits = VmLimits { memory_bytes: limit, ..VmLimits::default() };
        let mut rig = Rig::with(&wat, PluginConfig { limits, ..PluginConfig::default() });
        request(&mut rig);
        rig.diary().pop().unwrap()
    };
    // Four pages of 64 KiB to begin with, twelve more wanted.
    assert_eq!(grow(16 * 65536), "pages 16");
    assert_eq!(grow(16 * 65536 - 1), "pages 4");
}

#[test]
fn more_memory_than_allowed_at_the_start_is_no_start() {
    let limits = VmLimits { memory_bytes: 65536, ..VmLimits::default() };
    let config = PluginConfig { limits, ..PluginConfig::default() };
    assert!(Worker::start(&Wat::new().module(), &config, &Host::default()).is_err());
}

#[test]
fn what_envoy_has_and_this_host_has_not_traps_loudly() {
    let call = |function: &str| {
        let mut wat = Wat::new();
        let (name, text) = (wat.text(function), wat.text("status "));
        wat.on(
            "proxy_on_request_headers",
            3,
            &format!(
                "(call $say_number {text}
                    (call $foreign {name} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))) (i32.const 0)"
            ),
        );
        let mut rig = Rig::new(&wat);
        request(&mut rig);
        (rig.host.logs().pop().unwrap().message, rig.host.stats().unimplemented_calls)
    };
    assert_eq!(call("clear_route_cache"), ("status 0".to_owned(), 0));
    assert_eq!(call("declare_property"), ("status 0".to_owned(), 0));
    assert_eq!(call("no_such_thing"), ("status 1".to_owned(), 0));
    let (message, counted) = call("compress");
    assert!(message.contains("this host does not implement the foreign function compress"), "{message}");
    assert_eq!(counted, 1);
}

#[test]
fn proc_exit_stops_the_module() {
    let mut wat = Wat::new();
    wat.on("proxy_on_request_headers", 3, "(call $proc_exit (i32.const 7)) (i32.const 0)");
    let mut rig = Rig::new(&wat);
    assert_eq!(request(&mut rig), ["client headers 503 end"]);
    assert!(rig.host.logs().pop().unwrap().message.contains("proc_exit(7)"));
}

#[test]
fn a_trap_in_the_response_of_a_sent_head_resets() {
    let mut wat = Wat::new();
    wat.on("proxy_on_response_body", 3, "(unreachable)");
    let mut rig = Rig::new(&wat);
    let id = rig.open();
    rig.worker.request_headers(id, get(), true);
    rig.worker.response_headers(id, status("200"), false);
    rig.out();
    rig.worker.response_data(id, bytes("x"), false);
    assert_eq!(rig.out(), ["up reset FilterFailed", "client reset FilterFailed"]);
}

#[test]
fn a_trap_while_starting_is_no_start() {
    let mut wat = Wat::new();
    wat.on("proxy_on_vm_start", 2, "(unreachable)");
    let error = Worker::start(&wat.module(), &PluginConfig::default(), &Host::default()).unwrap_err();
    assert!(error.reason.contains("proxy_on_vm_start trapped"), "{error}");
    assert!(error.logs[0].message.contains("unreachable"));
}
