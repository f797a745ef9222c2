//! One VM with its streams, as one worker thread of a proxy has it: the library's front door.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::headers::FieldKind;
use crate::host::log::LogLine;
use crate::vm::state::{LocalReply, State};
use crate::vm::stream::{Direction, Stream};
use crate::vm::{Vm, context};
use crate::{
    CalloutToken, Event, HeaderMap, Host, HttpResponse, Module, PluginConfig, Properties, ResetReason, StreamId,
};

/// Envoy's own reply when an upstream goes away before it has answered.
const UPSTREAM_RESET_BODY: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
const UPSTREAM_RESET_DETAILS: &str = "upstream_reset_before_response_started{connection_termination}";

/// Why a VM did not start. The module's own words are in `logs`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the plugin did not start: {reason}")]
pub struct StartError {
    /// What went wrong, as the host sees it.
    pub reason: String,
    /// What was logged during the start.
    pub logs: Vec<LogLine>,
}

/// What an access log would say of a stream, beyond what the caller saw itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamInfo {
    /// Envoy's response code details: what a local reply gave as its reason, `wasm_fail_stream` after a trap,
    /// `request_payload_too_large`, `response_payload_too_large`; `None` if the response is the upstream's.
    pub response_code_details: Option<String>,
    /// What the module set with `set_property`, by the names Envoy's filter state has (`wasm.<name>`).
    pub filter_state: BTreeMap<String, Bytes>,
    /// How many times the route was chosen anew because the module changed request headers or asked for it.
    pub route_cache_clears: u32,
}

/// One VM with its root context and its streams. Every proxy thread has one of its own.
///
/// Frames are fed in the order in which they come from the connection; what has to be done about them is drained with
/// [`Worker::next_event`]. A call that makes no sense (a frame for a stream that is over) is ignored, as Envoy drops
/// what comes late.
#[derive(Debug)]
pub struct Worker {
    pub(crate) module: Module,
    pub(crate) config: Arc<PluginConfig>,
    pub(crate) host: Host,
    pub(crate) vm: Vm,
    /// When the VM was started, on the host's monotonic clock.
    pub(crate) started: Duration,
}

impl Worker {
    /// Starts a VM and configures its root context.
    ///
    /// # Errors
    /// When the module traps or refuses its configuration.
    pub fn start(module: &Module, config: &PluginConfig, host: &Host) -> Result<Self, StartError> {
        let config = Arc::new(config.clone());
        let (vm, started) = Vm::start(module, State::new(host.clone(), Arc::clone(&config)));
        let logs = vm.state().start_logs.take().unwrap_or_default();
        if let Err(reason) = started {
            return Err(StartError { reason, logs });
        }
        let started = host.clock().monotonic();
        let mut worker = Self { module: module.clone(), config, host: host.clone(), vm, started };
        worker.run_actions();
        Ok(worker)
    }

    /// Opens a stream. The module hears of it with the request headers.
    pub fn open(&mut self, properties: Properties) -> StreamId {
        let state = self.vm.state_mut();
        let id = state.new_context_id();
        let opened = state.host.clock().wall();
        state.streams.insert(id, Stream::new(properties, opened));
        StreamId(id)
    }

    /// Request headers from the client. `end_stream`: there is neither body nor trailers.
    pub fn request_headers(&mut self, stream: StreamId, headers: HeaderMap, end_stream: bool) {
        if !self.replied(stream, Direction::Request) {
            self.on_headers(stream, Direction::Request, headers.joined(FieldKind::Request), end_stream);
        }
    }

    /// A piece of the request body. HTTP/1 ends a body with an empty piece, HTTP/2 often with the last one.
    pub fn request_data(&mut self, stream: StreamId, data: Bytes, end_stream: bool) {
        if !self.replied(stream, Direction::Request) {
            self.on_data(stream, Direction::Request, BytesMut::from(data), end_stream);
        }
    }

    /// Request trailers; they end the request.
    pub fn request_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        if !self.replied(stream, Direction::Request) {
            self.on_trailers(stream, Direction::Request, trailers);
        }
    }

    /// Response headers from the upstream (not 1xx, which pass beside filters).
    pub fn response_headers(&mut self, stream: StreamId, headers: HeaderMap, end_stream: bool) {
        if self.answered_by_upstream(stream) {
            self.on_headers(stream, Direction::Response, headers.joined(FieldKind::Response), end_stream);
        }
    }

    /// A piece of the response body.
    pub fn response_data(&mut self, stream: StreamId, data: Bytes, end_stream: bool) {
        if self.answered_by_upstream(stream) {
            self.on_data(stream, Direction::Response, BytesMut::from(data), end_stream);
        }
    }

    /// Response trailers; they end the response.
    pub fn response_trailers(&mut self, stream: StreamId, trailers: HeaderMap) {
        if self.answered_by_upstream(stream) {
            self.on_trailers(stream, Direction::Response, trailers);
        }
    }

    /// A reply of the proxy itself (no upstream, no route, a time-out), which passes the filter's response callbacks as
    /// Envoy's own replies do. `details` are the response code details.
    pub fn local_reply(&mut self, stream: StreamId, status: u16, body: Bytes, details: &str) {
        let reply = LocalReply { status: status.into(), body, headers: HeaderMap::new(), details: details.to_owned() };
        self.reply(stream, reply, ResetReason::LocalReplyTooLate);
        self.run_actions();
    }

    /// The upstream cut its response off. Before response headers Envoy answers 503 itself; after them the client sees a
    /// reset.
    pub fn upstream_reset(&mut self, stream: StreamId) {
        let Some(state) = self.vm.stream(stream).filter(|state| !state.upstream_gone) else { return };
        state.upstream_gone = true;
        if state.response.headers.is_some() {
            self.reset_both(stream, ResetReason::UpstreamGone);
        } else {
            let body = Bytes::from_static(UPSTREAM_RESET_BODY.as_bytes());
            self.local_reply(stream, 503, body, UPSTREAM_RESET_DETAILS);
        }
    }

    /// The client went away: the upstream's part is reset. Ends with [`Self::close`].
    pub fn client_reset(&mut self, stream: StreamId) {
        self.reset_upstream(stream, ResetReason::ClientGone);
        if let Some(state) = self.vm.stream(stream) {
            state.response_aborted = true;
            state.response.ended = true;
        }
    }

    /// The exchange is over: the module logs and forgets it (`on_log`, `on_done`, `on_delete`). `None` if there is no
    /// such stream.
    pub fn close(&mut self, stream: StreamId) -> Option<StreamInfo> {
        self.client_reset(stream);
        self.finish(stream);
        let stream = self.vm.state_mut().streams.remove(&context(stream))?;
        Some(StreamInfo {
            response_code_details: stream.details,
            filter_state: stream.filter_state,
            route_cache_clears: stream.route_cache_clears,
        })
    }

    /// May more of the request body be read from the client? False while what is held back fills the buffer: Envoy then
    /// stops reading (only where nothing but back-pressure can stop it; where it buffers for the module, it answers 413).
    #[must_use]
    pub fn wants_request_data(&self, stream: StreamId) -> bool {
        self.has_room(stream, Direction::Request)
    }

    /// The same for the response body and the upstream.
    #[must_use]
    pub fn wants_response_data(&self, stream: StreamId) -> bool {
        self.has_room(stream, Direction::Response)
    }

    /// The answer to an [`Event::HttpCall`]; `None` if it broke off after its headers. A cluster that cannot be reached is
    /// [`HttpResponse::unreachable`]. An answer to a call that is over is ignored.
    pub fn http_call_response(&mut self, token: CalloutToken, response: Option<HttpResponse>) {
        if let CalloutToken::Http(number) = token {
            self.deliver_response(number, response);
        }
    }

    /// A message on a gRPC call or stream. It ends a unary call.
    pub fn grpc_message(&mut self, token: CalloutToken, message: Bytes) {
        if let CalloutToken::Grpc(number) = token {
            self.deliver_message(number, message);
        }
    }

    /// Initial metadata of a gRPC stream.
    pub fn grpc_initial_metadata(&mut self, token: CalloutToken, metadata: HeaderMap) {
        if let CalloutToken::Grpc(number) = token {
            self.deliver_metadata(number, metadata, true);
        }
    }

    /// Trailing metadata of a gRPC stream.
    pub fn grpc_trailing_metadata(&mut self, token: CalloutToken, metadata: HeaderMap) {
        if let CalloutToken::Grpc(number) = token {
            self.deliver_metadata(number, metadata, false);
        }
    }

    /// A gRPC call failed or a stream ended, with a gRPC status code.
    pub fn grpc_close(&mut self, token: CalloutToken, status: u32, message: &str) {
        if let CalloutToken::Grpc(number) = token {
            self.deliver_close(number, status, message);
        }
    }

    /// How long until a timer is due: the module's tick, a call's time-out, a filled queue. `None`: nothing to wait for.
    #[must_use]
    pub fn next_timer(&self) -> Option<Duration> {
        self.next_due().map(|due| due.saturating_sub(self.host.clock().monotonic()))
    }

    /// Runs the timers that are due.
    pub fn run_timers(&mut self) {
        self.run_due();
    }

    /// The next thing to do, in order.
    pub fn next_event(&mut self) -> Option<Event> {
        self.vm.state_mut().events.pop_front()
    }

    /// Everything there is to do, in order.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next_event()).collect()
    }

    /// Has the VM trapped (and not been replaced)?
    #[must_use]
    pub fn failed(&self) -> bool {
        self.vm.failed()
    }

    /// How large the VM's linear memory is, in bytes: it only grows.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.vm.memory_bytes()
    }

    /// May the upstream still answer?
    fn answered_by_upstream(&mut self, id: StreamId) -> bool {
        self.vm.stream(id).is_some_and(|stream| {
            stream.request.headers_sent && !stream.local && !stream.response_aborted && !stream.upstream_gone
        })
    }

    fn has_room(&self, id: StreamId, direction: Direction) -> bool {
        let stream = self.vm.state().streams.get(&context(id));
        stream.is_none_or(|stream| stream.half(direction).held_len() <= self.config.buffer_limit)
    }
}
