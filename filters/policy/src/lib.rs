//! Stage: who may call which tool, prompt and resource.
//!
//! A policy is a default and an ordered list of rules. Every rule that matches a message is looked at: one that denies
//! wins over all that allow, one that allows wins over the default. The default is for operations; what only keeps the
//! protocol up (`initialize`, `ping`, lists, notifications) passes unless a rule that names its method denies it.

#![forbid(unsafe_code)]

mod condition;
mod config;
mod decide;
mod stage;
mod subject;
mod uri;

pub use condition::{Condition, Truth, Wants};
pub use config::{Default, Effect, Mode, PolicyConfig, RuleConfig};
pub use decide::{Policy, Ruling};
pub use stage::PolicyStage;
pub use subject::{Direction, Known, Request, Subject};
pub use uri::{UriConfig, UriConfigError, UriException, UriFault, UriRules};
