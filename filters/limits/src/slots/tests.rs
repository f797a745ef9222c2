use proptest::prelude::*;

use super::*;
use crate::store::{SECOND, Store};

/// A worker: its number, and what it holds.
#[derive(Debug)]
struct One {
    worker: Worker,
    slots: Slots,
}

impl One {
    fn new(limit: u32, values: u64) -> Self {
        Self { worker: Worker::default(), slots: Slots::new("p".to_owned(), values, limit) }
    }

    fn take(&self, store: &Store, key: u8) -> Slot {
        self.slots.take(store, &self.worker, &place(key), store.now.get()).unwrap()
    }

    fn give_back(&self, store: &Store, key: u8) {
        self.slots.give_back(store, &self.worker, &place(key), store.now.get());
    }

    fn renew(&self, store: &Store) {
        self.slots.renew(store, &self.worker, store.now.get());
    }
}

fn place(number: u8) -> Place {
    Place { mark: [number; 16], number: number.into() }
}

#[test]
fn all_workers_share_the_slots_of_a_key() {
    let store = Store::default();
    let workers = [One::new(3, 1), One::new(3, 1), One::new(3, 1)];
    for worker in &workers {
        assert_eq!(worker.take(&store, 1), Slot::Taken);
    }
    for worker in &workers {
        assert_eq!(worker.take(&store, 1), Slot::Busy);
        assert_eq!(worker.take(&store, 2), Slot::Taken, "another key");
    }
    workers[1].give_back(&store, 1);
    assert_eq!(workers[2].take(&store, 1), Slot::Taken);
    assert_eq!(workers[0].take(&store, 1), Slot::Busy);
    for (worker, calls) in [(0, 1), (2, 2)] {
        (0..calls).for_each(|_| workers[worker].give_back(&store, 1));
    }
    for worker in &workers {
        worker.give_back(&store, 2);
        assert!(worker.slots.is_idle());
    }
    assert!(entries(store.store_get("p/0").map(|(value, _)| value).as_deref(), store.now.get()).is_empty());
}

#[test]
fn a_worker_that_is_gone_holds_nothing_for_longer_than_the_lease_and_one_that_is_there_does() {
    let store = Store::default();
    let (alive, gone) = (One::new(2, 1), One::new(2, 1));
    assert_eq!(alive.take(&store, 1), Slot::Taken);
    assert_eq!(gone.take(&store, 1), Slot::Taken);
    drop(gone);
    let another = One::new(2, 1);
    for _ in 0..2 {
        store.pass(5 * SECOND);
        alive.renew(&store);
        assert_eq!(another.take(&store, 1), Slot::Busy);
    }
    store.pass(5 * SECOND);
    alive.renew(&store);
    assert_eq!(another.take(&store, 1), Slot::Taken);
    assert_eq!(another.take(&store, 1), Slot::Busy, "a call may last as long as it likes");
}

#[test]
fn what_could_not_be_written_is_made_good() {
    let store = Store::default();
    let (one, other) = (One::new(1, 1), One::new(1, 1));
    assert_eq!(one.take(&store, 1), Slot::Taken);
    store.refuses.set(true);
    one.give_back(&store, 1);
    assert!(!one.slots.is_idle(), "it is to be said again");
    store.refuses.set(false);
    assert_eq!(other.take(&store, 1), Slot::Busy);
    one.renew(&store);
    assert!(one.slots.is_idle());
    assert_eq!(other.take(&store, 1), Slot::Taken);

    store.refuses.set(true);
    assert_eq!(one.slots.take(&store, &one.worker, &place(2), store.now.get()), Err(StoreError::Refused));
    assert!(one.slots.is_idle(), "nothing was taken");
}

#[test]
fn keys_with_calls_under_way_make_no_room() {
    let store = Store::default();
    let one = One::new(1, 1);
    for key in 1..=8 {
        assert_eq!(one.take(&store, key), Slot::Taken);
    }
    assert_eq!(one.take(&store, 9), Slot::NoRoom);
    assert_eq!(one.take(&store, 1), Slot::Busy);
    one.give_back(&store, 4);
    assert_eq!(one.take(&store, 9), Slot::Taken);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_clock_that_goes_back_blocks_nobody() {
    let store = Store::default();
    let now = store.now.get();
    let (gone, one) = (One::new(1, 1), One::new(1, 1));
    store.pass(3600 * SECOND);
    assert_eq!(gone.take(&store, 1), Slot::Taken);
    drop(gone);
    store.now.set(now);
    assert_eq!(one.take(&store, 1), Slot::Taken);
    // Workers' clocks are read one after another.
    store.now.set(now - 1000);
    assert_eq!(One::new(1, 1).take(&store, 1), Slot::Busy);
}

proptest! {
    #[test]
    fn what_others_wrote_is_read_without_harm(mut value: Vec<u8>, sealed: bool, now: u64) {
        let store = Store::default();
        if sealed {
            value = store::seal(TAG, &value);
        }
        store.put("p/0", &value);
        let one = One::new(1, 1);
        prop_assert!(one.slots.take(&store, &one.worker, &place(1), now).is_ok());
        one.slots.renew(&store, &one.worker, now);
        one.slots.give_back(&store, &one.worker, &place(1), now);
        prop_assert!(one.slots.is_idle());
    }

    /// Workers take, give back, renew and die, in any order: there are never more calls under way than slots, and once all have
    /// ended, all slots are free.
    #[test]
    fn no_slot_is_given_twice_or_lost(
        steps in prop::collection::vec((0..4_usize, 0..4_u8, 0..2_u8), 1..200), limit in 1..4_u32,
    ) {
        let store = Store::default();
        let mut workers: Vec<_> = (0..4).map(|_| One::new(limit, 1)).collect();
        let mut calls = [[0_u32; 2]; 4];
        for (worker, step, key) in steps {
            store.pass(SECOND / 10);
            let held = calls[worker][usize::from(key)];
            match step {
                0 | 1 => {
                    if workers[worker].take(&store, key) == Slot::Taken {
                        calls[worker][usize::from(key)] += 1;
                    }
                }
                2 if held > 0 => {
                    workers[worker].give_back(&store, key);
                    calls[worker][usize::from(key)] -= 1;
                }
                3 if worker == 3 => {
                    // It traps, and another takes its place: its calls are over.
                    workers[worker] = One::new(limit, 1);
                    calls[worker] = [0; 2];
                }
                _ => workers[worker].renew(&store),
            }
            for key in 0..2 {
                prop_assert!(calls.iter().map(|held| held[key]).sum::<u32>() <= limit);
            }
            for worker in &workers {
                worker.renew(&store);
            }
        }
        for (worker, held) in workers.iter().zip(&calls) {
            for (key, held) in (0..2).zip(held) {
                (0..*held).for_each(|_| worker.give_back(&store, key));
            }
        }
        store.pass(LEASE);
        let fresh = One::new(limit, 1);
        for key in 0..2 {
            for _ in 0..limit {
                prop_assert_eq!(fresh.take(&store, key), Slot::Taken);
            }
            prop_assert_eq!(fresh.take(&store, key), Slot::Busy);
        }
    }
}
