//! The `retries` section of the configuration, as it is written.

use meshward_engine::Period;
use serde::Deserialize;

/// Which calls the proxy may send to the server again, and how long it waits for answers.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RetriesConfig {
    /// What holds for some tools, whatever they say of themselves. The first rule that names a tool decides.
    pub rules: Vec<RetryRuleConfig>,
    /// Whether a tool that is as it was approved (`pins`) and says that it only reads, or that it may run twice, is called
    /// again.
    pub pinned_annotations: bool,
    /// After what a call is sent again.
    pub on: Vec<RetryOn>,
    /// How often it is sent again at most.
    pub max_retries: u32,
    /// How long an answer may take to begin, each time. Absent: as long as it takes.
    pub try_timeout: Option<Period>,
    /// How long an answer may take to end, streams too. Absent: as long as it takes.
    pub timeout: Option<Period>,
}

impl Default for RetriesConfig {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            pinned_annotations: true,
            on: vec![RetryOn::ConnectFailure, RetryOn::RefusedStream, RetryOn::Reset, RetryOn::GatewayError],
            max_retries: 2,
            try_timeout: None,
            timeout: None,
        }
    }
}

/// What holds for some tools.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RetryRuleConfig {
    /// The tools, by their names, with `*` for any characters.
    pub tools: Vec<String>,
    /// Whether their calls may be sent again. Absent: what their annotations say.
    #[serde(default)]
    pub retry: Option<bool>,
    /// In the place of the section's.
    #[serde(default)]
    pub try_timeout: Option<Period>,
    /// Likewise.
    #[serde(default)]
    pub timeout: Option<Period>,
}

/// After what a call is sent again, in Envoy's words (`x-envoy-retry-on`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RetryOn {
    /// There is no connection to the server.
    ConnectFailure,
    /// The server refuses the stream (HTTP/2, `REFUSED_STREAM`).
    RefusedStream,
    /// The connection ends before an answer begins, or none begins in time.
    Reset,
    /// 502, 503 or 504.
    GatewayError,
    /// Any status of 500 and above, and all of the others.
    #[serde(rename = "5xx")]
    ServerError,
}

impl RetryOn {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ConnectFailure => "connect-failure",
            Self::RefusedStream => "refused-stream",
            Self::Reset => "reset",
            Self::GatewayError => "gateway-error",
            Self::ServerError => "5xx",
        }
    }
}
