//! The exchange machine, driven as a host drives it.

#![expect(unreachable_pub, reason = "one test program in several files")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod liveness;
mod report;
mod request;
mod response;
mod support;
mod without_message;
