//! Stage: a request that was captured, repeated, altered or moved to another caller does not reach the server.
//!
//! - Sessions belong to who opened them: the id that a client gets is the server's id, sealed to its caller ([`SessionsConfig`]).
//!   Nothing is kept, so it holds across proxies and restarts.
//! - What may be used once is remembered for all workers of a proxy ([`Nonces`]), and messages that say when they were made and
//!   which nonce they have are held against it ([`FreshnessConfig`]).
//! - Ids of requests and progress tokens are used once, and responses answer what was asked ([`RequestIdsConfig`]).
//! - A `requestState` goes back once, from whom it was given to, with the request it was given for ([`RequestStateConfig`]).
//! - Tasks belong to who got their ids, by a seal as sessions have ([`TasksConfig`]).
//! - A call is carried out once under its idempotency key ([`IdempotencyConfig`]).
//! - An access token counts only with a proof that who sends it has its key ([`DpopConfig`]).
//! - Requests are signed over what they are: those that come are verified, those that go are signed ([`SignaturesConfig`]).

#![forbid(unsafe_code)]

mod binding;
mod config;
mod dpop;
mod field;
mod freshness;
mod idempotency;
mod key;
mod letters;
mod memory;
mod nonces;
mod request_ids;
mod request_state;
mod seal;
mod sequence;
mod sessions;
mod signatures;
mod stages;
mod state_seal;
mod tasks;

pub use binding::Attribute;
pub use config::{
    FreshnessConfig, IdempotencyConfig, Leniency, NoncesConfig, ReplayConfig, RequestIdsConfig, RequestStateConfig,
    ResponsesConfig, SequenceConfig, SessionsConfig,
};
pub use dpop::{DpopAlgorithm, DpopConfig, DpopNonceConfig};
pub use field::Field;
pub use freshness::FreshnessStage;
pub use idempotency::IdempotencyStage;
pub use key::{Environment, KeyConfig, Secret};
pub use nonces::{Nonces, Seen, Window};
pub use request_ids::RequestIdsStage;
pub use request_state::RequestStateStage;
pub use sessions::SessionsStage;
pub use signatures::{
    AlgorithmConfig, KeySetConfig, NonceConfig, SignConfig, SignatureKeyConfig, SignaturesConfig, SigningKeyConfig,
    VerifyConfig,
};
pub use stages::{ReplayError, ReplayStages};
pub use tasks::{TaskListConfig, TasksConfig, TasksStage};
