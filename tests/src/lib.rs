//! What proves it: one set of cases on three hosts, real clients and servers, conformance.

pub mod cases;
pub mod clients;
pub mod conformance;
pub mod documents;
pub mod envoy;
pub mod grpc;
pub mod limitador;
pub mod mcp_server;
pub mod otlp;
pub mod page;
pub mod prometheus;
pub mod proxy;
pub mod raw;
pub mod scrape;
pub mod tracing;

// `grpc` is a file of the service of `tests/limitador` too, which has the codec elsewhere.
use host_harness::Verbatim;
