//! What a worker takes and gives: frames of HTTP messages and calls to other services.

use std::time::Duration;

use bytes::Bytes;

use crate::HeaderMap;

/// One HTTP exchange of a worker. Never used twice by the same worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub(crate) u32);

/// One call that the module made to another service; unique within a worker while the call is open. Tokens of HTTP
/// calls and of gRPC calls are counted apart, so the kind of the call is part of its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CalloutToken {
    /// Of an HTTP call.
    Http(u32),
    /// Of a gRPC call or stream.
    Grpc(u32),
}

/// A part of an HTTP message on its way out of the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The header fields; the first frame of a message.
    Headers {
        /// The fields, pseudo header fields included.
        headers: HeaderMap,
        /// The message has neither body nor trailers.
        end_stream: bool,
    },
    /// A piece of the body; may be empty when it ends the message.
    Data {
        /// The bytes.
        data: Bytes,
        /// The message ends with this piece.
        end_stream: bool,
    },
    /// The trailers; they end the message.
    Trailers(HeaderMap),
    /// The exchange with this side ends here: nothing more is sent to it, and what it still sends is void. Comes at most
    /// once; to the upstream also after the last frame of the request, while the response is not over.
    Reset(ResetReason),
}

/// Why a message was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// A local reply took the place of the exchange: the upstream's part is void.
    LocalReply,
    /// The module wanted a local reply when the response headers had already gone to the client.
    LocalReplyTooLate,
    /// The module closed the stream.
    ClosedByFilter,
    /// The VM trapped when the response headers had already gone to the client.
    FilterFailed,
    /// More of a response body was held back than may be buffered, and the headers had already gone.
    BufferOverflow,
    /// The body does not have the length that `content-length` says. HTTP/1 cannot say it otherwise, and HTTP/2 calls
    /// it a protocol error; through Envoy the receiver hangs or reads garbage.
    ContentLengthMismatch,
    /// The response was complete before the request was.
    ResponseComplete,
    /// The client went away.
    ClientGone,
    /// The upstream went away.
    UpstreamGone,
}

/// What the caller has to do for a worker, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Send a frame of the request on.
    ToUpstream(StreamId, Frame),
    /// Send a frame of the response on. The frame that ends the response ends the exchange: call
    /// [`crate::Worker::close`] when it is written.
    ToClient(StreamId, Frame),
    /// Make an HTTP request; answer with [`crate::Worker::http_call_response`].
    HttpCall(HttpCall),
    /// Make a unary gRPC call; answer with [`crate::Worker::grpc_message`] or [`crate::Worker::grpc_close`].
    GrpcCall(GrpcCall),
    /// Open a gRPC stream.
    GrpcStream(GrpcStream),
    /// Send a message on a gRPC stream.
    GrpcSend {
        /// The stream's token.
        token: CalloutToken,
        /// One protobuf message, without the gRPC frame around it.
        message: Bytes,
        /// Nothing will follow.
        end_stream: bool,
    },
    /// Half-close a gRPC stream: nothing will follow from our side.
    GrpcEnd(CalloutToken),
    /// The call's answer is not wanted any more (time-out, cancelled, or its VM is gone).
    CancelCallout(CalloutToken),
}

/// An HTTP request that the module makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// Names the call when it is answered.
    pub token: CalloutToken,
    /// The cluster to call.
    pub cluster: String,
    /// Request header fields, pseudo header fields included; `content-length` is there when there is a body.
    pub headers: HeaderMap,
    /// The request body.
    pub body: Bytes,
    /// The request trailers.
    pub trailers: HeaderMap,
    /// Beyond it the worker answers the module itself, with a 504; `None` means never.
    pub timeout: Option<Duration>,
}

/// The answer to an [`HttpCall`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// Response header fields with `:status`.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
}

impl HttpResponse {
    /// What Envoy makes of a cluster that cannot be reached: its own 503.
    #[must_use]
    pub fn unreachable() -> Self {
        Self::local(503, "upstream connect error or disconnect/reset before headers")
    }

    /// What Envoy makes of a request that takes longer than its time-out: its own 504.
    #[must_use]
    pub fn timeout() -> Self {
        Self::local(504, "upstream request timeout")
    }

    fn local(status: u16, text: &'static str) -> Self {
        let headers = [
            (":status", status.to_string()),
            ("content-length", text.len().to_string()),
            ("content-type", "text/plain".to_owned()),
        ];
        Self {
            headers: headers.into_iter().collect(),
            body: Bytes::from_static(text.as_bytes()),
            trailers: HeaderMap::new(),
        }
    }
}

/// A unary gRPC call that the module makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCall {
    /// Names the call when it is answered.
    pub token: CalloutToken,
    /// The cluster, or whatever the module named as the service to reach.
    pub cluster: String,
    /// The full name of the gRPC service, `envoy.service.ratelimit.v3.RateLimitService`.
    pub service: String,
    /// The method, `ShouldRateLimit`.
    pub method: String,
    /// Metadata to send first.
    pub initial_metadata: HeaderMap,
    /// One protobuf message, without the gRPC frame around it.
    pub message: Bytes,
    /// Beyond it the worker closes the call itself, with `DEADLINE_EXCEEDED`; `None` means never.
    pub timeout: Option<Duration>,
}

/// A gRPC stream that the module opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcStream {
    /// Names the stream.
    pub token: CalloutToken,
    /// The cluster, or whatever the module named as the service to reach.
    pub cluster: String,
    /// The full name of the gRPC service.
    pub service: String,
    /// The method.
    pub method: String,
    /// Metadata to send first.
    pub initial_metadata: HeaderMap,
}
