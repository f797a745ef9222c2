//! One VM.

/// What the host functions of a VM work on.
#[derive(Debug)]
pub(crate) struct State {}
