//! A table of sessions in the store that all workers share.
//!
//! Only a session id that the server gives out is remembered, so no client fills the store. The table has a fixed size:
//! where two sessions meet in a place the later one is remembered, and the other is not known any more.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::host::Host;

/// How many sessions a table remembers at most.
const PLACES: u64 = 4096;

/// What one stage remembers of sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionTable {
    prefix: &'static str,
}

impl SessionTable {
    /// The table under a prefix of keys, such as `meshward/client/`.
    #[must_use]
    pub const fn new(prefix: &'static str) -> Self {
        Self { prefix }
    }

    /// Remembers something of a session. If the store will not have it, it is not known.
    pub fn remember(&self, host: &dyn Host, session: &[u8], value: &[u8]) {
        let (key, mark) = self.place(session);
        let _: Result<(), _> = host.store_set(&key, &[&mark[..], value].concat(), None);
    }

    /// What is remembered of a session, if that is still known.
    #[must_use]
    pub fn recall(&self, host: &dyn Host, session: &[u8]) -> Option<Vec<u8>> {
        let (key, mark) = self.place(session);
        let (value, _) = host.store_get(&key)?;
        value.strip_prefix(&mark[..]).map(<[u8]>::to_vec)
    }

    /// Forgets a session.
    pub fn forget(&self, host: &dyn Host, session: &[u8]) {
        let (key, mark) = self.place(session);
        if host.store_get(&key).is_some_and(|(value, _)| value.starts_with(&mark)) {
            let _: Result<(), _> = host.store_set(&key, &[], None);
        }
    }

    /// Where a session is remembered, and by which mark it is told from others there. The hasher has no secret: all workers
    /// find the same place.
    fn place(&self, session: &[u8]) -> (String, [u8; 16]) {
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, session).hash(&mut hasher);
            hasher.finish()
        };
        let mut mark = [0; 16];
        let (first, second) = mark.split_at_mut(8);
        first.copy_from_slice(&hash(0).to_le_bytes());
        second.copy_from_slice(&hash(1).to_le_bytes());
        (format!("{}{}", self.prefix, hash(2) % PLACES), mark)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::*;
    use crate::host::StoreError;

    #[derive(Default)]
    struct Store(RefCell<HashMap<String, Vec<u8>>>);

    impl Host for Store {
        fn now(&self) -> u64 {
            0
        }
        fn random(&self, _: &mut [u8]) -> bool {
            false
        }
        fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
            None
        }
        fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.0.borrow().get(key).map(|value| (value.clone(), 1))
        }
        fn store_set(&self, key: &str, value: &[u8], _: Option<u32>) -> Result<(), StoreError> {
            self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
            Ok(())
        }
    }

    const TABLE: SessionTable = SessionTable::new("meshward/test/");

    #[test]
    fn a_session_is_never_taken_for_another() {
        let store = Store::default();
        let sessions: Vec<String> = (0..20_000).map(|number| format!("session-{number}")).collect();
        for session in &sessions {
            TABLE.remember(&store, session.as_bytes(), format!("of {session}").as_bytes());
        }
        let known = sessions.iter().filter_map(|session| Some((session, TABLE.recall(&store, session.as_bytes())?)));
        let mut count = 0;
        for (session, value) in known {
            count += 1;
            assert_eq!(value, format!("of {session}").as_bytes());
        }
        assert!((3_500..=4_096).contains(&count), "{count}");
        assert!(store.0.borrow().len() <= 4_096);
        assert_eq!(TABLE.recall(&store, b"never seen"), None);
    }

    #[test]
    fn what_others_wrote_is_nothing_and_what_is_forgotten_is_gone() {
        let store = Store::default();
        for garbage in [&b""[..], b"short", &[0xff; 40]] {
            store.0.borrow_mut().insert(TABLE.place(b"s").0, garbage.to_vec());
            assert_eq!(TABLE.recall(&store, b"s"), None);
            TABLE.forget(&store, b"s");
            assert_eq!(store.0.borrow()[&TABLE.place(b"s").0], garbage, "another session's");
        }
        TABLE.remember(&store, b"s", b"x");
        assert_eq!(TABLE.recall(&store, b"s").as_deref(), Some(&b"x"[..]));
        TABLE.forget(&store, b"s");
        assert_eq!(TABLE.recall(&store, b"s"), None);
    }
}
