//! The seal on the id of a session, of an event, and of a task.
//!
//! `SERVER-ID~KEY~SEAL`: the server's id as it is, the name of the key, and in base64url 16 bytes that stand for the caller and
//! 16 that hold both together. Each is the beginning of an HMAC-SHA256 (RFC 2104, section 5). So a seal that is broken can be told
//! from one that is another caller's, and nothing has to be kept. That of an event is the same, with the session's id before the event's, and
//! its length (8 bytes) before that; without a session, an empty one. That of a task is as a session's, with a label of its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The bytes of each half of a seal.
pub(crate) const HALF: usize = 16;

/// What the halves are made for: the same key makes nothing else that could be taken for them.
const CALLER: &[u8] = b"meshward session caller v1\0";
const SESSION: &[u8] = b"meshward session id v1\0";
const EVENT: &[u8] = b"meshward event id v1\0";
const TASK: &[u8] = b"meshward task id v1\0";

/// A key by its name, ready to use.
#[derive(Clone)]
pub(crate) struct SealKey {
    id: String,
    mac: Hmac<Sha256>,
}

/// What is wrong with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// There is no seal of a key that is known.
    #[error("not sealed here")]
    Unknown,
    /// The seal does not belong to the id.
    #[error("the seal is broken")]
    Forged,
    /// It is another caller's.
    #[error("sealed to another caller")]
    Moved,
}

impl SealKey {
    /// `None` where the library does not take such a key; HMAC takes any.
    pub(crate) fn new(id: String, key: &[u8]) -> Option<Self> {
        Some(Self { id, mac: Hmac::new_from_slice(key).ok()? })
    }

    /// Its name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    fn caller(&self, caller: &[u8]) -> Hmac<Sha256> {
        self.mac(&[CALLER, caller])
    }

    fn sealed(&self, caller_half: &[u8], id: &str, of: Kind<'_>) -> Hmac<Sha256> {
        match of {
            Kind::Session => self.mac(&[SESSION, caller_half, id.as_bytes()]),
            Kind::Task => self.mac(&[TASK, caller_half, id.as_bytes()]),
            Kind::Event { session } => {
                let length = (session.len() as u64).to_be_bytes();
                self.mac(&[EVENT, caller_half, &length, session.as_bytes(), id.as_bytes()])
            }
        }
    }

    /// The id that a caller gets: the same one for the same id and caller.
    pub(crate) fn seal(&self, id: &str, of: Kind<'_>, caller: &[u8]) -> String {
        let caller = first_half(self.caller(caller));
        let seal = [caller, first_half(self.sealed(&caller, id, of))].concat();
        format!("{id}~{}~{}", self.id, URL_SAFE_NO_PAD.encode(seal))
    }
}

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'s> {
    /// A session.
    Session,
    /// A task, whichever session it was made in: its maker may come back for it in another.
    Task,
    /// An event of a session, by the server's id of it; empty where there is none.
    Event {
        /// The session.
        session: &'s str,
    },
}

pub(crate) fn first_half(mac: Hmac<Sha256>) -> [u8; HALF] {
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|index| whole.get(index).copied().unwrap_or_default())
}

/// The server's id in what a caller presents. Of one that is another caller's too, for the record.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn open<'s>(
    keys: &[SealKey],
    presented: &'s str,
    of: Kind<'_>,
    caller: &[u8],
) -> (Option<&'s str>, Result<(), Broken>) {
    let Some((id, key, seal)) = parts(presented) else { return (None, Err(Broken::Unknown)) };
    let Some(key) = keys.iter().find(|known| known.id == key) else { return (None, Err(Broken::Unknown)) };
    let Some((caller_half, id_half)) = seal.split_at_checked(HALF) else { return (None, Err(Broken::Forged)) };
    // Both comparisons take as long whatever they find.
    if key.sealed(caller_half, id, of).verify_truncated_left(id_half).is_err() {
        return (None, Err(Broken::Forged));
    }
    let is_his = key.caller(caller).verify_truncated_left(caller_half);
    (Some(id), is_his.map_err(|_| Broken::Moved))
}

/// Id, key and seal.
fn parts(presented: &str) -> Option<(&str, &str, [u8; HALF * 2])> {
    let (rest, seal) = presented.rsplit_once('~')?;
    let (id, key) = rest.rsplit_once('~')?;
    let mut bytes = [0; HALF * 2];
    // As many letters as the bytes need and no more, so that there is one way to write it.
    let length = URL_SAFE_NO_PAD.decode_slice(seal, &mut bytes).ok()?;
    (length == bytes.len()).then_some((id, key, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(id: &str, byte: u8) -> SealKey {
        SealKey::new(id.to_owned(), &[byte; 32]).unwrap()
    }

    #[test]
    fn a_seal_is_what_another_implementation_makes_of_it() {
        // Python: k = b"0123456789"*3 + b"01"; c = hmac.digest(k, b"meshward session caller v1\0" + b"alice", "sha256")[:16];
        // s = hmac.digest(k, b"meshward session id v1\0" + c + b"s-1", "sha256")[:16]; urlsafe_b64encode(c + s)
        let key = SealKey::new("k1".to_owned(), b"01234567890123456789012345678901").unwrap();
        assert_eq!(key.seal("s-1", Kind::Session, b"alice"), "s-1~k1~aYtF5PxD_sgBm1igvpSsYt9pI3iSdzmDebKRpnmHQ5U");
    }

    #[test]
    fn a_seal_opens_for_its_caller_alone() {
        let keys = [key("new", 1), key("old", 2)];
        let [new, old] = &keys;
        for sealing in [new, old] {
            let sealed = sealing.seal("a~b", Kind::Session, b"alice");
            assert_eq!(open(&keys, &sealed, Kind::Session, b"alice"), (Some("a~b"), Ok(())));
            assert_eq!(open(&keys, &sealed, Kind::Session, b"bob"), (Some("a~b"), Err(Broken::Moved)));
        }
        assert_eq!(
            open(&keys, &key("gone", 1).seal("s", Kind::Session, b"alice"), Kind::Session, b"alice"),
            (None, Err(Broken::Unknown))
        );
        assert_eq!(
            open(&keys, &key("new", 3).seal("s", Kind::Session, b"alice"), Kind::Session, b"alice"),
            (None, Err(Broken::Forged))
        );
        // The seal of one key under the name of another.
        let renamed = new.seal("s", Kind::Session, b"alice").replace("~new~", "~old~");
        assert_eq!(open(&keys, &renamed, Kind::Session, b"alice"), (None, Err(Broken::Forged)));
        for unsealed in ["", "s", "s~new", "s~new~", "~~", "s~new~AAAA", "s~new~!!!!"] {
            assert_eq!(open(&keys, unsealed, Kind::Session, b"alice"), (None, Err(Broken::Unknown)), "{unsealed}");
        }
    }

    #[test]
    fn an_event_is_one_of_its_session() {
        // Python, with k as above: e = hmac.digest(k, b"meshward event id v1\0" + c + (3).to_bytes(8, "big") + b"s-1" + b"e 1", "sha256")[:16]
        let known = SealKey::new("k1".to_owned(), b"01234567890123456789012345678901").unwrap();
        let of = Kind::Event { session: "s-1" };
        assert_eq!(known.seal("e 1", of, b"alice"), "e 1~k1~aYtF5PxD_sgBm1igvpSsYiUBsmmmENKJ4zBh7cv72ZQ");
        let keys = [known];
        let sealed = keys[0].seal("e~1", of, b"alice");
        assert_eq!(open(&keys, &sealed, of, b"alice"), (Some("e~1"), Ok(())));
        assert_eq!(open(&keys, &sealed, of, b"bob"), (Some("e~1"), Err(Broken::Moved)));
        for other in
            [Kind::Session, Kind::Event { session: "s-2" }, Kind::Event { session: "" }, Kind::Event { session: "s" }]
        {
            assert_eq!(open(&keys, &sealed, other, b"alice"), (None, Err(Broken::Forged)), "{other:?}");
        }
        // What a session's seal opens is no event, whatever they are called.
        let session = keys[0].seal("e~1", Kind::Session, b"alice");
        assert_eq!(open(&keys, &session, of, b"alice"), (None, Err(Broken::Forged)));
    }

    #[test]
    fn a_task_is_no_session() {
        // Python, with k and c as above: t = hmac.digest(k, b"meshward task id v1\0" + c + b"t 1", "sha256")[:16]
        let keys = [SealKey::new("k1".to_owned(), b"01234567890123456789012345678901").unwrap()];
        let sealed = keys[0].seal("t 1", Kind::Task, b"alice");
        assert_eq!(sealed, "t 1~k1~aYtF5PxD_sgBm1igvpSsYr_n81uVBHnAlIWLmB7CKeM");
        assert_eq!(open(&keys, &sealed, Kind::Task, b"alice"), (Some("t 1"), Ok(())));
        assert_eq!(open(&keys, &sealed, Kind::Task, b"bob"), (Some("t 1"), Err(Broken::Moved)));
        for other in [Kind::Session, Kind::Event { session: "" }] {
            assert_eq!(open(&keys, &sealed, other, b"alice"), (None, Err(Broken::Forged)), "{other:?}");
            let others = keys[0].seal("t 1", other, b"alice");
            assert_eq!(open(&keys, &others, Kind::Task, b"alice"), (None, Err(Broken::Forged)), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_change_of_an_id_opens(session in "[!-~]{0,40}", at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
            let keys = [key("k", 1)];
            let sealed = keys[0].seal(&session, Kind::Session, b"alice");
            prop_assert_eq!(open(&keys, &sealed, Kind::Session, b"alice"), (Some(&*session), Ok(())));
            let mut changed = sealed.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assume!(changed != sealed);
            prop_assert!(open(&keys, &changed, Kind::Session, b"alice").1.is_err());
            prop_assert!(open(&keys, sealed.get(..at).unwrap(), Kind::Session, b"alice").1.is_err());
        }
    }
}
