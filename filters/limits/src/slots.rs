//! Calls under way, in the shared store.
//!
//! Each worker writes how many it has of each key, and until when that is to be believed. It says so again from time to
//! time, so a call may last as long as it likes; a worker that is gone with its calls is not believed any more
//! after [`LEASE`]. What a worker writes is always its whole number, so what could not be written is made good the next time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use meshward_engine::store::{self, Reader};
use meshward_engine::{Host, StoreError};

use crate::place::{Mark, Place, WAYS};

/// Of version 1: for each key its mark, and for each worker its number, its calls and until when that holds.
const TAG: [u8; 8] = *b"1limslot";

/// For how long a worker is believed, in nanoseconds.
const LEASE: u64 = 15_000_000_000;
/// How often it says it again, in milliseconds.
pub(crate) const RENEWAL_MS: u32 = 5_000;
/// The most workers that have calls of one key; a proxy has fewer.
const MOST_WORKERS: usize = 4096;

/// The calls under way of all keys of a limit.
#[derive(Debug)]
pub(crate) struct Slots {
    prefix: String,
    values: u64,
    limit: u32,
    /// This worker's calls by key; 0: none, but the store does not know yet.
    mine: RefCell<BTreeMap<Place, u32>>,
}

/// Tells this worker from all others that write into the same store, before it too.
#[derive(Debug, Default)]
pub(crate) struct Worker(Cell<Option<u64>>);

/// What became of taking a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// It was free.
    Taken,
    /// All are in use.
    Busy,
    /// All keys of the place have calls under way, and none is this one.
    NoRoom,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mark: Mark,
    held: Vec<Held>,
}

/// What one worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    worker: u64,
    calls: u32,
    until: u64,
}

impl Worker {
    /// Its number.
    fn number(&self, host: &dyn Host) -> u64 {
        let number = self.0.get().unwrap_or_else(|| {
            let mut bytes = [0; 8];
            if host.random(&mut bytes) { u64::from_le_bytes(bytes) } else { host.now() }
        });
        self.0.set(Some(number));
        number
    }
}

impl Slots {
    /// So many slots for each key, below a prefix of store keys, in so many values.
    pub(crate) const fn new(prefix: String, values: u64, limit: u32) -> Self {
        Self { prefix, values, limit, mine: RefCell::new(BTreeMap::new()) }
    }

    /// Takes a slot of a key.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn take(&self, host: &dyn Host, worker: &Worker, place: &Place, now: u64) -> Result<Slot, StoreError> {
        let number = worker.number(host);
        let mine = self.mine(place).saturating_add(1);
        let mut slot = Slot::NoRoom;
        store::update(host, &place.store_key(&self.prefix, self.values), |value| {
            let mut entries = entries(value, now);
            let others = entries.iter().find(|entry| entry.mark == place.mark).map_or(0, |entry| entry.others(number));
            if others.saturating_add(u64::from(mine)) > u64::from(self.limit) {
                slot = Slot::Busy;
                return Ok(None);
            }
            if !put(&mut entries, place.mark, Held { worker: number, calls: mine, until: now.saturating_add(LEASE) }) {
                slot = Slot::NoRoom;
                return Ok(None);
            }
            slot = Slot::Taken;
            Ok(Some(encode(&entries)))
        })?;
        if slot == Slot::Taken {
            self.set_mine(place, Some(mine));
        }
        Ok(slot)
    }

    /// Gives a slot back. If the store cannot be written now, it hears of it with the next renewal.
    pub(crate) fn give_back(&self, host: &dyn Host, worker: &Worker, place: &Place, now: u64) {
        self.set_mine(place, Some(self.mine(place).saturating_sub(1)));
        self.write(host, worker, place, now);
    }

    /// Whether there is anything to say again.
    pub(crate) fn is_idle(&self) -> bool {
        self.mine.try_borrow().is_ok_and(|mine| mine.is_empty())
    }

    /// Says again what this worker has.
    pub(crate) fn renew(&self, host: &dyn Host, worker: &Worker, now: u64) {
        let places: Vec<Place> = self.mine.try_borrow().map(|mine| mine.keys().copied().collect()).unwrap_or_default();
        for place in places {
            self.write(host, worker, &place, now);
        }
    }

    /// Writes this worker's number of a key.
    fn write(&self, host: &dyn Host, worker: &Worker, place: &Place, now: u64) {
        let (number, calls) = (worker.number(host), self.mine(place));
        let written = store::update(host, &place.store_key(&self.prefix, self.values), |value| {
            let mut entries = entries(value, now);
            // Where others have taken the place of one that was not believed any more, there is none left to write to.
            put(&mut entries, place.mark, Held { worker: number, calls, until: now.saturating_add(LEASE) });
            Ok(Some(encode(&entries)))
        });
        if calls == 0 && written.is_ok() {
            self.set_mine(place, None);
        }
    }

    fn mine(&self, place: &Place) -> u32 {
        self.mine.try_borrow().ok().and_then(|mine| mine.get(place).copied()).unwrap_or_default()
    }

    fn set_mine(&self, place: &Place, calls: Option<u32>) {
        if let Ok(mut mine) = self.mine.try_borrow_mut() {
            match calls {
                Some(calls) => mine.insert(*place, calls),
                None => mine.remove(place),
            };
        }
    }
}

impl Entry {
    /// The calls of other workers.
    fn others(&self, worker: u64) -> u64 {
        self.held
            .iter()
            .filter(|held| held.worker != worker)
            .map(|held| u64::from(held.calls))
            .fold(0, u64::saturating_add)
    }
}

/// Writes what a worker holds of a key; `false`: there is no room for it.
fn put(entries: &mut Vec<Entry>, mark: Mark, held: Held) -> bool {
    let at = entries.iter().position(|entry| entry.mark == mark);
    if at.is_none() && held.calls > 0 {
        if entries.len() >= WAYS {
            return false;
        }
        entries.push(Entry { mark, held: Vec::new() });
    }
    let Some(entry) = entries.iter_mut().find(|entry| entry.mark == mark) else { return true };
    entry.held.retain(|known| known.worker != held.worker);
    if held.calls > 0 {
        if entry.held.len() >= MOST_WORKERS {
            return false;
        }
        entry.held.push(held);
    }
    entries.retain(|entry| !entry.held.is_empty());
    true
}

/// What a value says that is still to be believed. One that nobody wrote here says nothing.
fn entries(value: Option<&[u8]>, now: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let Some(body) = value.and_then(|value| store::open(TAG, value)) else { return entries };
    let mut reader = Reader(body);
    while let (Some(mark), Some(count)) = (reader.array(), reader.u16()) {
        let mut held = Vec::with_capacity(usize::from(count).min(64));
        for _ in 0..count {
            let (Some(worker), Some(calls), Some(until)) = (reader.u64(), reader.u32(), reader.u64()) else { break };
            // What is to hold for longer than anything was written before the clock went back. Workers' clocks differ a little.
            if until > now && until <= now.saturating_add(LEASE.saturating_mul(2)) && calls > 0 {
                held.push(Held { worker, calls, until });
            }
        }
        if !held.is_empty() && entries.len() < WAYS {
            entries.push(Entry { mark, held });
        }
    }
    entries
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    for entry in entries {
        body.extend(entry.mark);
        body.extend(u16::try_from(entry.held.len()).unwrap_or(u16::MAX).to_le_bytes());
        for Held { worker, calls, until } in &entry.held {
            body.extend(worker.to_le_bytes());
            body.extend(calls.to_le_bytes());
            body.extend(until.to_le_bytes());
        }
    }
    store::seal(TAG, &body)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests;
