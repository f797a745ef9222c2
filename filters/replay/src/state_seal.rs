//! The seal on a `requestState`.
//!
//! `STATE~KEY~SEAL`: the server's state as it is, the name of the key, and in base64url the time at which it was sealed (8 bytes, seconds since
//! 1970), 12 bytes that are unlike those of every other seal, 16 that stand for the caller, and 16 that hold all of it together with
//! what the state was given for. The last two are the beginnings of HMAC-SHA256 (RFC 2104, section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use crate::seal::{Broken, HALF, SealKey, first_half};

/// What the two halves are made for: the same key makes nothing else that could be taken for them.
const CALLER: &[u8] = b"meshward state caller v1\0";
const STATE: &[u8] = b"meshward state v1\0";

/// The bytes that make a seal unlike every other.
pub(crate) const UNIQUE: usize = 12;
const TIME: usize = 8;
const SEAL: usize = TIME + UNIQUE + HALF + HALF;

/// A state that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened<'s> {
    /// As the server gave it.
    pub(crate) state: &'s str,
    /// When it was sealed, in seconds since 1970.
    pub(crate) sealed: u64,
    /// What no other seal has.
    pub(crate) unique: [u8; UNIQUE],
}

/// What a caller gets. `purpose`: what the state was given for.
pub(crate) fn seal(
    key: &SealKey,
    state: &str,
    caller: &[u8],
    purpose: &[u8],
    now: u64,
    unique: &[u8; UNIQUE],
) -> String {
    let time = now.to_be_bytes();
    let caller = first_half(key.mac(&[CALLER, caller]));
    let whole = first_half(key.mac(&whole(&time, unique, &caller, purpose, state, &length(purpose))));
    let seal = [&time[..], unique, &caller, &whole].concat();
    format!("{state}~{}~{}", key.id(), URL_SAFE_NO_PAD.encode(seal))
}

/// The server's state in what a caller presents.
///
/// # Errors
/// What is wrong with it, and the state where only the caller is another, or what it is presented for.
pub(crate) fn open<'s>(
    keys: &[SealKey],
    presented: &'s str,
    caller: &[u8],
    purpose: &[u8],
) -> Result<Opened<'s>, Broken> {
    let (rest, seal) = presented.rsplit_once('~').ok_or(Broken::Unknown)?;
    let (state, id) = rest.rsplit_once('~').ok_or(Broken::Unknown)?;
    let key = keys.iter().find(|key| key.id() == id).ok_or(Broken::Unknown)?;
    let mut bytes = [0; SEAL];
    let decoded = URL_SAFE_NO_PAD.decode_slice(seal, &mut bytes).map_err(|_| Broken::Unknown)?;
    let (time, rest) = bytes.split_first_chunk::<TIME>().filter(|_| decoded == SEAL).ok_or(Broken::Unknown)?;
    let (unique, rest) = rest.split_first_chunk::<UNIQUE>().ok_or(Broken::Unknown)?;
    let (caller_half, whole_half) = rest.split_at_checked(HALF).ok_or(Broken::Unknown)?;
    // Both comparisons take as long whatever they find.
    let mac = key.mac(&whole(time, unique, caller_half, purpose, state, &length(purpose)));
    mac.verify_truncated_left(whole_half).map_err(|_| Broken::Forged)?;
    key.mac(&[CALLER, caller]).verify_truncated_left(caller_half).map_err(|_| Broken::Moved)?;
    Ok(Opened { state, sealed: u64::from_be_bytes(*time), unique: *unique })
}

fn length(purpose: &[u8]) -> [u8; 8] {
    (purpose.len() as u64).to_be_bytes()
}

fn whole<'a>(
    time: &'a [u8],
    unique: &'a [u8],
    caller: &'a [u8],
    purpose: &'a [u8],
    state: &'a str,
    length: &'a [u8; 8],
) -> [&'a [u8]; 7] {
    [STATE, time, unique, caller, length, purpose, state.as_bytes()]
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
        // Python: k = b"0123456789"*3 + b"01"; t = (1700000000).to_bytes(8, "big"); u = bytes(range(12))
        // c = hmac.digest(k, b"meshward state caller v1\0" + b"alice", "sha256")[:16]
        // w = hmac.digest(k, b"meshward state v1\0" + t + u + c + (4).to_bytes(8, "big") + b"pays" + b"s", "sha256")[:16]
        let key = SealKey::new("k1".to_owned(), b"01234567890123456789012345678901").unwrap();
        let unique = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let sealed = seal(&key, "s", b"alice", b"pays", 1_700_000_000, &unique);
        assert_eq!(sealed, "s~k1~AAAAAGVT8QAAAQIDBAUGBwgJCgu6KamyrmwGtS8-xb1-7nslKNqqL9uxqyxAK1Z80Rlktg");
    }

    #[test]
    fn a_state_opens_for_its_caller_and_purpose_alone() {
        let keys = [key("new", 1), key("old", 2)];
        for sealing in &keys {
            let sealed = seal(sealing, "a~b", b"alice", b"pay", 7, &[9; UNIQUE]);
            assert_eq!(
                open(&keys, &sealed, b"alice", b"pay"),
                Ok(Opened { state: "a~b", sealed: 7, unique: [9; UNIQUE] })
            );
            assert_eq!(open(&keys, &sealed, b"bob", b"pay"), Err(Broken::Moved));
            assert_eq!(open(&keys, &sealed, b"alice", b"refund"), Err(Broken::Forged));
        }
        let renamed = seal(&keys[0], "s", b"alice", b"", 7, &[9; UNIQUE]).replace("~new~", "~old~");
        assert_eq!(open(&keys, &renamed, b"alice", b""), Err(Broken::Forged));
        for unsealed in ["", "s", "s~new", "s~new~", "~~", "s~new~AAAA", "s~new~!!!!", "s~gone~AAAA"] {
            assert_eq!(open(&keys, unsealed, b"alice", b""), Err(Broken::Unknown), "{unsealed}");
        }
    }

    proptest! {
        #[test]
        fn no_change_of_a_state_opens(state in "\\PC{0,40}", at in any::<prop::sample::Index>(), to in any::<char>()) {
            let keys = [key("k", 1)];
            let sealed = seal(&keys[0], &state, b"alice", b"pay", 7, &[9; UNIQUE]);
            prop_assert_eq!(open(&keys, &sealed, b"alice", b"pay").map(|opened| opened.state), Ok(&*state));
            let mut letters: Vec<char> = sealed.chars().collect();
            let at = at.index(letters.len());
            letters[at] = to;
            let changed: String = letters.iter().collect();
            prop_assume!(changed != sealed);
            prop_assert!(open(&keys, &changed, b"alice", b"pay").is_err());
        }
    }
}
