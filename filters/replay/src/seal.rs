//! The seal on a session's id.
//!
//! `SERVER-ID~KEY~SEAL`: the server's id as it is, the name of the key, and in base64url 16 bytes that stand for the caller and
//! 16 that hold both together. Each is the beginning of an HMAC-SHA256 (RFC 2104, section 5). So a seal that is broken can be told
//! from one that is another caller's, and nothing has to be kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The bytes of each half of a seal.
pub(crate) const HALF: usize = 16;

/// What the two halves are made for: the same key makes nothing else that could be taken for them.
const CALLER: &[u8] = b"meshward session caller v1\0";
const SESSION: &[u8] = b"meshward session id v1\0";

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

    fn session(&self, caller_half: &[u8], session: &[u8]) -> Hmac<Sha256> {
        self.mac(&[SESSION, caller_half, session])
    }

    /// The id that a caller gets: the same one for the same session and caller.
    pub(crate) fn seal(&self, session: &str, caller: &[u8]) -> String {
        let caller = first_half(self.caller(caller));
        let seal = [caller, first_half(self.session(&caller, session.as_bytes()))].concat();
        format!("{session}~{}~{}", self.id, URL_SAFE_NO_PAD.encode(seal))
    }
}

pub(crate) fn first_half(mac: Hmac<Sha256>) -> [u8; HALF] {
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|index| whole.get(index).copied().unwrap_or_default())
}

/// The server's id in what a caller presents. Of one that is another caller's too, for the record.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn open<'s>(keys: &[SealKey], presented: &'s str, caller: &[u8]) -> (Option<&'s str>, Result<(), Broken>) {
    let Some((session, key, seal)) = parts(presented) else { return (None, Err(Broken::Unknown)) };
    let Some(key) = keys.iter().find(|known| known.id == key) else { return (None, Err(Broken::Unknown)) };
    let Some((caller_half, session_half)) = seal.split_at_checked(HALF) else { return (None, Err(Broken::Forged)) };
    // Both comparisons take as long whatever they find.
    if key.session(caller_half, session.as_bytes()).verify_truncated_left(session_half).is_err() {
        return (None, Err(Broken::Forged));
    }
    let is_his = key.caller(caller).verify_truncated_left(caller_half);
    (Some(session), is_his.map_err(|_| Broken::Moved))
}

/// Session, key and seal.
fn parts(presented: &str) -> Option<(&str, &str, [u8; HALF * 2])> {
    let (rest, seal) = presented.rsplit_once('~')?;
    let (session, key) = rest.rsplit_once('~')?;
    let mut bytes = [0; HALF * 2];
    // As many letters as the bytes need and no more, so that there is one way to write it.
    let length = URL_SAFE_NO_PAD.decode_slice(seal, &mut bytes).ok()?;
    (length == bytes.len()).then_some((session, key, bytes))
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
        assert_eq!(key.seal("s-1", b"alice"), "s-1~k1~aYtF5PxD_sgBm1igvpSsYt9pI3iSdzmDebKRpnmHQ5U");
    }

    #[test]
    fn a_seal_opens_for_its_caller_alone() {
        let keys = [key("new", 1), key("old", 2)];
        let [new, old] = &keys;
        for sealing in [new, old] {
            let sealed = sealing.seal("a~b", b"alice");
            assert_eq!(open(&keys, &sealed, b"alice"), (Some("a~b"), Ok(())));
            assert_eq!(open(&keys, &sealed, b"bob"), (Some("a~b"), Err(Broken::Moved)));
        }
        assert_eq!(open(&keys, &key("gone", 1).seal("s", b"alice"), b"alice"), (None, Err(Broken::Unknown)));
        assert_eq!(open(&keys, &key("new", 3).seal("s", b"alice"), b"alice"), (None, Err(Broken::Forged)));
        // The seal of one key under the name of another.
        let renamed = new.seal("s", b"alice").replace("~new~", "~old~");
        assert_eq!(open(&keys, &renamed, b"alice"), (None, Err(Broken::Forged)));
        for unsealed in ["", "s", "s~new", "s~new~", "~~", "s~new~AAAA", "s~new~!!!!"] {
            assert_eq!(open(&keys, unsealed, b"alice"), (None, Err(Broken::Unknown)), "{unsealed}");
        }
    }

    proptest! {
        #[test]
        fn no_change_of_an_id_opens(session in "[!-~]{0,40}", at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
            let keys = [key("k", 1)];
            let sealed = keys[0].seal(&session, b"alice");
            prop_assert_eq!(open(&keys, &sealed, b"alice"), (Some(&*session), Ok(())));
            let mut changed = sealed.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assume!(changed != sealed);
            prop_assert!(open(&keys, &changed, b"alice").1.is_err());
            prop_assert!(open(&keys, sealed.get(..at).unwrap(), b"alice").1.is_err());
        }
    }
}
