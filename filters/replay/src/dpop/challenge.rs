//! What clients are asked for: nonces without a store, and the words of `WWW-Authenticate`.
//!
//! `KEY~SEAL`: the name of the key, and in base64url the time at which the nonce was made (8 bytes, seconds since 1970) and 16 bytes of
//! an HMAC-SHA256 (RFC 2104, section 5) over it. Who has one knows nothing but when it was made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use meshward_wire::refusal::Reason;

use crate::seal::{HALF, SealKey, first_half};

/// What the bytes are made for: the same key makes nothing else that could be taken for them.
const NONCE: &[u8] = b"meshward dpop nonce v1\0";
const TIME: usize = 8;

/// Nonces that are given out, and known again.
pub(super) struct Nonces {
    /// The first one makes them.
    pub(super) keys: Vec<SealKey>,
    /// For how many seconds one counts.
    pub(super) life: u64,
    /// By how many seconds the clocks of other proxies may be ahead.
    pub(super) skew: u64,
}

impl Nonces {
    /// One for now. `None`: there is no key.
    pub(super) fn give(&self, now: u64) -> Option<String> {
        let key = self.keys.first()?;
        let time = now.to_be_bytes();
        let seal = [&time[..], &first_half(key.mac(&[NONCE, &time]))].concat();
        Some(format!("{}~{}", key.id(), URL_SAFE_NO_PAD.encode(seal)))
    }

    /// How old one is that came back, in seconds. `None`: it was not given out here, or too long ago.
    pub(super) fn age(&self, nonce: &str, now: u64) -> Option<u64> {
        let (id, seal) = nonce.rsplit_once('~')?;
        let key = self.keys.iter().find(|key| key.id() == id)?;
        let mut bytes = [0; TIME + HALF];
        let decoded = URL_SAFE_NO_PAD.decode_slice(seal, &mut bytes).ok()?;
        let (time, half) = bytes.split_first_chunk::<TIME>().filter(|_| decoded == TIME + HALF)?;
        // It takes as long whatever it finds.
        key.mac(&[NONCE, time]).verify_truncated_left(half).ok()?;
        let given = u64::from_be_bytes(*time);
        let age = now.saturating_sub(given);
        (age <= self.life && given <= now.saturating_add(self.skew)).then_some(age)
    }

    /// Whether a client should have the next one.
    pub(super) const fn is_due(&self, age: u64) -> bool {
        age > self.life / 2
    }
}

/// The value of `WWW-Authenticate` (RFC 9449, section 7.1): `given`, a token came.
pub(super) fn challenge(reason: Reason, given: bool, algorithms: &str, metadata: Option<&str>) -> String {
    let error = match reason {
        Reason::DpopTokenMissing if !given => None,
        Reason::DpopTokenMissing | Reason::DpopTokenUnbound | Reason::DpopTokenDowngraded | Reason::DpopKeyMismatch => {
            Some("invalid_token")
        }
        Reason::DpopNonceMissing | Reason::DpopNonceUnknown => Some("use_dpop_nonce"),
        _ => Some("invalid_dpop_proof"),
    };
    let error = error.map(|error| format!("error=\"{error}\", ")).unwrap_or_default();
    let metadata = metadata.map(|url| format!(", resource_metadata=\"{url}\"")).unwrap_or_default();
    format!("DPoP {error}algs=\"{algorithms}\"{metadata}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nonces(keys: &[(&str, u8)]) -> Nonces {
        let key = |(id, byte): &(&str, u8)| SealKey::new((*id).to_owned(), &[*byte; 32]).unwrap();
        Nonces { keys: keys.iter().map(key).collect(), life: 300, skew: 10 }
    }

    #[test]
    fn a_nonce_is_what_another_implementation_makes_of_it() {
        // Python: t = (1700000000).to_bytes(8, "big"); m = hmac.digest(b"0123456789"*3 + b"01", b"meshward dpop nonce v1\0" + t, "sha256")
        // urlsafe_b64encode(t + m[:16])
        let keys = vec![SealKey::new("k1".to_owned(), b"01234567890123456789012345678901").unwrap()];
        let nonces = Nonces { keys, life: 300, skew: 10 };
        assert_eq!(nonces.give(1_700_000_000).unwrap(), "k1~AAAAAGVT8QAckyWxgaRUSWD2fnIc3d3V");
    }

    /// RFC 9449, sections 7.1 and 9 (figures 14, 15 and 23), without the descriptions that it leaves to the server.
    #[test]
    fn challenges_are_those_of_the_examples() {
        for (reason, given, algorithms, expected) in [
            (Reason::DpopTokenMissing, false, "ES256 PS256", r#"DPoP algs="ES256 PS256""#),
            (Reason::DpopKeyMismatch, true, "ES256", r#"DPoP error="invalid_token", algs="ES256""#),
            (Reason::DpopNonceMissing, true, "ES256", r#"DPoP error="use_dpop_nonce", algs="ES256""#),
            (Reason::DpopProofExpired, true, "ES256", r#"DPoP error="invalid_dpop_proof", algs="ES256""#),
        ] {
            assert_eq!(challenge(reason, given, algorithms, None), expected);
        }
    }

    #[test]
    fn a_nonce_counts_for_its_life() {
        let nonces = nonces(&[("new", 1), ("old", 2)]);
        let given = nonces.give(1000).unwrap();
        for (now, age) in [(989, None), (990, Some(0)), (1000, Some(0)), (1300, Some(300)), (1301, None)] {
            assert_eq!(nonces.age(&given, now), age, "{now}");
        }
        assert!(!nonces.is_due(150) && nonces.is_due(151));
        let old = self::nonces(&[("old", 2)]);
        assert_eq!(nonces.age(&old.give(1000).unwrap(), 1000), Some(0));
        assert_eq!(old.age(&given, 1000), None);
        assert_eq!(nonces.age(&given.replace("new~", "old~"), 1000), None);
        assert_eq!(nonces.age(&self::nonces(&[("new", 3)]).give(1000).unwrap(), 1000), None);
        for stranger in ["", "~", "new", "new~", "new~AAAA", "new~!!!!"] {
            assert_eq!(nonces.age(stranger, 1000), None, "{stranger}");
        }
    }

    proptest! {
        #[test]
        fn no_change_of_a_nonce_counts(at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
            let nonces = nonces(&[("k", 1)]);
            let given = nonces.give(1000).unwrap();
            let mut changed = given.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assume!(changed != given);
            prop_assert_eq!(nonces.age(&changed, 1000), None);
            prop_assert_eq!(nonces.age(given.get(..at).unwrap(), 1000), None);
        }
    }
}
