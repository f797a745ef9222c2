//! Responses that do not come from the upstream, failed VMs, and what a module asked for while it ran.

use bytes::{Bytes, BytesMut};

use super::out::is_head;
use crate::config::FailurePolicy;
use crate::headers::FieldKind;
use crate::vm::state::{Action, LocalReply, State};
use crate::vm::stream::{Direction, Mode};
use crate::vm::{Failed, Vm, context};
use crate::{Frame, HeaderMap, ResetReason, StreamId, Worker};

/// Envoy's response code details for the streams of a VM that failed.
const FAILED_DETAILS: &str = "wasm_fail_stream";

impl Worker {
    /// Does what the module asked for, in order; doing it may make the module ask for more.
    pub(crate) fn run_actions(&mut self) {
        while let Some(action) = self.vm.state_mut().actions.pop_front() {
            match action {
                Action::Continue(stream, direction) => self.resume(StreamId(stream), direction),
                Action::Close(stream) => {
                    let id = StreamId(stream);
                    if let Some(stream) = self.vm.stream(id) {
                        stream.details.get_or_insert_with(|| "wasm_close_stream".to_owned());
                    }
                    self.reset_both(id, ResetReason::ClosedByFilter);
                }
                Action::Overflow(stream, reply) => self.reply(StreamId(stream), reply, ResetReason::BufferOverflow),
                Action::Reply(stream, reply) => self.reply(StreamId(stream), reply, ResetReason::LocalReplyTooLate),
            }
        }
    }

    /// Answers in the upstream's place. Before any response headers the reply passes the response callbacks; while they
    /// are held it goes to the client directly; when they are gone there is nothing left but a reset, for `too_late`.
    pub(crate) fn reply(&mut self, id: StreamId, reply: LocalReply, too_late: ResetReason) {
        let Some(stream) = self.vm.stream(id) else { return };
        if stream.response.ended {
            return;
        }
        stream.request_aborted = true;
        stream.details = Some(reply.details);
        if stream.response.headers_sent {
            self.reset_both(id, too_late);
            return;
        }
        let headers = reply_headers(reply.status, reply.headers, &reply.body);
        let body = if is_head(stream) { Bytes::new() } else { reply.body };
        let started = stream.response.headers.is_some();
        self.reset_upstream(id, ResetReason::LocalReply);
        if let Some(stream) = self.vm.stream(id) {
            stream.local = true;
        }
        if started {
            self.send_directly(id, headers, body);
        } else {
            self.on_headers(id, Direction::Response, headers, body.is_empty());
            if !body.is_empty() {
                self.on_data(id, Direction::Response, BytesMut::from(&body[..]), true);
            }
        }
    }

    fn send_directly(&mut self, id: StreamId, headers: HeaderMap, body: Bytes) {
        let Some(stream) = self.vm.stream(id) else { return };
        stream.response_aborted = true;
        stream.response.headers = Some(headers.clone());
        stream.response.headers_sent = true;
        stream.response.held = None;
        self.emit(id, Direction::Response, Frame::Headers { headers, end_stream: body.is_empty() });
        if !body.is_empty() {
            self.emit(id, Direction::Response, Frame::Data { data: body, end_stream: true });
        }
    }

    /// More is held back than may be: asks for Envoy's own reply, ahead of whatever the module may ask for.
    pub(crate) fn overflow(&mut self, id: StreamId, direction: Direction) {
        let (status, body, details) = match direction {
            Direction::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        let body = Bytes::from_static(body.as_bytes());
        let reply = LocalReply { status, body, headers: HeaderMap::new(), details: details.to_owned() };
        self.vm.state_mut().actions.push_back(Action::Overflow(context(id), reply));
    }

    /// The 503 of a stream whose VM is gone. The module is not asked about it.
    pub(crate) fn reply_failed(&mut self, id: StreamId) {
        let Some(stream) = self.vm.stream(id).filter(|stream| stream.mode != Mode::Failed) else { return };
        stream.mode = Mode::Failed;
        let reply = LocalReply {
            status: 503,
            body: Bytes::new(),
            headers: HeaderMap::new(),
            details: FAILED_DETAILS.to_owned(),
        };
        self.reply(id, reply, ResetReason::FilterFailed);
        self.run_actions();
    }

    /// Decides what the module has to do with a new stream, and tells it of the stream.
    pub(crate) fn admit(&mut self, id: StreamId) {
        if self.vm.failed() && self.config.failure_policy == FailurePolicy::Reload {
            self.reload();
        }
        if self.vm.failed() {
            if self.config.failure_policy == FailurePolicy::Open {
                if let Some(stream) = self.vm.stream(id) {
                    stream.mode = Mode::Bypassed;
                }
            } else {
                self.reply_failed(id);
            }
            return;
        }
        let (root, generation) = (self.vm.state().root, self.vm.state().generation);
        if let Some(stream) = self.vm.stream(id) {
            stream.mode = Mode::Filtered;
            stream.generation = generation;
        }
        if let Some(create) = self.vm.exports.on_context_create.clone()
            && self.vm.run("proxy_on_context_create", context(id), &create, (context(id), root)) == Err(Failed)
        {
            self.reply_failed(id);
        }
    }

    /// Starts a new VM, unless the last one was started too short a time ago.
    fn reload(&mut self) {
        let now = self.host.clock().monotonic();
        if now.saturating_sub(self.started) < self.config.reload_backoff {
            return;
        }
        self.started = now;
        let state: State = self.vm.state_mut().succeed();
        let (vm, started) = Vm::start(&self.module, state);
        self.vm = vm;
        if let Err(reason) = started {
            self.vm.state().log(crate::LogLevel::Critical, format!("the plugin was not reloaded: {reason}"));
        }
    }

    /// The module's last words on a stream.
    pub(crate) fn finish(&mut self, id: StreamId) {
        let generation = self.vm.state().generation;
        let Some(stream) = self.vm.stream(id) else { return };
        if stream.mode != Mode::Filtered || stream.generation != generation {
            return;
        }
        stream.logging = true;
        if let Some(on_log) = self.vm.exports.on_log.clone() {
            let _ = self.vm.run("proxy_on_log", context(id), &on_log, context(id));
        }
        if let Some(stream) = self.vm.stream(id) {
            stream.logging = false;
        }
        if let Some(on_done) = self.vm.exports.on_done.clone() {
            let _ = self.vm.run("proxy_on_done", context(id), &on_done, context(id));
        }
        if let Some(on_delete) = self.vm.exports.on_delete.clone() {
            let _ = self.vm.run("proxy_on_delete", context(id), &on_delete, context(id));
        }
        self.run_actions();
    }
}

/// The headers of a local reply (Envoy's `Utility::prepareLocalReply`): with a body its length, and `text/plain` unless
/// the module chose a type; without one neither.
fn reply_headers(status: u32, fields: HeaderMap, body: &Bytes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append(":status", status.to_string());
    for (name, value) in fields {
        headers.add(FieldKind::Response, name, value);
    }
    if body.is_empty() {
        headers.remove("content-length");
        headers.remove("content-type");
    } else {
        headers.set("content-length", body.len().to_string());
        if !headers.contains("content-type") {
            headers.append("content-type", "text/plain");
        }
    }
    headers
}
