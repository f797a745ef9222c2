//! The tools that a worker has compiled, within a bound of memory.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::server::ServerKey;
use crate::store::AsOf;
use crate::tool::Tool;

/// About how many bytes the compiled tools of a worker take. Before they are more, all are dropped, and compiled again
/// when they are called.
const MAX_BYTES: usize = 16 << 20;

/// Compiled tools by server and name.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    tools: BTreeMap<ServerKey, BTreeMap<Box<str>, Entry>>,
    bytes: usize,
}

/// A compiled tool, and what it was compiled from.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tool: Rc<Tool>,
    pub(crate) digest: u64,
    pub(crate) as_of: AsOf,
}

impl Compiled {
    pub(crate) fn get(&self, server: ServerKey, name: &str) -> Option<&Entry> {
        self.tools.get(&server)?.get(name)
    }

    /// The tool is still the same.
    pub(crate) fn renew(&mut self, server: ServerKey, name: &str, as_of: AsOf) -> Option<Rc<Tool>> {
        let entry = self.tools.get_mut(&server)?.get_mut(name)?;
        entry.as_of = as_of;
        Some(Rc::clone(&entry.tool))
    }

    pub(crate) fn insert(&mut self, server: ServerKey, name: &str, entry: Entry) {
        let weight = |tool: &Tool| name.len().saturating_add(tool.weight());
        let added = weight(&entry.tool);
        if self.bytes.saturating_add(added) > MAX_BYTES {
            self.tools.clear();
            self.bytes = 0;
        }
        let replaced = self.tools.entry(server).or_default().insert(name.into(), entry);
        let freed = replaced.map_or(0, |entry| weight(&entry.tool));
        self.bytes = self.bytes.saturating_add(added).saturating_sub(freed);
    }
}
