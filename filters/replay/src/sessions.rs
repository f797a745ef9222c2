//! The stage: sessions belong to who opened them.

use std::fmt;
use std::rc::Rc;

use meshward_engine::{
    Call, Decision, HeadVerdict, HeaderDemand, HeaderEdit, Headers, Host, KeptHeaders, Level, Mode, Scope, Stage,
    StageExchange, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::refusal::Reason;

use crate::binding::{Owners, demand};
use crate::config::SessionsConfig;
use crate::key::{Environment, seal_keys};
use crate::seal::{Broken, SealKey, open};
use crate::stages::ReplayError;

/// The field that carries a session's id (MCP 2025-11-25, basic, transports, Session Management).
const SESSION: &str = "mcp-session-id";
/// The longest id, in bytes.
const MOST_SESSION_BYTES: usize = 1024;

/// Binds sessions to who opened them.
pub struct SessionsStage {
    shared: Rc<Shared>,
}

struct Shared {
    mode: Mode,
    owners: Owners,
    sealing: SealKey,
    /// The sealing one first.
    keys: Vec<SealKey>,
}

impl fmt::Debug for SessionsStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsStage").field("owners", &self.shared.owners).finish_non_exhaustive()
    }
}

impl SessionsStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub fn new(config: &SessionsConfig, identity: Identity, environment: Environment<'_>) -> Result<Self, ReplayError> {
        let SessionsConfig { mode, bound_to, keys } = config;
        let fault = |path: String, message: &str| ReplayError { path, message: message.to_owned() };
        let owners = Owners::new(bound_to, identity);
        let owners = owners.map_err(|message| fault("sessions.bound_to".to_owned(), message))?;
        let keys = seal_keys(keys, environment);
        let keys = keys.map_err(|(index, message)| fault(format!("sessions.keys[{index}]"), &message))?;
        let sealing =
            keys.first().cloned().ok_or_else(|| fault("sessions.keys".to_owned(), "name at least one key"))?;
        let shared = Shared { mode: *mode, owners, sealing, keys };
        Ok(Self { shared: Rc::new(shared) })
    }
}

impl Stage for SessionsStage {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn edits_response_heads(&self) -> bool {
        true
    }

    fn headers(&self) -> HeaderDemand {
        demand(self.shared.owners.headers())
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(SessionsExchange { shared: Rc::clone(&self.shared), caller: None })
    }
}

/// The stage's part in one exchange.
struct SessionsExchange {
    shared: Rc<Shared>,
    /// What of the caller is bound, once it was looked at.
    caller: Option<Vec<u8>>,
}

impl SessionsExchange {
    fn caller(&mut self, host: &dyn Host, headers: &KeptHeaders) -> &[u8] {
        self.caller.get_or_insert_with(|| self.shared.owners.owner(host, headers))
    }
}

/// An id as the specification has it: visible ASCII.
fn id(value: &[u8]) -> Option<&str> {
    let is_id = (1..=MOST_SESSION_BYTES).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    if is_id { std::str::from_utf8(value).ok() } else { None }
}

impl StageExchange for SessionsExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        let mut presented = head.taken_for(SESSION);
        let Some((name, first)) = presented.next() else { return HeadVerdict::Pass };
        let shared = Rc::clone(&self.shared);
        let (session, opened) = match id(first) {
            // A name with `_` would reach the server beside the one that is set here.
            Some(first) if presented.next().is_none() && !name.contains(&b'_') => {
                open(&shared.keys, first, self.caller(&*scope.host, scope.headers))
            }
            _ => (None, Err(Broken::Unknown)),
        };
        // Of another caller's too: it goes no further, and the record says which session it is about.
        if let Some(session) = session {
            scope.edit_request_head(HeaderEdit::Set(SESSION, session.as_bytes().to_vec()));
        }
        let Err(broken) = opened else { return HeadVerdict::Pass };
        let decision = Decision::new(match broken {
            Broken::Unknown => Reason::SessionUnknown,
            Broken::Forged => Reason::SessionForged,
            Broken::Moved => Reason::SessionMoved,
        });
        match self.shared.mode {
            Mode::Enforce => HeadVerdict::Refuse(decision),
            Mode::Observe => HeadVerdict::Observe(decision),
        }
    }

    fn edit_response_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) {
        let mut given = head.all(SESSION);
        let Some(first) = given.next() else { return };
        let shared = Rc::clone(&self.shared);
        let edit = match id(first) {
            Some(session) if given.next().is_none() => {
                let sealed = shared.sealing.seal(session, self.caller(&*scope.host, scope.headers));
                HeaderEdit::Set(SESSION, sealed.into_bytes())
            }
            _ => {
                scope.log(
                    Level::Warn,
                    "replay took a session's id away that is none: the server's head has several, or not visible ASCII"
                        .to_owned(),
                );
                HeaderEdit::Remove(SESSION)
            }
        };
        scope.edit_response_head(edit);
    }

    fn request(&mut self, _: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        Verdict::Pass
    }
}
