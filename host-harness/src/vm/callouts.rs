//! Calls to other services that a VM has open, and the answer that is being delivered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::{CalloutToken, Event, HeaderMap, HttpResponse};

/// An open gRPC call or stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grpc {
    pub(crate) deadline: Option<Duration>,
    pub(crate) streaming: bool,
    pub(crate) local_closed: bool,
    pub(crate) remote_closed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Callouts {
    /// Open HTTP calls with their deadlines.
    pub(crate) http: BTreeMap<u32, Option<Duration>>,
    pub(crate) grpc: BTreeMap<u32, Grpc>,
    last_http: u32,
    last_grpc: u32,
    /// The response that the module is being told about.
    pub(crate) response: Option<HttpResponse>,
    /// The message that the module is being told about.
    pub(crate) message: Option<Bytes>,
    pub(crate) initial_metadata: Option<HeaderMap>,
    pub(crate) trailing_metadata: Option<HeaderMap>,
    /// What `proxy_get_status` says: of the call that failed last.
    pub(crate) status: (u32, String),
}

impl Callouts {
    pub(crate) fn new_http(&mut self, deadline: Option<Duration>) -> u32 {
        loop {
            self.last_http = self.last_http.wrapping_add(1);
            if self.last_http != 0 && !self.http.contains_key(&self.last_http) {
                self.http.insert(self.last_http, deadline);
                return self.last_http;
            }
        }
    }

    pub(crate) fn new_grpc(&mut self, deadline: Option<Duration>, streaming: bool) -> u32 {
        loop {
            self.last_grpc = self.last_grpc.wrapping_add(1);
            if self.last_grpc != 0 && !self.grpc.contains_key(&self.last_grpc) {
                let call = Grpc { deadline, streaming, local_closed: false, remote_closed: false };
                self.grpc.insert(self.last_grpc, call);
                return self.last_grpc;
            }
        }
    }

    /// The earliest deadline of an open call.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let http = self.http.values().copied().flatten();
        http.chain(self.grpc.values().filter_map(|call| call.deadline)).min()
    }

    /// The calls whose deadline has passed, oldest first.
    pub(crate) fn overdue(&self, now: Duration) -> Vec<CalloutToken> {
        let due = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline <= now);
        let http =
            self.http.iter().filter(|(_, deadline)| due(**deadline)).map(|(token, _)| CalloutToken::Http(*token));
        let grpc = self.grpc.iter().filter(|(_, call)| due(call.deadline)).map(|(token, _)| CalloutToken::Grpc(*token));
        http.chain(grpc).collect()
    }

    pub(crate) fn cancel_all(&mut self, events: &mut VecDeque<Event>) {
        events.extend(std::mem::take(&mut self.http).into_keys().map(|t| Event::CancelCallout(CalloutToken::Http(t))));
        events.extend(std::mem::take(&mut self.grpc).into_keys().map(|t| Event::CancelCallout(CalloutToken::Grpc(t))));
        self.response = None;
        self.message = None;
        self.initial_metadata = None;
        self.trailing_metadata = None;
    }
}
