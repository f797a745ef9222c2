//! The `policy` section of the configuration, as it is written.

use meshward_engine::Size;
use serde::Deserialize;

use crate::principal::PrincipalConfig;
use crate::subject::Direction;
use crate::uri::UriConfig;

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
    #[serde(default = "deny")]
    pub default: Effect,
    /// What happens to a server's own request (sampling, elicitation, roots) that no rule with `direction: server` speaks
    /// of.
    #[serde(default = "allow")]
    pub server_requests: Effect,
    /// What becomes of the results of `tools/list`, `prompts/list`, `resources/list` and `resources/templates/list`.
    #[serde(default)]
    pub lists: Lists,
    /// What a caller gets whom the default refuses.
    #[serde(default)]
    pub refuse_as: RefuseAs,
    /// Words for whom the default refuses, instead of ours. They are shown to the caller.
    #[serde(default)]
    pub message: Option<String>,
    /// Refuse by default as though there were no such tool, prompt or resource.
    #[serde(default)]
    pub hide: bool,
    /// What every URI of a resource must be like, whatever the rules say.
    #[serde(default)]
    pub uris: UriConfig,
    /// Bounds of the arguments of tools.
    #[serde(default)]
    pub arguments: Vec<ArgumentsConfig>,
    /// The rules; their order does not matter for the decision, only for which rule is named in the log.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
}

const fn deny() -> Effect {
    Effect::Deny
}

const fn allow() -> Effect {
    Effect::Allow
}

/// Whether decisions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are counted and logged only.
    Shadow,
}

/// What becomes of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Lists {
    /// What a caller may not use is taken out.
    #[default]
    Filter,
    /// They pass unread.
    Pass,
}

/// The shape of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefuseAs {
    /// A JSON-RPC error, for the program that calls.
    #[default]
    Error,
    /// The result of a tool call with `isError: true`, so that a model reads it. What is no tool call gets an error.
    Result,
}

/// Bounds of the arguments of tools.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ArgumentsConfig {
    /// The tools, by patterns of their names.
    pub tools: Vec<String>,
    /// The longest `arguments`, as the JSON text that is sent. Where several bounds speak of a tool, all hold.
    pub max_bytes: Size,
}

/// One rule. It matches a message when every kind of condition given matches; a rule without conditions matches every
/// operation. Names are matched to the letter, with `*` for any run of characters.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name in logs and reports; unique.
    pub name: String,
    /// What it says of the messages it matches.
    pub effect: Effect,
    /// `shadow`: it decides nothing, but what it would change is counted and logged.
    #[serde(default)]
    pub mode: Mode,
    /// Whose messages it speaks of: the client's, or the server's own requests.
    #[serde(default)]
    pub direction: Direction,
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
    /// What the URI of a resource is like, part by part. With `resources`, both must match.
    #[serde(default)]
    pub uri: Option<UriConfig>,
    /// Who calls: any one of these.
    #[serde(default)]
    pub principals: Option<Vec<PrincipalConfig>>,
    /// The client's own name (`clientInfo.name`). It is a claim that nobody has proved.
    #[serde(default)]
    pub clients: Option<Vec<String>>,
    /// Protocol revisions (`2026-07-28`).
    #[serde(default)]
    pub revisions: Option<Vec<String>>,
    /// A condition in CEL. It runs only when all the rest matches; one that cannot be evaluated allows nothing.
    #[serde(default)]
    pub when: Option<String>,
    /// What a caller gets whom it refuses.
    #[serde(default)]
    pub refuse_as: Option<RefuseAs>,
    /// Words for whom it refuses, instead of ours. They are shown to the caller.
    #[serde(default)]
    pub message: Option<String>,
    /// Refuse as though there were no such tool, prompt or resource.
    #[serde(default)]
    pub hide: Option<bool>,
}

impl RuleConfig {
    /// A rule that denies every operation.
    #[must_use]
    pub fn denying(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            effect: Effect::Deny,
            mode: Mode::default(),
            direction: Direction::default(),
            methods: None,
            tools: None,
            prompts: None,
            resources: None,
            uri: None,
            principals: None,
            clients: None,
            revisions: None,
            when: None,
            refuse_as: None,
            message: None,
            hide: None,
        }
    }
}

/// What a rule, or a default, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Lets pass.
    Allow,
    /// Refuses, whatever other rules allow.
    Deny,
}
