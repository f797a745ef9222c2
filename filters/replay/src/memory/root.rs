//! What all workers of a proxy share of a memory besides its buckets: since when it remembers, and the key by which things are
//! marked, so that nobody who sends them can choose their places.

use std::rc::Rc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use meshward_engine::store::{ATTEMPTS, Reader, open, seal, set};
use meshward_engine::{Host, StoreError};
use sha2::Sha256;

const KEY: &str = "meshward/memory";
/// Marks the value, and its format.
const TAG: [u8; 8] = *b"1nonceof";
/// The bytes of the key, as many as SHA-256 gives (RFC 2104, section 3).
const KEY_BYTES: usize = 32;

/// The memory's root, as it was read last.
pub(super) struct Root {
    raw: Vec<u8>,
    /// Nothing is known of what was accepted before, in seconds since 1970.
    pub(super) since: u32,
    mac: Hmac<Sha256>,
}

impl Root {
    /// The root in the store. `known`: as it was read last. Where there is none, or what is no root, a new one is written, that
    /// remembers nothing from before `now`.
    ///
    /// # Errors
    /// The store's, and that there is no source of random bytes.
    pub(super) fn read(host: &dyn Host, known: Option<&Rc<Self>>, now: u32) -> Result<Rc<Self>, StoreError> {
        for _ in 0..ATTEMPTS {
            let stored = host.store_get(KEY);
            if let Some((raw, _)) = &stored {
                if let Some(known) = known.filter(|known| known.raw == *raw) {
                    return Ok(Rc::clone(known));
                }
                if let Some(root) = Self::decode(raw) {
                    return Ok(Rc::new(root));
                }
            }
            let mut key = [0; KEY_BYTES];
            if !host.random(&mut key) {
                return Err(StoreError::Refused);
            }
            let raw = seal(TAG, &[&now.to_le_bytes()[..], &key].concat());
            match set(host, KEY, &raw, stored.map(|(_, version)| version)) {
                Ok(()) => return Self::decode(&raw).map(Rc::new).ok_or(StoreError::Refused),
                Err(StoreError::Changed) => {}
                Err(refused) => return Err(refused),
            }
        }
        Err(StoreError::Changed)
    }

    fn decode(raw: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(TAG, raw)?);
        let since = reader.u32()?;
        let key = reader.array::<KEY_BYTES>()?;
        Some(Self { raw: raw.to_vec(), since, mac: Hmac::new_from_slice(&key).ok()? })
    }

    /// The mark of a thing in a scope, and a number that says which bucket is its.
    pub(super) fn mark(&self, scope: &[&[u8]], thing: &[u8]) -> Option<(u64, u32)> {
        let mut mac = self.mac.clone();
        for part in scope {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&u64::MAX.to_be_bytes());
        mac.update(thing);
        let mac = mac.finalize().into_bytes();
        let mut reader = Reader(&mac);
        Some((reader.u64()?, reader.u32()?))
    }
}
