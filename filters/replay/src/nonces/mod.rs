//! What may be used once is used once: nonces, and whatever else a message carries that no other message does.
//!
//! The workers of a proxy share a memory in the store: 4,096 buckets (`meshward/nonces/0`, …), each one value, in which 12 bytes
//! stand for a nonce until its life is over. A false answer only ever refuses:
//!
//! - Two nonces in one bucket have the same mark with a chance of one in 2^64; the later one is refused.
//! - A bucket has room for its share of the capacity and six standard deviations more. At capacity, fewer than one nonce in
//!   ten million finds its bucket full.
//! - The marks and places come from HMAC-SHA256 under a key that only the store knows: whoever sends nonces cannot aim.
//! - What another worker writes in between is never lost: a bucket is written over the version that was read, or read again.
//! - The memory knows since when it remembers. What may have been accepted before that is refused.

mod bucket;
mod root;

use std::cell::RefCell;
use std::rc::Rc;

use meshward_engine::{Host, StoreError, store};
use meshward_wire::refusal::Reason;

use self::bucket::{Bucket, Entered};
use self::root::Root;
use crate::config::{Leniency, NoncesConfig};

/// Into how many buckets the memory is split.
const BUCKETS: u32 = 4096;

/// The most nonces that can be remembered: a bucket is then 4 MiB for all to copy.
pub(crate) const LARGEST_CAPACITY: u32 = 4_194_304;

const SECOND: u64 = 1_000_000_000;

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

/// What was used once. Each worker has one, and all share what it remembers.
pub struct Nonces {
    room: usize,
    unsure: Leniency,
    restart: Leniency,
    root: RefCell<Option<Rc<Root>>>,
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
        Self { room: room(config.capacity), unsure: config.unsure, restart: config.restart, root: RefCell::default() }
    }

    /// Begins to remember. Called when a configuration is loaded: what came before is not known.
    pub fn start(&self, host: &dyn Host) {
        // A store that does not take it is asked again by the first message.
        let _: Result<Rc<Root>, _> = self.root(host, seconds(host.now()));
    }

    /// Uses a nonce. `scope`: within what it must be unlike all others, such as the key that signed it.
    ///
    /// # Errors
    /// Why the message that has it is refused.
    pub fn accept(&self, host: &dyn Host, scope: &[u8], nonce: &[u8], window: Window) -> Result<(), Reason> {
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

    /// Uses a nonce, and says what was known of it.
    pub fn enter(&self, host: &dyn Host, scope: &[u8], nonce: &[u8], window: Window) -> Seen {
        let now = seconds(host.now());
        // Rounded up, and a second more: another worker may take it for over while this one still accepts it.
        let until = seconds(window.until).saturating_add(2);
        let Ok(root) = self.root(host, now) else { return Seen::Unavailable };
        let Some(place) = root.place(scope, nonce) else { return Seen::Unavailable };
        let key = format!("meshward/nonces/{}", place.bucket % BUCKETS);
        let mut seen = Seen::Unavailable;
        let stored = store::update(host, &key, |value| {
            let mut bucket = match value {
                None => Bucket::new(root.since),
                // Somebody else wrote there: what it remembered is gone.
                Some(value) => Bucket::decode(value).unwrap_or(Bucket::new(now)),
            };
            let known_since = root.since.max(bucket.since);
            let entered = bucket.enter(place.fingerprint, now, until, self.room);
            // In the second in which it began it may have begun later.
            let is_before = window.from.is_some_and(|from| seconds(from) <= known_since);
            seen = match entered {
                Entered::Again => Seen::Again,
                Entered::Full => Seen::Full,
                Entered::First if is_before => Seen::BeforeMemory,
                Entered::First => Seen::First,
            };
            Ok((entered == Entered::First).then(|| bucket.encode()))
        });
        match stored {
            Ok(()) => seen,
            Err(StoreError::Changed | StoreError::Refused) => Seen::Unavailable,
        }
    }

    fn root(&self, host: &dyn Host, now: u32) -> Result<Rc<Root>, StoreError> {
        let mut known = self.root.borrow_mut();
        let root = Root::read(host, known.as_ref(), now)?;
        *known = Some(Rc::clone(&root));
        Ok(root)
    }
}

/// How many nonces a bucket has room for: its share, and six standard deviations more (where each falls is chance, so that the
/// number in a bucket is a Poisson variable).
fn room(capacity: u32) -> usize {
    let share = capacity.div_ceil(BUCKETS);
    let deviation = share.isqrt().saturating_add(1);
    share.saturating_add(deviation.saturating_mul(6)).saturating_add(6) as usize
}

/// Whole seconds since 1970; the last one that fits is in 2106.
fn seconds(nanoseconds: u64) -> u32 {
    u32::try_from(nanoseconds / SECOND).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]
mod tests;
