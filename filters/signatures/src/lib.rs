//! HTTP message signatures (RFC 9421), content digests (RFC 9530), proofs of possession (DPoP, RFC 9449), and the keys for them.
//!
//! Values in, values out: a [`Request`] is what of an HTTP request can be signed, [`Verifier::verify`] says whose signature holds,
//! [`Signer::sign`] makes one, [`ProofVerifier::verify`] says whether who sends a token has its key. What must be covered is said once, by a [`Coverage`], for both. Nothing here knows a clock, a source of
//! chance or where keys come from.

#![forbid(unsafe_code)]

mod base;
mod component;
mod coverage;
mod digest;
mod dpop;
pub mod fuzzing;
mod jwk;
mod key;
mod request;
mod sign;
mod strict_json;
#[cfg(test)]
mod vectors;
mod verify;

pub use component::{Component, Form, Unusable};
pub use coverage::Coverage;
pub use digest::{DigestFault, check_digest, content_digest};
pub use dpop::{Presented, Proof, ProofFault, ProofVerifier, normal_target};
pub use jwk::{Jwk, JwkSet};
pub use key::{Algorithm, JwsAlgorithm, KeyFault, SigningKey, VerifyingKey};
pub use request::Request;
pub use sign::{Signed, Signer, Stamp};
pub use verify::{Failure, Keys, NonceDemand, Verified, Verifier};
