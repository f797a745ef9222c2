//! Answers to the module's calls, and timers.

use std::time::Duration;

use bytes::Bytes;

use crate::vm::abi_len;
use crate::{CalloutToken, Event, HeaderMap, HttpResponse, Worker};

/// What `proxy_get_status` says of an HTTP call that broke off (`WasmResult::BrokenConnection`).
const BROKEN_CONNECTION: u32 = 11;
/// The gRPC status `DEADLINE_EXCEEDED`.
const DEADLINE_EXCEEDED: u32 = 4;

impl Worker {
    pub(crate) fn deliver_response(&mut self, number: u32, response: Option<HttpResponse>) {
        let state = self.vm.state_mut();
        if state.callouts.http.remove(&number).is_none() {
            return;
        }
        let counts = match &response {
            Some(response) => [response.headers.len(), response.body.len(), response.trailers.len()].map(abi_len),
            None => {
                state.callouts.status = (BROKEN_CONNECTION, "reset".to_owned());
                [0; 3]
            }
        };
        state.callouts.response = response;
        let root = state.root;
        if let Some(callback) = self.vm.exports.on_http_call_response.clone() {
            let [fields, body, trailers] = counts;
            let _ = self.vm.run("proxy_on_http_call_response", root, &callback, (root, number, fields, body, trailers));
        }
        let callouts = &mut self.vm.state_mut().callouts;
        callouts.response = None;
        callouts.status.1.clear();
        self.run_actions();
    }

    pub(crate) fn deliver_message(&mut self, number: u32, message: Bytes) {
        let callouts = &mut self.vm.state_mut().callouts;
        let Some(call) = callouts.grpc.get(&number) else { return };
        if !call.streaming {
            callouts.grpc.remove(&number);
        }
        let len = abi_len(message.len());
        callouts.message = Some(message);
        let root = self.vm.state().root;
        if let Some(callback) = self.vm.exports.on_grpc_receive.clone() {
            let _ = self.vm.run("proxy_on_grpc_receive", root, &callback, (root, number, len));
        }
        self.vm.state_mut().callouts.message = None;
        self.run_actions();
    }

    pub(crate) fn deliver_metadata(&mut self, number: u32, metadata: HeaderMap, initial: bool) {
        let callouts = &mut self.vm.state_mut().callouts;
        if !callouts.grpc.contains_key(&number) {
            return;
        }
        let fields = abi_len(metadata.len());
        let (name, callback) = if initial {
            callouts.initial_metadata = Some(metadata);
            ("proxy_on_grpc_receive_initial_metadata", &self.vm.exports.on_grpc_initial_metadata)
        } else {
            callouts.trailing_metadata = Some(metadata);
            ("proxy_on_grpc_receive_trailing_metadata", &self.vm.exports.on_grpc_trailing_metadata)
        };
        let root = self.vm.state().root;
        if let Some(callback) = callback.clone() {
            let _ = self.vm.run(name, root, &callback, (root, number, fields));
        }
        let callouts = &mut self.vm.state_mut().callouts;
        callouts.initial_metadata = None;
        callouts.trailing_metadata = None;
        self.run_actions();
    }

    pub(crate) fn deliver_close(&mut self, number: u32, status: u32, message: &str) {
        let callouts = &mut self.vm.state_mut().callouts;
        let Some(call) = callouts.grpc.get_mut(&number) else { return };
        call.remote_closed = true;
        if !call.streaming || call.local_closed {
            callouts.grpc.remove(&number);
        }
        callouts.status = (status, message.to_owned());
        let root = self.vm.state().root;
        if let Some(callback) = self.vm.exports.on_grpc_close.clone() {
            let _ = self.vm.run("proxy_on_grpc_close", root, &callback, (root, number, status));
        }
        self.vm.state_mut().callouts.status.1.clear();
        self.run_actions();
    }

    /// When the next timer is due, on the host's monotonic clock.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let state = self.vm.state();
        if self.vm.failed() {
            return None;
        }
        if state.filled_queues().next().is_some() {
            return Some(Duration::ZERO);
        }
        state.next_tick.into_iter().chain(state.callouts.next_deadline()).min()
    }

    pub(crate) fn run_due(&mut self) {
        let now = self.host.clock().monotonic();
        for token in self.vm.state().callouts.overdue(now) {
            self.vm.state_mut().events.push_back(Event::CancelCallout(token));
            match token {
                CalloutToken::Http(number) => self.deliver_response(number, Some(HttpResponse::timeout())),
                CalloutToken::Grpc(number) => self.deliver_close(number, DEADLINE_EXCEEDED, ""),
            }
        }
        self.run_queues();
        let state = self.vm.state_mut();
        let root = state.root;
        if state.next_tick.is_some_and(|due| due <= now) {
            state.next_tick = state.tick_period.map(|period| now.saturating_add(period));
            if let Some(callback) = self.vm.exports.on_tick.clone() {
                let _ = self.vm.run("proxy_on_tick", root, &callback, root);
            }
            self.run_actions();
        }
    }

    fn run_queues(&mut self) {
        let filled: Vec<(u32, u64)> = self.vm.state().filled_queues().collect();
        for (token, enqueued) in filled {
            let state = self.vm.state_mut();
            state.queues.insert(token, enqueued);
            let root = state.root;
            if let Some(callback) = self.vm.exports.on_queue_ready.clone() {
                let _ = self.vm.run("proxy_on_queue_ready", root, &callback, (root, token));
            }
            self.run_actions();
        }
    }
}
