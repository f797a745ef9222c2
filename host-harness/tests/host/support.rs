//! Modules written in WebAssembly text, and a driver that records what a worker does with them.
//!
//! A test writes only the callbacks it is about. Around them stands a module with every import, an allocator, and a few
//! functions that log what the module sees, so that a test reads the log as the module's diary.

use bytes::Bytes;
use host_harness::{Event, Frame, HeaderMap, Host, LogLevel, Module, PluginConfig, Properties, StreamId, Worker};

/// Where texts begin in memory; below are cells for results, above grows what is allocated.
const TEXTS: usize = 1024;
const HEAP: usize = 64 * 1024;

const PRELUDE: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue_stream (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close_stream (param i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $send_local_response (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_effective_context (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $get_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove_header (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record_metric (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick_period (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $get_time (param i32) (result i32)))
  (import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call" (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream" (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_close" (func $grpc_close (param i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $grpc_cancel (param i32) (result i32)))
  (import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func $allocate (export "proxy_on_memory_allocate") (param $len i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $len)))
    (block $room
      (br_if $room (i32.lt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.const 16)))))
  ;; Logs a text.
  (func $say (param $text i32) (param $len i32)
    (drop (call $log (i32.const 2) (local.get $text) (local.get $len))))
  ;; Logs a text with a number behind it.
  (func $say_number (param $text i32) (param $len i32) (param $number i32)
    (local $at i32) (local $start i32)
    (local.set $start (call $allocate (i32.add (local.get $len) (i32.const 16))))
    (memory.copy (local.get $start) (local.get $text) (local.get $len))
    (local.set $at (i32.add (i32.add (local.get $start) (local.get $len)) (i32.const 11)))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (br_if $digit (local.tee $number (i32.div_u (local.get $number) (i32.const 10)))))
    ;; Close the gap between text and digits.
    (local.set $number (i32.sub (i32.add (i32.add (local.get $start) (local.get $len)) (i32.const 11)) (local.get $at)))
    (memory.copy (i32.add (local.get $start) (local.get $len)) (local.get $at) (local.get $number))
    (call $say (local.get $start) (i32.add (local.get $len) (local.get $number))))
  ;; Logs what the last call gave: its address and length are in the cells 0 and 4.
  (func $say_given (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4))))
  ;; Logs a whole buffer.
  (func $say_buffer (param $buffer i32)
    (drop (call $get_buffer_bytes (local.get $buffer) (i32.const 0) (i32.const 1000000) (i32.const 0) (i32.const 4)))
    (call $say_given))
  ;; Logs the first value of a header field, or the status of the call if there is none.
  (func $say_header (param $map i32) (param $name i32) (param $len i32)
    (local $status i32)
    (local.set $status (call $get_header (local.get $map) (local.get $name) (local.get $len) (i32.const 0) (i32.const 4)))
    (if (local.get $status)
      (then (call $say_number (local.get $name) (local.get $len) (local.get $status)))
      (else (call $say_given))))
  ;; Logs a property, or the status of the call if there is none.
  (func $say_property (param $path i32) (param $len i32)
    (local $status i32)
    (local.set $status (call $get_property (local.get $path) (local.get $len) (i32.const 0) (i32.const 4)))
    (if (local.get $status)
      (then (call $say_number (i32.const 512) (i32.const 7) (local.get $status)))
      (else (call $say_given))))
  ;; Replies with a status and a body.
  (func $reply (param $status i32) (param $body i32) (param $len i32)
    (drop (call $send_local_response (local.get $status) (i32.const 0) (i32.const 0) (local.get $body) (local.get $len)
      (i32.const 0) (i32.const 0) (i32.const -1))))
  (data (i32.const 512) "status ")
"#;

/// A module in the making.
#[derive(Default)]
pub(crate) struct Wat {
    texts: Vec<u8>,
    functions: String,
}

impl Wat {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Puts a text into the module; gives its address and length as two operands.
    pub(crate) fn text(&mut self, text: impl AsRef<[u8]>) -> String {
        let text = text.as_ref();
        let at = TEXTS.saturating_add(self.texts.len());
        self.texts.extend_from_slice(text);
        assert!(TEXTS.saturating_add(self.texts.len()) < HEAP, "texts run into the heap");
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Puts a list of pairs into the module, as the ABI carries it.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, &str)]) -> String {
        let mut bytes = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in pairs {
            bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        for (name, value) in pairs {
            bytes.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
        }
        self.text(bytes)
    }

    /// A callback with a result; its parameters are `$a`, `$b`, `$c`, ….
    pub(crate) fn on(&mut self, name: &str, parameters: usize, body: &str) -> &mut Self {
        self.function(name, parameters, "(result i32)", body)
    }

    /// A callback without a result.
    pub(crate) fn at(&mut self, name: &str, parameters: usize, body: &str) -> &mut Self {
        self.function(name, parameters, "", body)
    }

    fn function(&mut self, name: &str, parameters: usize, result: &str, body: &str) -> &mut Self {
        let names = ["$a", "$b", "$c", "$d", "$e"];
        let parameters: String = names[..parameters].iter().map(|name| format!(" (param {name} i32)")).collect();
        self.functions += &format!("  (func (export \"{name}\"){parameters} {result}\n    {body})\n");
        self
    }

    /// Anything else: globals, functions.
    pub(crate) fn with(&mut self, text: &str) -> &mut Self {
        self.functions += text;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let texts: String = self.texts.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let text = format!("(module {PRELUDE}\n{}\n(data (i32.const {TEXTS}) \"{texts}\"))", self.functions);
        wat::parse_str(text).unwrap()
    }

    pub(crate) fn module(&self) -> Module {
        Module::from_bytes(&self.bytes()).unwrap()
    }
}

/// `on_request_headers` and so on that log what they see and answer `verdict`.
pub(crate) fn diary(wat: &mut Wat, callback: &str, verdict: i32) {
    let text = wat.text(format!("{callback} "));
    let end = wat.text(format!("{callback} end "));
    let name = format!("proxy_on_{callback}");
    if callback.ends_with("trailers") {
        wat.on(&name, 2, &format!("(call $say_number {text} (local.get $b)) (i32.const {verdict})"));
    } else {
        wat.on(
            &name,
            3,
            &format!(
                "(if (local.get $c) (then (call $say_number {end} (local.get $b))) (else (call $say_number {text} (local.get $b))))
                 (i32.const {verdict})"
            ),
        );
    }
}

/// A worker, and what it did.
pub(crate) struct Rig {
    pub(crate) host: Host,
    pub(crate) worker: Worker,
}

impl Rig {
    pub(crate) fn new(wat: &Wat) -> Self {
        Self::with(wat, PluginConfig::default())
    }

    pub(crate) fn with(wat: &Wat, config: PluginConfig) -> Self {
        Self::on(&Host::default(), wat, config)
    }

    pub(crate) fn on(host: &Host, wat: &Wat, config: PluginConfig) -> Self {
        let worker = Worker::start(&wat.module(), &config, host).unwrap();
        Self { host: host.clone(), worker }
    }

    pub(crate) fn open(&mut self) -> StreamId {
        self.worker.open(Properties::new())
    }

    /// What the module has logged so far.
    pub(crate) fn diary(&self) -> Vec<String> {
        self.host.logs().into_iter().filter(|line| line.level == LogLevel::Info).map(|line| line.message).collect()
    }

    /// What there is to do, in short: `up headers /mcp end`, `client data "x" end`, `client reset BufferOverflow`.
    pub(crate) fn out(&mut self) -> Vec<String> {
        self.worker.events().iter().map(brief).collect()
    }
}

pub(crate) fn brief(event: &Event) -> String {
    match event {
        Event::ToUpstream(_, frame) => format!("up {}", brief_frame(frame)),
        Event::ToClient(_, frame) => format!("client {}", brief_frame(frame)),
        other => format!("{other:?}"),
    }
}

fn brief_frame(frame: &Frame) -> String {
    let end = |end: &bool| if *end { " end" } else { "" };
    match frame {
        Frame::Headers { headers, end_stream } => {
            let what = headers.get_str(":status").or(headers.get_str(":path")).unwrap_or("?");
            format!("headers {what}{}", end(end_stream))
        }
        Frame::Data { data, end_stream } => format!("data {:?}{}", String::from_utf8_lossy(data), end(end_stream)),
        Frame::Trailers(trailers) => format!("trailers {trailers:?}"),
        Frame::Reset(reason) => format!("reset {reason:?}"),
    }
}

pub(crate) fn post() -> HeaderMap {
    fields(&[(":method", "POST"), (":path", "/mcp"), (":scheme", "http"), (":authority", "test")])
}

pub(crate) fn get() -> HeaderMap {
    fields(&[(":method", "GET"), (":path", "/mcp"), (":scheme", "http"), (":authority", "test")])
}

pub(crate) fn status(status: &'static str) -> HeaderMap {
    fields(&[(":status", status)])
}

pub(crate) fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().copied().collect()
}

pub(crate) fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
