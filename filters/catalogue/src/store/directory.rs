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

/// What is known of a server's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) server: ServerKey,
    /// The generation in which its catalogue began, empty. What is from before is void.
    pub(super) since: u64,
    /// The generation in which it changed last.
    pub(super) generation: u64,
}

impl Directory {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(Kind::Directory.tag(), value)?);
        let mut directory = Self { counter: reader.u64()?, slots: Vec::new() };
        while !reader.0.is_empty() {
            let server = ServerKey::from_bits(reader.u128()?);
            directory.slots.push(Entry { server, since: reader.u64()?, generation: reader.u64()? });
        }
        (directory.slots.len() <= MAX_SERVERS).then_some(directory)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.counter.to_le_bytes().to_vec();
        for entry in &self.slots {
            body.extend_from_slice(&entry.server.to_bits().to_le_bytes());
            body.extend_from_slice(&entry.since.to_le_bytes());
            body.extend_from_slice(&entry.generation.to_le_bytes());
        }
        seal(Kind::Directory.tag(), &body)
    }

    /// A server's slot.
    pub(super) fn find(&self, server: ServerKey) -> Option<(usize, Entry)> {
        self.slots.iter().copied().enumerate().find(|(_, entry)| entry.server == server)
    }

    /// A generation above all others. The time makes it so even where the directory was lost.
    pub(super) const fn next(&self, now: u64) -> u64 {
        let next = self.counter.saturating_add(1);
        if next > now { next } else { now }
    }

    /// Gives a server a slot with nothing in it: its own, a free one, or that of the server that changed longest ago.
    pub(super) fn begin(&mut self, server: ServerKey, max_servers: usize, now: u64) {
        let generation = self.next(now);
        self.counter = generation;
        let fresh = Entry { server, since: generation, generation };
        let own = self.find(server).map(|(slot, _)| slot);
        let is_full = self.slots.len() >= max_servers.min(MAX_SERVERS);
        let oldest = || self.slots.iter().enumerate().min_by_key(|(_, entry)| entry.generation).map(|(slot, _)| slot);
        let slot = own.or_else(|| if is_full { oldest() } else { None });
        match slot.and_then(|slot| self.slots.get_mut(slot)) {
            Some(entry) => *entry = fresh,
            None => self.slots.push(fresh),
        }
    }

    /// Says that a server's catalogue has changed. `false`: it has begun anew since, or is no more.
    pub(super) fn publish(&mut self, server: ServerKey, since: u64, generation: u64) -> bool {
        self.counter = self.counter.max(generation);
        let entry = self.slots.iter_mut().find(|entry| entry.server == server && entry.since == since);
        match entry {
            Some(entry) => {
                entry.generation = entry.generation.max(generation);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(n: u128) -> ServerKey {
        ServerKey::from_bits(n)
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut directory = Directory::default();
        for n in 0..5 {
            directory.begin(server(n), 8, 0);
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
        assert!(directory.publish(server(0), zero.since, 10));
        directory.begin(server(7), 3, 0);
        assert_eq!(directory.find(server(1)), None);
        assert_eq!(directory.find(server(7)).unwrap().0, 1);
        assert!(!directory.publish(server(1), 2, 20), "it is no more");
        assert_eq!(directory.slots.len(), 3);
    }

    #[test]
    fn generations_only_grow() {
        let mut directory = Directory::default();
        directory.begin(server(1), 3, 100);
        let first = directory.find(server(1)).unwrap().1;
        directory.begin(server(1), 3, 50);
        let second = directory.find(server(1)).unwrap().1;
        assert_eq!((first.since, second.since), (100, 101));
        assert!(!directory.publish(server(1), first.since, 200), "it began anew");
        assert_eq!(directory.next(0), 201);
    }
}
