//! Definitions of tools, many in one value, so that a long list takes few writes.
//!
//! Each definition has its place from the index, and its digest there; so workers may write theirs in any order, and
//! what is not there yet is not believed.

use meshward_engine::store::{Reader, digest, update};
use meshward_engine::{Host, StoreError};

use super::codec::Kind;
use super::index::Place;

/// The tag, and the generation in which the catalogue began whose definitions these are.
const HEAD_BYTES: usize = 16;

/// What is kept of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Definition<'a> {
    pub(super) name: &'a str,
    /// The letters of its `inputSchema`; empty where it has none.
    pub(super) schema: &'a str,
}

impl<'a> Definition<'a> {
    pub(super) fn digest(&self) -> u64 {
        digest([self.name.as_bytes(), self.schema.as_bytes()])
    }

    pub(super) const fn len(&self) -> usize {
        self.name.len().saturating_add(self.schema.len()).saturating_add(2)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        out.extend_from_slice(&u16::try_from(self.name.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(self.schema.as_bytes());
        out
    }

    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let name_len = usize::from(reader.u16()?);
        let (name, schema) = reader.0.split_at_checked(name_len)?;
        Some(Self { name: std::str::from_utf8(name).ok()?, schema: std::str::from_utf8(schema).ok()? })
    }
}

/// The definition at a place, if it is the one that the index means.
pub(super) fn definition(value: &[u8], since: u64, place: Place, digest: u64) -> Option<Definition<'_>> {
    let body = body(value, since)?;
    let definition = Definition::decode(body.get(range(place)?)?)?;
    (definition.digest() == digest).then_some(definition)
}

fn body(value: &[u8], since: u64) -> Option<&[u8]> {
    let mut reader = Reader(Kind::Segment.tagged(value)?);
    (reader.u64()? == since).then_some(reader.0)
}

fn range(place: Place) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(place.start).ok()?;
    Some(start..start.checked_add(usize::try_from(place.len).ok()?)?)
}

/// Has these definitions at their places, and leaves all others as they are. Writes only what is not there.
///
/// # Errors
/// The store refused, or the catalogue has begun anew in the meantime ([`StoreError::Changed`]).
pub(super) fn fill(
    host: &dyn Host,
    key: &str,
    since: u64,
    definitions: &[(Place, Definition<'_>)],
) -> Result<(), StoreError> {
    update(host, key, |value| {
        let newer =
            value.and_then(|value| Reader(Kind::Segment.tagged(value)?).u64()).is_some_and(|other| other > since);
        if newer {
            return Err(StoreError::Changed);
        }
        let mut fresh = Kind::Segment.tag().to_vec();
        fresh.extend_from_slice(&since.to_le_bytes());
        let old = value.and_then(|value| body(value, since).map(|_| value));
        let mut new = old.map_or(fresh, <[u8]>::to_vec);
        for (place, definition) in definitions {
            let range = range(*place).ok_or(StoreError::Refused)?;
            let (start, end) = (range.start.saturating_add(HEAD_BYTES), range.end.saturating_add(HEAD_BYTES));
            if new.len() < end {
                new.resize(end, 0);
            }
            let bytes = definition.encode();
            if let Some(there) = new.get_mut(start..end).filter(|there| there.len() == bytes.len()) {
                there.copy_from_slice(&bytes);
            }
        }
        Ok(Some(new).filter(|new| old != Some(new.as_slice())))
    })
}
