//! A table as the bytes of one value of the store.

use std::collections::{BTreeMap, BTreeSet};

use meshward_engine::store::{Reader, open, seal};

use super::{Known, NameId, Table, Walk};
use crate::definitions::Flaws;
use crate::digest::Digest;
use crate::look::Look;

/// The first byte of a later layout differs.
const TAG: [u8; 8] = *b"\x21meshpin";

const TRUSTED: u8 = 1;
const CURRENT: u8 = 2;
const LISTED: u8 = 4;
const GONE: u8 = 8;
/// Where it is not said, it is not so: a table without it reads well.
const MAY_REPEAT: u8 = 16;

/// What stands before the body of a value: the tag and a checksum.
const HEAD: usize = 16;

impl Table {
    /// Whose table a value is, and when it was changed, without a look at the rest: most values that are looked at are those of
    /// other servers.
    pub(crate) fn owner(value: &[u8]) -> Option<(u64, u64)> {
        let mut reader = Reader(value.strip_prefix(&TAG).and_then(|_| value.get(HEAD..))?);
        Some((reader.u64()?, reader.u64()?))
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(TAG, value)?);
        let (server, changed) = (reader.u64()?, reader.u64()?);
        let [is_complete, has_walk] = reader.array()?;
        let walk = match has_walk {
            0 => None,
            _ => {
                let (next, count) = (reader.u64()?, reader.u32()?);
                let mut seen = BTreeSet::new();
                for _ in 0..count {
                    seen.insert(NameId(reader.array()?));
                }
                Some(Walk { next, seen })
            }
        };
        let mut tools = BTreeMap::new();
        while !reader.0.is_empty() {
            let id = NameId(reader.array()?);
            let [flags, flaws, cured] = reader.array()?;
            let look = Look(reader.array()?);
            let mut digest = |flag: u8| match flags & flag {
                0 => Some(None),
                _ => reader.array().map(Digest::from_array).map(Some),
            };
            let (trusted, current) = (digest(TRUSTED)?, digest(CURRENT)?);
            let (len, rest) = reader.0.split_first()?;
            let (name, rest) = rest.split_at_checked((*len).into())?;
            reader.0 = rest;
            let name = std::str::from_utf8(name).ok()?.into();
            let (flaws, cured) = (Flaws(flaws), Flaws(cured));
            let is_set = |flag: u8| flags & flag != 0;
            let (may_repeat, is_listed, is_gone) = (is_set(MAY_REPEAT), is_set(LISTED), is_set(GONE));
            let known = Known { name, trusted, current, flaws, cured, look, may_repeat, is_listed, is_gone };
            tools.insert(id, known);
        }
        Some(Self { server, changed, is_complete: is_complete != 0, walk, tools })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.tools.len().saturating_mul(64).saturating_add(64));
        body.extend_from_slice(&self.server.to_le_bytes());
        body.extend_from_slice(&self.changed.to_le_bytes());
        body.extend_from_slice(&[u8::from(self.is_complete), u8::from(self.walk.is_some())]);
        if let Some(Walk { next, seen }) = &self.walk {
            body.extend_from_slice(&next.to_le_bytes());
            body.extend_from_slice(&u32::try_from(seen.len()).unwrap_or(u32::MAX).to_le_bytes());
            seen.iter().for_each(|id| body.extend_from_slice(&id.0));
        }
        for (id, known) in &self.tools {
            let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
            let flags = flag(known.trusted.is_some(), TRUSTED)
                | flag(known.current.is_some(), CURRENT)
                | flag(known.is_listed, LISTED)
                | flag(known.is_gone, GONE)
                | flag(known.may_repeat, MAY_REPEAT);
            body.extend_from_slice(&id.0);
            body.extend_from_slice(&[flags, known.flaws.0, known.cured.0]);
            body.extend_from_slice(&known.look.0);
            for digest in [known.trusted, known.current].iter().flatten() {
                body.extend_from_slice(digest.as_array());
            }
            body.push(u8::try_from(known.name.len()).unwrap_or(0));
            body.extend_from_slice(known.name.as_bytes());
        }
        seal(TAG, &body)
    }
}
