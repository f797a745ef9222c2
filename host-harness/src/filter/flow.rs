//! Headers, bodies and trailers through the module, in either direction; holding and letting go.

use bytes::BytesMut;

use crate::vm::stream::{Direction, Half, Iteration, Mode};
use crate::vm::{Failed, abi_len, context};
use crate::{HeaderMap, StreamId, Worker};

/// What the module said about a piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Goes on.
    Continue,
    /// Held, further frames of the body still go to the module (headers only).
    StopHeaders,
    /// Held, and everything behind it.
    StopAll,
    /// A body: held, and shown again with what follows.
    Buffer,
    /// A body: held, but what follows is shown alone.
    Watermark,
    /// A body: thrown away.
    Discard,
    /// The VM is gone; the stream has been taken care of.
    Gone,
}

impl Worker {
    pub(crate) fn on_headers(&mut self, id: StreamId, direction: Direction, headers: HeaderMap, end_stream: bool) {
        let Some(stream) = self.vm.stream(id) else { return };
        let half = stream.half_mut(direction);
        if half.headers.is_some() || half.ended {
            return;
        }
        half.headers = Some(headers);
        half.complete = end_stream;
        if direction == Direction::Request {
            self.admit(id);
        }
        if !self.filtered(id) {
            self.send_headers(id, direction);
            return;
        }
        if let Some(half) = self.half(id, direction) {
            half.headers_open = true;
        }
        let verdict = self.ask_about_headers(id, direction, end_stream);
        if let Some(half) = self.half(id, direction) {
            match verdict {
                Verdict::Continue => half.headers_open = false,
                Verdict::StopHeaders => half.iteration = Iteration::StoppedOne,
                Verdict::StopAll => half.iteration = Iteration::StoppedAll,
                _ => {}
            }
        }
        if verdict == Verdict::Continue && !self.replied(id, direction) {
            self.send_headers(id, direction);
        }
        self.run_actions();
    }

    pub(crate) fn on_data(&mut self, id: StreamId, direction: Direction, data: BytesMut, end_stream: bool) {
        let Some(half) = self.half(id, direction) else { return };
        if half.headers.is_none() || half.complete || half.ended {
            return;
        }
        half.complete = end_stream;
        half.received = half.received.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if half.iteration == Iteration::StoppedAll {
            half.hold(data);
        } else {
            self.filter_data(id, direction, data, end_stream);
        }
    }

    pub(crate) fn on_trailers(&mut self, id: StreamId, direction: Direction, trailers: HeaderMap) {
        let Some(half) = self.half(id, direction) else { return };
        if half.headers.is_none() || half.complete || half.ended {
            return;
        }
        half.complete = true;
        half.trailers = Some(trailers);
        if half.iteration != Iteration::StoppedAll {
            self.filter_trailers(id, direction);
        }
    }

    fn filter_data(&mut self, id: StreamId, direction: Direction, data: BytesMut, end_stream: bool) {
        if !self.filtered(id) {
            self.send_data(id, direction, data, end_stream);
            return;
        }
        let limit = self.config.buffer_limit;
        let Some(half) = self.half(id, direction) else { return };
        if half.cumulative {
            half.hold(data);
            if half.held_len() > limit {
                self.overflow(id, direction);
                // Of a request Envoy still shows the module what was too much; a response is over at once.
                if direction == Direction::Response {
                    self.run_actions();
                    return;
                }
            }
        } else {
            half.chunk = Some(data);
        }
        let verdict = self.ask_about_data(id, direction, end_stream);
        if verdict == Verdict::Gone {
            return;
        }
        let replying = self.vm.state().replying(context(id));
        let Some(half) = self.half(id, direction) else { return };
        half.cumulative = verdict == Verdict::Buffer;
        let chunk = half.chunk.take();
        match verdict {
            Verdict::Continue if replying => {}
            Verdict::Continue => self.pass_data(id, direction, chunk, end_stream),
            Verdict::Buffer | Verdict::Watermark => {
                half.iteration = Iteration::StoppedOne;
                if let Some(chunk) = chunk {
                    half.hold(chunk);
                }
                if verdict == Verdict::Buffer && half.held_len() > limit && !replying {
                    self.overflow(id, direction);
                }
            }
            _ => {
                half.iteration = Iteration::StoppedOne;
                if end_stream && half.held.is_none() {
                    half.held = Some(BytesMut::new());
                }
            }
        }
        self.run_actions();
    }

    /// The module let a piece of a body pass: everything that is held before it goes, too.
    fn pass_data(&mut self, id: StreamId, direction: Direction, chunk: Option<BytesMut>, end_stream: bool) {
        let Some(half) = self.half(id, direction) else { return };
        if half.iteration == Iteration::Going {
            let data = chunk.unwrap_or_default();
            if !self.replied(id, direction) {
                self.send_data(id, direction, data, end_stream);
            }
        } else {
            half.hold(chunk.unwrap_or_default());
            self.resume(id, direction);
        }
    }

    fn filter_trailers(&mut self, id: StreamId, direction: Direction) {
        if !self.filtered(id) {
            self.send_trailers(id, direction);
            return;
        }
        if let Some(half) = self.half(id, direction) {
            half.trailers_open = true;
        }
        let verdict = self.ask_about_trailers(id, direction);
        if let Some(half) = self.half(id, direction) {
            match (verdict, half.iteration) {
                (Verdict::Continue, Iteration::Going) => {
                    half.trailers_open = false;
                    if !self.replied(id, direction) {
                        self.send_trailers(id, direction);
                    }
                }
                (Verdict::Continue, _) => {
                    half.trailers_open = false;
                    self.resume(id, direction);
                }
                (Verdict::Gone, _) => {}
                (_, Iteration::Going) => half.iteration = Iteration::StoppedOne,
                _ => {}
            }
        }
        self.run_actions();
    }

    /// Lets go of what is held: headers, body, trailers. After a stop of everything, body and trailers have yet to be
    /// shown to the module.
    pub(crate) fn resume(&mut self, id: StreamId, direction: Direction) {
        if self.replied(id, direction) {
            return;
        }
        let Some(half) = self.half(id, direction) else { return };
        let show = match half.iteration {
            Iteration::Going => return,
            Iteration::StoppedOne => false,
            Iteration::StoppedAll => true,
        };
        half.iteration = Iteration::Going;
        if half.headers.is_some() && !half.headers_sent {
            self.send_headers(id, direction);
        }
        let Some(half) = self.half(id, direction) else { return };
        let had_trailers = half.trailers.is_some();
        if let Some(held) = half.held.take() {
            let end_stream = half.complete && !had_trailers;
            if show {
                self.filter_data(id, direction, held, end_stream);
            } else {
                self.send_data(id, direction, held, end_stream);
            }
        }
        if had_trailers && !self.replied(id, direction) {
            if show {
                self.filter_trailers(id, direction);
            } else {
                self.send_trailers(id, direction);
            }
        }
    }

    fn ask_about_headers(&mut self, id: StreamId, direction: Direction, end_stream: bool) -> Verdict {
        let (name, callback) = match direction {
            Direction::Request => ("proxy_on_request_headers", &self.vm.exports.on_request_headers),
            Direction::Response => ("proxy_on_response_headers", &self.vm.exports.on_response_headers),
        };
        let Some(callback) = callback.clone().filter(|_| !self.vm.failed()) else { return self.missing(id) };
        let fields = self.half(id, direction).and_then(|half| half.headers.as_ref()).map_or(0, HeaderMap::len);
        let answer = self.vm.run(name, context(id), &callback, (context(id), abi_len(fields), u32::from(end_stream)));
        let hold_headers_only = self.config.allow_on_headers_stop_iteration;
        match answer {
            Err(Failed) => self.fail_stream(id),
            Ok(_) if self.vm.state().stopping => Verdict::StopAll,
            Ok(0 | 2) => Verdict::Continue,
            Ok(1) if hold_headers_only => Verdict::StopHeaders,
            Ok(_) => Verdict::StopAll,
        }
    }

    fn ask_about_data(&mut self, id: StreamId, direction: Direction, end_stream: bool) -> Verdict {
        let (name, callback) = match direction {
            Direction::Request => ("proxy_on_request_body", &self.vm.exports.on_request_body),
            Direction::Response => ("proxy_on_response_body", &self.vm.exports.on_response_body),
        };
        let Some(callback) = callback.clone().filter(|_| !self.vm.failed()) else { return self.missing(id) };
        let len = self.half(id, direction).map_or(0, |half| half.visible());
        let answer = self.vm.run(name, context(id), &callback, (context(id), abi_len(len), u32::from(end_stream)));
        match answer {
            Err(Failed) => self.fail_stream(id),
            Ok(_) if self.vm.state().stopping => Verdict::Discard,
            Ok(0) => Verdict::Continue,
            Ok(1) => Verdict::Buffer,
            Ok(2) => Verdict::Watermark,
            Ok(_) => Verdict::Discard,
        }
    }

    fn ask_about_trailers(&mut self, id: StreamId, direction: Direction) -> Verdict {
        let (name, callback) = match direction {
            Direction::Request => ("proxy_on_request_trailers", &self.vm.exports.on_request_trailers),
            Direction::Response => ("proxy_on_response_trailers", &self.vm.exports.on_response_trailers),
        };
        let Some(callback) = callback.clone().filter(|_| !self.vm.failed()) else { return self.missing(id) };
        let fields = self.half(id, direction).and_then(|half| half.trailers.as_ref()).map_or(0, HeaderMap::len);
        match self.vm.run(name, context(id), &callback, (context(id), abi_len(fields))) {
            Err(Failed) => self.fail_stream(id),
            Ok(0) if !self.vm.state().stopping => Verdict::Continue,
            Ok(_) => Verdict::StopAll,
        }
    }

    /// No callback to call: the module has none, or its VM is gone.
    fn missing(&mut self, id: StreamId) -> Verdict {
        if self.vm.failed() { self.fail_stream(id) } else { Verdict::Continue }
    }

    fn fail_stream(&mut self, id: StreamId) -> Verdict {
        self.reply_failed(id);
        Verdict::Gone
    }

    /// Does the module see this stream? A stream of an earlier VM does not survive it.
    fn filtered(&mut self, id: StreamId) -> bool {
        let generation = self.vm.state().generation;
        let Some(stream) = self.vm.stream(id) else { return false };
        if stream.mode == Mode::Filtered && stream.generation != generation {
            self.reply_failed(id);
        }
        self.vm.stream(id).is_some_and(|stream| stream.mode == Mode::Filtered)
    }

    /// Has this direction been cut off by a reply or a reset?
    pub(crate) fn replied(&mut self, id: StreamId, direction: Direction) -> bool {
        self.vm.stream(id).is_none_or(|stream| stream.aborted(direction))
    }

    pub(crate) fn half(&mut self, id: StreamId, direction: Direction) -> Option<&mut Half> {
        self.vm.stream(id).map(|stream| stream.half_mut(direction))
    }
}
