//! What a worker keeps of the shared catalogue, and how it reads and writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use meshward_engine::store::{ATTEMPTS, set, update};
use meshward_engine::{Host, StoreError};

use super::directory::{Directory, Entry, Owner};
use super::index::{Index, Listed};
use super::segment::{Definition, definition, fill};
use super::{DIRECTORY, index_key, segment_key};
use crate::catalogue::Remembered;
use crate::server::ServerKey;
use crate::tools::{NameId, Tools};

/// Names that are longer are not kept; MCP advises 128 characters (2025-11-25, server/tools, Tool Names).
const MAX_NAME_BYTES: usize = 1024;

/// What is kept at most, and of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_servers: usize,
    pub(crate) max_tools: usize,
    pub(crate) max_tool_bytes: usize,
    pub(crate) max_bytes: usize,
    /// The epoch of what is approved; `None` where nothing is.
    pub(crate) epoch: Option<u64>,
}

/// The schemas of one page of a server's list.
#[derive(Debug, Default)]
pub(crate) struct Page<'a> {
    tools: Vec<(NameId, u64, Definition<'a>)>,
    too_long: usize,
}

impl<'a> Page<'a> {
    /// Of several tools with one name, the first.
    pub(crate) fn new(tools: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut page, mut seen) = (Self::default(), BTreeSet::new());
        for (name, schema) in tools {
            if name.len() > MAX_NAME_BYTES {
                page.too_long = page.too_long.saturating_add(1);
                continue;
            }
            let id = NameId::of(name);
            if seen.insert(id) {
                let definition = Definition { name, schema };
                page.tools.push((id, definition.digest(), definition));
            }
        }
        page
    }
}

/// What a list has taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Learned {
    /// Tools whose schema was not known.
    pub new: usize,
    /// Tools whose schema was another.
    pub changed: usize,
    /// Tools, new or changed, whose schema is longer than `max_tool_bytes`.
    pub too_large: usize,
    /// Tools whose schema is not remembered: the catalogue is full.
    pub left_out: usize,
    /// The store did not take it; the next list is another try.
    pub failed: bool,
}

/// A tool's schema as the store has it.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// As before: the digest is the one that was asked about.
    Same,
    /// Another, with its digest.
    Other(u64, T),
}

/// A worker's view of the store.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    /// The directory's value as it was read last.
    raw: Vec<u8>,
    directory: Directory,
    indexes: BTreeMap<ServerKey, Known>,
}

/// A server's index as it was read last.
#[derive(Debug)]
struct Known {
    as_of: Entry,
    index: Index,
    confirmed: Confirmed,
}

/// The schemas that a worker has seen in their places, by name.
type Confirmed = BTreeMap<NameId, Listed>;

/// What a function makes of a server's tools.
type Review<'r> = Option<&'r mut dyn FnMut(&mut Tools)>;

/// When something was read: it is fresh as long as this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AsOf {
    slot: usize,
    entry: Entry,
}

/// An index that a page was taken into.
struct Taken<'a> {
    index: Index,
    confirmed: Confirmed,
    learned: Learned,
    /// Schemas that may not be in their places yet, by segment.
    segments: BTreeMap<u16, Vec<(super::index::Place, Definition<'a>)>>,
    /// Schemas that others have replaced take the place of one.
    lacks_room: bool,
}

impl Worker {
    /// As of when the store has the server's tools; `None` if it has none. Reads one value.
    pub(crate) fn as_of(&mut self, host: &dyn Host, server: ServerKey, bounds: &Bounds) -> Option<AsOf> {
        let raw = host.store_get(DIRECTORY).map(|(value, _)| value).unwrap_or_default();
        if raw != self.raw {
            self.directory = Directory::decode(&raw).unwrap_or_default();
            self.raw = raw;
            let directory = &self.directory;
            self.indexes.retain(|_, known| directory.find(known.as_of.owner).is_some());
        }
        self.directory.find(owner(server, bounds)).map(|(slot, entry)| AsOf { slot, entry })
    }

    /// What is known of a server's tools. Reads one value if nothing has changed.
    pub(crate) fn remembered(&mut self, host: &dyn Host, server: ServerKey, bounds: &Bounds) -> Remembered {
        match self.as_of(host, server, bounds) {
            Some(as_of) => Remembered::Tools(Rc::clone(&self.index(host, server, as_of).tools)),
            None if self.directory.place_for(owner(server, bounds), bounds.max_servers).is_some() => {
                Remembered::Nothing
            }
            None => Remembered::NoRoom,
        }
    }

    /// A tool's schema, unless it is the one whose digest is known. The function makes of it what is kept, or of `None` if
    /// it is too large.
    pub(crate) fn find<T>(
        &mut self,
        host: &dyn Host,
        (server, as_of): (ServerKey, AsOf),
        name: &str,
        known: Option<u64>,
        make: impl FnOnce(Option<&str>) -> T,
    ) -> Option<Found<T>> {
        let index = self.index(host, server, as_of);
        let since = index.since;
        let Listed { digest, place } = index.tools.schema(NameId::of(name))?;
        if known == Some(digest) {
            return Some(Found::Same);
        }
        let Some(place) = place else { return Some(Found::Other(digest, make(None))) };
        let (value, _) = host.store_get(&segment_key(as_of.slot, place.segment))?;
        let definition = definition(&value, since, place, digest)?;
        (definition.name == name).then(|| Found::Other(digest, make(Some(definition.schema))))
    }

    fn index(&mut self, host: &dyn Host, server: ServerKey, AsOf { slot, entry }: AsOf) -> &Index {
        let known = match self.indexes.remove(&server) {
            Some(known) if known.as_of == entry => known,
            known => {
                let (index, _) = read_index(host, slot, entry);
                Known { as_of: entry, index, confirmed: still_confirmed(known, entry) }
            }
        };
        &self.indexes.entry(server).or_insert(known).index
    }

    /// Takes a page into the store, and what a function makes of the server's tools: it is run again where another worker
    /// was first.
    ///
    /// # Errors
    /// The store did not take it.
    pub(crate) fn learn(
        &mut self,
        host: &dyn Host,
        server: ServerKey,
        page: &Page<'_>,
        bounds: &Bounds,
        mut review: Review<'_>,
    ) -> Result<Learned, StoreError> {
        if page.tools.is_empty() && review.is_none() {
            return Ok(Learned { left_out: page.too_long, ..Learned::default() });
        }
        for _ in 0..ATTEMPTS {
            let step = match self.as_of(host, server, bounds) {
                None => self.begin(host, server, bounds, 0).map(|_| None),
                Some(as_of) => self.merge(host, (server, as_of), page, bounds, &mut review),
            };
            match step {
                Ok(Some(learned)) => return Ok(learned),
                Ok(None) | Err(StoreError::Changed) => {}
                Err(StoreError::Refused) => return Err(StoreError::Refused),
            }
        }
        Err(StoreError::Changed)
    }

    /// One try to take a page in. `None`: try again.
    fn merge(
        &mut self,
        host: &dyn Host,
        (server, AsOf { slot, entry }): (ServerKey, AsOf),
        page: &Page<'_>,
        bounds: &Bounds,
        review: &mut Review<'_>,
    ) -> Result<Option<Learned>, StoreError> {
        let known = self.indexes.remove(&server);
        if let Some(known) = known.as_ref().filter(|known| known.as_of == entry) {
            let taken = take(known.index.clone(), known.confirmed.clone(), page, bounds, review);
            // It is all there.
            if taken.index == known.index && taken.segments.is_empty() && !taken.lacks_room {
                let Taken { index, confirmed, learned, .. } = taken;
                self.indexes.insert(server, Known { as_of: entry, index, confirmed });
                return Ok(Some(learned));
            }
        }
        let (before, version) = read_index(host, slot, entry);
        if before.since > entry.since {
            // The directory is older: it was read before the server's list changed, or it was lost.
            self.begin(host, server, bounds, before.since)?;
            return Ok(None);
        }
        let taken = take(before.clone(), still_confirmed(known, entry), page, bounds, review);
        if taken.lacks_room {
            // Schemas that were replaced go, with all others, which are listed again.
            let Some(since) = self.begin(host, server, bounds, 0)? else { return Ok(None) };
            set(host, &index_key(slot), &before.emptied(since).encode(), version)?;
            return Ok(None);
        }
        let Taken { mut index, confirmed, learned, segments, .. } = taken;
        if index != before {
            index.generation = self.directory.next(host.now()).max(before.generation.saturating_add(1));
            set(host, &index_key(slot), &index.encode(), version)?;
        }
        for (segment, definitions) in segments {
            fill(host, &segment_key(slot, segment), entry.since, &definitions)?;
        }
        let Some(entry) = publish(host, entry, &index)? else { return Ok(None) };
        // What others wrote since is not in this index; the generation in the directory says so.
        self.indexes.insert(server, Known { as_of: entry, index, confirmed });
        Ok(Some(learned))
    }

    /// Makes all void that a server has listed, and finds a slot for one that has none. The generation since when it is; `None`:
    /// another worker was first.
    fn begin(
        &self,
        host: &dyn Host,
        server: ServerKey,
        bounds: &Bounds,
        after: u64,
    ) -> Result<Option<u64>, StoreError> {
        let owner = owner(server, bounds);
        let since = |directory: &Directory| directory.find(owner).map(|(_, entry)| entry.since);
        let seen = since(&self.directory);
        let mut began = None;
        update(host, DIRECTORY, |value| {
            let mut directory = value.and_then(Directory::decode).unwrap_or_default();
            if since(&directory) != seen {
                began = None;
                return Ok(None);
            }
            if !directory.begin(owner, bounds.max_servers, host.now().max(after.saturating_add(1))) {
                return Err(StoreError::Refused);
            }
            began = since(&directory);
            Ok(Some(directory.encode()))
        })?;
        Ok(began)
    }

    /// Makes void what is known of a server, but for what was approved.
    pub(crate) fn forget(&self, host: &dyn Host, server: ServerKey, bounds: &Bounds) -> Result<(), StoreError> {
        update(host, DIRECTORY, |value| {
            let Some(mut directory) = value.and_then(Directory::decode) else { return Ok(None) };
            let owner = owner(server, bounds);
            // Where nothing was listed since it was forgotten last, there is nothing to forget: a server may say so all day.
            let has_listed = directory.find(owner).is_some_and(|(_, entry)| entry.generation > entry.since);
            let forgets = has_listed && directory.begin(owner, bounds.max_servers, host.now());
            Ok(forgets.then(|| directory.encode()))
        })
    }
}

const fn owner(server: ServerKey, bounds: &Bounds) -> Owner {
    Owner { server, epoch: bounds.epoch }
}

fn still_confirmed(known: Option<Known>, entry: Entry) -> Confirmed {
    known.filter(|known| known.index.since == entry.since).map(|known| known.confirmed).unwrap_or_default()
}

/// Takes a page into an index.
fn take<'a>(
    mut index: Index,
    mut confirmed: Confirmed,
    page: &Page<'a>,
    bounds: &Bounds,
    review: &mut Review<'_>,
) -> Taken<'a> {
    let mut learned = Learned { left_out: page.too_long, ..Learned::default() };
    let mut segments: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    let mut lacks_room = false;
    if let Some(review) = review {
        review(Rc::make_mut(&mut index.tools));
    }
    for (name, digest, definition) in &page.tools {
        let before = index.tools.schema(*name);
        let listed = match before {
            Some(listed) if listed.digest == *digest => listed,
            None if index.tools.with_schema() >= bounds.max_tools => {
                learned.left_out = learned.left_out.saturating_add(1);
                continue;
            }
            _ => {
                let fits = definition.schema.len() <= bounds.max_tool_bytes;
                let len = fits.then(|| definition.len());
                let Some(listed) = index.insert(*name, *digest, len, bounds.max_bytes) else {
                    lacks_room |= index.has_garbage();
                    learned.left_out = learned.left_out.saturating_add(1);
                    continue;
                };
                let counter = if before.is_some() { &mut learned.changed } else { &mut learned.new };
                *counter = counter.saturating_add(1);
                learned.too_large = learned.too_large.saturating_add(usize::from(!fits));
                listed
            }
        };
        if let Some(place) = listed.place
            && confirmed.get(name) != Some(&listed)
        {
            segments.entry(place.segment).or_default().push((place, *definition));
        }
        confirmed.insert(*name, listed);
    }
    Taken { index, confirmed, learned, segments, lacks_room }
}

/// The index of a slot; an empty one where there is none of this server. Without what the server has listed before its
/// list has changed.
fn read_index(host: &dyn Host, slot: usize, entry: Entry) -> (Index, Option<u32>) {
    let (value, version) = host.store_get(&index_key(slot)).unzip();
    let index = value.as_deref().and_then(Index::decode).filter(|index| index.owner == entry.owner);
    let index = match index {
        None => Index::empty(entry.owner, entry.since),
        Some(index) if index.since < entry.since => index.lapsed(entry.since),
        Some(index) => index,
    };
    (index, version)
}

/// Raises the generation of a server. `None`: it has begun anew, or is no more.
fn publish(host: &dyn Host, entry: Entry, index: &Index) -> Result<Option<Entry>, StoreError> {
    let has_approvals = index.tools.has_approvals();
    let mut published = None;
    update(host, DIRECTORY, |value| {
        let mut directory = value.and_then(Directory::decode).unwrap_or_default();
        let before = directory.clone();
        published = directory.publish(entry, index.generation, has_approvals);
        Ok((published.is_some() && directory != before).then(|| directory.encode()))
    })?;
    Ok(published)
}
