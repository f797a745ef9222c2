//! What is remembered of one server's tools, and what a list changes in it. Pure: the store is elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use meshward_engine::store::{Reader, digest, open, seal};

use crate::config::{Trust, Unlisted};
use crate::digest::Digest;
use crate::pins::{Pinned, Pins};

/// The first byte of a later layout differs.
const TAG: [u8; 8] = *b"\x21meshpin";

/// What a tool is found by: half of the SHA-256 of its name, since the server chooses the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameId([u8; 16]);

impl NameId {
    pub(crate) fn of(name: &str) -> Self {
        let digest = Digest::of_bytes(name.as_bytes());
        Self(digest.as_array().first_chunk().copied().unwrap_or_default())
    }
}

/// A server, and since when it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The server, with the epoch of what is trusted of it.
    pub(crate) server: u64,
    /// When it was changed last.
    pub(crate) changed: u64,
    /// The server has listed all its tools once: what is new is new.
    is_complete: bool,
    /// A list of several pages that is on its way.
    walk: Option<Walk>,
    tools: BTreeMap<NameId, Known>,
}

/// What is known of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Known {
    /// Its name, as far as it is short.
    name: Box<str>,
    /// Its definition when it was listed first, where that is trusted.
    trusted: Option<Digest>,
    /// Its definition when it was listed last.
    current: Option<Digest>,
    /// The server vouches for that still.
    is_listed: bool,
    /// The server's last whole list did not have it.
    is_gone: bool,
}

/// Longer names are remembered in part; MCP advises 128 characters (2025-11-25, server/tools, Tool Names).
const MAX_NAME_BYTES: usize = 128;

/// The pages so far of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Walk {
    /// A digest of the cursor of the next page.
    next: u64,
    seen: BTreeSet<NameId>,
}

/// How a tool stands to its pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is as it was approved.
    Approved,
    /// Its definition is another.
    Changed,
    /// Nobody has approved it.
    Unpinned,
    /// It has not been listed.
    Unlisted,
}

/// What a list brings to light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// The definition is another than the approved one.
    Changed,
    /// There is no pin.
    Unknown,
    /// It is new, and trusted by first use.
    Added,
    /// It is not listed any more.
    Removed,
    /// It has the definition of another tool that is not in the list.
    Renamed,
}

impl Change {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Changed, Self::Unknown, Self::Added, Self::Removed, Self::Renamed];

    /// Its name in metrics and the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
        }
    }

    /// Its name in audit records.
    pub(crate) const fn note(self) -> &'static str {
        match self {
            Self::Changed => "tool_changed",
            Self::Unknown => "tool_unknown",
            Self::Added => "tool_added",
            Self::Removed => "tool_removed",
            Self::Renamed => "tool_renamed",
        }
    }
}

/// A tool of a page.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'t> {
    pub(crate) name: &'t str,
    /// [`Digest::NONE`] if it cannot be hashed.
    pub(crate) digest: Digest,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub(crate) struct Page<'t> {
    pub(crate) tools: Vec<Listed<'t>>,
    /// Which page. `None`: it was asked for elsewhere.
    pub(crate) place: Option<Place<'t>>,
}

/// Where a page is in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'t> {
    /// The cursor it was asked for with; `None` for the first page.
    pub(crate) cursor: Option<&'t str>,
    /// The cursor of the next page; `None` for the last.
    pub(crate) next: Option<&'t str>,
}

/// What a page came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Review {
    /// How each tool stands, in order.
    pub(crate) standings: Vec<Standing>,
    /// What is new since the last list, with the tool's name; a renamed one's old name comes first.
    pub(crate) changes: Vec<(Change, String)>,
}

impl Review {
    /// Of a page that cannot be remembered: only pins count.
    pub(crate) fn unremembered(pinned: &Pinned, page: &Page<'_>) -> Self {
        let standing = |tool: &Listed<'_>| match pinned.of(tool.name) {
            [] => Standing::Unpinned,
            pins if pins.contains(&tool.digest) => Standing::Approved,
            _ => Standing::Changed,
        };
        Self { standings: page.tools.iter().map(standing).collect(), changes: Vec::new() }
    }
}

impl Table {
    pub(crate) const fn new(server: u64) -> Self {
        Self { server, changed: 0, is_complete: false, walk: None, tools: BTreeMap::new() }
    }

    /// Takes in a page.
    pub(crate) fn review(&mut self, pins: &Pins, pinned: &Pinned, page: &Page<'_>) -> Review {
        let was_complete = self.is_complete;
        // `extend`, here and below: `collect` sorts, and would bring the code of a sort into the module.
        let mut here: BTreeSet<NameId> = BTreeSet::new();
        here.extend(page.tools.iter().map(|tool| NameId::of(tool.name)));
        // A definition of which a tool was known that this page does not have.
        let absent = self.tools.iter().filter(|(id, _)| !here.contains(id));
        let mut orphans: BTreeMap<Digest, Box<str>> = BTreeMap::new();
        orphans.extend(absent.filter_map(|(_, known)| Some((known.trusted?, known.name.clone()))));
        let mut review = Review::default();
        let mut first = BTreeSet::new();
        for tool in &page.tools {
            let id = NameId::of(tool.name);
            let before = self.standing(pins, pinned, tool.name);
            if !first.insert(id) {
                // A second tool of a name: what is called by it is not known, so both must be the same.
                let same = self.tools.get(&id).is_some_and(|known| known.current == Some(tool.digest));
                review.standings.push(if same { before } else { Standing::Changed });
                continue;
            }
            let is_pinned = !pinned.of(tool.name).is_empty();
            let is_known = self.tools.get(&id).is_some_and(|known| !known.is_gone || known.trusted.is_some());
            let has_room = is_pinned || self.tools.len() < pins.max_tools;
            if !has_room && !self.tools.contains_key(&id) {
                review.standings.push(Standing::Unpinned);
                continue;
            }
            let known = self.tools.entry(id).or_default();
            let previous = known.current.replace(tool.digest);
            (known.is_listed, known.is_gone) = (true, false);
            if known.name.is_empty() {
                known.name = clipped(tool.name).into();
            }
            let trusts = pins.trust == Trust::FirstUse && !is_pinned && known.trusted.is_none();
            if trusts && tool.digest != Digest::NONE {
                known.trusted = Some(tool.digest);
            }
            let after = self.standing(pins, pinned, tool.name);
            review.standings.push(after);
            let old_name = || {
                let mut pinned = pinned.named(tool.digest).filter(|name| !here.contains(&NameId::of(name)));
                pinned.next().or_else(|| orphans.get(&tool.digest).map(|name| &**name))
            };
            let or_renamed = |change| match old_name() {
                Some(old) => (Change::Renamed, format!("{} -> {}", clipped(old), clipped(tool.name))),
                None => (change, clipped(tool.name).to_owned()),
            };
            let change = match after {
                Standing::Changed if before != after || previous != Some(tool.digest) => {
                    (Change::Changed, clipped(tool.name).to_owned())
                }
                Standing::Unpinned if before != after || !is_known => or_renamed(Change::Unknown),
                Standing::Approved if !is_known && was_complete && !is_pinned => or_renamed(Change::Added),
                _ => continue,
            };
            review.changes.push(change);
        }
        if let Some(seen) = self.walked(pins, page, here) {
            self.close(pinned, &seen, &mut review);
        }
        review
    }

    /// Goes on with a list of several pages. The tools of all, once the last page is there.
    fn walked(&mut self, pins: &Pins, page: &Page<'_>, here: BTreeSet<NameId>) -> Option<BTreeSet<NameId>> {
        let place = page.place?;
        let of = |cursor: &str| digest([b"cursor", cursor.as_bytes()]);
        let mut seen = match place.cursor {
            None => BTreeSet::new(),
            // Another list has begun in between, or there was none.
            Some(cursor) => self.walk.take_if(|walk| walk.next == of(cursor))?.seen,
        };
        seen.extend(here);
        match place.next {
            None => {
                self.walk = None;
                Some(seen)
            }
            Some(next) => {
                self.walk = (seen.len() <= pins.max_tools).then(|| Walk { next: of(next), seen });
                None
            }
        }
    }

    /// A whole list has these tools and no others.
    fn close(&mut self, pinned: &Pinned, seen: &BTreeSet<NameId>, review: &mut Review) {
        self.is_complete = true;
        for name in pinned.names() {
            let known = self.tools.entry(NameId::of(name)).or_default();
            if known.name.is_empty() {
                known.name = clipped(name).into();
            }
        }
        for (_, known) in self.tools.iter_mut().filter(|(id, known)| !known.is_gone && !seen.contains(id)) {
            known.is_gone = true;
            review.changes.push((Change::Removed, known.name.clone().into()));
        }
    }

    /// The server says that its list has changed.
    pub(crate) fn forget(&mut self) {
        self.walk = None;
        for known in self.tools.values_mut() {
            known.is_listed = false;
        }
    }

    /// How a tool stands by the definition that was listed last.
    pub(crate) fn standing(&self, pins: &Pins, pinned: &Pinned, name: &str) -> Standing {
        let known = self.tools.get(&NameId::of(name));
        let configured = pinned.of(name);
        let trusted = known.and_then(|known| known.trusted).filter(|_| pins.trust == Trust::FirstUse);
        let approved = if configured.is_empty() { trusted.as_slice() } else { configured };
        let (current, is_listed) = known.map_or((None, false), |known| (known.current, known.is_listed));
        match current {
            _ if approved.is_empty() && pins.trust == Trust::Configured => Standing::Unpinned,
            Some(current) if !approved.contains(&current) => {
                if approved.is_empty() {
                    Standing::Unpinned
                } else {
                    Standing::Changed
                }
            }
            None if approved.is_empty() && self.tools.len() >= pins.max_tools => Standing::Unpinned,
            Some(_) if is_listed => Standing::Approved,
            _ => Standing::Unlisted,
        }
    }

    /// Whether a call may pass.
    pub(crate) fn admits(&self, pins: &Pins, pinned: &Pinned, name: &str) -> Standing {
        match self.standing(pins, pinned, name) {
            Standing::Unlisted if pins.unlisted == Unlisted::Allow => Standing::Approved,
            standing => standing,
        }
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
            let [flags] = reader.array()?;
            let mut digest = |flag: u8| match flags & flag {
                0 => Some(None),
                _ => reader.array().map(Digest::from_array).map(Some),
            };
            let (trusted, current) = (digest(TRUSTED)?, digest(CURRENT)?);
            let (len, rest) = reader.0.split_first()?;
            let (name, rest) = rest.split_at_checked((*len).into())?;
            reader.0 = rest;
            let name = std::str::from_utf8(name).ok()?.into();
            let known = Known { name, trusted, current, is_listed: flags & LISTED != 0, is_gone: flags & GONE != 0 };
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
                | flag(known.is_gone, GONE);
            body.extend_from_slice(&id.0);
            body.push(flags);
            for digest in [known.trusted, known.current].iter().flatten() {
                body.extend_from_slice(digest.as_array());
            }
            body.push(u8::try_from(known.name.len()).unwrap_or(0));
            body.extend_from_slice(known.name.as_bytes());
        }
        seal(TAG, &body)
    }
}

/// As much of a name as is remembered.
fn clipped(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME_BYTES)).unwrap_or_default()
}

const TRUSTED: u8 = 1;
const CURRENT: u8 = 2;
const LISTED: u8 = 4;
const GONE: u8 = 8;

#[cfg(test)]
mod tests;
