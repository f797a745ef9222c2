//! The stages composed: the whole configuration, validated and compiled. Still no host.
//!
//! [`Config::from_json`] reads a document and reports everything that is wrong with it at once, each error with the
//! path of the value and a remedy. [`Config::pipeline`] compiles it: nothing is parsed per request.

#![forbid(unsafe_code)]

mod compile;
mod config;
mod error;
mod read;

#[cfg(feature = "schema")]
pub use meshward_audit::record_schema as audit_record_schema;

pub use compile::{PipelineError, ROOT_IDS};
pub use config::{BatchesConfig, Config, DirectionConfig, EndpointConfig, ProtocolConfig, ResponsesConfig};
pub use meshward_replay::Environment;

pub use error::{ConfigError, ConfigErrors};
