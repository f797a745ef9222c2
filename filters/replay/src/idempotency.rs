//! The stage: a call is carried out once under its idempotency key (draft-ietf-httpapi-idempotency-key-header-07, section 2.6).
//!
//! It comes behind all that decides on a call: a key is taken only by a call that goes on. While that runs, and after it, the
//! key is the call's. What has become of a call is known from its answer; where none came, nobody knows whether it ran.

use std::rc::Rc;

use meshward_engine::store::Reader;
use meshward_engine::{
    Answer, Asked, Call, Decision, Glob, HeaderDemand, Host, Mode, Reads, Scope, Stage, StageExchange, Target, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::json;
use meshward_wire::message::{Kind, Message, OwnedId};
use meshward_wire::refusal::Reason;
use sha2::{Digest as _, Sha256};

use crate::binding::{Owners, demand};
use crate::config::{IdempotencyConfig, Leniency};
use crate::field::Field;
use crate::memory::{Bucket, Entry, Full, Memory, Place, room, seconds};

/// What is remembered of a call under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    digest: Digest,
    state: State,
}

/// The beginning of the SHA-256 of what makes a call the same one.
type Digest = [u8; 16];

/// What is known to have become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was sent on, and is not over.
    Running,
    /// The server answered.
    Answered,
    /// It is over without an answer.
    Unknown,
}

impl Entry for Known {
    const KIND: &'static str = "calls";
    const TAG: [u8; 8] = *b"1calls\0\0";
    const BYTES: usize = 17;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.digest);
        out.push(match self.state {
            State::Running => 0,
            State::Answered => 1,
            State::Unknown => 2,
        });
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let digest = reader.array()?;
        let state = match reader.array::<1>()? {
            [0] => State::Running,
            [1] => State::Answered,
            [2] => State::Unknown,
            _ => return None,
        };
        Some(Self { digest, state })
    }
}

/// Carries out a call once under its key.
#[derive(Debug)]
pub struct IdempotencyStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    owners: Owners,
    key: Field,
    tools: Vec<Glob>,
    required: Vec<Glob>,
    /// In nanoseconds.
    life: u64,
    answered: Leniency,
    unknown: Leniency,
    unsure: Leniency,
    room: usize,
    memory: Rc<Memory>,
}

impl IdempotencyStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// What is wrong with an attribute of callers.
    pub(crate) fn new(
        config: &IdempotencyConfig,
        identity: Identity,
        memory: Rc<Memory>,
    ) -> Result<Self, &'static str> {
        let globs = |patterns: &[String]| patterns.iter().map(|pattern| Glob::new(pattern)).collect();
        let shared = Shared {
            mode: config.mode,
            owners: Owners::new(&config.bound_to, identity)?,
            key: config.key.clone(),
            tools: globs(&config.tools),
            required: globs(&config.required),
            life: config.life.nanoseconds(),
            answered: config.answered,
            unknown: config.unknown,
            unsure: config.unsure,
            room: room(config.capacity),
            memory,
        };
        Ok(Self { shared: Rc::new(shared) })
    }
}

impl Stage for IdempotencyStage {
    fn name(&self) -> &'static str {
        "idempotency"
    }

    fn sees_bodies(&self) -> bool {
        true
    }

    fn reads_responses(&self) -> Reads {
        Reads::Observes
    }

    fn headers(&self) -> HeaderDemand {
        let mut names = self.shared.owners.headers();
        names.extend(self.shared.key.header());
        demand(names)
    }

    fn start(&self, host: &dyn Host) {
        self.shared.memory.start(host);
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(IdempotencyExchange { shared: Rc::clone(&self.shared), taken: Vec::new(), has_left: false })
    }
}

/// A key that a call of this exchange has taken.
#[derive(Debug)]
struct Taken {
    place: Place,
    digest: Digest,
    /// Of the request; a notification has none, and no answer.
    id: Option<OwnedId>,
}

impl Shared {
    /// Takes the key of a call, if it has one and is of a tool that is looked at.
    fn take(&self, call: &Call<'_>, scope: &Scope<'_>) -> Result<Option<Taken>, Reason> {
        let Target::Tool(tool) = &call.target else { return Ok(None) };
        if !self.tools.iter().any(|glob| glob.matches(tool)) {
            return Ok(None);
        }
        if !self.key.is_there(Some(call.message), scope.headers) {
            let is_required = self.required.iter().any(|glob| glob.matches(tool));
            return if is_required { Err(Reason::IdempotencyKeyInvalid) } else { Ok(None) };
        }
        let key = self.key.read(Some(call.message), scope.headers).ok_or(Reason::IdempotencyKeyInvalid)?;
        let owner = self.owners.owner(&*scope.host, scope.headers);
        let digest = digest(call.message);
        let taken = match self.enter(&*scope.host, &[b"call", &owner, tool.as_bytes()], key.as_bytes(), digest) {
            Ok((place, Entered::Taken)) => place,
            Ok((_, Entered::Refused(reason))) => return Err(reason),
            Ok((_, Entered::Full)) | Err(_) => {
                return match self.unsure {
                    Leniency::Refuse => Err(Reason::IdempotencyUnavailable),
                    Leniency::Accept => Ok(None),
                };
            }
        };
        Ok(Some(Taken { place: taken, digest, id: call.message.id().map(|id| id.to_owned()) }))
    }

    fn enter(
        &self,
        host: &dyn Host,
        scope: &[&[u8]],
        key: &[u8],
        digest: Digest,
    ) -> Result<(Place, Entered), meshward_engine::StoreError> {
        let place = self.memory.place(host, scope, key)?;
        let until = seconds(host.now().saturating_add(self.life)).saturating_add(1);
        let entered = self.memory.change(host, &place, |bucket: &mut Bucket<Known>, _| {
            let refused = match bucket.find(place.fingerprint, place.now) {
                None => None,
                Some(known) if known.digest != digest => Some(Reason::IdempotencyKeyReused),
                Some(Known { state: State::Running, .. }) => Some(Reason::CallRunning),
                Some(Known { state: State::Answered, .. }) => {
                    (self.answered == Leniency::Refuse).then_some(Reason::CallAnswered)
                }
                Some(Known { state: State::Unknown, .. }) => {
                    (self.unknown == Leniency::Refuse).then_some(Reason::CallUnknown)
                }
            };
            if let Some(reason) = refused {
                return Entered::Refused(reason);
            }
            let known = Known { digest, state: State::Running };
            match bucket.insert(place.fingerprint, (place.now, until), known, self.room) {
                Ok(()) => Entered::Taken,
                Err(Full) => Entered::Full,
            }
        })?;
        Ok((place, entered))
    }

    /// Writes what has become of a call. A store that does not take it leaves it running, which refuses.
    fn settle(&self, host: &dyn Host, taken: &Taken, state: Option<State>) {
        let fingerprint = taken.place.fingerprint;
        let _: Result<(), _> = self.memory.change(host, &taken.place, |bucket: &mut Bucket<Known>, _| {
            let known = bucket.find(fingerprint, taken.place.now);
            // Another call has the key by now, if this one's life was over before it was.
            if known.is_some_and(|known| known == Known { digest: taken.digest, state: State::Running }) {
                match state {
                    Some(state) => bucket.amend(fingerprint, Known { digest: taken.digest, state }),
                    None => bucket.remove(fingerprint),
                }
            }
        });
    }
}

/// What comes of a key that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    /// It is this call's from now on.
    Taken,
    Refused(Reason),
    Full,
}

/// What makes a call the same one: its method and its parameters to the letter, without `_meta`, which a client that tries again
/// makes anew, and without the id.
fn digest(message: &Message<'_>) -> Digest {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(&message.method().unwrap_or_default());
    if let Some(params) = message.params() {
        let text = message.text();
        for member in json::members(text, params) {
            let key = json::unescape(member.key.of(text));
            if key != "_meta" {
                add(&key);
                add(member.value.of(text));
            }
        }
    }
    let whole = hash.finalize();
    std::array::from_fn(|index| whole.get(index).copied().unwrap_or_default())
}

/// The stage's part in one exchange.
#[derive(Debug)]
struct IdempotencyExchange {
    shared: Rc<Shared>,
    /// The keys of calls that are not over.
    taken: Vec<Taken>,
    has_left: bool,
}

impl StageExchange for IdempotencyExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        match (self.shared.take(call, scope).map_err(Decision::new), self.shared.mode) {
            (Ok(taken), _) => {
                self.taken.extend(taken);
                Verdict::Pass
            }
            (Err(decision), Mode::Enforce) => Verdict::Refuse(decision),
            (Err(decision), Mode::Observe) => Verdict::Observe(decision),
        }
    }

    fn request_leaves(&mut self, _: &[u8], _: &mut Scope<'_>) {
        self.has_left = true;
    }

    fn reads_response(&self) -> Reads {
        if self.taken.is_empty() { Reads::Nothing } else { Reads::Observes }
    }

    fn response(&mut self, message: &Message<'_>, _: &Asked, scope: &mut Scope<'_>) -> Answer {
        if let (Kind::Response | Kind::Error, Some(id)) = (message.kind(), message.id()) {
            let is_answered = |taken: &mut Taken| taken.id.as_ref().is_some_and(|asked| asked.raw() == id.raw());
            // Before the answer goes on: who has it finds its call answered.
            for taken in self.taken.extract_if(.., is_answered) {
                self.shared.settle(&*scope.host, &taken, Some(State::Answered));
            }
        }
        Answer::Pass
    }

    fn ended(&mut self, scope: &mut Scope<'_>) {
        let state = self.has_left.then_some(State::Unknown);
        for taken in std::mem::take(&mut self.taken) {
            self.shared.settle(&*scope.host, &taken, state);
        }
    }
}
