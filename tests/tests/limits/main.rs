//! Limits in a real Envoy with eight workers, and a rate limit service on a real Redis.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod rate;
mod service;

mod slots;
mod support;
