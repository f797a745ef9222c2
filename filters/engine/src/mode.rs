//! Whether a check is carried out.

use serde::Deserialize;

/// What becomes of what a check finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is counted, recorded and logged, and passes.
    Observe,
}
