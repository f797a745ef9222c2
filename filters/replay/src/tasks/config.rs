//! The `replay.tasks` section of the configuration, as it is written.

use meshward_engine::Mode;
use serde::Deserialize;

use crate::binding::{self, usual_attributes};
use crate::key::{self, KeyConfig};

/// How tasks are bound to who got their ids (2025-11-25, and the Tasks extension since).
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TasksConfig {
    /// What becomes of a message about a task that does not belong to its caller.
    #[serde(default)]
    pub mode: Mode,
    /// What of a caller a task belongs to, as in `sessions.bound_to`.
    #[serde(default = "usual_attributes")]
    pub bound_to: Vec<String>,
    /// What becomes of `tasks/list`.
    #[serde(default)]
    pub list: TaskListConfig,
    /// The keys, as in `sessions.keys`.
    pub keys: Vec<KeyConfig>,
}

/// What becomes of `tasks/list`: a list does not say whose its tasks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskListConfig {
    /// It is refused, and the server's capability to list tasks is taken out of its answer to `initialize`.
    #[default]
    Refuse,
    /// It passes, and what it lists is sealed to who asks: of a server that itself lists to each caller only what is the caller's.
    Seal,
}

impl TasksConfig {
    /// What is wrong with it, by paths below the section. `trusted`: the trusted headers.
    pub(crate) fn faults(&self, trusted: &[String]) -> Vec<(String, String)> {
        let lists = [("bound_to", binding::faults(&self.bound_to, trusted)), ("keys", key::faults(&self.keys))];
        let fault = |(list, below): (&str, Vec<(String, String)>)| -> Vec<_> {
            below.into_iter().map(|(path, message)| (format!("{list}{path}"), message)).collect()
        };
        lists.into_iter().flat_map(fault).collect()
    }
}
