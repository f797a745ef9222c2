//! The one value that every request reads: which servers are known, and as of when.

use meshward_engine::store::{Reader, open, seal};

use super::codec::Kind;
use crate::server::ServerKey;

/// Bound of servers, whatever a configuration says.
pub(crate) const MAX_SERVERS: usize = 64;

/// The servers that are known. A server's place is the number of its slot in the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Directory {
    /// Above all generations that were ever given.
    counter: u64,
    slots: Vec<Entry>,
}

/// Whose slot it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) server: ServerKey,
    /// The epoch of what is approved of it; `None` where nothing is.
    pub(super) epoch: Option<u64>,
}

/// What is known of a server's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    /// The generation in which what it lists began, empty. What is from before is void.
    pub(super) since: u64,
    /// The generation in which it changed last.
    pub(super) generation: u64,
    /// Something was approved by being listed first.
    has_approvals: bool,
}

/// What an entry has.
const EPOCH: u8 = 1;
const APPROVALS: u8 = 2;

impl Owner {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<(Self, u8)> {
        let (server, epoch, [flags]) = (ServerKey::from_bits(reader.u128()?), reader.u64()?, reader.array()?);
        Some((Self { server, epoch: (flags & EPOCH != 0).then_some(epoch) }, flags))
    }

    pub(super) fn encode(self, flags: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server.to_bits().to_le_bytes());
        out.extend_from_slice(&self.epoch.unwrap_or_default().to_le_bytes());
        out.push(flags | if self.epoch.is_some() { EPOCH } else { 0 });
    }

    /// Whether what was approved is of an epoch before that of the other.
    fn is_superseded_by(self, other: Self) -> bool {
        self.server == other.server && self.epoch.is_some() && self.epoch < other.epoch
    }
}

impl Directory {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(Kind::Directory.tag(), value)?);
        let mut directory = Self { counter: reader.u64()?, slots: Vec::new() };
        while !reader.0.is_empty() {
            let (owner, flags) = Owner::decode(&mut reader)?;
            let (since, generation) = (reader.u64()?, reader.u64()?);
            directory.slots.push(Entry { owner, since, generation, has_approvals: flags & APPROVALS != 0 });
        }
        (directory.slots.len() <= MAX_SERVERS).then_some(directory)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.counter.to_le_bytes().to_vec();
        for entry in &self.slots {
            entry.owner.encode(if entry.has_approvals { APPROVALS } else { 0 }, &mut body);
            body.extend_from_slice(&entry.since.to_le_bytes());
            body.extend_from_slice(&entry.generation.to_le_bytes());
        }
        seal(Kind::Directory.tag(), &body)
    }

    /// A server's slot.
    pub(super) fn find(&self, owner: Owner) -> Option<(usize, Entry)> {
        self.slots.iter().copied().enumerate().find(|(_, entry)| entry.owner == owner)
    }

    /// A generation above all others. The time makes it so even where the directory was lost.
    pub(super) const fn next(&self, now: u64) -> u64 {
        let next = self.counter.saturating_add(1);
        if next > now { next } else { now }
    }

    /// The slot that a server gets that has none: one with approvals of a former epoch goes first, one with others never.
    /// `None`: all are taken.
    pub(super) fn place_for(&self, owner: Owner, max_servers: usize) -> Option<usize> {
        if self.slots.len() < max_servers.min(MAX_SERVERS) {
            return Some(self.slots.len());
        }
        let is_superseded = |entry: &Entry| {
            let mut owners = self.slots.iter().map(|other| other.owner);
            entry.owner.is_superseded_by(owner) || owners.any(|other| entry.owner.is_superseded_by(other))
        };
        let places = self.slots.iter().enumerate().map(|(slot, entry)| (slot, entry, is_superseded(entry)));
        let free = places.filter(|(_, entry, is_superseded)| *is_superseded || !entry.has_approvals);
        free.min_by_key(|(_, entry, is_superseded)| (!is_superseded, entry.generation)).map(|(slot, ..)| slot)
    }

    /// Gives a server a slot of which all is void that it lists: its own, or another. `false`: there is none.
    pub(super) fn begin(&mut self, owner: Owner, max_servers: usize, now: u64) -> bool {
        let own = self.find(owner);
        let Some(slot) = own.map(|(slot, _)| slot).or_else(|| self.place_for(owner, max_servers)) else { return false };
        let generation = self.next(now);
        self.counter = generation;
        let has_approvals = own.is_some_and(|(_, entry)| entry.has_approvals);
        let fresh = Entry { owner, since: generation, generation, has_approvals };
        match self.slots.get_mut(slot) {
            Some(entry) => *entry = fresh,
            None => self.slots.push(fresh),
        }
        true
    }

    /// Says that a server's catalogue has changed, as of when it is then. `None`: it has begun anew since, or is no more.
    pub(super) fn publish(&mut self, known: Entry, generation: u64, has_approvals: bool) -> Option<Entry> {
        self.counter = self.counter.max(generation);
        let entry = self.slots.iter_mut().find(|entry| entry.owner == known.owner && entry.since == known.since)?;
        entry.generation = entry.generation.max(generation);
        entry.has_approvals |= has_approvals;
        Some(Entry { generation, ..*entry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(n: u128) -> Owner {
        Owner { server: ServerKey::from_bits(n), epoch: None }
    }

    fn approved(n: u128, epoch: u64) -> Owner {
        Owner { epoch: Some(epoch), ..server(n) }
    }

    /// Takes a slot, and says that something was approved.
    fn approve(directory: &mut Directory, owner: Owner, max: usize, now: u64) -> bool {
        let began = directory.begin(owner, max, now);
        let entry = directory.find(owner).map(|(_, entry)| entry);
        began && entry.is_some_and(|entry| directory.publish(entry, now, true).is_some())
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut directory = Directory::default();
        for n in 0..5 {
            assert!(directory.begin(server(n), 8, 0));
            assert!(approve(&mut directory, approved(n, 0), 16, 0));
        }
        assert_eq!(Directory::decode(&directory.encode()), Some(directory));
    }

    #[test]
    fn the_server_that_changed_longest_ago_makes_room() {
        let mut directory = Directory::default();
        for n in 0..3 {
            directory.begin(server(n), 3, 0);
        }
        let (_, zero) = directory.find(server(0)).unwrap();
        let (_, one) = directory.find(server(1)).unwrap();
        assert!(directory.publish(zero, 10, false).is_some());
        directory.begin(server(7), 3, 0);
        assert_eq!(directory.find(server(1)), None);
        assert_eq!(directory.find(server(7)).unwrap().0, 1);
        assert_eq!(directory.publish(one, 20, false), None, "it is no more");
        assert_eq!(directory.slots.len(), 3);
    }

    #[test]
    fn a_server_with_approvals_makes_no_room_but_for_its_next_epoch() {
        let mut directory = Directory::default();
        for n in 0..3 {
            assert!(approve(&mut directory, approved(n, 1), 3, 0));
        }
        for other in [server(9), approved(9, 1), approved(9, 2), server(0), approved(0, 0)] {
            assert_eq!(directory.place_for(other, 3), None, "{other:?}");
            assert!(!directory.begin(other, 3, 0));
        }
        assert!(approve(&mut directory, approved(1, 2), 3, 0));
        assert_eq!(directory.find(approved(1, 1)), None);
        // What a former epoch has left is in nobody's way.
        let mut directory = Directory::default();
        assert!(approve(&mut directory, approved(0, 1), 3, 0) && approve(&mut directory, approved(0, 2), 3, 0));
        assert!(directory.begin(server(5), 3, 0));
        assert_eq!(directory.place_for(approved(9, 0), 3), Some(0), "before one that has no approvals");
        // It begins anew in its own slot, and has them still.
        assert!(directory.begin(approved(0, 2), 3, 0));
        assert!(directory.begin(approved(9, 0), 3, 0) && approve(&mut directory, approved(8, 0), 3, 0));
        assert!(directory.find(approved(0, 2)).is_some_and(|(_, entry)| entry.has_approvals));
    }

    #[test]
    fn generations_only_grow() {
        let mut directory = Directory::default();
        directory.begin(server(1), 3, 100);
        let first = directory.find(server(1)).unwrap().1;
        directory.begin(server(1), 3, 50);
        let second = directory.find(server(1)).unwrap().1;
        assert_eq!((first.since, second.since), (100, 101));
        assert_eq!(directory.publish(first, 200, false), None, "it began anew");
        assert_eq!(directory.next(0), 201);
    }
}
