//! The catalogue on a store that several workers share.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

mod approvals;
mod bounds;
mod known;
mod store;
mod support;
