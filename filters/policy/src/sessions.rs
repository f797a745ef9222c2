//! The client's name in a session: said once, when the session opens, and kept in the shared store for all workers.
//!
//! Only a session id that the server gives out is remembered, so no client fills the store. It is a table of fixed size:
//! where two sessions meet in a place the later one is remembered, and the other's client is not known any more.

use std::hash::{DefaultHasher, Hash, Hasher};

use meshward_engine::Host;

/// How many sessions are remembered at most.
const PLACES: u64 = 4096;
/// The longest name that is remembered, in bytes. A client with a longer one is not known after `initialize`.
const LONGEST_NAME: usize = 256;

/// Remembers the client that opened a session.
pub(crate) fn remember(host: &dyn Host, session: &[u8], client: &str) {
    if client.len() > LONGEST_NAME {
        return;
    }
    let (key, mark) = place(session);
    let value = [&mark[..], client.as_bytes()].concat();
    // If the store will not have it the client is not known, which no rule takes for an allowance.
    let _: Result<(), _> = host.store_set(&key, &value, None);
}

/// The client that opened a session, if that is still known.
pub(crate) fn client_of(host: &dyn Host, session: &[u8]) -> Option<String> {
    let (key, mark) = place(session);
    let (value, _) = host.store_get(&key)?;
    String::from_utf8(value.strip_prefix(&mark[..])?.to_vec()).ok()
}

/// Where a session is remembered, and by which mark it is told from others there. The hasher has no secret: all workers find
/// the same place.
fn place(session: &[u8]) -> (String, [u8; 16]) {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, session).hash(&mut hasher);
        hasher.finish()
    };
    let mut mark = [0; 16];
    let (first, second) = mark.split_at_mut(8);
    first.copy_from_slice(&hash(0).to_le_bytes());
    second.copy_from_slice(&hash(1).to_le_bytes());
    (format!("meshward/client/{}", hash(2) % PLACES), mark)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use meshward_engine::StoreError;

    use super::*;

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

    #[test]
    fn a_session_is_never_taken_for_another() {
        let store = Store::default();
        let sessions: Vec<String> = (0..20_000).map(|number| format!("session-{number}")).collect();
        for session in &sessions {
            remember(&store, session.as_bytes(), &format!("client of {session}"));
        }
        let known = sessions.iter().filter_map(|session| Some((session, client_of(&store, session.as_bytes())?)));
        let mut count = 0;
        for (session, client) in known {
            count += 1;
            assert_eq!(client, format!("client of {session}"));
        }
        assert!((3_500..=4_096).contains(&count), "{count}");
        assert!(store.0.borrow().len() <= 4_096);
        assert_eq!(client_of(&store, b"never seen"), None);
    }

    #[test]
    fn what_others_wrote_or_is_too_long_is_nobody() {
        let store = Store::default();
        remember(&store, b"s", &"x".repeat(257));
        assert_eq!(client_of(&store, b"s"), None);
        for garbage in [&b""[..], b"short", &[0xff; 40]] {
            store.0.borrow_mut().insert(place(b"s").0, garbage.to_vec());
            assert_eq!(client_of(&store, b"s"), None);
        }
        remember(&store, b"s", "claude");
        assert_eq!(client_of(&store, b"s").as_deref(), Some("claude"));
    }
}
