use proptest::prelude::*;

use super::*;
use crate::store::{SECOND, Store};

fn rates(calls: u32, burst: u32, values: u64) -> Rates {
    Rates::new("p".to_owned(), values, [Some(Rate::new(calls, SECOND, burst)), None])
}

fn place(number: u8) -> Place {
    Place { mark: [number; 16], number: number.into() }
}

fn take(rates: &Rates, store: &Store, key: u8) -> Taken {
    rates.take(store, &place(key), store.now.get()).unwrap()
}

#[test]
fn keys_are_counted_apart_and_all_workers_together() {
    let store = Store::default();
    let (one, other) = (rates(2, 2, 1), rates(2, 2, 1));
    for key in [1, 2] {
        assert_eq!(take(&one, &store, key), Taken::Yes);
        assert_eq!(take(&other, &store, key), Taken::Yes);
        assert_eq!(take(&one, &store, key), Taken::Not { wait: SECOND / 2 });
    }
    store.pass(SECOND / 2);
    assert_eq!(take(&other, &store, 1), Taken::Yes);
    assert_eq!(take(&one, &store, 1), Taken::Not { wait: SECOND / 2 });
}

#[test]
fn both_rates_hold_and_the_longer_wait_is_told() {
    let store = Store::default();
    let minute = Rate::new(3, 60 * SECOND, 3);
    let rates = Rates::new("p".to_owned(), 1, [Some(Rate::new(2, SECOND, 2)), Some(minute)]);
    let taken: Vec<_> = (0..3).map(|_| take(&rates, &store, 1)).collect();
    assert_eq!(taken, [Taken::Yes, Taken::Yes, Taken::Not { wait: SECOND / 2 }]);
    store.pass(SECOND);
    assert_eq!(take(&rates, &store, 1), Taken::Yes);
    assert_eq!(take(&rates, &store, 1), Taken::Not { wait: 19 * SECOND });
    store.pass(19 * SECOND);
    assert_eq!(take(&rates, &store, 1), Taken::Yes, "the refused one took no token of the second");
}

#[test]
fn a_flood_of_keys_gives_nobody_a_fresh_bucket() {
    let store = Store::default();
    let rates = rates(10, 1, 1);
    assert_eq!(take(&rates, &store, 1), Taken::Yes);
    // Seven others fill the value; the rest find no room, and none of them drives the first out.
    let taken: Vec<_> = (2..=20).map(|key| take(&rates, &store, key)).collect();
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::Yes).count(), WAYS - 1);
    assert!(taken.iter().skip(WAYS - 1).all(|taken| *taken == Taken::NoRoom));
    assert!(matches!(take(&rates, &store, 1), Taken::Not { .. }));
    // Once they are full again, they make room.
    store.pass(SECOND / 10);
    assert_eq!(take(&rates, &store, 30), Taken::Yes);
    assert_eq!(store.len(), 1);
}

#[test]
fn those_without_room_share_one_bucket() {
    let store = Store::default();
    let rates = rates(10, 2, 1);
    let shared = || rates.take(&store, &Place::NONE, store.now.get()).unwrap();
    assert_eq!([shared(), shared()], [Taken::Yes; 2]);
    assert!(matches!(shared(), Taken::Not { .. }));
    assert!(store.store_get("p/rest").is_some());
}

#[test]
fn what_is_given_back_counts_for_nobody() {
    let store = Store::default();
    let rates = rates(1, 1, 1);
    assert_eq!(take(&rates, &store, 1), Taken::Yes);
    rates.give_back(&store, &place(1), store.now.get());
    assert_eq!(take(&rates, &store, 1), Taken::Yes);
    assert!(matches!(take(&rates, &store, 1), Taken::Not { .. }));
    rates.give_back(&store, &place(9), store.now.get());
}

#[test]
fn a_clock_that_goes_back_leaves_no_bucket_in_the_way() {
    let store = Store::default();
    let rates = rates(10, 1, 1);
    let now = store.now.get();
    store.pass(3600 * SECOND);
    (1..=8).for_each(|key| assert_eq!(take(&rates, &store, key), Taken::Yes));
    store.now.set(now);
    assert!(matches!(take(&rates, &store, 1), Taken::Not { .. }));
    assert_eq!(take(&rates, &store, 9), Taken::NoRoom);
    rates.give_back(&store, &place(1), now);
    assert_eq!(take(&rates, &store, 1), Taken::Yes);
    store.pass(SECOND / 10);
    assert_eq!(take(&rates, &store, 9), Taken::Yes);
}

#[test]
fn lost_races_are_run_again_and_a_store_that_refuses_is_an_error() {
    let store = Store::default();
    let rates = rates(1, 1, 1);
    store.lost.set(20);
    assert_eq!(take(&rates, &store, 1), Taken::Yes);
    store.refuses.set(true);
    store.pass(SECOND);
    assert_eq!(rates.take(&store, &place(1), store.now.get()), Err(StoreError::Refused));
    assert_eq!(rates.take(&store, &place(2), store.now.get()), Err(StoreError::Refused));
}

proptest! {
    #[test]
    fn what_others_wrote_is_read_without_harm(mut value: Vec<u8>, sealed: bool, now: u64, key: u8) {
        let store = Store::default();
        if sealed {
            value = store::seal(TAG, &value);
        }
        store.put("p/0", &value);
        let rates = rates(5, 5, 1);
        let taken = rates.take(&store, &place(key), now);
        prop_assert!(taken.is_ok());
        if !sealed {
            prop_assert_eq!(taken, Ok(Taken::Yes), "it says nothing");
        }
        rates.give_back(&store, &place(key), now);
    }

    /// Whatever keys come, a key never passes more often than its bucket permits.
    #[test]
    fn no_key_passes_more_often_than_permitted(
        calls in prop::collection::vec((0..24_u8, 0..40_000_000_u64), 1..400), values in 1..3_u64,
    ) {
        let store = Store::default();
        let rates = rates(20, 2, values);
        let start = store.now.get();
        let mut passed = [0_u64; 24];
        for (key, step) in calls {
            store.pass(step);
            if take(&rates, &store, key) == Taken::Yes {
                passed[usize::from(key)] += 1;
            }
            let came_back = (store.now.get() - start) * 20 / SECOND;
            prop_assert!(passed[usize::from(key)] <= 2 + came_back);
        }
    }
}
