//! Values of the shared store as bytes, and writes that lose no other worker's.
//!
//! Others write there too (a host may give all plugins one namespace), so what does not carry its tag and its checksum is
//! as good as absent.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::host::{Host, StoreError};

/// How often a lost race is run again. Each time another worker has won it.
pub const ATTEMPTS: usize = 64;

/// A version that no value has: to write over it is to write where there is nothing, and only there.
const NO_VALUE: u32 = u32::MAX;

/// A digest that tells versions of a text apart, the same in all workers. It is no defence against whoever wrote the text.
#[must_use]
pub fn digest(parts: [&[u8]; 2]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// A value with its tag, its checksum and its body.
#[must_use]
pub fn seal(tag: [u8; 8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(16));
    out.extend_from_slice(&tag);
    out.extend_from_slice(&digest([&tag, body]).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// The body of a value that [`seal`] made with this tag.
#[must_use]
pub fn open(tag: [u8; 8], value: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(value.strip_prefix(&tag)?);
    let checksum = reader.u64()?;
    (digest([&tag, reader.0]) == checksum).then_some(reader.0)
}

/// Integers in little-endian order, one after the other. What is left is public.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next sixteen bytes.
    pub fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}

/// Reads a value, and writes what the function makes of it, until no other worker has written in between. `None` is to
/// leave it as it is.
///
/// # Errors
/// The host's, the function's own, or [`StoreError::Changed`] when others have won every race.
pub fn update(
    host: &dyn Host,
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let current = host.store_get(key);
        let value = current.as_ref().map(|(value, _)| value.as_slice());
        let Some(new) = change(value)? else { return Ok(()) };
        match set(host, key, &new, current.map(|(_, version)| version)) {
            Err(StoreError::Changed) => {}
            done => return done,
        }
    }
    Err(StoreError::Changed)
}

/// Writes over a version that was read, or where nothing was.
///
/// # Errors
/// The host's.
pub fn set(host: &dyn Host, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
    host.store_set(key, value, Some(version.unwrap_or(NO_VALUE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sealed_values_of_the_kind_open() {
        let sealed = seal(*b"1kind-of", b"body");
        assert_eq!(open(*b"1kind-of", &sealed), Some(&b"body"[..]));
        assert_eq!(open(*b"2kind-of", &sealed), None);
        for at in 0..sealed.len() {
            assert_eq!(open(*b"1kind-of", &sealed[..at]), None);
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(open(*b"1kind-of", &flipped), None, "{at}");
        }
    }
}
