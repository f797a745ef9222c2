//! What a server says its tools are, kept in the store that all workers of a proxy share.
//!
//! The catalogue is filled by the server's own `tools/list` results and by the configuration, never by a client. It is
//! bounded whatever a server lists, and replaced when the server says `notifications/tools/list_changed`.

#![forbid(unsafe_code)]

mod catalogue;
mod compiled;
mod config;
#[cfg_attr(not(feature = "schema-validation"), path = "schema/absent.rs")]
mod schema;
mod server;
mod stage;
mod store;
mod tool;
mod violation;

pub use catalogue::Catalogue;
pub use config::{CatalogueConfig, SchemaMode, ToolConfig, UnknownTools};
pub use server::ServerKey;
pub use stage::CatalogueStage;
pub use store::Learned;
pub use tool::Tool;
pub use violation::{Unusable, Violation};
