//! The configuration as it is written. YAML for people, JSON inside a host; the same document everywhere.

use meshward_audit::{AuditConfig, SpansConfig};
use meshward_catalogue::CatalogueConfig;
use meshward_engine::Size;
use meshward_guards::{DefinitionsConfig, PinsConfig, ResultsConfig, RetriesConfig};
use meshward_identity::IdentityConfig;
use meshward_limits::LimitConfig;
use meshward_metrics::MetricsConfig;
use meshward_policy::PolicyConfig;
use meshward_ratelimit::RateLimitServiceConfig;
use meshward_replay::ReplayConfig;
use meshward_trace::TraceConfig;
use serde::Deserialize;

/// The one value of `apiVersion`.
pub(crate) const API_VERSION: &str = "meshward/v1";

/// The whole configuration. A section that is absent is a stage that is off.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Always `meshward/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Where MCP is spoken.
    pub endpoints: Vec<EndpointConfig>,
    /// On which side the proxy stands: `inbound`, before a server, or `outbound`, behind a client.
    #[serde(default)]
    pub direction: DirectionConfig,
    /// Refuse what is no endpoint with 404 instead of letting it pass.
    #[serde(default)]
    pub strict: bool,
    /// Let request headers wait until the body is decided. Must agree with the host's setting: Envoy's
    /// `allow_on_headers_stop_iteration`.
    #[serde(default)]
    pub header_hold: bool,
    /// How MCP is read.
    #[serde(default)]
    pub protocol: ProtocolConfig,
    /// Where it is read who the caller is.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// What the server says its tools are, and what is made of it. Absent: nothing is learned, and calls are not held
    /// against it.
    #[serde(default)]
    pub catalogue: Option<CatalogueConfig>,
    /// What the definitions of tools must be. Absent: the server may change them.
    #[serde(default)]
    pub pins: Option<PinsConfig>,
    /// What the definitions of tools may say, approved or not. Absent: anything.
    #[serde(default)]
    pub definitions: Option<DefinitionsConfig>,
    /// What the server's results and messages may hold. Absent: anything.
    #[serde(default)]
    pub results: Option<ResultsConfig>,
    /// Which calls the proxy may send to the server again, and how long it waits. Absent: as its routes say, and clients.
    #[serde(default)]
    pub retries: Option<RetriesConfig>,
    /// Who may call what.
    #[serde(default)]
    pub policy: Option<PolicyConfig>,
    /// How many calls in a time, and how many at once.
    #[serde(default)]
    pub limits: Vec<LimitConfig>,
    /// The service that counts for all proxies together (`envoy.service.ratelimit.v3`). It is asked only where a section says so.
    #[serde(default)]
    pub rate_limit_service: Option<RateLimitServiceConfig>,
    /// What keeps requests from being moved to another caller.
    #[serde(default)]
    pub replay: Option<ReplayConfig>,
    /// Which trace a request belongs to. Absent: trace context passes unread.
    #[serde(default)]
    pub trace: Option<TraceConfig>,
    /// What is measured. Absent: nothing but what the policy does.
    #[serde(default)]
    pub metrics: Option<MetricsConfig>,
    /// The audit record: one for each message that is decided.
    #[serde(default)]
    pub audit: Option<AuditConfig>,
    /// What the host's tracer names and labels its spans with.
    #[serde(default)]
    pub spans: Option<SpansConfig>,
}

/// One MCP endpoint.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// The path, byte for byte, without query (`/mcp`). What a server could take for it is refused; list `/mcp/` too if
    /// it is wanted.
    pub path: String,
}

/// Bounds and strictness of reading.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProtocolConfig {
    /// The longest request body. Keep it below the host's buffer limit (Envoy: 1 MiB unless set).
    pub max_request_bytes: Size,
    /// The longest response body that is held, and the longest server-sent event, where responses are read.
    pub max_response_bytes: Size,
    /// The deepest nesting of a message.
    pub max_depth: u16,
    /// The most messages in a batch.
    pub max_batch: usize,
    /// What happens to a JSON-RPC batch (revision 2025-03-26 and before).
    pub batches: BatchesConfig,
    /// How the server's messages are read.
    pub responses: ResponsesConfig,
    /// The origins whose pages may send requests (`https://app.example`), with `*` for any characters. Requests from other
    /// pages are refused with 403; requests without `Origin` come from no page. By default any origin passes, and the
    /// server must look itself.
    pub origins: Option<Vec<String>>,
    /// The protocol revisions that may be spoken. By default all that are known.
    pub revisions: Option<Vec<String>>,
    /// The methods that clients may send, with `*` for any characters. By default any. The policy decides on what is left.
    pub methods: Option<Vec<String>>,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        Self {
            max_request_bytes: Size(1 << 20),
            max_response_bytes: Size(1 << 20),
            max_depth: 64,
            max_batch: 32,
            batches: BatchesConfig::default(),
            responses: ResponsesConfig::default(),
            origins: None,
            revisions: None,
            methods: None,
        }
    }
}

/// On which side the proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DirectionConfig {
    /// Before a server.
    #[default]
    Inbound,
    /// Behind a client.
    Outbound,
}

/// What happens to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BatchesConfig {
    /// It is refused.
    #[default]
    Refuse,
    /// Each message is decided; one that is refused refuses the batch.
    Inspect,
}

/// How the server's messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResponsesConfig {
    /// Only where a stage needs them.
    #[default]
    Pass,
    /// As strictly as the client's; what cannot be read is replaced by an error.
    Strict,
}
