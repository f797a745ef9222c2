//! What the server gives out: its results and messages are searched for secrets and personal data.

mod checks;
mod compile;
mod config;
mod inspect;
mod known;
mod search;
mod stage;

pub use compile::Results;
pub use config::{ResultAction, ResultPatternConfig, ResultsConfig};
pub use stage::ResultsStage;

#[cfg(test)]
mod tests;
