//! Stage: a server's tools are as they were approved.
//!
//! Each tool that a server lists is held against its pin: a hash of its definition, from the configuration or remembered
//! from when the tool was listed first. What differs is dropped from lists, and its calls are refused.

#![forbid(unsafe_code)]

mod config;
mod digest;
mod pins;
mod stage;
mod store;
mod table;

pub use config::{Mode, PinConfig, PinsConfig, Trust, Unlisted};
pub use digest::{Digest, DigestError};
pub use pins::Pins;
pub use stage::GuardsStage;
