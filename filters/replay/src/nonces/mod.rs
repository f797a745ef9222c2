//! What may be used once is used once: nonces, and whatever else a message carries that no other message does.
//!
//! A nonce takes 12 bytes in the memory of all workers ([`crate::memory`]) until its life is over. A false answer only ever
//! refuses:
//!
//! - Two nonces in one bucket have the same mark with a chance of one in 2^64; the later one is refused.
//! - A bucket has room for its share of the capacity and six standard deviations more. At capacity, fewer than one nonce in
//!   ten million finds its bucket full.
//! - What may have been accepted before the memory began is refused.
//!
//! Proxies that share a rate limit service share what it counts: of each nonce one, for as long as its limit says. It is asked about
//! what is new here, and its word counts.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meshward_engine::store::Reader;
use meshward_engine::{Callout, CalloutOutcome, Host};
use meshward_ratelimit::{Descriptor, Outcome, Service, outcome};
use meshward_wire::refusal::Reason;
use sha2::{Digest as _, Sha256};

use crate::config::{Leniency, NoncesConfig};
use crate::memory::{Bucket, Entry, Full, Memory, room, seconds};

/// The most nonces that can be remembered: a bucket then has 14 KiB for all to copy.
pub(crate) const LARGEST_CAPACITY: u32 = 4_194_304;

/// When a message may be accepted, by the rules of who checks its times, in nanoseconds of [`Host::now`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// It would not have been accepted earlier: when it says it was created, less the skew that clocks are granted. `None`: it
    /// does not say, so that a memory that has begun anew cannot tell that it is old.
    pub from: Option<u64>,
    /// It will not be accepted later.
    pub until: u64,
}

/// What is known of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is used for the first time, and known from now on.
    First,
    /// It was used before.
    Again,
    /// It may have been used before the memory began, which does not know.
    BeforeMemory,
    /// There is no room to remember it.
    Full,
    /// The store does not answer.
    Unavailable,
}

/// A nonce was used: that it is there is all that is to be known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Used;

impl Entry for Used {
    const KIND: &'static str = "nonces";
    const TAG: [u8; 8] = *b"1nonces\0";
    const BYTES: usize = 0;

    fn encode(&self, _: &mut Vec<u8>) {}
    fn decode(_: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// What was used once. Each worker has one, and all share what it remembers.
pub struct Nonces {
    service: Option<Service>,
    room: usize,
    unsure: Leniency,
    restart: Leniency,
    memory: Rc<Memory>,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Nonces {
    /// As the configuration has it.
    #[must_use]
    pub fn new(config: &NoncesConfig) -> Self {
        Self::in_memory(config, Rc::default(), None)
    }

    /// Likewise, in a memory that others use too, and with a service that counts for all proxies.
    pub(crate) fn in_memory(config: &NoncesConfig, memory: Rc<Memory>, service: Option<&Service>) -> Self {
        let service = service.filter(|_| config.service).cloned();
        Self { service, room: room(config.capacity), unsure: config.unsure, restart: config.restart, memory }
    }

    /// What becomes of a message of which nobody can say whether it was sent before.
    pub(crate) const fn unsure(&self) -> Leniency {
        self.unsure
    }

    /// What becomes of one that may have been accepted before the memory began.
    pub(crate) const fn restart(&self) -> Leniency {
        self.restart
    }

    /// Begins to remember. Called when a configuration is loaded: what came before is not known.
    pub fn start(&self, host: &dyn Host) {
        self.memory.start(host);
    }

    /// Uses a nonce as far as this proxy knows.
    fn accept(&self, host: &dyn Host, scope: &[u8], nonce: &[u8], window: Window) -> Result<(), Reason> {
        let allowed = match self.enter(host, scope, nonce, window) {
            Seen::First => return Ok(()),
            Seen::Again => return Err(Reason::NonceReused),
            Seen::BeforeMemory => (self.restart, Reason::NonceBeforeStart),
            Seen::Full => (self.unsure, Reason::NoncesFull),
            Seen::Unavailable => (self.unsure, Reason::NoncesUnavailable),
        };
        match allowed {
            (Leniency::Accept, _) => Ok(()),
            (Leniency::Refuse, reason) => Err(reason),
        }
    }

    /// Uses a nonce, everywhere: where a service counts for all proxies it has to be asked, and its answer given to
    /// [`Nonces::answered`]. `scope`: within what the nonce must be unlike all others, such as the key that signed it.
    ///
    /// # Errors
    /// Why the message that has it is refused, whatever the service would say.
    pub fn accept_everywhere(
        &self,
        host: &dyn Host,
        scope: &[u8],
        nonce: &[u8],
        window: Window,
    ) -> Result<Option<Callout>, Reason> {
        let Some(service) = &self.service else { return self.accept(host, scope, nonce, window).map(|()| None) };
        // What this proxy does not know, for whatever reason, the service does.
        if self.enter(host, scope, nonce, window) == Seen::Again {
            return Err(Reason::NonceReused);
        }
        let entry = |name: &str, value: String| (name.to_owned(), value);
        let counted = vec![entry("limit", "nonces".to_owned()), entry("nonce", name_of(scope, nonce))];
        Ok(Some(service.ask(&[Descriptor::new(counted)])))
    }

    /// What the service's answer means for the message.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn answered(&self, ended: &CalloutOutcome) -> Result<(), Reason> {
        match (outcome(1, ended), self.unsure) {
            (Outcome::Within, _) | (Outcome::Unknown(_), Leniency::Accept) => Ok(()),
            (Outcome::Over { .. }, _) => Err(Reason::NonceReused),
            (Outcome::Unknown(_), Leniency::Refuse) => Err(Reason::NoncesUnavailable),
        }
    }

    /// Uses a nonce, and says what was known of it.
    pub fn enter(&self, host: &dyn Host, scope: &[u8], nonce: &[u8], window: Window) -> Seen {
        // Rounded up, and a second more: another worker may take it for over while this one still accepts it.
        let until = seconds(window.until).saturating_add(2);
        let Ok(place) = self.memory.place(host, &[b"nonce", scope], nonce) else { return Seen::Unavailable };
        let entered = self.memory.change(host, &place, |bucket: &mut Bucket<Used>, since| {
            if bucket.find(place.fingerprint, place.now).is_some() {
                return Seen::Again;
            }
            match bucket.insert(place.fingerprint, (place.now, until), Used, self.room) {
                Err(Full) => Seen::Full,
                // In the second in which the memory began it may have begun later.
                Ok(()) if window.from.is_some_and(|from| seconds(from) <= since) => Seen::BeforeMemory,
                Ok(()) => Seen::First,
            }
        });
        entered.unwrap_or(Seen::Unavailable)
    }
}

/// What a nonce of a scope is called among all proxies: the beginning of a SHA-256, in base64url.
fn name_of(scope: &[u8], nonce: &[u8]) -> String {
    let mut hash = Sha256::new_with_prefix(b"meshward nonce v1\0");
    hash.update((scope.len() as u64).to_be_bytes());
    hash.update(scope);
    hash.update(nonce);
    let whole = hash.finalize();
    URL_SAFE_NO_PAD.encode(whole.get(..16).unwrap_or_default())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]
mod tests;
