//! What an exchange came to, measured: durations, outcomes, decisions, sizes, streams.
//!
//! An [`meshward_engine::Observer`]: it has no say in an exchange. Names and labels follow OpenTelemetry's semantic
//! conventions for MCP where they have a metric, with `.` written as `_`; `docs/metrics.md` has the table.
//!
//! **No client makes a series.** A label's value is one of a closed list, a name of the configuration, or one that the
//! server listed; everything else is `other`. The number of series is bounded besides.

#![forbid(unsafe_code)]

mod config;
mod label;
mod metric;
mod observer;
mod outcome;
mod registry;
mod together;
mod vocabulary;

pub use config::{Fault, MetricsConfig};
pub use label::Label;
pub use metric::Metric;
pub use observer::Metrics;
