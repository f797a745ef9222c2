//! Stage: a request that was captured, repeated, altered or moved to another caller does not reach the server.
//!
//! - Sessions belong to who opened them: the id that a client gets is the server's id, sealed to its caller ([`SessionsConfig`]).
//!   Nothing is kept, so it holds across proxies and restarts.
//! - What may be used once is remembered for all workers of a proxy ([`Nonces`]), and messages that say when they were made and
//!   which nonce they have are held against it ([`FreshnessConfig`]).

#![forbid(unsafe_code)]

mod binding;
mod config;
mod field;
mod freshness;
mod key;
mod nonces;
mod seal;
mod sessions;
mod stages;

pub use binding::Attribute;
pub use config::{FreshnessConfig, Leniency, NoncesConfig, ReplayConfig, SessionsConfig};
pub use field::Field;
pub use freshness::FreshnessStage;
pub use key::{Environment, KeyConfig, Secret};
pub use nonces::{Nonces, Seen, Window};
pub use sessions::SessionsStage;
pub use stages::{ReplayError, ReplayStages};
