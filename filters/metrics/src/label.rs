//! Labels: their names, and their values, which are never made from what somebody sent.

use serde::Deserialize;

/// A label that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// `mcp_method_name`: a method of MCP, or `other`.
    Method,
    /// `gen_ai_tool_name`: a tool that the configuration or the server names, or `other`.
    Tool,
    /// `gen_ai_prompt_name`: a prompt that the configuration names, or `other`.
    Prompt,
    /// `error_type`: why it failed.
    ErrorType,
    /// `rpc_response_status_code`: the code of a JSON-RPC error, or `other`.
    StatusCode,
    /// `mcp_protocol_version`.
    Revision,
    /// `reason`: why it was, or would have been, refused.
    Reason,
    /// `rule`: the rule that decided.
    Rule,
    /// `endpoint`: the endpoint's path.
    Endpoint,
}

/// A label. Those that [`Label`] does not name are what their metric is about, and always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Method,
    Tool,
    Prompt,
    ErrorType,
    StatusCode,
    Revision,
    Reason,
    Rule,
    Endpoint,
    Outcome,
    Decision,
    Sender,
}

impl Key {
    /// Its name in a series.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Method => "mcp_method_name",
            Self::Tool => "gen_ai_tool_name",
            Self::Prompt => "gen_ai_prompt_name",
            Self::ErrorType => "error_type",
            Self::StatusCode => "rpc_response_status_code",
            Self::Revision => "mcp_protocol_version",
            Self::Reason => "reason",
            Self::Rule => "rule",
            Self::Endpoint => "endpoint",
            Self::Outcome => "outcome",
            Self::Decision => "decision",
            Self::Sender => "sender",
        }
    }

    /// The label that a configuration can leave out.
    pub(crate) const fn optional(self) -> Option<Label> {
        Some(match self {
            Self::Method => Label::Method,
            Self::Tool => Label::Tool,
            Self::Prompt => Label::Prompt,
            Self::ErrorType => Label::ErrorType,
            Self::StatusCode => Label::StatusCode,
            Self::Revision => Label::Revision,
            Self::Reason => Label::Reason,
            Self::Rule => Label::Rule,
            Self::Endpoint => Label::Endpoint,
            Self::Outcome | Self::Decision | Self::Sender => return None,
        })
    }
}

/// A label's value, small enough to look a series up without writing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// Of a closed list.
    Fixed(&'static str),
    /// A code or a status.
    Number(i32),
    /// A name, by its place in the vocabulary.
    Name(u32),
}

/// The value of whatever is not known.
pub(crate) const OTHER: Value = Value::Fixed("other");
