//! What passes once, in a real Envoy with eight workers, and in two with one rate limit service on a real Redis; and by whose keys,
//! which change under load.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod calls;
mod full;
mod heads;
mod key_sets;
mod nonces;
mod restart;
mod secrets;
mod service;
mod signing;
mod support;
