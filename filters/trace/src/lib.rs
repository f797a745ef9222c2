//! Stage: the trace that a request belongs to, in its header fields and in `params._meta` (W3C Trace Context level 2, W3C
//! Baggage, OpenTelemetry's semantic conventions for MCP).
//!
//! Two contexts may come with one request: that of the HTTP request, in its head, and that of the MCP operation, in the
//! message. What is malformed goes no further. What becomes of the rest is a [`Rule`].
//!
//! The three small grammars are read here and not by a crate: the propagators of OpenTelemetry's SDK make maps of what they
//! read and write it anew, and this has to leave each byte in its place; none of them reads as strictly.

#![forbid(unsafe_code)]

mod baggage;
mod carrier;
mod config;
mod parent;
mod reconcile;
mod stage;
mod start;
mod state;

pub use config::{BaggageConfig, Fault, Rule, TraceConfig};
pub use stage::TraceStage;
