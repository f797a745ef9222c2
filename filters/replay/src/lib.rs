//! Stage: a request that was captured, repeated, altered or moved to another caller does not reach the server.
//!
//! So far it binds sessions: the id that a client gets is the server's id, sealed to who opened the session
//! ([`SessionsConfig`]). Nothing is kept, so it holds across proxies and restarts.

#![forbid(unsafe_code)]

mod binding;
mod config;
mod key;
mod seal;
mod stage;

pub use binding::Attribute;
pub use config::{ReplayConfig, SessionsConfig};
pub use key::{Environment, KeyConfig, Secret};
pub use stage::{ReplayError, ReplayStage};
