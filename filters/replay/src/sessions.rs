//! The stage: sessions belong to who opened them, and so do their streams' events.

use std::fmt;
use std::rc::Rc;

use meshward_engine::{
    Call, Decision, EventId, HeadVerdict, HeaderDemand, HeaderEdit, Headers, Host, KeptHeaders, Level, Mode, Reads,
    Scope, Stage, StageExchange, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::refusal::Reason;

use crate::binding::{Binding, demand};
use crate::config::SessionsConfig;
use crate::key::Environment;
use crate::seal::{Broken, Kind, open};
use crate::stages::ReplayError;

/// The field that carries a session's id (MCP 2025-11-25, basic, transports, Session Management).
const SESSION: &str = "mcp-session-id";
/// The field with which a client comes back to a stream (MCP 2025-11-25, basic, transports, Resumability and Redelivery).
const EVENT: &str = "last-event-id";
/// The longest id, in bytes.
const MOST_ID_BYTES: usize = 1024;
/// The longest id of an event that is sealed: what comes back is longer by the seal.
const MOST_EVENT_BYTES: usize = 900;

/// Binds sessions to who opened them.
pub struct SessionsStage {
    shared: Rc<Shared>,
}

struct Shared {
    mode: Mode,
    event_ids: bool,
    binding: Binding,
}

impl fmt::Debug for SessionsStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsStage").field("binding", &self.shared.binding).finish_non_exhaustive()
    }
}

impl SessionsStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub fn new(config: &SessionsConfig, identity: Identity, environment: Environment<'_>) -> Result<Self, ReplayError> {
        let SessionsConfig { mode, bound_to, event_ids, keys } = config;
        let binding = Binding::new("sessions", bound_to, keys, identity, environment)?;
        let shared = Shared { mode: *mode, event_ids: *event_ids, binding };
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

    fn edits_event_ids(&self) -> bool {
        self.shared.event_ids
    }

    fn reads_responses(&self) -> Reads {
        self.shared.reads()
    }

    fn headers(&self) -> HeaderDemand {
        demand(self.shared.binding.owners.headers())
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(SessionsExchange { shared: Rc::clone(&self.shared), caller: None, session: String::new() })
    }
}

impl Shared {
    const fn reads(&self) -> Reads {
        if self.event_ids { Reads::Judges } else { Reads::Nothing }
    }
}

/// The stage's part in one exchange.
struct SessionsExchange {
    shared: Rc<Shared>,
    /// The server's id of the session that it is in; empty where there is none.
    session: String,
    /// What of the caller is bound, once it was looked at.
    caller: Option<Vec<u8>>,
}

impl SessionsExchange {
    /// The session that the head names.
    fn session(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> Result<(), Reason> {
        let (session, opened) = self.unseal(SESSION, Kind::Session, head, scope);
        self.session = session;
        opened.map_err(|broken| match broken {
            Broken::Unknown => Reason::SessionUnknown,
            Broken::Forged => Reason::SessionForged,
            Broken::Moved => Reason::SessionMoved,
        })
    }

    /// The event behind which the head wants a stream to go on.
    fn event(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> Result<(), Reason> {
        let session = self.session.clone();
        let (_, opened) = self.unseal(EVENT, Kind::Event { session: &session }, head, scope);
        opened.map_err(|broken| match broken {
            Broken::Unknown => Reason::EventIdUnknown,
            Broken::Forged => Reason::EventIdForged,
            Broken::Moved => Reason::EventIdMoved,
        })
    }

    /// The server's id that a field of the head has sealed, empty where it has none. The server gets it in place of what was presented.
    fn unseal(
        &mut self,
        field: &'static str,
        of: Kind<'_>,
        head: Headers<'_>,
        scope: &mut Scope<'_>,
    ) -> (String, Result<(), Broken>) {
        let mut presented = head.taken_for(field);
        let Some((name, first)) = presented.next() else { return (String::new(), Ok(())) };
        let shared = Rc::clone(&self.shared);
        let (unsealed, opened) = match id(first) {
            // A name with `_` would reach the server beside the one that is set here.
            Some(first) if presented.next().is_none() && !name.contains(&b'_') => {
                open(&shared.binding.keys, first, of, self.caller(&*scope.host, scope.headers))
            }
            _ => (None, Err(Broken::Unknown)),
        };
        // Of another caller's too: it goes no further, and the record says what it is about.
        if let Some(unsealed) = unsealed {
            scope.edit_request_head(HeaderEdit::Set(field, unsealed.as_bytes().to_vec()));
        }
        (unsealed.unwrap_or_default().to_owned(), opened)
    }

    fn caller(&mut self, host: &dyn Host, headers: &KeptHeaders) -> &[u8] {
        self.caller.get_or_insert_with(|| self.shared.binding.owners.owner(host, headers))
    }
}

/// An id as the specification has it: visible ASCII.
fn id(value: &[u8]) -> Option<&str> {
    let is_id = (1..=MOST_ID_BYTES).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    if is_id { std::str::from_utf8(value).ok() } else { None }
}

impl StageExchange for SessionsExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        let mut judged = self.session(head, scope);
        // An event's seal says of which session it is, so it opens only once that is known.
        if self.shared.event_ids && (judged.is_ok() || self.shared.mode == Mode::Observe) {
            judged = judged.and(self.event(head, scope));
        }
        match (judged.map_err(Decision::new), self.shared.mode) {
            (Ok(()), _) => HeadVerdict::Pass,
            (Err(decision), Mode::Enforce) => HeadVerdict::Refuse(decision),
            (Err(decision), Mode::Observe) => HeadVerdict::Observe(decision),
        }
    }

    fn reads_response(&self) -> Reads {
        self.shared.reads()
    }

    fn edit_event_id(&mut self, event: &[u8], scope: &mut Scope<'_>) -> EventId {
        let (shared, session) = (Rc::clone(&self.shared), self.session.clone());
        let is_short = event.len() <= MOST_EVENT_BYTES;
        match id(event).filter(|_| is_short) {
            Some(event) if shared.event_ids => {
                let caller = self.caller(&*scope.host, scope.headers);
                EventId::Set(shared.binding.sealing.seal(event, Kind::Event { session: &session }, caller).into_bytes())
            }
            Some(_) => EventId::Keep,
            // It fits no header field with its seal: nobody can come back with it.
            None => EventId::Remove,
        }
    }

    fn edit_response_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) {
        let mut given = head.all(SESSION);
        let Some(first) = given.next() else { return };
        let shared = Rc::clone(&self.shared);
        let edit = match id(first) {
            Some(session) if given.next().is_none() => {
                session.clone_into(&mut self.session);
                let sealed =
                    shared.binding.sealing.seal(session, Kind::Session, self.caller(&*scope.host, scope.headers));
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
