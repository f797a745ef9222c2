//! Frames on their way out, and the end of messages.

use bytes::BytesMut;

use crate::vm::stream::{Direction, Stream};
use crate::{Event, Frame, HeaderMap, ResetReason, StreamId, Worker};

impl Worker {
    pub(crate) fn send_headers(&mut self, id: StreamId, direction: Direction) {
        let Some(stream) = self.sendable(id, direction) else { return };
        let bodiless = direction == Direction::Response && has_no_body(stream);
        let half = stream.half_mut(direction);
        let Some(headers) = half.headers.clone().filter(|_| !half.headers_sent) else { return };
        let end_stream = half.complete && half.held.is_none() && half.chunk.is_none() && half.trailers.is_none();
        half.headers_sent = true;
        half.headers_open = false;
        half.owed = headers.get_str("content-length").and_then(|len| len.parse().ok()).filter(|_| !bodiless);
        let short = end_stream && half.owed.is_some_and(|owed| owed > 0);
        self.emit(id, direction, Frame::Headers { headers, end_stream });
        if short {
            self.reset_both(id, ResetReason::ContentLengthMismatch);
        }
    }

    pub(crate) fn send_data(&mut self, id: StreamId, direction: Direction, data: BytesMut, end_stream: bool) {
        let Some(stream) = self.sendable(id, direction) else { return };
        let half = stream.half_mut(direction);
        if data.is_empty() && !end_stream {
            return;
        }
        if let Some(owed) = half.owed {
            let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
            half.owed = owed.checked_sub(len);
            if half.owed.is_none_or(|owed| end_stream && owed > 0) {
                self.reset_both(id, ResetReason::ContentLengthMismatch);
                return;
            }
        }
        self.emit(id, direction, Frame::Data { data: data.freeze(), end_stream });
    }

    pub(crate) fn send_trailers(&mut self, id: StreamId, direction: Direction) {
        let Some(stream) = self.sendable(id, direction) else { return };
        let half = stream.half_mut(direction);
        half.trailers_open = false;
        let Some(trailers) = half.trailers.clone() else { return };
        if half.owed.is_some_and(|owed| owed > 0) {
            self.reset_both(id, ResetReason::ContentLengthMismatch);
        } else {
            self.emit(id, direction, Frame::Trailers(trailers));
        }
    }

    /// The stream, if this direction may still send.
    fn sendable(&mut self, id: StreamId, direction: Direction) -> Option<&mut Stream> {
        self.vm.stream(id).filter(|stream| !stream.aborted(direction) && !stream.half(direction).ended)
    }

    /// Hands a frame to the caller. Nothing follows one that ends the message.
    pub(crate) fn emit(&mut self, id: StreamId, direction: Direction, frame: Frame) {
        let ends = match &frame {
            Frame::Headers { end_stream, .. } | Frame::Data { end_stream, .. } => *end_stream,
            Frame::Trailers(_) | Frame::Reset(_) => true,
        };
        let state = self.vm.state_mut();
        state.events.push_back(match direction {
            Direction::Request => Event::ToUpstream(id, frame),
            Direction::Response => Event::ToClient(id, frame),
        });
        if !ends {
            return;
        }
        if let Some(half) = self.half(id, direction) {
            half.ended = true;
        }
        if direction == Direction::Response {
            self.reset_upstream(id, ResetReason::ResponseComplete);
        }
    }

    /// Tells the upstream that its part is void, if it has one that is not over.
    pub(crate) fn reset_upstream(&mut self, id: StreamId, reason: ResetReason) {
        let Some(stream) = self.vm.stream(id) else { return };
        stream.request_aborted = true;
        let answered = stream.response.complete && !stream.local;
        let open = stream.request.headers_sent && !(stream.request.ended && answered) && !stream.upstream_gone;
        stream.request.ended = true;
        stream.upstream_gone = true;
        if open {
            self.vm.state_mut().events.push_back(Event::ToUpstream(id, Frame::Reset(reason)));
        }
    }

    /// Cuts off what is left of the exchange on both sides.
    pub(crate) fn reset_both(&mut self, id: StreamId, reason: ResetReason) {
        self.reset_upstream(id, reason);
        let Some(stream) = self.vm.stream(id) else { return };
        stream.response_aborted = true;
        if !stream.response.ended {
            self.emit(id, Direction::Response, Frame::Reset(reason));
        }
    }
}

/// Responses whose `content-length` is not the length of what follows (RFC 9110 section 8.6).
fn has_no_body(stream: &Stream) -> bool {
    let status = stream.response.headers.as_ref().and_then(HeaderMap::status);
    is_head(stream) || matches!(status, Some(100..=199 | 204 | 304))
}

pub(super) fn is_head(stream: &Stream) -> bool {
    stream.request.headers.as_ref().and_then(|headers| headers.get(":method")).is_some_and(|method| method == "HEAD")
}
