//! The stage: tasks belong to who got their ids (MCP 2025-11-25, basic/utilities/tasks, Task Isolation and Access Control).
//!
//! The id that a client gets is the server's, sealed to the caller. Where a client names a task it must be with such an id; the server gets its
//! own.

mod config;
mod places;

use std::rc::Rc;

use meshward_engine::{
    Answer, Asked, Call, Decision, HeadVerdict, HeaderDemand, HeaderEdit, Headers, Host, KeptHeaders, Mode, Reads,
    Scope, Stage, StageExchange, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::message::Message;
use meshward_wire::method::TargetKind;
use meshward_wire::mirrored;
use meshward_wire::refusal::Reason;

pub use self::config::{TaskListConfig, TasksConfig};
use self::places::{LIST, METHODS, Presented, given, listing_capability, presented};
use crate::binding::{Binding, demand};
use crate::key::Environment;
use crate::letters::written;
use crate::seal::{Broken, Kind, open};
use crate::stages::ReplayError;

/// The header fields that repeat the method and the task's id (2026-07-28; SEP-2663, Routing Headers).
const METHOD_FIELD: &str = "mcp-method";
const NAME_FIELD: &str = "mcp-name";

/// Binds tasks to who got their ids.
#[derive(Debug)]
pub struct TasksStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    /// Lists pass, and are sealed.
    lists: bool,
    binding: Binding,
}

impl TasksStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub fn new(config: &TasksConfig, identity: Identity, environment: Environment<'_>) -> Result<Self, ReplayError> {
        let binding = Binding::new("tasks", &config.bound_to, &config.keys, identity, environment)?;
        let lists = config.list == TaskListConfig::Seal;
        Ok(Self { shared: Rc::new(Shared { mode: config.mode, lists, binding }) })
    }
}

impl Stage for TasksStage {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn edits_requests(&self) -> bool {
        true
    }

    fn reads_responses(&self) -> Reads {
        Reads::Judges
    }

    fn headers(&self) -> HeaderDemand {
        demand(self.shared.binding.owners.headers())
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(TasksExchange { shared: Rc::clone(&self.shared), caller: None })
    }
}

/// The stage's part in one exchange.
#[derive(Debug)]
struct TasksExchange {
    shared: Rc<Shared>,
    /// What of the caller is bound, once it was looked at.
    caller: Option<Vec<u8>>,
}

impl TasksExchange {
    fn caller(&mut self, host: &dyn Host, headers: &KeptHeaders) -> &[u8] {
        self.caller.get_or_insert_with(|| self.shared.binding.owners.owner(host, headers))
    }

    /// The server's id in what the caller presents, if it is to get there, and what is wrong with it.
    fn unseal<'p>(&mut self, presented: &'p str, scope: &Scope<'_>) -> (Option<&'p str>, Result<(), Broken>) {
        let shared = Rc::clone(&self.shared);
        let caller = self.caller(&*scope.host, scope.headers);
        let (id, opened) = open(&shared.binding.keys, presented, Kind::Task, caller);
        (id.filter(|_| opened.is_ok() || shared.mode == Mode::Observe), opened)
    }

    /// Gives the server its own ids, and says what is wrong with the first that is not the caller's.
    fn take(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Result<(), Reason> {
        let message = call.message;
        // `tasks/result` went with 2026-07-28: who finds that out by an id of its own is told so, whether the server would or not.
        let is_gone = call.method.zip(call.revision).is_some_and(|(method, revision)| {
            method.target == TargetKind::Task && !method.from_client.contains(revision)
        });
        let mut judged = Ok(());
        for presented in presented(message) {
            let taken = match presented {
                Presented::NoId => Err(Broken::Unknown),
                Presented::Id { at, id, may_be_own } => {
                    let (unsealed, opened) = self.unseal(&id, scope);
                    if let Some(unsealed) = unsealed {
                        scope.splices.replace(at, written(unsealed));
                    }
                    if may_be_own && opened == Err(Broken::Unknown) { Ok(()) } else { opened }
                }
            };
            judged = judged.and(taken.map_err(|broken| match broken {
                Broken::Unknown if is_gone => Reason::MethodRefused,
                Broken::Unknown => Reason::TaskIdUnknown,
                Broken::Forged => Reason::TaskIdForged,
                Broken::Moved => Reason::TaskIdMoved,
            }));
        }
        let is_list = message.method().is_some_and(|method| method == LIST);
        if is_list && !self.shared.lists { judged.and(Err(Reason::TaskListRefused)) } else { judged }
    }
}

impl StageExchange for TasksExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        // The body decides, but without header hold the head is gone by then. What does not open stays as it is: the body has the same.
        let is_about_task = head.all(METHOD_FIELD).any(|method| method.starts_with(METHODS.as_bytes()));
        if is_about_task
            && let Some(presented) = head.first(NAME_FIELD).and_then(mirrored::decoded)
            && let (Some(id), _) = self.unseal(&presented, scope)
        {
            scope.edit_request_head(HeaderEdit::Set(NAME_FIELD, mirrored::encoded(id).into_owned().into_bytes()));
        }
        HeadVerdict::Pass
    }

    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        match (self.take(call, scope).map_err(Decision::new), self.shared.mode) {
            (Ok(()), _) => Verdict::Pass,
            (Err(decision), Mode::Enforce) => Verdict::Refuse(decision),
            (Err(decision), Mode::Observe) => Verdict::Observe(decision),
        }
    }

    fn reads_response(&self) -> Reads {
        // A server may speak of any task on any stream.
        Reads::Judges
    }

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        let shared = Rc::clone(&self.shared);
        let lists = shared.lists || shared.mode == Mode::Observe;
        let is_known = asked.methods_of(message.id()).all(|method| method.is_some());
        for (at, id) in given(message, is_known, lists) {
            let sealed = shared.binding.sealing.seal(&id, Kind::Task, self.caller(&*scope.host, scope.headers));
            scope.splices.replace(at, written(&sealed));
        }
        if !lists && asked.methods_of(message.id()).flatten().any(|method| method.name == "initialize") {
            // A client that does not know of lists does not ask for one.
            if let Some(capability) = listing_capability(message) {
                scope.splices.remove_member(capability);
            }
        }
        Answer::Pass
    }
}
