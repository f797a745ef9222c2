//! The `limits` section of the configuration, as it is written.

use meshward_engine::Mode;
use meshward_policy::{PrincipalConfig, RuleConfig};
use serde::Deserialize;

/// One limit. It speaks of the messages that a rule of the policy with the same `methods`, `tools`, `prompts`, `resources`,
/// `principals` and `when` would match; where several speak of a message, all hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Its name in metrics, logs, the audit record and the shared store; unique.
    pub name: String,
    /// `enforce`, or `observe`: what would be refused is counted and logged, and passes.
    #[serde(default)]
    pub mode: Mode,
    /// Methods (`tools/call`). Without them: the methods that use the things named below, or every operation.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    /// Names of tools.
    #[serde(default)]
    pub tools: Option<Vec<String>>,
    /// Names of prompts.
    #[serde(default)]
    pub prompts: Option<Vec<String>>,
    /// URIs of resources.
    #[serde(default)]
    pub resources: Option<Vec<String>>,
    /// Who calls: any one of these.
    #[serde(default)]
    pub principals: Option<Vec<PrincipalConfig>>,
    /// A condition in CEL. One that cannot be evaluated holds: the call is limited.
    #[serde(default)]
    pub when: Option<String>,
    /// What is counted apart: `tool`, `principal`, `session`, or expressions in CEL (`jwt.tenant`, `args.repo`). Without any, all
    /// calls are counted together. What has no value is a value of its own.
    #[serde(default)]
    pub key: Vec<String>,
    /// How many calls in a second.
    #[serde(default)]
    pub per_second: Option<u32>,
    /// How many calls in a minute.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// How many calls may come at once after a pause; by default as many as in the whole second or minute.
    #[serde(default)]
    pub burst: Option<u32>,
    /// How many calls may be under way at once.
    #[serde(default)]
    pub concurrent: Option<u32>,
    /// Who counts: this proxy, or the rate limit service for all proxies together.
    #[serde(default)]
    pub scope: Scope,
    /// What happens to a call when it cannot be known whether it is within the limit.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How many keys this proxy counts apart at the same time.
    #[serde(default)]
    pub max_keys: Option<u32>,
    /// What happens to calls with further keys.
    #[serde(default)]
    pub on_full: Option<OnFull>,
}

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All workers of this proxy, in the store they share.
    #[default]
    Proxy,
    /// The service of `rate_limit_service`.
    Service,
}

/// What happens when nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The call is refused.
    #[default]
    Deny,
    /// It passes, as far as this limit goes.
    Allow,
}

/// What happens when there are too many keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// They share one limit with one another.
    #[default]
    Share,
    /// They are refused.
    Deny,
}

impl LimitConfig {
    /// The rule that would match the same messages.
    pub(crate) fn rule(&self) -> RuleConfig {
        RuleConfig {
            methods: self.methods.clone(),
            tools: self.tools.clone(),
            prompts: self.prompts.clone(),
            resources: self.resources.clone(),
            principals: self.principals.clone(),
            when: self.when.clone(),
            ..RuleConfig::denying(&self.name)
        }
    }
}
