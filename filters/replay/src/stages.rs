//! The section as stages, each with one check, in the order in which they are asked.

use std::rc::Rc;

use meshward_engine::Stage;
use meshward_identity::Identity;
use meshward_ratelimit::Service;

use crate::config::ReplayConfig;
use crate::dpop::DpopStage;
use crate::freshness::FreshnessStage;
use crate::idempotency::IdempotencyStage;
use crate::key::Environment;
use crate::memory::Memory;
use crate::nonces::Nonces;
use crate::request_ids::RequestIdsStage;
use crate::request_state::RequestStateStage;
use crate::sessions::SessionsStage;
use crate::signatures::{SignStage, VerifyStage};
use crate::tasks::TasksStage;

fn fault(path: &str, message: &str) -> ReplayError {
    ReplayError { path: path.to_owned(), message: message.to_owned() }
}

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
    /// Those that come last: they keep something of what goes on, or sign it.
    pub last: Vec<Box<dyn Stage>>,
}

impl ReplayStages {
    /// The stages of a section that has no faults. `service`: what counts for all proxies, if anything does.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub fn new(
        config: &ReplayConfig,
        identity: &Identity,
        service: Option<&Service>,
        environment: Environment<'_>,
    ) -> Result<Self, ReplayError> {
        let mut stages = Self::default();
        let memory = Rc::<Memory>::default();
        let nonces = Rc::new(Nonces::in_memory(&config.nonces, Rc::clone(&memory), service));
        // Over the session's id as it came.
        if let Some(verify) = &config.signatures.verify {
            stages.first.push(Box::new(VerifyStage::new(verify, &nonces, environment)?));
        }
        if let Some(dpop) = &config.dpop {
            stages.first.push(Box::new(DpopStage::new(dpop, identity.clone(), &nonces, environment)?));
        }
        if let Some(sign) = &config.signatures.sign {
            stages.last.push(Box::new(SignStage::new(sign, environment)?));
        }
        if let Some(sessions) = &config.sessions {
            stages.first.push(Box::new(SessionsStage::new(sessions, identity.clone(), environment)?));
        }
        if let Some(tasks) = &config.tasks {
            stages.first.push(Box::new(TasksStage::new(tasks, identity.clone(), environment)?));
        }
        if let Some(freshness) = &config.freshness {
            let stage = FreshnessStage::new(freshness, identity.clone(), Rc::clone(&nonces), &memory);
            stages.first.push(Box::new(stage.map_err(|message| fault("freshness.bound_to", message))?));
        }
        if let Some(request_ids) = &config.request_ids {
            let stage = RequestIdsStage::new(request_ids, identity.clone(), Rc::clone(&memory));
            stages.first.push(Box::new(stage.map_err(|message| fault("request_ids.bound_to", message))?));
        }
        if let Some(idempotency) = &config.idempotency {
            let stage = IdempotencyStage::new(idempotency, identity.clone(), Rc::clone(&memory));
            stages.last.push(Box::new(stage.map_err(|message| fault("idempotency.bound_to", message))?));
        }
        if let Some(state) = &config.request_state {
            let stage = RequestStateStage::new(state, identity.clone(), Rc::clone(&nonces), environment)?;
            stages.last.push(Box::new(stage));
        }
        Ok(stages)
    }
}
