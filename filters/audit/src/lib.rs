//! What is left of each message in the host's own tools: the audit record, and what a tracer names and labels its span with.
//!
//! A record is one line of JSON for each message that is decided. It says who wanted what, what was decided and why, and what came of it ([`Record`]). It holds nothing that a
//! configuration has not asked for of what clients and servers say to each other: of arguments their hash, of results nothing.
//! Every text in it is bounded, and a line is visible ASCII, whatever a client writes.

#![forbid(unsafe_code)]

mod compose;
mod config;
mod digest;
mod excerpt;
#[doc(hidden)]
pub mod fuzzing;
mod line;
mod observer;
mod record;
mod redact;
mod spans;
mod text;
mod write;

pub use config::{AuditConfig, Output, SessionMode};
pub use digest::sha256;
pub use observer::{Audit, FILTER_STATE, LOG_PREFIX};
#[cfg(feature = "schema")]
pub use record::record_schema;
pub use record::{Batch, Decision, Direction, Form, Kind, Outcome, Phase, Principal, Record, Ruling, Sender};
pub use redact::{MAX_DEPTH, REDACTED, Redaction, SECRET_NAMES};
pub use spans::{SPAN_NAME, Spans, SpansConfig};
pub use text::MAX_TEXT_BYTES;
