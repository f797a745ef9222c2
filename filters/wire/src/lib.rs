//! Bytes to MCP and back.
//!
//! Everything here is a function of bytes: strict JSON-RPC reading into spans ([`message`]), the registry of refusals
//! ([`refusal`]), and edits that leave every other byte alone ([`splice`]).
//! No clock, no randomness, no host.

#![forbid(unsafe_code)]

mod scan;

pub mod json;
pub mod limits;
pub mod message;
pub mod refusal;
pub mod splice;
