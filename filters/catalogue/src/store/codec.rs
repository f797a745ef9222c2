//! What values of the catalogue are told apart by, and tools as bytes.

use std::collections::BTreeSet;

use meshward_engine::store::Reader;

use super::index::{Listed, Place};
use crate::digest::Digest;
use crate::tools::{Entry, Held, NameId, Said, Tools, Walk};

/// What a value is. The first byte of a later layout differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Directory = 0x21,
    Index = 0x22,
    Segment = 0x23,
}

impl Kind {
    /// What its values begin with.
    pub(super) const fn tag(self) -> [u8; 8] {
        let [a, b, c, d, e, f, g] = *b"meshcat";
        [self as u8, a, b, c, d, e, f, g]
    }

    /// What is behind the tag, of values whose parts are checked one by one.
    pub(super) fn tagged(self, value: &[u8]) -> Option<&[u8]> {
        value.strip_prefix(&self.tag())
    }
}

/// What an entry has.
const SAID: u8 = 1;
const MAY_REPEAT: u8 = 2;
const SCHEMA: u8 = 4;
const HELD: u8 = 8;
const APPROVED: u8 = 16;
const CURRENT: u8 = 32;
const GONE: u8 = 64;

const NO_SEGMENT: u16 = u16::MAX;

pub(super) fn write_tools(tools: &Tools, out: &mut Vec<u8>) {
    out.extend_from_slice(&[u8::from(tools.is_complete), u8::from(tools.walk.is_some())]);
    if let Some(Walk { next, seen }) = &tools.walk {
        out.extend_from_slice(&next.to_le_bytes());
        out.extend_from_slice(&u32::try_from(seen.len()).unwrap_or(u32::MAX).to_le_bytes());
        seen.iter().for_each(|id| out.extend_from_slice(&id.0));
    }
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    for (id, Entry { said, held }) in tools.entries() {
        let schema = said.and_then(|said| said.schema);
        let flags = flag(said.is_some(), SAID)
            | flag(said.is_some_and(|said| said.may_repeat), MAY_REPEAT)
            | flag(schema.is_some(), SCHEMA)
            | flag(held.is_some(), HELD)
            | held.as_ref().map_or(0, |held| {
                flag(held.approved.is_some(), APPROVED)
                    | flag(held.current.is_some(), CURRENT)
                    | flag(held.is_gone, GONE)
            });
        out.extend_from_slice(&id.0);
        out.push(flags);
        if let Some(Listed { digest, place }) = schema {
            let place = place.unwrap_or(Place { segment: NO_SEGMENT, start: 0, len: 0 });
            out.extend_from_slice(&digest.to_le_bytes());
            out.extend_from_slice(&place.segment.to_le_bytes());
            out.extend_from_slice(&place.start.to_le_bytes());
            out.extend_from_slice(&place.len.to_le_bytes());
        }
        if let Some(held) = held {
            for digest in [held.approved, held.current].iter().flatten() {
                out.extend_from_slice(digest.as_array());
            }
            out.extend_from_slice(&[held.flaws, held.cured]);
            out.extend_from_slice(&held.look);
            out.push(u8::try_from(held.name.len()).unwrap_or(0));
            out.extend_from_slice(held.name.as_bytes());
        }
    }
}

/// Reads to the end.
pub(super) fn read_tools(reader: &mut Reader<'_>) -> Option<Tools> {
    let [is_complete, has_walk] = reader.array()?;
    let mut tools = Tools::default();
    tools.is_complete = is_complete != 0;
    if has_walk != 0 {
        let (next, count) = (reader.u64()?, reader.u32()?);
        let mut seen = BTreeSet::new();
        for _ in 0..count {
            seen.insert(NameId(reader.array()?));
        }
        tools.walk = Some(Walk { next, seen });
    }
    while !reader.0.is_empty() {
        let id = NameId(reader.array()?);
        let [flags] = reader.array()?;
        let has = |flag: u8| flags & flag != 0;
        let schema = if has(SCHEMA) { Some(read_schema(reader)?) } else { None };
        let said = has(SAID).then(|| Said { may_repeat: has(MAY_REPEAT), schema });
        let held = if has(HELD) { Some(read_held(reader, has(APPROVED), has(CURRENT), has(GONE))?) } else { None };
        tools.insert(id, Entry { said, held });
    }
    Some(tools)
}

fn read_schema(reader: &mut Reader<'_>) -> Option<Listed> {
    let digest = reader.u64()?;
    let place = Place { segment: reader.u16()?, start: reader.u32()?, len: reader.u32()? };
    Some(Listed { digest, place: (place.segment != NO_SEGMENT).then_some(place) })
}

fn read_held(reader: &mut Reader<'_>, is_approved: bool, is_known: bool, is_gone: bool) -> Option<Held> {
    let mut digest = |is_there: bool| match is_there {
        false => Some(None),
        true => reader.array().map(Digest::from_array).map(Some),
    };
    let (approved, current) = (digest(is_approved)?, digest(is_known)?);
    let [flaws, cured] = reader.array()?;
    let look = reader.array()?;
    let (len, rest) = reader.0.split_first()?;
    let (name, rest) = rest.split_at_checked((*len).into())?;
    reader.0 = rest;
    let name = std::str::from_utf8(name).ok()?.into();
    Some(Held { name, approved, current, flaws, cured, look, is_gone })
}
