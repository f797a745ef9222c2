//! The tables of all servers in the shared store: `meshward/pins/0`, `meshward/pins/1`, … of a fixed number, each one
//! value. The keys are taken in order, and never given back; of more servers than keys, the one that changed longest ago
//! makes room.

use std::collections::BTreeMap;
use std::rc::Rc;

use meshward_engine::store::{ATTEMPTS, set};
use meshward_engine::{Host, StoreError};

use crate::table::Table;

fn key(slot: usize) -> String {
    format!("meshward/pins/{slot}")
}

/// What a worker remembers of the store: each value as it was read last.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    known: BTreeMap<u64, Cached>,
}

#[derive(Debug)]
struct Cached {
    slot: usize,
    raw: Vec<u8>,
    table: Rc<Table>,
}

/// A server's table, and where it is. Without a table: the place it may take, and the version that is there now.
struct Place {
    slot: usize,
    version: Option<u32>,
    table: Option<Rc<Table>>,
}

impl Tables {
    /// What is remembered of a server. One read of the store, unless it is the first in this worker.
    pub(crate) fn get(&mut self, host: &dyn Host, server: u64, max_servers: usize) -> Option<Rc<Table>> {
        self.find(host, server, max_servers)?.table
    }

    fn find(&mut self, host: &dyn Host, server: u64, max_servers: usize) -> Option<Place> {
        let slot = self.known.get(&server).map(|cached| cached.slot);
        if let Some(place) = slot.and_then(|slot| self.own(host, slot, server)) {
            return Some(place);
        }
        self.known.remove(&server);
        let mut oldest: Option<(u64, Place)> = None;
        for slot in 0..max_servers {
            let Some((value, version)) = host.store_get(&key(slot)) else {
                return Some(Place { slot, version: None, table: None });
            };
            let owner = Table::owner(&value);
            let is_own = owner.is_some_and(|(owner, _)| owner == server);
            if let Some(table) = Some(&value).filter(|_| is_own).and_then(|value| Table::decode(value)).map(Rc::new) {
                self.known.insert(server, Cached { slot, raw: value, table: Rc::clone(&table) });
                return Some(Place { slot, version: Some(version), table: Some(table) });
            }
            // What cannot be read makes room first.
            let changed = owner.filter(|_| !is_own).map_or(0, |(_, changed)| changed);
            if oldest.as_ref().is_none_or(|(oldest, _)| changed < *oldest) {
                oldest = Some((changed, Place { slot, version: Some(version), table: None }));
            }
        }
        oldest.map(|(_, place)| place)
    }

    /// The value of a slot, if it is still this server's.
    fn own(&mut self, host: &dyn Host, slot: usize, server: u64) -> Option<Place> {
        let (value, version) = host.store_get(&key(slot))?;
        let cached = self.known.get_mut(&server)?;
        if cached.raw != value {
            cached.table = Rc::new(Table::decode(&value).filter(|table| table.server == server)?);
            cached.raw = value;
        }
        Some(Place { slot, version: Some(version), table: Some(Rc::clone(&cached.table)) })
    }

    /// Changes a server's table for all workers, and says what the function says. It is run again when another worker was
    /// first. What changes nothing is not written.
    ///
    /// # Errors
    /// The store did not take it.
    pub(crate) fn change<T>(
        &mut self,
        host: &dyn Host,
        server: u64,
        max_servers: usize,
        mut change: impl FnMut(&mut Table) -> T,
    ) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let place = self.find(host, server, max_servers).ok_or(StoreError::Refused)?;
            let mut table = place.table.as_deref().cloned().unwrap_or_else(|| Table::new(server));
            let said = change(&mut table);
            if place.table.as_deref() == Some(&table) {
                return Ok(said);
            }
            table.changed = host.now();
            let raw = table.encode();
            match set(host, &key(place.slot), &raw, place.version) {
                Ok(()) => {
                    self.known.insert(server, Cached { slot: place.slot, raw, table: Rc::new(table) });
                    return Ok(said);
                }
                Err(StoreError::Changed) => {}
                Err(refused) => return Err(refused),
            }
        }
        Err(StoreError::Changed)
    }
}

#[cfg(test)]
mod tests;
