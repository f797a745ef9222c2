//! Calls to other services while a request waits.

/// A call to another service, by the name the host knows it under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// Which call of this exchange; the result carries it back. The engine numbers calls, whatever a stage writes here.
    pub id: u32,
    /// The host's name of the service (an Envoy cluster).
    pub cluster: String,
    /// What is sent.
    pub request: CalloutRequest,
    /// After so many milliseconds the call has failed. Never 0, which hosts take for no bound.
    pub timeout_ms: u32,
}

/// What a service is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalloutRequest {
    /// A request of HTTP; [`CalloutOutcome::Answered`].
    Http {
        /// Header fields, the pseudo fields `:method`, `:path` and `:authority` among them.
        headers: Vec<(String, String)>,
        /// The content.
        body: Vec<u8>,
    },
    /// A unary call of gRPC; [`CalloutOutcome::Grpc`].
    Grpc {
        /// The service's full name: `envoy.service.ratelimit.v3.RateLimitService`.
        service: &'static str,
        /// The method's name.
        method: &'static str,
        /// One message, serialized, without gRPC's frame.
        message: Vec<u8>,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalloutOutcome {
    /// A service answered over HTTP.
    Answered {
        /// HTTP status.
        status: u16,
        /// The content.
        body: Vec<u8>,
    },
    /// A call of gRPC ended, by the service's word or by the host's: a host says in gRPC's words too that it could not
    /// reach a service, or that none answered in time.
    Grpc {
        /// The status, 0 for success (gRPC, Status codes and their use in gRPC).
        status: u32,
        /// The answer, without gRPC's frame; empty where the status is not 0.
        message: Vec<u8>,
    },
    /// It could not be reached, was reset, or did not answer in time.
    Failed,
}
