//! What is remembered of one server's tools, and what a list changes in it. Pure: the store is elsewhere.

mod codec;

use std::collections::{BTreeMap, BTreeSet};

use meshward_engine::store::digest;

use crate::config::{Trust, Unlisted};
use crate::definitions::{Flaw, Flaws};
use crate::digest::Digest;
use crate::guards::Guards;
use crate::look::Look;
use crate::pins::{Pinned, Pins};

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
    /// What was wrong with it then.
    flaws: Flaws,
    /// Likewise, but it was taken out.
    cured: Flaws,
    /// What its name looks like, where that is looked at.
    look: Look,
    /// Its definition of then says that a call may run twice.
    may_repeat: bool,
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
    /// Its definition has characters that do not show.
    Invisible,
    /// A pattern matches its definition.
    Matches,
    /// Its name looks like another's.
    Lookalike,
}

impl From<Flaw> for Change {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Invisible => Self::Invisible,
            Flaw::Matches => Self::Matches,
            Flaw::Lookalike => Self::Lookalike,
        }
    }
}

impl Change {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Changed,
        Self::Unknown,
        Self::Added,
        Self::Removed,
        Self::Renamed,
        Self::Invisible,
        Self::Matches,
        Self::Lookalike,
    ];

    /// Its name in metrics and the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Invisible => "invisible",
            Self::Matches => "matches",
            Self::Lookalike => "lookalike",
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
            Self::Invisible => "tool_invisible",
            Self::Matches => "tool_matches",
            Self::Lookalike => "tool_lookalike",
        }
    }
}

/// A tool of a page.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'t> {
    pub(crate) name: &'t str,
    /// [`Digest::NONE`] if it cannot be hashed, or nothing is pinned.
    pub(crate) digest: Digest,
    /// What its definition says that it should not.
    pub(crate) flaws: Flaws,
    /// Likewise, but it is taken out.
    pub(crate) cured: Flaws,
    /// What its name looks like, where that is looked at.
    pub(crate) look: Look,
    /// It says that a call may run twice.
    pub(crate) may_repeat: bool,
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
    /// How each tool stands to its pins, in order.
    pub(crate) standings: Vec<Standing>,
    /// What is wrong with each, in order.
    pub(crate) flaws: Vec<Flaws>,
    /// What is new since the last list, with the tool's name; a renamed one's old name comes first.
    pub(crate) changes: Vec<(Change, String)>,
}

impl Review {
    /// Of a page that cannot be remembered: only pins of the configuration count.
    pub(crate) fn unremembered(guards: &Guards, endpoint: &str, page: &Page<'_>) -> Self {
        let mut review = Self::default();
        Table::new(0).look_over(guards, endpoint, page, &mut review);
        review.changes.clear();
        let pins = guards.pins.as_ref().map(|pins| pins.of(endpoint));
        let standing = |tool: &Listed<'_>| match pins.map(|pins| pins.of(tool.name)) {
            None => Standing::Approved,
            Some([]) => Standing::Unpinned,
            Some(pins) if pins.contains(&tool.digest) => Standing::Approved,
            Some(_) => Standing::Changed,
        };
        review.standings.extend(page.tools.iter().map(standing));
        review
    }
}

impl Table {
    pub(crate) const fn new(server: u64) -> Self {
        Self { server, changed: 0, is_complete: false, walk: None, tools: BTreeMap::new() }
    }

    /// Takes in a page.
    pub(crate) fn review(&mut self, guards: &Guards, endpoint: &str, page: &Page<'_>) -> Review {
        let mut review = Review::default();
        self.look_over(guards, endpoint, page, &mut review);
        let mut here: BTreeSet<NameId> = BTreeSet::new();
        // `extend`, here and below: `collect` sorts, and would bring the code of a sort into the module.
        here.extend(page.tools.iter().map(|tool| NameId::of(tool.name)));
        match &guards.pins {
            Some(pins) => self.hold(guards, pins, pins.of(endpoint), page, &here, &mut review),
            None => review.standings.extend(page.tools.iter().map(|_| Standing::Approved)),
        }
        if let Some(seen) = self.walked(guards.max_tools, page, here) {
            self.close(guards.pins.as_ref().map(|pins| pins.of(endpoint)), &seen, &mut review);
        }
        review
    }

    /// Looks at what the tools of a page say of themselves, and what their names look like.
    fn look_over(&mut self, guards: &Guards, endpoint: &str, page: &Page<'_>, review: &mut Review) {
        let Some(definitions) = &guards.definitions else {
            return review.flaws.extend(page.tools.iter().map(|_| Flaws::default()));
        };
        // Who has a look: tools of this list, and those of its other pages.
        let mut looks: BTreeMap<Look, NameId> = BTreeMap::new();
        let is_whole = page.place.is_some_and(|place| place.cursor.is_none() && place.next.is_none());
        let holds = |known: &Known| !is_whole && !known.is_gone && !known.flaws.has(Flaw::Lookalike);
        looks.extend(self.tools.iter().filter(|(_, known)| holds(known)).map(|(id, known)| (known.look, *id)));
        let mut seen = BTreeSet::new();
        for tool in &page.tools {
            let id = NameId::of(tool.name);
            let is_first = seen.insert(id);
            let is_pinned = guards.pins.as_ref().is_some_and(|pins| !pins.of(endpoint).of(tool.name).is_empty());
            let mut flaws = tool.flaws;
            if definitions.looks_at_names() {
                let is_alike = definitions.is_taken(tool.name, tool.look)
                    || !is_pinned && looks.get(&tool.look).is_some_and(|other| *other != id);
                if is_alike || !is_first {
                    flaws.add(Flaw::Lookalike);
                } else {
                    looks.insert(tool.look, id);
                }
            }
            review.flaws.push(flaws);
            let has_room = is_pinned || self.tools.len() < guards.max_tools;
            if !is_first || !has_room && !self.tools.contains_key(&id) {
                continue;
            }
            let known = self.tools.entry(id).or_default();
            for flaw in Flaws(flaws.0 | tool.cured.0).iter() {
                if !known.flaws.has(flaw) && !known.cured.has(flaw) {
                    review.changes.push((flaw.into(), clipped(tool.name).to_owned()));
                }
            }
            (known.flaws, known.cured, known.look) = (flaws, tool.cured, tool.look);
            if guards.pins.is_none() {
                known.is_gone = false;
            }
        }
    }

    /// Holds the tools of a page against their pins.
    fn hold(
        &mut self,
        guards: &Guards,
        pins: &Pins,
        pinned: &Pinned,
        page: &Page<'_>,
        here: &BTreeSet<NameId>,
        review: &mut Review,
    ) {
        let was_complete = self.is_complete;
        // A definition of which a tool was known that this page does not have.
        let absent = self.tools.iter().filter(|(id, _)| !here.contains(id));
        let mut orphans: BTreeMap<Digest, Box<str>> = BTreeMap::new();
        orphans.extend(absent.filter_map(|(_, known)| Some((known.trusted?, known.name.clone()))));
        let mut first = BTreeSet::new();
        for tool in &page.tools {
            let id = NameId::of(tool.name);
            let before = self.standing(guards, pins, pinned, tool.name);
            if !first.insert(id) {
                // A second tool of a name: what is called by it is not known, so both must be the same.
                let same = self.tools.get(&id).is_some_and(|known| known.current == Some(tool.digest));
                review.standings.push(if same { before } else { Standing::Changed });
                continue;
            }
            let is_pinned = !pinned.of(tool.name).is_empty();
            let is_known = self
                .tools
                .get(&id)
                .is_some_and(|known| known.current.is_some() && !known.is_gone || known.trusted.is_some());
            let has_room = is_pinned || self.tools.len() < guards.max_tools;
            if !has_room && !self.tools.contains_key(&id) {
                review.standings.push(Standing::Unpinned);
                continue;
            }
            let known = self.tools.entry(id).or_default();
            let previous = known.current.replace(tool.digest);
            (known.is_listed, known.is_gone, known.may_repeat) = (true, false, tool.may_repeat);
            if known.name.is_empty() {
                known.name = clipped(tool.name).into();
            }
            let is_refused = guards.refuses(known.flaws);
            let trusts = pins.trust == Trust::FirstUse && !is_pinned && known.trusted.is_none();
            if trusts && tool.digest != Digest::NONE && !is_refused {
                known.trusted = Some(tool.digest);
            }
            let after = self.standing(guards, pins, pinned, tool.name);
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
                Standing::Unpinned if trusts && is_refused => continue,
                Standing::Unpinned if before != after || !is_known => or_renamed(Change::Unknown),
                Standing::Approved if !is_known && was_complete && !is_pinned => or_renamed(Change::Added),
                _ => continue,
            };
            review.changes.push(change);
        }
    }

    /// Goes on with a list of several pages. The tools of all, once the last page is there.
    fn walked(&mut self, max_tools: usize, page: &Page<'_>, here: BTreeSet<NameId>) -> Option<BTreeSet<NameId>> {
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
                self.walk = (seen.len() <= max_tools).then(|| Walk { next: of(next), seen });
                None
            }
        }
    }

    /// A whole list has these tools and no others.
    fn close(&mut self, pinned: Option<&Pinned>, seen: &BTreeSet<NameId>, review: &mut Review) {
        self.is_complete = true;
        for name in pinned.into_iter().flat_map(Pinned::names) {
            let known = self.tools.entry(NameId::of(name)).or_default();
            if known.name.is_empty() {
                known.name = clipped(name).into();
            }
        }
        for (_, known) in self.tools.iter_mut().filter(|(id, known)| !known.is_gone && !seen.contains(id)) {
            known.is_gone = true;
            if pinned.is_some() {
                review.changes.push((Change::Removed, known.name.clone().into()));
            }
        }
    }

    /// The server says that its list has changed.
    pub(crate) fn forget(&mut self) {
        self.walk = None;
        for known in self.tools.values_mut() {
            known.is_listed = false;
        }
    }

    /// How a tool stands to its pins by the definition that was listed last.
    fn standing(&self, guards: &Guards, pins: &Pins, pinned: &Pinned, name: &str) -> Standing {
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
            None if approved.is_empty() && self.tools.len() >= guards.max_tools => Standing::Unpinned,
            Some(_) if is_listed => Standing::Approved,
            _ => Standing::Unlisted,
        }
    }

    /// How a tool that is called stands to its pins.
    pub(crate) fn admits(&self, guards: &Guards, endpoint: &str, name: &str) -> Standing {
        let Some(pins) = &guards.pins else { return Standing::Approved };
        match self.standing(guards, pins, pins.of(endpoint), name) {
            Standing::Unlisted if pins.unlisted == Unlisted::Allow => Standing::Approved,
            standing => standing,
        }
    }

    /// Whether a tool says that a call may run twice, and is as it was approved.
    pub(crate) fn may_repeat(&self, guards: &Guards, endpoint: &str, name: &str) -> bool {
        let says_so = self.tools.get(&NameId::of(name)).is_some_and(|known| known.may_repeat);
        let standing = |pins| self.standing(guards, pins, pins.of(endpoint), name);
        says_so && guards.pins.as_ref().map(standing) == Some(Standing::Approved)
    }

    /// What was wrong with a tool when it was listed last, and could not be taken out.
    pub(crate) fn flaws(&self, name: &str) -> Flaws {
        self.tools.get(&NameId::of(name)).map(|known| known.flaws).unwrap_or_default()
    }
}

/// As much of a name as is remembered.
fn clipped(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
