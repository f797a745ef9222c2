//! The value of one server: which tools it has listed, what was approved of them, and where their schemas are.

use std::rc::Rc;

use meshward_engine::store::{Reader, open, seal};

use super::codec::{Kind, read_tools, write_tools};
use super::directory::Owner;
use crate::tools::{NameId, Tools};

/// Bound of tools of a server, whatever a configuration says.
pub(crate) const MAX_TOOLS: usize = 1 << 14;
/// How many bytes of definitions are in one value of the store.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) owner: Owner,
    /// The generation in which what it lists began, empty.
    pub(super) since: u64,
    pub(super) generation: u64,
    /// Where the next schema goes.
    end: (u16, u32),
    /// Bytes of all schemas that have got a place, those among them that others have replaced.
    allotted: u64,
    pub(super) tools: Rc<Tools>,
}

/// A schema by what tells its versions apart, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) digest: u64,
    /// `None`: it is too large to be kept.
    pub(crate) place: Option<Place>,
}

/// Where a schema is: the bytes of a segment behind its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) segment: u16,
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Index {
    pub(super) fn empty(owner: Owner, since: u64) -> Self {
        Self { owner, since, generation: since, end: (0, 0), allotted: 0, tools: Rc::default() }
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(Kind::Index.tag(), value)?);
        let (owner, _) = Owner::decode(&mut reader)?;
        let mut index = Self::empty(owner, reader.u64()?);
        index.generation = reader.u64()?;
        index.end = (reader.u16()?, reader.u32()?);
        index.allotted = reader.u64()?;
        index.tools = Rc::new(read_tools(&mut reader)?);
        Some(index)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.tools.entries().len().saturating_mul(64).saturating_add(64));
        self.owner.encode(0, &mut body);
        body.extend_from_slice(&self.since.to_le_bytes());
        body.extend_from_slice(&self.generation.to_le_bytes());
        body.extend_from_slice(&self.end.0.to_le_bytes());
        body.extend_from_slice(&self.end.1.to_le_bytes());
        body.extend_from_slice(&self.allotted.to_le_bytes());
        write_tools(&self.tools, &mut body);
        seal(Kind::Index.tag(), &body)
    }

    /// The same since a later generation, from when on the server vouches for nothing that it has listed before.
    pub(super) fn lapsed(mut self, since: u64) -> Self {
        Rc::make_mut(&mut self.tools).lapse();
        Self { since, generation: since, end: (0, 0), allotted: 0, ..self }
    }

    /// Likewise, but only the places of schemas are void.
    pub(super) fn emptied(mut self, since: u64) -> Self {
        Rc::make_mut(&mut self.tools).drop_schemas();
        Self { since, generation: since, end: (0, 0), allotted: 0, ..self }
    }

    /// Whether schemas take place that others have replaced.
    pub(super) fn has_garbage(&self) -> bool {
        let places = self.tools.schemas().filter_map(|listed| listed.place);
        places.map(|place| u64::from(place.len)).fold(0, u64::saturating_add) < self.allotted
    }

    /// Takes a schema in. `None`: it has no place within `max_bytes`.
    pub(super) fn insert(&mut self, name: NameId, digest: u64, len: Option<usize>, max_bytes: usize) -> Option<Listed> {
        let place = match len {
            Some(len) => Some(self.allot(len, max_bytes)?),
            None => None,
        };
        let listed = Listed { digest, place };
        Rc::make_mut(&mut self.tools).set_schema(name, Some(listed));
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
        if used > max_bytes || segment == u16::MAX {
            return None;
        }
        self.end = (segment, end);
        self.allotted = self.allotted.saturating_add(len.into());
        Some(Place { segment, start, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::server::ServerKey;
    use crate::tools::Walk;

    fn index() -> Index {
        Index::empty(Owner { server: ServerKey::from_bits(7), epoch: Some(9) }, 3)
    }

    fn id(n: u32) -> NameId {
        NameId::of(&n.to_string())
    }

    fn full() -> Index {
        let mut index = index();
        for n in 0..100 {
            let len = (n % 3 != 0).then_some(10_000);
            index.insert(id(n), u64::from(n) * 3, len, usize::MAX).unwrap();
        }
        let tools = Rc::make_mut(&mut index.tools);
        for n in 50..150_u32 {
            let definition = Digest::of_bytes(&n.to_le_bytes());
            let held = tools.hold(id(n));
            (held.name, held.flaws, held.cured, held.look) = (n.to_string().into(), 1, 2, [3; 8]);
            (held.approved, held.is_gone) = ((n % 2 == 0).then_some(definition), n % 4 == 0);
            if n % 3 == 0 {
                tools.list(id(n), definition, n % 5 == 0);
            }
        }
        tools.is_complete = true;
        tools.walk = Some(Walk { next: 5, seen: [id(1), id(2)].into() });
        index
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let index = full();
        assert_eq!(Index::decode(&index.encode()), Some(index));
    }

    #[test]
    fn what_others_wrote_is_none() {
        let mut index = index();
        index.insert(id(1), 1, Some(10), usize::MAX).unwrap();
        Rc::make_mut(&mut index.tools).list(id(2), Digest::of_bytes(b"2"), true);
        let value = index.encode();
        for at in 0..value.len() {
            assert_eq!(Index::decode(&value[..at]), None, "{at}");
            let mut flipped = value.clone();
            flipped[at] ^= 1;
            assert_eq!(Index::decode(&flipped), None, "{at}");
        }
    }

    #[test]
    fn what_is_replaced_is_garbage() {
        let mut index = index();
        index.insert(id(1), 1, Some(10), usize::MAX).unwrap();
        index.insert(id(2), 1, None, usize::MAX).unwrap();
        assert!(!index.has_garbage());
        index.insert(id(1), 2, Some(10), usize::MAX).unwrap();
        assert!(index.has_garbage());
        let held = index.tools.held_len();
        let emptied = index.clone().emptied(8);
        assert!(!emptied.has_garbage() && emptied.tools.said(id(1)).is_some());
        assert_eq!((emptied.since, emptied.tools.with_schema(), emptied.tools.held_len()), (8, 0, held));
        let lapsed = full().lapsed(8);
        assert!(!lapsed.has_garbage() && lapsed.tools.said(id(51)).is_none());
        assert_eq!((lapsed.since, lapsed.tools.with_schema(), lapsed.tools.held_len()), (8, 0, 100));
    }

    #[test]
    fn bytes_are_bounded() {
        for (max, fits) in [(999, false), (1000, true), (1001, true)] {
            let mut index = index();
            index.insert(id(1), 1, Some(600), max).unwrap();
            assert_eq!(index.insert(id(2), 1, Some(400), max).is_some(), fits, "{max}");
            assert_eq!(index.tools.schema(id(2)).is_some(), fits);
            assert!(index.insert(id(3), 1, None, max).is_some(), "what is too large takes no space");
        }
    }

    #[test]
    fn places_never_overlap() {
        let mut index = index();
        let mut places: Vec<Place> = Vec::new();
        for n in 0..50 {
            let place = index.insert(id(n), 1, Some(60_000), usize::MAX).unwrap().place.unwrap();
            assert!(place.start as usize + place.len as usize <= SEGMENT_BYTES);
            let apart = |other: &Place| other.segment != place.segment || other.start + other.len <= place.start;
            assert!(places.iter().all(apart), "{place:?}");
            places.push(place);
        }
    }
}
