//! Which rule decides: tables, and a plain reading of the rules beside the compiled policy.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod agreement;
mod differential;
mod review;
mod support;
mod table;
