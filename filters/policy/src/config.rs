//! The `policy` section of the configuration, as it is written.

use serde::Deserialize;

/// Who may do what.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// `enforce`, or `shadow`: decide, count and log, but let pass.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to an operation (calling a tool, getting a prompt, reading a resource, an unknown method) that no
    /// rule speaks of.
    #[serde(default)]
    pub default: Default,
    /// The rules; their order does not matter for the decision, only for which rule is named in the log.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
}

/// Whether decisions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, core::default::Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are counted and logged only.
    Shadow,
}

/// The decision where no rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, core::default::Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Default {
    /// Refuse the operation.
    #[default]
    Deny,
    /// Let it pass.
    Allow,
}

/// One rule. It matches a message when every kind of condition given matches; a rule without conditions matches every
/// operation. Names are matched to the letter, with `*` for any run of characters.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name in logs and reports; unique.
    pub name: String,
    /// What it says of the messages it matches.
    pub effect: Effect,
    /// Methods (`tools/call`, `notifications/*`). Without them: the methods that use the things named below, or every
    /// operation.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    /// Names of tools.
    #[serde(default)]
    pub tools: Option<Vec<String>>,
    /// Names of prompts.
    #[serde(default)]
    pub prompts: Option<Vec<String>>,
    /// URIs of resources and resource templates.
    #[serde(default)]
    pub resources: Option<Vec<String>>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Lets pass.
    Allow,
    /// Refuses, whatever other rules allow.
    Deny,
}
