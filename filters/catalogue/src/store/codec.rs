//! Values of the shared store as bytes. Others write there too (a host may give all plugins one namespace), so what does
//! not carry our tag and its checksum is as good as absent.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What a value is. The first byte of a later layout differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Directory = 0x11,
    Index = 0x12,
    Segment = 0x13,
}

const TAG: [u8; 7] = *b"meshcat";

/// A digest that tells versions of a text apart. It is no defence against whoever wrote the text: a server that finds two
/// schemas with one digest only deceives itself.
pub(super) fn digest(parts: [&[u8]; 2]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// A value with its tag, its checksum and its body.
pub(super) fn seal(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(16));
    out.push(kind as u8);
    out.extend_from_slice(&TAG);
    out.extend_from_slice(&digest([&[kind as u8], body]).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// The body of a value that [`seal`] made.
pub(super) fn open(kind: Kind, value: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(tagged(kind, value)?);
    let checksum = reader.u64()?;
    (digest([&[kind as u8], reader.0]) == checksum).then_some(reader.0)
}

/// A tag alone, for values whose parts are checked one by one.
pub(super) fn tag(kind: Kind) -> [u8; 8] {
    let [a, b, c, d, e, f, g] = TAG;
    [kind as u8, a, b, c, d, e, f, g]
}

/// What is behind the tag.
pub(super) fn tagged(kind: Kind, value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(&tag(kind))
}

/// Integers in little-endian order, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sealed_values_of_the_kind_open() {
        let sealed = seal(Kind::Index, b"body");
        assert_eq!(open(Kind::Index, &sealed), Some(&b"body"[..]));
        assert_eq!(open(Kind::Directory, &sealed), None);
        for at in 0..sealed.len() {
            assert_eq!(open(Kind::Index, &sealed[..at]), None);
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(open(Kind::Index, &flipped), None, "{at}");
        }
    }
}
