use std::cell::RefCell;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use meshward_engine::StoreError;
use proptest::prelude::*;

use super::*;
use crate::config::Leniency;
use crate::memory::BUCKETS;
use crate::memory::tests::Proxy;

const SECOND: u64 = 1_000_000_000;

fn nonces(capacity: u32) -> Nonces {
    Nonces::new(&NoncesConfig { capacity, ..NoncesConfig::default() })
}

fn window(from: u64, until: u64) -> Window {
    Window { from: Some(from * SECOND), until: until * SECOND }
}

const ALWAYS: Window = Window { from: None, until: u64::MAX };

#[test]
fn a_nonce_is_accepted_once_within_its_life() {
    let proxy = Proxy::at(100);
    let nonces = nonces(1);
    nonces.start(&proxy);
    for (at, scope, nonce, window, seen) in [
        (200, "key", "n-1", window(190, 300), Seen::First),
        (200, "key", "n-1", window(190, 300), Seen::Again),
        (200, "key", "n-2", window(190, 300), Seen::First),
        (200, "other", "n-1", window(190, 300), Seen::First),
        (200, "keyn", "-1", window(190, 300), Seen::First),
        (300, "key", "n-1", window(190, 300), Seen::Again),
        (303, "key", "n-1", window(190, 400), Seen::First),
        (303, "key", "n-1", window(190, 400), Seen::Again),
    ] {
        proxy.turn_to(at);
        assert_eq!(nonces.enter(&proxy, scope.as_bytes(), nonce.as_bytes(), window), seen, "{at} {scope} {nonce}");
    }
    assert_eq!(self::nonces(1).enter(&proxy, b"key", b"n-1", window(190, 400)), Seen::Again, "another worker");
}

#[test]
fn what_may_have_been_accepted_before_a_restart_is_refused() {
    let before = Proxy::at(100);
    let nonces = nonces(1);
    nonces.start(&before);
    before.turn_to(200);
    assert_eq!(nonces.enter(&before, b"key", b"captured", window(195, 260)), Seen::First);
    // The process ends, and begins anew with an empty store.
    let after = Proxy::at(210);
    let nonces = self::nonces(1);
    nonces.start(&after);
    for (at, nonce, window, seen) in [
        (211, "captured", window(195, 260), Seen::BeforeMemory),
        (211, "edge", window(210, 260), Seen::BeforeMemory),
        (211, "new", window(211, 270), Seen::First),
        (230, "captured", window(195, 260), Seen::Again),
        (230, "unknown time", ALWAYS, Seen::First),
    ] {
        after.turn_to(at);
        assert_eq!(nonces.enter(&after, b"key", nonce.as_bytes(), window), seen, "{nonce}");
    }
    let lenient = Nonces::new(&NoncesConfig { restart: Leniency::Accept, ..NoncesConfig::default() });
    assert_eq!(lenient.accept(&after, b"key", b"older", window(1, 260)), Ok(()));
    assert_eq!(lenient.accept(&after, b"key", b"older", window(1, 260)), Err(Reason::NonceReused));
}

#[test]
fn what_others_write_over_the_memory_lets_nothing_old_pass() {
    let proxy = Proxy::at(100);
    let nonces = nonces(1);
    nonces.start(&proxy);
    proxy.turn_to(200);
    assert_eq!(nonces.enter(&proxy, b"key", b"n", window(150, 900)), Seen::First);
    for garbage in [&b""[..], b"garbage", &[0; 64]] {
        // All of it, the root included; then all but the root.
        for spared in ["", "meshward/memory"] {
            proxy.turn_to(200);
            nonces.enter(&proxy, b"key", b"n", window(150, 900));
            for (key, (value, _)) in proxy.values.lock().unwrap().iter_mut().filter(|(key, _)| *key != spared) {
                *value = garbage.to_vec();
                assert!(key.starts_with("meshward/"));
            }
            proxy.turn_to(300);
            assert_eq!(nonces.enter(&proxy, b"key", b"n", window(150, 900)), Seen::BeforeMemory);
            assert_eq!(nonces.enter(&proxy, b"key", b"n", window(150, 900)), Seen::Again);
        }
    }
}

#[test]
fn who_cannot_remember_does_as_it_is_told() {
    let dead = Proxy::dead();
    let accepting = |unsure| Nonces::new(&NoncesConfig { unsure, ..NoncesConfig::default() });
    for (unsure, accepted) in [(Leniency::Refuse, Err(Reason::NoncesUnavailable)), (Leniency::Accept, Ok(()))] {
        assert_eq!(accepting(unsure).accept(&dead, b"", b"n", ALWAYS), accepted);
    }
    let proxy = Proxy::at(100);
    let small = nonces(1);
    let mut number = 0_u32;
    let full = std::iter::repeat_with(|| {
        number += 1;
        small.accept(&proxy, b"", &number.to_le_bytes(), window(101, 200))
    });
    assert_eq!(full.take(1_000_000).find(Result::is_err), Some(Err(Reason::NoncesFull)));
    let lenient = Nonces::new(&NoncesConfig { capacity: 1, unsure: Leniency::Accept, ..NoncesConfig::default() });
    assert_eq!(lenient.accept(&proxy, b"", &number.to_le_bytes(), window(101, 200)), Ok(()));
    assert_eq!(lenient.accept(&proxy, b"", &1_u32.to_le_bytes(), window(101, 200)), Err(Reason::NonceReused));
    // It recovers by itself once lives are over.
    proxy.turn_to(203);
    assert_eq!(small.accept(&proxy, b"", &number.to_le_bytes(), window(201, 300)), Ok(()));
}

#[test]
fn beyond_capacity_refusals_come_as_reckoned_and_memory_has_a_bound() {
    let proxy = Proxy::at(100);
    let capacity = 4_096;
    let nonces = nonces(capacity);
    nonces.start(&proxy);
    let life = window(101, 1_000);
    let sent = 13 * BUCKETS;
    let mut refused = 0_u32;
    for number in 0..sent {
        refused += u32::from(nonces.enter(&proxy, b"", &number.to_le_bytes(), life) == Seen::Full);
    }
    // Of n nonces that fall into buckets by chance, those beyond the room of theirs: the sum over buckets of max(0, X - room).
    let mean = f64::from(sent) / f64::from(BUCKETS);
    let room = room(capacity);
    let (mut term, mut beyond) = ((-mean).exp(), 0.0);
    for count in 1..200_u32 {
        term *= mean / f64::from(count);
        beyond += term * f64::from(count).max(room as f64) - term * room as f64;
    }
    let expected = beyond * f64::from(BUCKETS);
    let spread = 6.0 * expected.sqrt() + 20.0;
    assert!((f64::from(refused) - expected).abs() < spread, "{refused} refused, {expected} reckoned");
    for number in sent..sent + 20 * BUCKETS {
        nonces.enter(&proxy, b"", &number.to_le_bytes(), life);
    }
    let most = BUCKETS as usize * (room * 12 + 20 + "meshward/nonces/4095".len()) + 200;
    assert!(proxy.bytes() <= most, "{} bytes, at most {most}", proxy.bytes());
}

#[test]
fn eight_workers_accept_none_of_200_000_nonces_twice() {
    static STARTED: Once = Once::new();
    const COUNT: u32 = 200_000;
    let proxy = Proxy::at(100);
    let accepted: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
    let refused = AtomicUsize::new(0);
    let replays = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..8_u32 {
            let (proxy, accepted, refused, replays) = (&proxy, &accepted, &refused, &replays);
            scope.spawn(move || {
                let nonces = nonces(COUNT);
                STARTED.call_once(|| nonces.start(proxy));
                let send = |number: u32| match nonces.enter(proxy, b"k", &number.to_le_bytes(), window(101, 500)) {
                    Seen::First => accepted[number as usize].fetch_add(1, Ordering::SeqCst),
                    Seen::Again => 0,
                    _ => refused.fetch_add(1, Ordering::SeqCst),
                };
                for number in (worker..COUNT).step_by(8) {
                    send(number);
                    if number % 100 < 8 && (number / 100) % 8 == worker {
                        // One in a hundred again: some of what others send, before they do or after.
                        replays.fetch_add(1, Ordering::SeqCst);
                        send(number ^ 1);
                    }
                }
            });
        }
    });
    assert!(accepted.iter().all(|count| count.load(Ordering::SeqCst) == 1), "each once");
    assert_eq!(refused.load(Ordering::SeqCst), 0, "no false refusal at capacity");
    assert!(replays.load(Ordering::SeqCst) >= COUNT as usize / 100);
    assert!(proxy.bytes() < 8 << 20, "{} bytes", proxy.bytes());
}

proptest! {
    /// Whatever workers read and write between one another's reads and writes, one of them has a nonce.
    #[test]
    fn no_order_of_reads_and_writes_accepts_a_nonce_twice(order in prop::collection::vec(0..3_usize, 0..12)) {
        /// A worker's view of the store, in which others act before each of its writes.
        struct Between<'a> {
            proxy: &'a Proxy,
            others: RefCell<Vec<usize>>,
            accepted: &'a AtomicUsize,
        }
        impl Host for Between<'_> {
            fn now(&self) -> u64 {
                self.proxy.now()
            }
            fn random(&self, into: &mut [u8]) -> bool {
                self.proxy.random(into)
            }
            fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
                self.proxy.store_get(key)
            }
            fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
                let other = self.others.borrow_mut().pop();
                if let Some(other) = other {
                    // Another worker, with the same nonce or another, which may be overtaken in turn.
                    let rest = std::mem::take(&mut *self.others.borrow_mut());
                    let between = Between { proxy: self.proxy, others: RefCell::new(rest), accepted: self.accepted };
                    let nonce = if other == 0 { &b"other"[..] } else { b"same" };
                    let seen = nonces(1).enter(&between, b"", nonce, ALWAYS);
                    let is_first = other != 0 && seen == Seen::First;
                    self.accepted.fetch_add(usize::from(is_first), Ordering::SeqCst);
                }
                self.proxy.store_set(key, value, version)
            }
        }
        let (proxy, accepted) = (Proxy::at(100), AtomicUsize::new(0));
        let between = Between { proxy: &proxy, others: RefCell::new(order), accepted: &accepted };
        let seen = nonces(1).enter(&between, b"", b"same", ALWAYS);
        accepted.fetch_add(usize::from(seen == Seen::First), Ordering::SeqCst);
        prop_assert_eq!(accepted.load(Ordering::SeqCst), 1);
    }
}
