use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::*;
use crate::config::{PinsConfig, Trust};
use crate::definitions::Flaws;
use crate::digest::Digest;
use crate::guards::Guards;
use crate::look::Look;
use crate::table::{Listed, Page, Review};

/// What another worker does.
type Race = Box<dyn FnOnce(&Store)>;

/// The store of a proxy, in which another worker may write first.
#[derive(Default)]
struct Store {
    values: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    now: Cell<u64>,
    refuses: Cell<bool>,
    /// Run once, right before a write.
    before_write: RefCell<Option<Race>>,
}

impl Host for Store {
    fn now(&self) -> u64 {
        self.now.set(self.now.get().wrapping_add(1));
        self.now.get()
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.borrow().get(key).cloned()
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        let first = self.before_write.borrow_mut().take();
        first.into_iter().for_each(|first| first(self));
        if self.refuses.get() {
            return Err(StoreError::Refused);
        }
        let mut values = self.values.borrow_mut();
        let now = values.get(key).map(|(_, version)| *version);
        if version.is_some() && now.is_some() && version != now {
            return Err(StoreError::Changed);
        }
        values.insert(key.to_owned(), (value.to_vec(), now.unwrap_or(0).wrapping_add(1)));
        Ok(())
    }
}

fn list(tables: &mut Tables, store: &Store, server: u64, max: usize, tool: (&str, &str)) -> Result<Review, StoreError> {
    let pins = PinsConfig { trust: Trust::FirstUse, ..PinsConfig::default() };
    let guards = Guards::new(Some(&pins), None, ["/mcp"]).unwrap();
    let listed = Listed {
        name: tool.0,
        digest: Digest::of_bytes(tool.1.as_bytes()),
        flaws: Flaws::default(),
        cured: Flaws::default(),
        look: Look::default(),
        may_repeat: false,
    };
    let page = Page { tools: vec![listed], place: None };
    tables.change(store, server, max, |table| table.review(&guards, "/mcp", &page))
}

#[test]
fn one_worker_sees_what_another_has_written() {
    let store = Store::default();
    let (mut one, mut two) = (Tables::default(), Tables::default());
    assert_eq!(one.get(&store, 1, 4), None);
    list(&mut one, &store, 1, 4, ("a", "a")).unwrap();
    let table = one.get(&store, 1, 4);
    assert!(table.is_some());
    assert_eq!(two.get(&store, 1, 4), table);
    list(&mut two, &store, 1, 4, ("b", "b")).unwrap();
    assert_ne!(one.get(&store, 1, 4), table);
    assert_eq!(two.get(&store, 1, 4), one.get(&store, 1, 4));
}

#[test]
fn who_loses_a_race_keeps_what_the_winner_wrote() {
    for seen_before in [false, true] {
        let store = Store::default();
        let mut one = Tables::default();
        if seen_before {
            list(&mut one, &store, 1, 4, ("z", "z")).unwrap();
        }
        *store.before_write.borrow_mut() = Some(Box::new(|store| {
            list(&mut Tables::default(), store, 1, 4, ("a", "first")).unwrap();
            list(&mut Tables::default(), store, 2, 4, ("b", "other server")).unwrap();
        }));
        let review = list(&mut one, &store, 1, 4, ("a", "second")).unwrap();
        assert_eq!(review.standings, [crate::table::Standing::Changed], "the first use was the other worker's");
        assert!(Tables::default().get(&store, 2, 4).is_some());
    }
}

#[test]
fn an_unchanged_list_is_not_written() {
    let store = Store::default();
    let mut tables = Tables::default();
    list(&mut tables, &store, 1, 4, ("a", "a")).unwrap();
    let before = store.values.borrow().clone();
    list(&mut tables, &store, 1, 4, ("a", "a")).unwrap();
    assert_eq!(*store.values.borrow(), before);
}

#[test]
fn of_more_servers_than_places_the_one_that_changed_longest_ago_goes() {
    for max in [1, 2, 3] {
        let store = Store::default();
        let mut tables = Tables::default();
        for server in 0..=max as u64 {
            list(&mut tables, &store, server, max, ("a", "a")).unwrap();
        }
        assert_eq!(store.values.borrow().len(), max);
        assert_eq!(tables.get(&store, 0, max), None);
        assert!((1..=max as u64).all(|server| tables.get(&store, server, max).is_some()));
    }
}

#[test]
fn what_others_wrote_takes_no_place_for_ever() {
    let store = Store::default();
    store.store_set(&key(0), b"garbage", None).unwrap();
    let mut tables = Tables::default();
    assert_eq!(tables.get(&store, 1, 1), None);
    list(&mut tables, &store, 1, 1, ("a", "a")).unwrap();
    assert!(tables.get(&store, 1, 1).is_some());
}

#[test]
fn a_store_that_refuses_is_said() {
    let store = Store::default();
    store.refuses.set(true);
    assert_eq!(list(&mut Tables::default(), &store, 1, 4, ("a", "a")), Err(StoreError::Refused));
}

#[test]
fn whose_a_table_is_is_seen_without_reading_it() {
    let mut table = Table::new(3);
    table.changed = 7;
    let value = table.encode();
    assert_eq!(Table::owner(&value), Some((3, 7)));
    assert_eq!(Table::owner(value.get(..20).unwrap()), None);
    assert_eq!(Table::owner(b"another value of the store, long enough"), None);
}
