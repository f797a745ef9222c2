//! The stage: ids of requests and progress tokens are used once, and responses answer what was asked.
//!
//! MCP up to 2025-11-25 (basic, Requests): an id must not have been used before in the session. Since 2026-07-28: it must not be that of a
//! request still unanswered. Progress tokens must be unique across active requests (basic/utilities/progress). Where there is no
//! session, ids belong to a client of which a principal may run many, so that one which seems to be used twice may be two clients';
//! unless a field tells them apart, that is only observed.

use std::rc::Rc;

use meshward_engine::store::Reader;
use meshward_engine::{
    Answer, Asked, Call, Decision, HeaderDemand, Host, KeptHeaders, Mode, Reads, Scope, Stage, StageExchange, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;

use crate::binding::{Owners, demand};
use crate::config::{Leniency, RequestIdsConfig, ResponsesConfig};
use crate::field::Field;
use crate::letters::canonical;
use crate::memory::{Bucket, Entry, Full, Memory, Place, room, seconds};

/// The field that carries a session's id (MCP 2025-11-25, basic, transports, Session Management).
const SESSION: &str = "mcp-session-id";

/// An id or token is in use: that it is there is all that is to be known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct InUse;

impl Entry for InUse {
    const KIND: &'static str = "ids";
    const TAG: [u8; 8] = *b"1ids\0\0\0\0";
    const BYTES: usize = 0;

    fn encode(&self, _: &mut Vec<u8>) {}
    fn decode(_: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// Refuses ids that are used twice, and responses to what was not asked.
#[derive(Debug)]
pub struct RequestIdsStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    owners: Owners,
    client: Option<Field>,
    responses: ResponsesConfig,
    /// In nanoseconds.
    life: u64,
    unsure: Leniency,
    room: usize,
    memory: Rc<Memory>,
}

impl RequestIdsStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// What is wrong with an attribute of callers.
    pub(crate) fn new(config: &RequestIdsConfig, identity: Identity, memory: Rc<Memory>) -> Result<Self, &'static str> {
        let shared = Shared {
            mode: config.mode,
            owners: Owners::new(&config.bound_to, identity)?,
            client: config.client.clone(),
            responses: config.responses,
            life: config.life.nanoseconds(),
            unsure: config.unsure,
            room: room(config.capacity),
            memory,
        };
        Ok(Self { shared: Rc::new(shared) })
    }
}

impl Stage for RequestIdsStage {
    fn name(&self) -> &'static str {
        "request_ids"
    }

    fn reads_responses(&self) -> Reads {
        self.shared.reads()
    }

    fn headers(&self) -> HeaderDemand {
        let mut names = self.shared.owners.headers();
        names.extend(self.shared.client.as_ref().and_then(Field::header));
        demand(names)
    }

    fn start(&self, host: &dyn Host) {
        self.shared.memory.start(host);
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(RequestIdsExchange {
            shared: Rc::clone(&self.shared),
            asked: Vec::new(),
            has_decided: false,
            held: Vec::new(),
        })
    }
}

/// Within what ids are unlike each other.
struct Space {
    scope: Vec<u8>,
    /// An id is not used again when its request is answered.
    is_session: bool,
    /// It is surely one client's.
    is_certain: bool,
}

impl Shared {
    fn reads(&self) -> Reads {
        match self.responses {
            ResponsesConfig::Ignore => Reads::Nothing,
            ResponsesConfig::Observe => Reads::Observes,
            ResponsesConfig::Enforce => Reads::Judges,
        }
    }

    fn session(headers: &KeptHeaders) -> Option<Vec<u8>> {
        let mut given = headers.all(SESSION);
        let session = given.next().filter(|_| given.next().is_none())?;
        Some([b"session\0", session].concat())
    }

    fn space(&self, call: &Call<'_>, host: &dyn Host, headers: &KeptHeaders) -> Space {
        if let Some(scope) = Self::session(headers) {
            return Space { scope, is_session: true, is_certain: true };
        }
        let owner = self.owners.owner(host, headers);
        let client = self.client.as_ref().and_then(|field| field.read(Some(call.message), headers));
        let scope = [b"client\0", client.as_deref().unwrap_or_default().as_bytes(), b"\0", &owner].concat();
        Space { scope, is_session: false, is_certain: client.is_some() }
    }

    /// Uses an id or token of a space. `Ok(None)`: it cannot be remembered, and passes nevertheless.
    fn hold(
        &self,
        kind: &[u8],
        value: &[u8],
        space: &Space,
        reused: Reason,
        host: &dyn Host,
    ) -> Result<Option<Place>, Reason> {
        let until = seconds(host.now().saturating_add(self.life)).saturating_add(1);
        let held = self.memory.place(host, &[kind, &space.scope], value).and_then(|place| {
            let held = self.memory.change(host, &place, |bucket: &mut Bucket<InUse>, _| {
                if bucket.find(place.fingerprint, place.now).is_some() {
                    return Held::Reused;
                }
                match bucket.insert(place.fingerprint, (place.now, until), InUse, self.room) {
                    Ok(()) => Held::Now,
                    Err(Full) => Held::Full,
                }
            });
            held.map(|held| (place, held))
        });
        match held {
            Ok((place, Held::Now)) => Ok(Some(place)),
            Ok((_, Held::Reused)) => Err(reused),
            Ok((_, Held::Full)) | Err(_) if self.unsure == Leniency::Accept => Ok(None),
            Ok((_, Held::Full)) | Err(_) => Err(Reason::RequestIdsUnavailable),
        }
    }

    fn release(&self, host: &dyn Host, place: &Place) {
        // A store that does not take it forgets it when its life is over.
        let _: Result<(), _> = self.memory.change(host, place, |bucket: &mut Bucket<InUse>, _| {
            bucket.remove(place.fingerprint);
        });
    }

    /// Whether a session has used an id. `None`: nobody knows.
    fn was_used(&self, id: &[u8], host: &dyn Host, headers: &KeptHeaders) -> Option<bool> {
        let scope = Self::session(headers)?;
        let place = self.memory.place(host, &[b"id", &scope], id).ok()?;
        let find = |bucket: &mut Bucket<InUse>, _| bucket.find(place.fingerprint, place.now).is_some();
        self.memory.change(host, &place, find).ok()
    }
}

/// What comes of an id that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Now,
    Reused,
    Full,
}

/// The stage's part in one exchange.
#[derive(Debug)]
struct RequestIdsExchange {
    shared: Rc<Shared>,
    /// The ids of the requests.
    asked: Vec<Vec<u8>>,
    has_decided: bool,
    /// What is in use until a request is answered, with its id.
    held: Vec<(Vec<u8>, Place)>,
}

impl RequestIdsExchange {
    fn check(&mut self, call: &Call<'_>, space: &Space, host: &dyn Host) -> Result<(), Reason> {
        if let Some(id) = call.message.id() {
            let id = canonical(id.raw());
            let held = self.shared.hold(b"id", &id, space, Reason::RequestIdReused, host);
            self.asked.push(id.clone());
            self.held.extend(held?.filter(|_| !space.is_session).map(|place| (id, place)));
        }
        if let Some(token) = call.message.progress_token() {
            let token = canonical(token.of(call.message.text()));
            let place = self.shared.hold(b"progress", &token, space, Reason::ProgressTokenReused, host)?;
            let id = self.asked.last().cloned().unwrap_or_default();
            self.held.extend(place.map(|place| (id, place)));
        }
        Ok(())
    }
}

impl StageExchange for RequestIdsExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        self.has_decided = true;
        if call.message.kind() != Kind::Request {
            return Verdict::Pass;
        }
        let space = self.shared.space(call, &*scope.host, scope.headers);
        match self.check(call, &space, &*scope.host).map_err(Decision::new) {
            Ok(()) => Verdict::Pass,
            Err(decision) if self.shared.mode == Mode::Enforce && space.is_certain => Verdict::Refuse(decision),
            Err(decision) => Verdict::Observe(decision),
        }
    }

    fn reads_response(&self) -> Reads {
        match (self.asked.is_empty(), self.has_decided) {
            (false, _) => self.shared.reads(),
            // A stream that a GET opens: nothing of it is refused.
            (true, false) => self.shared.reads().min(Reads::Observes),
            (true, true) => Reads::Nothing,
        }
    }

    fn response(&mut self, message: &Message<'_>, _: &Asked, scope: &mut Scope<'_>) -> Answer {
        let (Kind::Response | Kind::Error, Some(id)) = (message.kind(), message.id()) else { return Answer::Pass };
        let decision = Decision::new(Reason::ResponseUnasked);
        let answered = canonical(id.raw());
        if self.asked.contains(&answered) {
            // Before the answer goes on: who has it may use them again.
            for (_, place) in self.held.extract_if(.., |(id, _)| *id == answered) {
                self.shared.release(&*scope.host, &place);
            }
            return Answer::Pass;
        }
        if self.asked.is_empty() {
            // Another exchange asked, of the same session: if it did.
            let was_used = self.shared.was_used(&answered, &*scope.host, scope.headers);
            return if was_used == Some(false) { Answer::Observe(decision) } else { Answer::Pass };
        }
        match self.shared.responses {
            // Under its id it would be taken for the answer to something else.
            ResponsesConfig::Enforce => Answer::Discard(decision),
            ResponsesConfig::Observe | ResponsesConfig::Ignore => Answer::Observe(decision),
        }
    }

    fn ended(&mut self, scope: &mut Scope<'_>) {
        for (_, place) in std::mem::take(&mut self.held) {
            self.shared.release(&*scope.host, &place);
        }
    }
}
