//! A proxy without a proxy: what the workers' memory is tried on.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::*;

/// The shared store of a proxy as its workers see it, and its clock.
#[derive(Default)]
pub(crate) struct Proxy {
    pub(crate) values: Mutex<HashMap<String, (Vec<u8>, u32)>>,
    now: AtomicU64,
    chance: AtomicU64,
    /// How many writes lost a race.
    lost: AtomicUsize,
    /// What the store does not take any more.
    is_dead: bool,
}

impl Proxy {
    pub(crate) fn dead() -> Self {
        Self { is_dead: true, ..Self::default() }
    }

    pub(crate) fn at(seconds: u64) -> Self {
        Self { now: AtomicU64::new(seconds * SECOND), ..Self::default() }
    }

    pub(crate) fn turn_to(&self, seconds: u64) {
        self.now.store(seconds * SECOND, Ordering::SeqCst);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values.lock().unwrap().iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }
}

impl Host for Proxy {
    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }
    fn random(&self, into: &mut [u8]) -> bool {
        for byte in into {
            *byte = self.chance.fetch_add(1, Ordering::SeqCst).to_le_bytes()[0];
        }
        true
    }
    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.lock().unwrap().get(key).cloned()
    }
    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        if self.is_dead {
            return Err(StoreError::Refused);
        }
        let mut values = self.values.lock().unwrap();
        let now = values.get(key).map(|(_, version)| *version);
        if now.is_some() && version.is_some() && version != now {
            self.lost.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Changed);
        }
        values.insert(key.to_owned(), (value.to_vec(), now.unwrap_or(0) + 1));
        Ok(())
    }
}

#[test]
fn no_two_things_of_different_scopes_are_marked_alike() {
    let proxy = Proxy::at(1);
    let memory = Memory::default();
    let mut seen = std::collections::BTreeSet::new();
    for (scope, thing) in [
        (&[&b""[..]][..], &b""[..]),
        (&[b"a"], b"b"),
        (&[b"ab"], b""),
        (&[b""], b"ab"),
        (&[b"a", b""], b"b"),
        (&[b"a", b"b"], b""),
        (&[b"", b"a"], b"b"),
        (&[], b"ab"),
    ] {
        assert!(seen.insert(memory.place(&proxy, scope, thing).unwrap().fingerprint), "{scope:?} {thing:?}");
    }
}

/// The chance that a bucket has more than its room when so many things are remembered: the upper tail of a Poisson distribution.
fn chance_of_overflow(live: u32, capacity: u32) -> f64 {
    let mean = f64::from(live) / f64::from(BUCKETS);
    let room = u32::try_from(room(capacity)).unwrap();
    let mut term = (-mean).exp();
    let mut below = 0.0;
    let mut tail = 0.0;
    for count in 0..room * 4 + 200 {
        if count < room {
            below += term
        } else {
            tail += term
        }
        term *= mean / f64::from(count + 1);
    }
    assert!((below + tail - 1.0_f64).abs() < 1e-6, "{below} {tail}");
    tail
}

#[test]
fn the_rate_of_false_refusals_is_as_stated() {
    for capacity in [1, 100, 4_096, 10_000, 65_536, 200_000, 1_000_000, 2_000_000] {
        let chance = chance_of_overflow(capacity, capacity);
        assert!(chance < 1e-7, "{capacity}: {chance}");
    }
}
