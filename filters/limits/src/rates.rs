//! The buckets of a limit in the shared store.
//!
//! A bucket that is full says nothing: it is the one that a key gets which is not there. So only full buckets make room for
//! others, and nobody gets a fresh one by asking under many keys. Keys that find no room share one bucket.

use meshward_engine::store::{self, Reader};
use meshward_engine::{Host, StoreError};

use crate::place::{Mark, Place, WAYS};
use crate::rate::Rate;

/// Of version 1: a mark, and the times at which the buckets of a second and of a minute are full.
const TAG: [u8; 8] = *b"1limrate";

/// How many buckets a key has: one for a second, one for a minute.
const RATES: usize = 2;

/// The buckets of all keys of a limit.
#[derive(Debug)]
pub(crate) struct Rates {
    prefix: String,
    values: u64,
    rates: [Option<Rate>; RATES],
}

/// What became of taking a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was there.
    Yes,
    /// There will be one after so many nanoseconds.
    Not { wait: u64 },
    /// All buckets of the place are in use, and none is the key's.
    NoRoom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    mark: Mark,
    full_at: [u64; RATES],
}

impl Rates {
    /// The buckets below a prefix of store keys, in so many values.
    pub(crate) const fn new(prefix: String, values: u64, rates: [Option<Rate>; RATES]) -> Self {
        Self { prefix, values, rates }
    }

    /// Takes a token of each of a key's buckets, or of none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn take(&self, host: &dyn Host, place: &Place, now: u64) -> Result<Taken, StoreError> {
        let mut taken = Taken::NoRoom;
        store::update(host, &place.store_key(&self.prefix, self.values), |value| {
            let mut entries = self.entries(value, now);
            let found = entries.iter().position(|entry| entry.mark == place.mark);
            let at = found.or_else(|| entries.iter().position(|entry| entry.full_at.iter().all(|at| *at <= now)));
            let before = found.and_then(|at| entries.get(at)).map_or([0; RATES], |entry| entry.full_at);
            let entry = match self.take_of(before, now) {
                Ok(full_at) => Entry { mark: place.mark, full_at },
                Err(wait) => {
                    taken = Taken::Not { wait };
                    return Ok(None);
                }
            };
            let has_room = entries.len() < WAYS;
            match at.and_then(|at| entries.get_mut(at)) {
                Some(free) => *free = entry,
                None if has_room => entries.push(entry),
                None => {
                    taken = Taken::NoRoom;
                    return Ok(None);
                }
            }
            taken = Taken::Yes;
            Ok(Some(encode(&entries)))
        })?;
        Ok(taken)
    }

    /// Puts back what was taken for a call that another limit refused. Where that does not succeed, the call has counted.
    pub(crate) fn give_back(&self, host: &dyn Host, place: &Place, now: u64) {
        let _: Result<(), _> = store::update(host, &place.store_key(&self.prefix, self.values), |value| {
            let mut entries = self.entries(value, now);
            let Some(entry) = entries.iter_mut().find(|entry| entry.mark == place.mark) else { return Ok(None) };
            for (rate, full_at) in self.rates.iter().zip(&mut entry.full_at) {
                *full_at = rate.map_or(*full_at, |rate| rate.give_back(*full_at));
            }
            Ok(Some(encode(&entries)))
        });
    }

    fn take_of(&self, before: [u64; RATES], now: u64) -> Result<[u64; RATES], u64> {
        let (mut full_at, mut longest) = (before, None);
        for (rate, at) in self.rates.iter().zip(&mut full_at) {
            match rate.map_or(Ok(0), |rate| rate.take(*at, now)) {
                Ok(then) => *at = then,
                Err(wait) => longest = longest.max(Some(wait)),
            }
        }
        longest.map_or(Ok(full_at), Err)
    }

    /// What a value says. One that nobody wrote here says nothing.
    fn entries(&self, value: Option<&[u8]>, now: u64) -> Vec<Entry> {
        let Some(body) = value.and_then(|value| store::open(TAG, value)) else { return Vec::new() };
        let mut reader = Reader(body);
        let mut entries = Vec::with_capacity(WAYS);
        while let (Some(mark), Some(second), Some(minute)) = (reader.array(), reader.u64(), reader.u64()) {
            let mut full_at = [second, minute];
            for (rate, at) in self.rates.iter().zip(&mut full_at) {
                *at = rate.map_or(0, |rate| rate.as_of(*at, now));
            }
            entries.push(Entry { mark, full_at });
        }
        entries.truncate(WAYS);
        entries
    }
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(entries.len().saturating_mul(32));
    for entry in entries {
        body.extend(entry.mark);
        entry.full_at.iter().for_each(|at| body.extend(at.to_le_bytes()));
    }
    store::seal(TAG, &body)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests;
