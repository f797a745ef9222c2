//! The `pins` section of the configuration, as it is written.

use meshward_engine::{Mode, Size};
use serde::Deserialize;

/// What the definitions of tools must be.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PinsConfig {
    /// `enforce`, or `observe`: decide, count and log, but let pass.
    pub mode: Mode,
    /// Which definitions are trusted, besides those of `tools`.
    pub trust: Trust,
    /// Remembers anew what is trusted by first use, when it is a higher number than before.
    pub epoch: u64,
    /// What happens to a call of a pinned tool whose definition is not known, since no list has passed here since the
    /// proxy started, or since the server said that its list has changed.
    pub unlisted: Unlisted,
    /// The pins: tools by name, with the hash of the definition. `meshward pin` writes them.
    pub tools: Vec<PinConfig>,
    /// The most servers that are remembered; what more servers list is not trusted by first use. With a `catalogue`, the larger of both
    /// numbers counts.
    pub max_servers: usize,
    /// The most tools that are remembered of one server, besides those with a pin. What is beyond is not trusted.
    pub max_tools: usize,
    /// The longest definition that is hashed. A longer one is none that was approved.
    pub max_definition_bytes: Size,
}

impl Default for PinsConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            trust: Trust::default(),
            epoch: 0,
            unlisted: Unlisted::default(),
            tools: Vec::new(),
            max_servers: 16,
            max_tools: 2048,
            max_definition_bytes: Size(256 << 10),
        }
    }
}

/// A tool's pin. A tool may have several: each definition is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PinConfig {
    /// The tool's name, to the letter.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits: the SHA-256 of the definition without its `name`, in canonical form (RFC 8785).
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^sha256:[0-9a-f]{64}$")))]
    pub hash: String,
    /// The endpoint, by its path. Absent: every one.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// Which definitions are trusted that have no pin in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// None: a tool without a pin is refused.
    #[default]
    Configured,
    /// The one that the server lists first, until the proxy ends.
    FirstUse,
}

/// What happens to a call of a tool that is pinned and was not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unlisted {
    /// It passes: no other definition has been shown to anybody.
    #[default]
    Allow,
    /// It is refused until the server has listed the tool.
    Refuse,
}
