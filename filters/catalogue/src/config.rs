//! The `catalogue` section of the configuration, as it is written.

use meshward_engine::Size;
use serde::Deserialize;

/// What is known of the server's tools, and what is made of it.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueConfig {
    /// Learn the tools from the server's `tools/list` results. Without it only `tools` are known.
    pub learn: bool,
    /// What happens to a call whose arguments do not fit the tool's `inputSchema`. All but `off` needs
    /// `meshward-schema.wasm`, the module with a reader of JSON Schema.
    pub schema: SchemaMode,
    /// What happens to a call of a tool of which no definition is known: it was not listed yet, or is beyond a bound.
    pub unknown: UnknownTools,
    /// The most servers that are remembered; of more, the one whose tools changed longest ago is forgotten, but none with tools that
    /// are trusted by first use. With `pins`, the larger of both numbers counts.
    pub max_servers: usize,
    /// The most tools that are remembered of one server; of more, those listed first.
    pub max_tools: usize,
    /// The longest input schema that is remembered.
    pub max_tool_bytes: Size,
    /// The most bytes of names and input schemas that are remembered of one server; of more, those listed first.
    pub max_bytes: Size,
    /// Definitions that win over what a server lists.
    pub tools: Vec<ToolConfig>,
}

impl Default for CatalogueConfig {
    fn default() -> Self {
        Self {
            learn: true,
            schema: SchemaMode::default(),
            unknown: UnknownTools::default(),
            max_servers: 16,
            max_tools: 2048,
            max_tool_bytes: Size(64 << 10),
            max_bytes: Size(8 << 20),
            tools: Vec::new(),
        }
    }
}

/// What happens to a call whose arguments do not fit the tool's input schema, or whose tool's schema cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SchemaMode {
    /// It passes; schemas are not even looked at.
    #[default]
    Off,
    /// It is counted and passes.
    Observe,
    /// It is refused.
    Enforce,
}

/// What happens to a call of a tool of which no definition is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnknownTools {
    /// It passes, unchecked.
    #[default]
    Allow,
    /// It is refused until the server has listed the tool.
    Refuse,
}

/// A tool's definition, given by the operator.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// The tool's name, to the letter.
    pub name: String,
    /// JSON Schema (2020-12 unless `$schema` says another) of the arguments, with `x-mcp-header` where MCP has it.
    #[serde(rename = "inputSchema")]
    pub input_schema: serde_json::Map<String, serde_json::Value>,
}
