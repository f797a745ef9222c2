//! Requests that are signed: those that come are verified, those that go are signed (RFC 9421).

mod config;
mod key_sets;
mod keys;
mod sign;
mod verify;

pub use config::{
    AlgorithmConfig, KeySetConfig, NonceConfig, SignConfig, SignatureKeyConfig, SignaturesConfig, SigningKeyConfig,
    VerifyConfig,
};
pub(crate) use sign::SignStage;
pub(crate) use verify::VerifyStage;
