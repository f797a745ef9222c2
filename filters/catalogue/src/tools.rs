//! What is known of the tools of one server: what it said last, and what outlives that.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::store::Listed;

/// What a tool is found by: half of the SHA-256 of its name, since the server chooses the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameId(pub(crate) [u8; 16]);

impl NameId {
    /// Of a name, to the letter.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let digest = Digest::of_bytes(name.as_bytes());
        Self(digest.as_array().first_chunk().copied().unwrap_or_default())
    }
}

/// The tools of a server. What it said last of them goes when it says that its list has changed; what was approved stays, and what was
/// found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tools {
    /// The server has listed all its tools once: what is new is new.
    pub is_complete: bool,
    /// A list of several pages that is on its way.
    pub walk: Option<Walk>,
    entries: BTreeMap<NameId, Entry>,
    /// How many entries are held, and how many have a schema.
    held: usize,
    with_schema: usize,
}

/// What is known of a tool; never nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) said: Option<Said>,
    pub(crate) held: Option<Held>,
}

/// What the server said last of a tool, and still vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// A call of it may run twice.
    pub may_repeat: bool,
    /// Its input schema, with the parameters that headers mirror, where schemas are learned.
    pub(crate) schema: Option<Listed>,
}

/// What is remembered of a tool whatever the server says next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// Its name, as far as it is short.
    pub name: Box<str>,
    /// Its definition when it was listed first, where that is trusted.
    pub approved: Option<Digest>,
    /// Its definition when it was listed last.
    pub current: Option<Digest>,
    /// What was wrong with it then, in the letters of whoever looked.
    pub flaws: u8,
    /// Likewise, but it was taken out.
    pub cured: u8,
    /// What its name looks like, where that is looked at.
    pub look: [u8; 8],
    /// The server's last whole list did not have it.
    pub is_gone: bool,
}

/// The pages so far of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// A digest of the cursor of the next page.
    pub next: u64,
    /// The tools of the pages so far.
    pub seen: BTreeSet<NameId>,
}

impl Tools {
    /// What the server said last of a tool. `None`: it was not listed since the list has changed.
    #[must_use]
    pub fn said(&self, id: NameId) -> Option<Said> {
        self.entries.get(&id)?.said
    }

    /// What is remembered of a tool.
    #[must_use]
    pub fn held(&self, id: NameId) -> Option<&Held> {
        self.entries.get(&id)?.held.as_ref()
    }

    /// How many tools are remembered.
    #[must_use]
    pub const fn held_len(&self) -> usize {
        self.held
    }

    /// All tools that are remembered.
    pub fn all_held(&self) -> impl Iterator<Item = (NameId, &Held)> {
        self.entries.iter().filter_map(|(id, entry)| Some((*id, entry.held.as_ref()?)))
    }

    /// Likewise.
    pub fn all_held_mut(&mut self) -> impl Iterator<Item = (NameId, &mut Held)> {
        self.entries.iter_mut().filter_map(|(id, entry)| Some((*id, entry.held.as_mut()?)))
    }

    /// Remembers a tool from now on.
    pub fn hold(&mut self, id: NameId) -> &mut Held {
        let held = &mut self.entries.entry(id).or_default().held;
        self.held = self.held.saturating_add(usize::from(held.is_none()));
        held.get_or_insert_default()
    }

    /// The server lists a tool with this definition, which is remembered. The one of before; what else was said of that is void.
    pub fn list(&mut self, id: NameId, definition: Digest, may_repeat: bool) -> Option<Digest> {
        let held = self.hold(id);
        held.is_gone = false;
        let before = held.current.replace(definition);
        if before != Some(definition) {
            self.set_schema(id, None);
        }
        let said = &mut self.entries.entry(id).or_default().said;
        said.get_or_insert_default().may_repeat = may_repeat;
        before
    }

    /// Whether anything was approved by being listed first.
    pub(crate) fn has_approvals(&self) -> bool {
        self.all_held().any(|(_, held)| held.approved.is_some())
    }

    pub(crate) fn schema(&self, id: NameId) -> Option<Listed> {
        self.said(id)?.schema
    }

    /// How many tools have a schema.
    pub(crate) const fn with_schema(&self) -> usize {
        self.with_schema
    }

    pub(crate) fn set_schema(&mut self, id: NameId, schema: Option<Listed>) {
        let said = match schema {
            Some(_) => self.entries.entry(id).or_default().said.get_or_insert_default(),
            None => match self.entries.get_mut(&id).and_then(|entry| entry.said.as_mut()) {
                Some(said) => said,
                None => return,
            },
        };
        let had = std::mem::replace(&mut said.schema, schema).is_some();
        self.with_schema =
            self.with_schema.saturating_add(usize::from(schema.is_some())).saturating_sub(usize::from(had));
    }

    /// The schemas that are kept.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = Listed> {
        self.entries.values().filter_map(|entry| entry.said?.schema)
    }

    /// Takes the place of what may have been here.
    pub(crate) fn insert(&mut self, id: NameId, entry: Entry) {
        let counts = |entry: &Entry| {
            let with_schema = entry.said.is_some_and(|said| said.schema.is_some());
            (usize::from(entry.held.is_some()), usize::from(with_schema))
        };
        let (held, with_schema) = counts(&entry);
        let (was_held, had_schema) = self.entries.insert(id, entry).as_ref().map_or((0, 0), counts);
        self.held = self.held.saturating_add(held).saturating_sub(was_held);
        self.with_schema = self.with_schema.saturating_add(with_schema).saturating_sub(had_schema);
    }

    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = (NameId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The server says that its list has changed: it vouches for nothing of before.
    pub fn lapse(&mut self) {
        self.walk = None;
        self.with_schema = 0;
        self.entries.retain(|_, entry| {
            entry.said = None;
            entry.held.is_some()
        });
    }

    /// The schemas have lost their places.
    pub(crate) fn drop_schemas(&mut self) {
        self.with_schema = 0;
        self.entries.values_mut().filter_map(|entry| entry.said.as_mut()).for_each(|said| said.schema = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: Listed = Listed { digest: 7, place: None };

    fn counts(tools: &Tools) -> (usize, usize) {
        let (held, with_schema) = (tools.all_held().count(), tools.schemas().count());
        assert_eq!((tools.held_len(), tools.with_schema()), (held, with_schema));
        (held, with_schema)
    }

    #[test]
    fn what_was_approved_outlives_what_was_said() {
        let (a, b) = (NameId::of("a"), NameId::of("b"));
        let (one, two) = (Digest::of_bytes(b"1"), Digest::of_bytes(b"2"));
        let mut tools = Tools::default();
        assert_eq!(tools.list(a, one, true), None);
        tools.hold(a).approved = Some(one);
        tools.set_schema(a, Some(LISTED));
        tools.set_schema(b, Some(LISTED));
        assert_eq!(counts(&tools), (1, 2));
        assert_eq!(tools.said(a), Some(Said { may_repeat: true, schema: Some(LISTED) }));
        tools.lapse();
        assert_eq!(counts(&tools), (1, 0));
        assert_eq!((tools.said(a), tools.said(b)), (None, None));
        assert_eq!(tools.held(a).and_then(|held| held.approved), Some(one));
        assert_eq!(tools.entries().len(), 1, "of what is not remembered nothing is left");
        assert_eq!(tools.list(a, two, false), Some(one));
        assert!(tools.has_approvals());
    }

    #[test]
    fn a_schema_goes_with_its_definition() {
        let a = NameId::of("a");
        let (one, two) = (Digest::of_bytes(b"1"), Digest::of_bytes(b"2"));
        let mut tools = Tools::default();
        for (definition, is_kept) in [(one, false), (one, true), (two, false), (two, true), (one, false)] {
            tools.list(a, definition, false);
            assert_eq!(tools.schema(a).is_some(), is_kept);
            tools.set_schema(a, Some(LISTED));
            assert_eq!(counts(&tools), (1, 1));
        }
        tools.drop_schemas();
        assert_eq!(counts(&tools), (1, 0));
        assert!(tools.said(a).is_some());
    }
}
