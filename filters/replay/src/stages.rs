//! The section as stages, each with one check, in the order in which they are asked.

use meshward_engine::Stage;
use meshward_identity::Identity;

use crate::config::ReplayConfig;
use crate::key::Environment;
use crate::sessions::SessionsStage;

/// Why there is no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replay.{path}: {message}")]
pub struct ReplayError {
    /// The value, as a path below `replay`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The stages that a section turns on.
#[derive(Debug, Default)]
pub struct ReplayStages {
    /// Those that come before what decides who may do what: what is not its sender's is not decided on.
    pub first: Vec<Box<dyn Stage>>,
}

impl ReplayStages {
    /// The stages of a section that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub fn new(config: &ReplayConfig, identity: &Identity, environment: Environment<'_>) -> Result<Self, ReplayError> {
        let mut stages = Self::default();
        if let Some(sessions) = &config.sessions {
            stages.first.push(Box::new(SessionsStage::new(sessions, identity.clone(), environment)?));
        }
        Ok(stages)
    }
}
