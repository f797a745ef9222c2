//! Stages: a server's tools are as they were approved, and its results give nothing out that they must not.
//!
//! Each tool that a server lists is held against its pin: a hash of its definition, from the configuration or remembered
//! from when the tool was listed first. And it is read for what a person does not see in it: characters that do not show,
//! text that patterns match, a name that looks like another's. What differs, or says what it should not, is dropped from
//! lists, and its calls are refused. What the server gives out is searched for secrets and personal data (`results`). And a call is sent again only if it may run twice (`retries`).

#![forbid(unsafe_code)]

mod config;
mod definitions;
#[doc(hidden)]
pub mod fuzzing;
mod guards;
mod look;
mod pins;
mod results;
mod retries;
mod review;
mod stage;
mod standing;
mod text;

pub use config::{PinConfig, PinsConfig, Trust, Unlisted};
pub use definitions::{Definitions, DefinitionsConfig, LookalikeRemedy, PatternConfig, Remedy};
pub use guards::Guards;
pub use pins::Pins;
pub use results::{ResultAction, ResultPatternConfig, Results, ResultsConfig, ResultsStage};
pub use retries::{Retries, RetriesConfig, RetriesStage, RetryOn, RetryRuleConfig};
pub use stage::{Approved, GuardsStage};
