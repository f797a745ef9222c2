//! What happens to an exchange.

use crate::callout::CalloutOutcome;
use crate::headers::Headers;

/// One thing that happened.
///
/// A host hands in body inputs as [`crate::Exchange::request_demand`] and [`crate::Exchange::response_demand`] ask:
/// none, whole bodies (`…BodyGrew` while it arrives, `…BodyComplete` at its end or at its trailers), or chunks.
#[derive(Debug)]
pub enum Input<'a> {
    /// The request's head. `end_of_stream`: no body and no trailers follow.
    RequestHeaders {
        /// All field lines, pseudo fields included.
        headers: Headers<'a>,
        /// Nothing follows.
        end_of_stream: bool,
    },
    /// The request body is `buffered` bytes long by now, and not complete.
    RequestBodyGrew {
        /// Bytes so far.
        buffered: usize,
    },
    /// The request body, all of it.
    RequestBodyComplete {
        /// The bytes.
        body: &'a [u8],
    },
    /// The response's head, the upstream's or one the host made.
    ResponseHeaders {
        /// All field lines, pseudo fields included.
        headers: Headers<'a>,
        /// Nothing follows.
        end_of_stream: bool,
    },
    /// The response body is `buffered` bytes long by now, and not complete.
    ResponseBodyGrew {
        /// Bytes so far.
        buffered: usize,
    },
    /// The response body, all of it.
    ResponseBodyComplete {
        /// The bytes.
        body: &'a [u8],
    },
    /// The next piece of a response that is read as it streams.
    ResponseBodyChunk {
        /// The bytes since the last chunk.
        chunk: &'a [u8],
        /// The last piece; trailers may follow.
        end_of_stream: bool,
    },
    /// Trailers ended a response that is not held.
    ResponseTrailers,
    /// A callout ended.
    CalloutResult {
        /// Which.
        id: u32,
        /// How.
        outcome: CalloutOutcome,
    },
    /// Some time passed; deadlines are looked at.
    Tick,
    /// The exchange is over, however it ended.
    End,
    /// The host could not carry out what was asked of it: nothing of the exchange goes on.
    Failed,
}
