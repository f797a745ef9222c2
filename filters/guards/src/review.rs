//! What a list says of a server's tools, and what it changes in what is known of them. Pure: the store is the catalogue's.

use std::collections::{BTreeMap, BTreeSet};

use meshward_catalogue::{Digest, NameId, Tools, Walk};
use meshward_engine::store::digest;

use crate::config::Trust;
use crate::definitions::{Flaw, Flaws};
use crate::guards::Guards;
use crate::look::Look;
use crate::pins::{Pinned, Pins};
use crate::standing::{Known, Standing};

/// Longer names are remembered in part; MCP advises 128 characters (2025-11-25, server/tools, Tool Names).
const MAX_NAME_BYTES: usize = 128;

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
    /// Takes a page into what is known.
    pub(crate) fn of(tools: &mut Tools, guards: &Guards, endpoint: &str, page: &Page<'_>) -> Self {
        let mut review = Self::default();
        review.look_over(tools, guards, endpoint, page);
        let mut here: BTreeSet<NameId> = BTreeSet::new();
        // `extend`, here and below: `collect` sorts, and would bring the code of a sort into the module.
        here.extend(page.tools.iter().map(|tool| NameId::of(tool.name)));
        match &guards.pins {
            Some(pins) => review.hold(tools, guards, pins, pins.of(endpoint), page, &here),
            None => review.standings.extend(page.tools.iter().map(|_| Standing::Approved)),
        }
        if let Some(seen) = walked(tools, guards.max_tools, page, here) {
            review.close(tools, guards.pins.as_ref().map(|pins| pins.of(endpoint)), &seen);
        }
        review
    }

    /// Of a page that cannot be remembered: only pins of the configuration count.
    pub(crate) fn unremembered(guards: &Guards, endpoint: &str, page: &Page<'_>) -> Self {
        let mut review = Self::default();
        review.look_over(&mut Tools::default(), guards, endpoint, page);
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

    /// Looks at what the tools of a page say of themselves, and what their names look like.
    fn look_over(&mut self, tools: &mut Tools, guards: &Guards, endpoint: &str, page: &Page<'_>) {
        let Some(definitions) = &guards.definitions else {
            return self.flaws.extend(page.tools.iter().map(|_| Flaws::default()));
        };
        // Who has a look: tools of this list, and those of its other pages.
        let mut looks: BTreeMap<Look, NameId> = BTreeMap::new();
        let is_whole = page.place.is_some_and(|place| place.cursor.is_none() && place.next.is_none());
        let holders =
            tools.all_held().filter(|(_, held)| !is_whole && !held.is_gone && !Flaws(held.flaws).has(Flaw::Lookalike));
        looks.extend(holders.map(|(id, held)| (Look(held.look), id)));
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
            self.flaws.push(flaws);
            let has_room = is_pinned || tools.held_len() < guards.max_tools;
            if !is_first || !has_room && tools.held(id).is_none() {
                continue;
            }
            let held = tools.hold(id);
            for flaw in Flaws(flaws.0 | tool.cured.0).iter() {
                if !Flaws(held.flaws | held.cured).has(flaw) {
                    self.changes.push((flaw.into(), clipped(tool.name).to_owned()));
                }
            }
            (held.flaws, held.cured, held.look) = (flaws.0, tool.cured.0, tool.look.0);
            if guards.pins.is_none() {
                held.is_gone = false;
            }
        }
    }

    /// Holds the tools of a page against their pins.
    fn hold(
        &mut self,
        tools: &mut Tools,
        guards: &Guards,
        pins: &Pins,
        pinned: &Pinned,
        page: &Page<'_>,
        here: &BTreeSet<NameId>,
    ) {
        let was_complete = tools.is_complete;
        let standing = |tools: &Tools, name: &str| Known::of(guards, tools).standing(pins, pinned, name);
        // A definition of which a tool was known that this page does not have.
        let absent = tools.all_held().filter(|(id, _)| !here.contains(id));
        let mut orphans: BTreeMap<Digest, Box<str>> = BTreeMap::new();
        orphans.extend(absent.filter_map(|(_, held)| Some((held.approved?, held.name.clone()))));
        let mut first = BTreeSet::new();
        for tool in &page.tools {
            let id = NameId::of(tool.name);
            let before = standing(tools, tool.name);
            if !first.insert(id) {
                // A second tool of a name: what is called by it is not known, so both must be the same.
                let same = tools.held(id).is_some_and(|held| held.current == Some(tool.digest));
                self.standings.push(if same { before } else { Standing::Changed });
                continue;
            }
            let is_pinned = !pinned.of(tool.name).is_empty();
            let held = tools.held(id);
            let is_known = held.is_some_and(|held| held.current.is_some() && !held.is_gone || held.approved.is_some());
            let has_room = is_pinned || tools.held_len() < guards.max_tools;
            if !has_room && held.is_none() {
                self.standings.push(Standing::Unpinned);
                continue;
            }
            let previous = tools.list(id, tool.digest, tool.may_repeat);
            let held = tools.hold(id);
            if held.name.is_empty() {
                held.name = clipped(tool.name).into();
            }
            let is_refused = guards.refuses(Flaws(held.flaws));
            let trusts = pins.trust == Trust::FirstUse && !is_pinned && held.approved.is_none();
            if trusts && tool.digest != Digest::NONE && !is_refused {
                held.approved = Some(tool.digest);
            }
            let after = standing(tools, tool.name);
            self.standings.push(after);
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
            self.changes.push(change);
        }
    }

    /// A whole list has these tools and no others.
    fn close(&mut self, tools: &mut Tools, pinned: Option<&Pinned>, seen: &BTreeSet<NameId>) {
        tools.is_complete = true;
        for name in pinned.into_iter().flat_map(Pinned::names) {
            let held = tools.hold(NameId::of(name));
            if held.name.is_empty() {
                held.name = clipped(name).into();
            }
        }
        for (_, held) in tools.all_held_mut().filter(|(id, held)| !held.is_gone && !seen.contains(id)) {
            held.is_gone = true;
            if pinned.is_some() {
                self.changes.push((Change::Removed, held.name.clone().into()));
            }
        }
    }
}

/// Goes on with a list of several pages. The tools of all, once the last page is there.
fn walked(tools: &mut Tools, max_tools: usize, page: &Page<'_>, here: BTreeSet<NameId>) -> Option<BTreeSet<NameId>> {
    let place = page.place?;
    let of = |cursor: &str| digest([b"cursor", cursor.as_bytes()]);
    let mut seen = match place.cursor {
        None => BTreeSet::new(),
        // Another list has begun in between, or there was none.
        Some(cursor) => tools.walk.take_if(|walk| walk.next == of(cursor))?.seen,
    };
    seen.extend(here);
    match place.next {
        None => {
            tools.walk = None;
            Some(seen)
        }
        Some(next) => {
            tools.walk = (seen.len() <= max_tools).then(|| Walk { next: of(next), seen });
            None
        }
    }
}

/// As much of a name as is remembered.
fn clipped(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
