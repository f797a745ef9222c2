//! Calls to other services while a request waits.

/// A request to another service, by the name the host knows it under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// Which call of this exchange; the result carries it back.
    pub id: u32,
    /// The host's name of the service (an Envoy cluster).
    pub cluster: String,
    /// Header fields, the pseudo fields `:method`, `:path` and `:authority` among them.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
    /// After so many milliseconds the call has failed.
    pub timeout_ms: u32,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalloutOutcome {
    /// The service answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// The content.
        body: Vec<u8>,
    },
    /// It could not be reached, was reset, or did not answer in time.
    Failed,
}
