//! Access tokens that only count with their key (DPoP, RFC 9449).

mod challenge;
mod config;
mod stage;

pub use config::{DpopAlgorithm, DpopConfig, DpopNonceConfig};
pub(crate) use stage::DpopStage;
