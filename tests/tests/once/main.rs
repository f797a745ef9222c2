//! What passes once, in a real Envoy with eight workers, and in two with one rate limit service on a real Redis.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod calls;
mod nonces;
mod service;
mod support;
