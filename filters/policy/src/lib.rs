//! Stage: who may call which tool, prompt and resource, with which arguments.
//!
//! A policy is a default and rules. Every rule that matches a message is looked at: one that denies wins over all that
//! allow, one that allows wins over the default. The default is for operations; what only keeps the protocol up
//! (`initialize`, `ping`, lists, notifications) passes unless a rule that names its method denies it. The same decision
//! says which entries of a list its caller sees.

#![forbid(unsafe_code)]

mod compile;
mod condition;
mod config;
mod decide;
mod explain;
mod filter;
mod index;
mod principal;
mod review;
mod rule;
mod selection;
mod sessions;
mod stage;
mod subject;
mod truth;
mod uri;

pub use compile::Fault;
pub use condition::{Condition, Key, Wants};
pub use config::{ArgumentsConfig, Effect, Lists, Mode, PolicyConfig, RefuseAs, RuleConfig};
pub use decide::{Policy, Ruling, Witness, is_upkeep};
pub use explain::{Explanation, Trial, Tried};
pub use principal::PrincipalConfig;
pub use review::{Concern, Permitted, Warning, review};
pub use rule::{Match, Part};
pub use selection::Selection;
pub use stage::PolicyStage;
pub use subject::{Direction, Known, Object, Subject};
pub use truth::Truth;
pub use uri::{UriConfig, UriConfigError, UriException, UriFault, UriRules};
