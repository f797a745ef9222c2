//! The value of one server: which tools it has listed, and where their schemas are.

use std::collections::BTreeMap;

use meshward_engine::store::{Reader, digest, open, seal};

use super::codec::Kind;
use crate::server::ServerKey;

/// Bound of tools of a server, whatever a configuration says.
pub(crate) const MAX_TOOLS: usize = 1 << 14;
/// How many bytes of definitions are in one value of the store.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;

/// What a server has listed since its catalogue began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) server: ServerKey,
    pub(super) since: u64,
    pub(super) generation: u64,
    /// Where the next definition goes.
    end: (u16, u32),
    /// Bytes of definitions that others have replaced.
    pub(super) garbage: u64,
    tools: BTreeMap<u64, Listed>,
}

/// A tool by what tells its versions apart, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) digest: u64,
    /// `None`: it is too large to be kept.
    pub(super) place: Option<Place>,
}

/// Where a definition is: the bytes of a segment behind its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u16,
    pub(super) start: u32,
    pub(super) len: u32,
}

const NO_SEGMENT: u16 = u16::MAX;

/// What a tool is found by.
pub(super) fn name_digest(name: &str) -> u64 {
    digest([b"name", name.as_bytes()])
}

impl Index {
    pub(super) const fn empty(server: ServerKey, since: u64) -> Self {
        Self { server, since, generation: since, end: (0, 0), garbage: 0, tools: BTreeMap::new() }
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(Kind::Index.tag(), value)?);
        let mut index = Self::empty(ServerKey::from_bits(reader.u128()?), reader.u64()?);
        index.generation = reader.u64()?;
        index.end = (reader.u16()?, reader.u32()?);
        index.garbage = reader.u64()?;
        while !reader.0.is_empty() {
            let (name, digest) = (reader.u64()?, reader.u64()?);
            let place = Place { segment: reader.u16()?, start: reader.u32()?, len: reader.u32()? };
            let place = (place.segment != NO_SEGMENT).then_some(place);
            index.tools.insert(name, Listed { digest, place });
        }
        (index.tools.len() <= MAX_TOOLS).then_some(index)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.tools.len().saturating_mul(26).saturating_add(64));
        body.extend_from_slice(&self.server.to_bits().to_le_bytes());
        body.extend_from_slice(&self.since.to_le_bytes());
        body.extend_from_slice(&self.generation.to_le_bytes());
        body.extend_from_slice(&self.end.0.to_le_bytes());
        body.extend_from_slice(&self.end.1.to_le_bytes());
        body.extend_from_slice(&self.garbage.to_le_bytes());
        for (name, listed) in &self.tools {
            let place = listed.place.unwrap_or(Place { segment: NO_SEGMENT, start: 0, len: 0 });
            body.extend_from_slice(&name.to_le_bytes());
            body.extend_from_slice(&listed.digest.to_le_bytes());
            body.extend_from_slice(&place.segment.to_le_bytes());
            body.extend_from_slice(&place.start.to_le_bytes());
            body.extend_from_slice(&place.len.to_le_bytes());
        }
        seal(Kind::Index.tag(), &body)
    }

    pub(super) fn get(&self, name: u64) -> Option<Listed> {
        self.tools.get(&name).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.tools.len()
    }

    /// Takes a tool in. `None`: its definition has no place within `max_bytes`.
    pub(super) fn insert(&mut self, name: u64, digest: u64, len: Option<usize>, max_bytes: usize) -> Option<Listed> {
        let place = match len {
            Some(len) => Some(self.allot(len, max_bytes)?),
            None => None,
        };
        let listed = Listed { digest, place };
        let replaced = self.tools.insert(name, listed).and_then(|listed| listed.place);
        self.garbage = self.garbage.saturating_add(replaced.map_or(0, |place| u64::from(place.len)));
        Some(listed)
    }

    /// Space in the last segment, or in one more.
    fn allot(&mut self, len: usize, max_bytes: usize) -> Option<Place> {
        let (segment, start) = self.end;
        let fits = start == 0 || usize::try_from(start).ok()?.saturating_add(len) <= SEGMENT_BYTES;
        let (segment, start) = if fits { (segment, start) } else { (segment.checked_add(1)?, 0) };
        let len = u32::try_from(len).ok()?;
        let end = start.checked_add(len)?;
        let used = usize::from(segment).saturating_mul(SEGMENT_BYTES).saturating_add(usize::try_from(end).ok()?);
        if used > max_bytes || segment == NO_SEGMENT {
            return None;
        }
        self.end = (segment, end);
        Some(Place { segment, start, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        Index::empty(ServerKey::from_bits(7), 3)
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut index = index();
        for n in 0..100 {
            index.insert(n, n * 3, (n % 3 != 0).then_some(10_000), usize::MAX).unwrap();
        }
        index.insert(1, 5, Some(1), usize::MAX).unwrap();
        assert_eq!((index.garbage, index.len()), (10_000, 100));
        assert_eq!(Index::decode(&index.encode()), Some(index));
    }

    #[test]
    fn bytes_are_bounded() {
        for (max, fits) in [(999, false), (1000, true), (1001, true)] {
            let mut index = index();
            index.insert(1, 1, Some(600), max).unwrap();
            assert_eq!(index.insert(2, 1, Some(400), max).is_some(), fits, "{max}");
            assert_eq!(index.get(2).is_some(), fits);
            assert!(index.insert(3, 1, None, max).is_some(), "what is too large takes no space");
        }
    }

    #[test]
    fn places_never_overlap() {
        let mut index = index();
        let mut places: Vec<Place> = Vec::new();
        for n in 0..50 {
            let place = index.insert(n, n, Some(60_000), usize::MAX).unwrap().place.unwrap();
            assert!(place.start as usize + place.len as usize <= SEGMENT_BYTES);
            let apart = |other: &Place| other.segment != place.segment || other.start + other.len <= place.start;
            assert!(places.iter().all(apart), "{place:?}");
            places.push(place);
        }
    }
}
