//! A proxy-wasm host on wasmtime that treats a filter module as Envoy treats it.
//!
//! The library does no I/O of its own. A caller feeds the frames of HTTP exchanges to a [`Worker`] and drains
//! [`Event`]s from it: frames for the upstream, frames for the client, and the calls the module makes to other
//! services. So the same code runs a table test and a real proxy.
//!
//! What is shared between workers (shared data, queues, metrics, logs, the clock) is a [`Host`]; nothing is global,
//! so tests run in parallel. `docs/host-harness.md` has an example, what is simulated, and what differs from Envoy.

#[cfg(doctest)]
#[doc = include_str!("../../docs/host-harness.md")]
struct Documentation;

mod abi;
mod config;
mod event;
mod filter;
mod grpc;
mod headers;
mod host;
mod module;
mod properties;
mod vm;
mod worker;

pub use config::{FailurePolicy, PluginConfig, VmLimits};
pub use event::{CalloutToken, Event, Frame, GrpcCall, GrpcStream, HttpCall, HttpResponse, ResetReason, StreamId};
pub use grpc::Verbatim;
pub use headers::HeaderMap;
pub use host::clock::{Clock, VirtualClock};
pub use host::log::{LogLevel, LogLine};
pub use host::metrics::{HistogramSnapshot, MetricsSnapshot};
pub use host::random::Random;
pub use host::{Host, HostOptions, HostStats};
pub use module::{Module, ModuleError, Optimize};
pub use properties::{Properties, PropertyValue, filter_metadata};
pub use worker::{StartError, StreamInfo, Worker};
