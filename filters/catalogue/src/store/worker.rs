//! What a worker keeps of the shared catalogue, and how it reads and writes it.

use std::collections::{BTreeMap, BTreeSet};

use meshward_engine::store::{ATTEMPTS, set, update};
use meshward_engine::{Host, StoreError};

use super::directory::{Directory, Entry};
use super::index::{Index, Listed, name_digest};
use super::segment::{Definition, definition, fill};
use super::{DIRECTORY, index_key, segment_key};
use crate::config::CatalogueConfig;
use crate::server::ServerKey;

/// Names that are longer are not kept; MCP advises 128 characters (2025-11-25, server/tools, Tool Names).
const MAX_NAME_BYTES: usize = 1024;

/// One page of a server's list.
#[derive(Debug, Default)]
pub(crate) struct Page<'a> {
    tools: Vec<(u64, u64, Definition<'a>)>,
    too_long: usize,
}

impl<'a> Page<'a> {
    /// Of several tools with one name, the first.
    pub(crate) fn new(tools: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut page, mut seen) = (Self::default(), BTreeSet::new());
        for (name, schema) in tools {
            let digest = name_digest(name);
            if name.len() > MAX_NAME_BYTES {
                page.too_long = page.too_long.saturating_add(1);
            } else if seen.insert(digest) {
                let definition = Definition { name, schema };
                page.tools.push((digest, definition.digest(), definition));
            }
        }
        page
    }
}

/// What a list has taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Learned {
    /// Tools that were not known.
    pub new: usize,
    /// Tools whose definition was another.
    pub changed: usize,
    /// Tools, new or changed, whose schema is longer than `max_tool_bytes`.
    pub too_large: usize,
    /// Tools that are not remembered: the catalogue is full.
    pub left_out: usize,
    /// The store did not take it; the next list is another try.
    pub failed: bool,
}

/// A tool as the store has it.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// As before: the digest is the one that was asked about.
    Same,
    /// Another definition, with its digest.
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
    /// The definitions that this worker has seen in their places, by name.
    confirmed: BTreeMap<u64, Listed>,
}

/// When something was read: it is fresh as long as this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AsOf {
    slot: usize,
    entry: Entry,
}

impl Worker {
    /// As of when the store has the server's tools; `None` if it has none. Reads one value.
    pub(crate) fn as_of(&mut self, host: &dyn Host, server: ServerKey) -> Option<AsOf> {
        self.read_directory(host);
        self.directory.find(server).map(|(slot, entry)| AsOf { slot, entry })
    }

    fn read_directory(&mut self, host: &dyn Host) {
        let raw = host.store_get(DIRECTORY).map(|(value, _)| value).unwrap_or_default();
        if raw != self.raw {
            self.directory = Directory::decode(&raw).unwrap_or_default();
            self.raw = raw;
            let directory = &self.directory;
            self.indexes.retain(|server, _| directory.find(*server).is_some());
        }
    }

    /// A tool, unless it is the one whose digest is known. The function makes of its schema what is kept, or of `None` if
    /// that is too large.
    pub(crate) fn find<T>(
        &mut self,
        host: &dyn Host,
        as_of: AsOf,
        name: &str,
        known: Option<u64>,
        make: impl FnOnce(Option<&str>) -> T,
    ) -> Option<Found<T>> {
        let Listed { digest, place } = self.index(host, as_of)?.get(name_digest(name))?;
        if known == Some(digest) {
            return Some(Found::Same);
        }
        let Some(place) = place else { return Some(Found::Other(digest, make(None))) };
        let (value, _) = host.store_get(&segment_key(as_of.slot, place.segment))?;
        let definition = definition(&value, as_of.entry.since, place, digest)?;
        (definition.name == name).then(|| Found::Other(digest, make(Some(definition.schema))))
    }

    fn index(&mut self, host: &dyn Host, AsOf { slot, entry }: AsOf) -> Option<&Index> {
        let known = self.indexes.remove(&entry.server).filter(|known| known.as_of.since == entry.since);
        let known = match known {
            Some(known) if known.as_of == entry => known,
            known => {
                let (index, _) = read_index(host, slot, entry);
                Known { as_of: entry, index, confirmed: known.map(|known| known.confirmed).unwrap_or_default() }
            }
        };
        Some(&self.indexes.entry(entry.server).or_insert(known).index)
    }

    /// Takes a page into the store.
    pub(crate) fn learn(
        &mut self,
        host: &dyn Host,
        server: ServerKey,
        page: &Page<'_>,
        config: &CatalogueConfig,
    ) -> Learned {
        if page.tools.is_empty() {
            return Learned { left_out: page.too_long, ..Learned::default() };
        }
        for _ in 0..ATTEMPTS {
            let step = match self.as_of(host, server) {
                None => self.begin(host, server, config).map(|()| None),
                Some(as_of) if self.is_confirmed(as_of, page) => {
                    return Learned { left_out: page.too_long, ..Learned::default() };
                }
                Some(as_of) => self.merge(host, as_of, page, config),
            };
            match step {
                Ok(Some(learned)) => return learned,
                Ok(None) | Err(StoreError::Changed) => {}
                Err(StoreError::Refused) => break,
            }
        }
        Learned { failed: true, ..Learned::default() }
    }

    /// Whether the worker has seen every tool of a page in the store, as of now.
    fn is_confirmed(&self, as_of: AsOf, page: &Page<'_>) -> bool {
        let known = self.indexes.get(&as_of.entry.server).filter(|known| known.as_of == as_of.entry);
        known.is_some_and(|known| {
            page.tools.iter().all(|(name, digest, _)| {
                let listed = known.index.get(*name);
                listed.is_some_and(|listed| listed.digest == *digest) && known.confirmed.get(name) == listed.as_ref()
            })
        })
    }

    /// One try to take a page in. `None`: try again.
    fn merge(
        &mut self,
        host: &dyn Host,
        AsOf { slot, entry }: AsOf,
        page: &Page<'_>,
        config: &CatalogueConfig,
    ) -> Result<Option<Learned>, StoreError> {
        let (mut index, version) = read_index(host, slot, entry);
        let read = index.generation;
        let confirmed = self.indexes.remove(&entry.server).filter(|known| known.as_of.since == entry.since);
        let mut confirmed = confirmed.map(|known| known.confirmed).unwrap_or_default();
        let mut learned = Learned { left_out: page.too_long, ..Learned::default() };
        let mut segments: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for (name, digest, definition) in &page.tools {
            let before = index.get(*name);
            let listed = match before {
                Some(listed) if listed.digest == *digest => listed,
                None if index.len() >= config.max_tools => {
                    learned.left_out = learned.left_out.saturating_add(1);
                    continue;
                }
                _ => {
                    let fits = definition.schema.len() <= config.max_tool_bytes.0;
                    let len = fits.then(|| definition.len());
                    let Some(listed) = index.insert(*name, *digest, len, config.max_bytes.0) else {
                        if index.garbage > 0 {
                            // Definitions that were replaced take the place: all of them go.
                            return self.begin(host, entry.server, config).map(|()| None);
                        }
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
        if learned.new > 0 || learned.changed > 0 {
            index.generation = self.directory.next(host.now()).max(read.saturating_add(1));
            set(host, &index_key(slot), &index.encode(), version)?;
        }
        for (segment, definitions) in segments {
            fill(host, &segment_key(slot, segment), entry.since, &definitions)?;
        }
        if !publish(host, entry, index.generation)? {
            return Ok(None);
        }
        // What others wrote since is not in this index; the generation in the directory says so.
        let as_of = Entry { generation: index.generation, ..entry };
        self.indexes.insert(entry.server, Known { as_of, index, confirmed });
        Ok(Some(learned))
    }

    fn begin(&mut self, host: &dyn Host, server: ServerKey, config: &CatalogueConfig) -> Result<(), StoreError> {
        let seen = self.directory.find(server).map(|(_, entry)| entry.since);
        update(host, DIRECTORY, |value| {
            let mut directory = value.and_then(Directory::decode).unwrap_or_default();
            // Another worker may have been first.
            if directory.find(server).map(|(_, entry)| entry.since) != seen {
                return Ok(None);
            }
            directory.begin(server, config.max_servers, host.now());
            Ok(Some(directory.encode()))
        })
    }

    /// Makes all void that is known of a server.
    pub(crate) fn forget(
        &mut self,
        host: &dyn Host,
        server: ServerKey,
        config: &CatalogueConfig,
    ) -> Result<(), StoreError> {
        update(host, DIRECTORY, |value| {
            let Some(mut directory) = value.and_then(Directory::decode) else { return Ok(None) };
            if directory.find(server).is_none() {
                return Ok(None);
            }
            directory.begin(server, config.max_servers, host.now());
            Ok(Some(directory.encode()))
        })
    }
}

/// The index of a slot; an empty one where there is none of this server since its catalogue began.
fn read_index(host: &dyn Host, slot: usize, entry: Entry) -> (Index, Option<u32>) {
    let (value, version) = host.store_get(&index_key(slot)).unzip();
    let index = value.as_deref().and_then(Index::decode);
    let valid = index.filter(|index| index.server == entry.server && index.since == entry.since);
    (valid.unwrap_or_else(|| Index::empty(entry.server, entry.since)), version)
}

/// Raises the generation of a server. `false`: its catalogue has begun anew.
fn publish(host: &dyn Host, entry: Entry, generation: u64) -> Result<bool, StoreError> {
    let mut is_current = true;
    update(host, DIRECTORY, |value| {
        let mut directory = value.and_then(Directory::decode).unwrap_or_default();
        let before = directory.clone();
        is_current = directory.publish(entry.server, entry.since, generation);
        Ok((is_current && directory != before).then(|| directory.encode()))
    })?;
    Ok(is_current)
}
