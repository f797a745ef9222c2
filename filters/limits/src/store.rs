//! A store as Envoy's is, and a clock, for tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use meshward_engine::{Host, StoreError};

#[derive(Debug)]
pub(crate) struct Store {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    pub(crate) now: Cell<u64>,
    next: Cell<u64>,
    /// How many writes another worker wins first.
    pub(crate) lost: Cell<u32>,
    pub(crate) refuses: Cell<bool>,
}

pub(crate) const SECOND: u64 = 1_000_000_000;

impl Default for Store {
    fn default() -> Self {
        let now = Cell::new(1_700_000_000 * SECOND);
        Self { values: RefCell::default(), now, next: Cell::new(1), lost: Cell::new(0), refuses: Cell::new(false) }
    }
}

impl Store {
    pub(crate) fn pass(&self, nanoseconds: u64) {
        self.now.set(self.now.get() + nanoseconds);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.borrow().len()
    }

    pub(crate) fn put(&self, key: &str, value: &[u8]) {
        self.store_set(key, value, None).unwrap();
    }
}

impl Host for Store {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn random(&self, into: &mut [u8]) -> bool {
        for byte in into {
            self.next
                .set(self.next.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            *byte = (self.next.get() >> 56) as u8;
        }
        true
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.borrow().get(key).cloned()
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        if self.refuses.get() {
            return Err(StoreError::Refused);
        }
        if self.lost.get() > 0 {
            self.lost.set(self.lost.get() - 1);
            return Err(StoreError::Changed);
        }
        let mut values = self.values.borrow_mut();
        let there = values.get(key).map(|(_, version)| *version);
        if let (Some(expected), Some(there)) = (version, there)
            && expected != there
        {
            return Err(StoreError::Changed);
        }
        values.insert(key.to_owned(), (value.to_vec(), there.unwrap_or_default() + 1));
        Ok(())
    }
}
