//! What the engine itself is told: endpoints, bounds, and how strict it is.

use meshward_wire::limits::Limits;

use crate::endpoint::Endpoints;

/// The engine's settings, compiled from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where MCP is spoken.
    pub endpoints: Endpoints,
    /// Refuse what is no endpoint instead of passing it.
    pub strict: bool,
    /// The host lets request headers wait while the body arrives (Envoy's `allow_on_headers_stop_iteration`).
    pub header_hold: bool,
    /// Bounds of one request body.
    pub limits: Limits,
    /// Whether JSON-RPC batches are decided at all.
    pub batches: Batches,
    /// How the server's messages are read.
    pub responses: Responses,
    /// Bound of a response body that is held, and of one server-sent event, in bytes.
    pub max_response_bytes: usize,
}

/// What becomes of a JSON-RPC batch, in a revision that has batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batches {
    /// It is refused.
    #[default]
    Refuse,
    /// Each message in it is decided; one that is refused refuses them all.
    Inspect,
}

/// How the server's messages are read where no stage needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Responses {
    /// Not at all.
    #[default]
    Pass,
    /// As strictly as the client's: what cannot be read is replaced by an error.
    Strict,
}
