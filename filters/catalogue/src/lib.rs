//! What a server says its tools are, kept in the store that all workers of a proxy share.
//!
//! The catalogue is filled by the server's own `tools/list` results and by the configuration, never by a client. It is
//! bounded whatever a server lists. It has an entry for each tool: what the server said last, its annotations and its input schema with the
//! headers that mirror parameters, which is replaced when the server says `notifications/tools/list_changed`; and the hash of its
//! definition with the one that was approved, which is not, or a server could talk itself out of that.

#![forbid(unsafe_code)]

mod catalogue;
mod compiled;
mod config;
mod digest;
mod hints;
#[cfg_attr(not(feature = "schema-validation"), path = "schema/absent.rs")]
mod schema;
mod server;
mod stage;
mod store;
mod tool;
mod tools;
mod violation;

pub use catalogue::{Catalogue, Remembered};
pub use config::{CatalogueConfig, SchemaMode, ToolConfig, UnknownTools};
pub use digest::{Digest, DigestError};
pub use hints::may_repeat;
pub use server::ServerKey;
pub use stage::CatalogueStage;
pub use store::Learned;
pub use tool::Tool;
pub use tools::{Held, NameId, Said, Tools, Walk};
pub use violation::{Unusable, Violation};
