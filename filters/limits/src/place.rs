//! Where a key is counted: its mark, and the value of the shared store that it stands in.
//!
//! A table has a fixed number of values, each with room for some keys. Which of them a key stands in is decided by a hash with a
//! secret that the workers of a proxy share, so that nobody can aim keys at the place of another's.

use std::cell::Cell;

use meshward_engine::{Host, StoreError, store};
use sha2::{Digest as _, Sha256};

/// How many keys one value of the store has room for.
pub(crate) const WAYS: usize = 8;

/// Where the secret is.
const SECRET_KEY: &str = "meshward/limits/secret";
const SECRET_TAG: [u8; 8] = *b"1limsecr";

/// What tells one key from all others.
pub(crate) type Mark = [u8; 16];

/// The mark under which keys are counted together that found no room.
pub(crate) const SHARED: Mark = [0xff; 16];

/// A key, as its place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) mark: Mark,
    /// Of any number of values; a table takes the remainder.
    pub(crate) number: u64,
}

impl Place {
    /// The place of those that found none.
    pub(crate) const NONE: Self = Self { mark: SHARED, number: 0 };

    /// The key of the value it is in, of so many; below `prefix`.
    pub(crate) fn store_key(&self, prefix: &str, values: u64) -> String {
        if self.mark == SHARED {
            format!("{prefix}/rest")
        } else {
            format!("{prefix}/{}", self.number.checked_rem(values).unwrap_or_default())
        }
    }
}

/// How many values a table has that counts so many keys apart.
pub(crate) fn values(max_keys: u32) -> u64 {
    u64::from(max_keys).div_ceil(WAYS as u64).max(1)
}

/// The secret of a proxy, once it has been read.
#[derive(Debug, Default)]
pub(crate) struct Secret(Cell<Option<[u8; 32]>>);

impl Secret {
    /// The place of a key: of what tells it from all others.
    ///
    /// # Errors
    /// The store's, where there is no secret yet.
    pub(crate) fn place(&self, host: &dyn Host, key: &[u8]) -> Result<Place, StoreError> {
        let secret = match self.0.get() {
            Some(secret) => secret,
            None => read(host)?,
        };
        self.0.set(Some(secret));
        let hash: [u8; 32] = Sha256::new_with_prefix(secret).chain_update(key).finalize().into();
        let (mut mark, mut number) = ([0; 16], [0; 8]);
        mark.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        number.iter_mut().zip(hash.into_iter().skip(16)).for_each(|(to, from)| *to = from);
        // One of 2^128 keys would be taken for those that found no room: it is counted with them.
        Ok(Place { mark, number: u64::from_le_bytes(number) })
    }
}

/// The secret that all workers share: the first of them that needs it makes it.
fn read(host: &dyn Host) -> Result<[u8; 32], StoreError> {
    let mut secret = [0; 32];
    store::update(host, SECRET_KEY, |value| {
        if let Some(known) =
            value.and_then(|value| store::open(SECRET_TAG, value)).and_then(|body| body.try_into().ok())
        {
            secret = known;
            return Ok(None);
        }
        // A host without randomness has a place that can be aimed at, and all its bounds nevertheless.
        host.random(&mut secret);
        Ok(Some(store::seal(SECRET_TAG, &secret)))
    })?;
    Ok(secret)
}
