//! Bytes to MCP and back.
//!
//! Everything here is a function of bytes: strict JSON-RPC reading into spans ([`message`]), the registry of refusals
//! ([`refusal`]), edits that leave every other byte alone ([`splice`]), server-sent events ([`sse`]), headers that repeat the body ([`mirrored`]), and what the
//! protocol's revisions say of methods ([`method`]) and of themselves ([`revision`]).
//! No clock, no randomness, no host.

#![forbid(unsafe_code)]

mod field;
mod scan;

pub mod annotations;
#[doc(hidden)]
pub mod fuzzing;
pub mod json;
pub mod limits;
pub mod listing;
pub mod message;
pub mod method;
pub mod mirrored;
pub mod refusal;
pub mod revision;
pub mod splice;
pub mod sse;
