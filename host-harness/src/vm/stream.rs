//! One HTTP exchange as a filter chain with one filter sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{HeaderMap, Properties};

/// Which half of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Whether frames go through the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Iteration {
    /// Each frame goes to the module and, if it says so, on.
    #[default]
    Going,
    /// The module holds what it has seen; further frames still go to it.
    StoppedOne,
    /// Nothing goes to the module until it continues.
    StoppedAll,
}

/// What the module has to do with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// No headers yet.
    #[default]
    New,
    /// The module sees the stream.
    Filtered,
    /// The VM had failed before the stream began, and the policy is to go on without it.
    Bypassed,
    /// The stream is ending with the 503 of a failed VM; the module is not asked any more.
    Failed,
}

/// One direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) iteration: Iteration,
    pub(crate) headers: Option<HeaderMap>,
    /// The module may read and change the headers.
    pub(crate) headers_open: bool,
    pub(crate) headers_sent: bool,
    /// What is held back of the body. An empty one stands for an empty frame that is held.
    pub(crate) held: Option<BytesMut>,
    /// The piece of the body that the module is being shown.
    pub(crate) chunk: Option<BytesMut>,
    /// The module paused on the body: it is shown all that is held.
    pub(crate) cumulative: bool,
    pub(crate) trailers: Option<HeaderMap>,
    /// The module may read and change the trailers.
    pub(crate) trailers_open: bool,
    /// All frames have come in.
    pub(crate) complete: bool,
    /// All frames have gone out, or the direction was cut off.
    pub(crate) ended: bool,
    /// What `content-length` promised and has not gone out yet.
    pub(crate) owed: Option<u64>,
    /// The bytes of the body that came in.
    pub(crate) received: u64,
}

impl Half {
    /// How many bytes of the body the module can see.
    pub(crate) fn visible(&self) -> usize {
        self.body().map_or(0, BytesMut::len)
    }

    /// The part of the body that the module can see.
    pub(crate) fn body(&self) -> Option<&BytesMut> {
        if self.cumulative { self.held.as_ref() } else { self.chunk.as_ref() }
    }

    /// The part of the body that the module can change.
    pub(crate) fn body_mut(&mut self) -> Option<&mut BytesMut> {
        if self.cumulative { self.held.as_mut() } else { self.chunk.as_mut() }
    }

    pub(crate) fn hold(&mut self, data: BytesMut) {
        match &mut self.held {
            Some(held) => held.unsplit(data),
            None => self.held = Some(data),
        }
    }

    pub(crate) fn held_len(&self) -> usize {
        self.held.as_ref().map_or(0, BytesMut::len)
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    /// Which VM of the worker knows the stream.
    pub(crate) generation: u32,
    pub(crate) mode: Mode,
    pub(crate) properties: Properties,
    pub(crate) filter_state: BTreeMap<String, Bytes>,
    pub(crate) details: Option<String>,
    pub(crate) route_cache_clears: u32,
    pub(crate) request: Half,
    pub(crate) response: Half,
    /// Nothing more of the request goes through: it was replied to, or reset.
    pub(crate) request_aborted: bool,
    /// Nothing more of the upstream's response goes through.
    pub(crate) response_aborted: bool,
    /// The response is a local reply: what the upstream still sends is void.
    pub(crate) local: bool,
    /// The upstream has been told that its part is over, or went away itself.
    pub(crate) upstream_gone: bool,
    /// `on_log` runs: all headers can be read and none changed.
    pub(crate) logging: bool,
    /// When the stream was opened, since the Unix epoch.
    pub(crate) opened: Duration,
}

impl Stream {
    pub(crate) fn new(properties: Properties, opened: Duration) -> Self {
        Self {
            generation: 0,
            mode: Mode::New,
            properties,
            filter_state: BTreeMap::new(),
            details: None,
            route_cache_clears: 0,
            request: Half::default(),
            response: Half::default(),
            request_aborted: false,
            response_aborted: false,
            local: false,
            upstream_gone: false,
            logging: false,
            opened,
        }
    }

    pub(crate) fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) fn half_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    pub(crate) fn aborted(&self, direction: Direction) -> bool {
        match direction {
            Direction::Request => self.request_aborted,
            Direction::Response => self.response_aborted,
        }
    }
}
