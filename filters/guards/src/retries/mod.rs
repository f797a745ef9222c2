//! What may run twice: the proxy's own retries and time-outs, set for each call and not by its client.

mod compile;
mod config;
mod stage;

pub use compile::Retries;
pub use config::{RetriesConfig, RetryOn, RetryRuleConfig};
pub use stage::RetriesStage;

#[cfg(test)]
mod tests;
