//! Stage: how many calls in a time, and how many at once.
//!
//! A limit speaks of messages as a rule of the policy does, and tells them apart by a key: the tool, who calls, the session, or
//! whatever an expression makes of the message. Inside one proxy all workers count together in the shared store
//! (`rate.rs`, `slots.rs`); across proxies Envoy's Rate Limit Service counts.
//!
//! It stands behind the stages that decide who may do what: what those refuse uses nothing up.

#![forbid(unsafe_code)]

mod compile;
mod config;
mod key;
mod limit;
mod place;
mod rate;
mod rates;
mod slots;
mod stage;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod store;

pub use compile::Limits;
pub use config::{LimitConfig, OnFailure, OnFull, Scope};
pub use stage::LimitsStage;
