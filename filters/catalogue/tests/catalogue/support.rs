//! A store that workers share, as Envoy has it, and what can go wrong with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use meshward_catalogue::{Catalogue, CatalogueConfig, Learned, ServerKey};
use meshward_engine::{Host, StoreError};
use meshward_wire::json::{Span, elements, member, string};

/// The values of a store, and the last version that was given.
pub(crate) type Values = (BTreeMap<String, (Vec<u8>, u32)>, u32);

/// What one worker sees of the world.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) values: Arc<Mutex<Values>>,
    pub(crate) refuses: bool,
    pub(crate) reads: Cell<usize>,
    pub(crate) writes: Cell<usize>,
    /// The time, if it matters.
    pub(crate) time: Cell<u64>,
}

impl World {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.lock().unwrap().0.keys().cloned().collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values.lock().unwrap().0.values().map(|(value, _)| value.len()).sum()
    }

    pub(crate) fn put(&self, key: &str, value: &[u8]) {
        let (values, last) = &mut *self.values.lock().unwrap();
        *last += 1;
        values.insert(key.to_owned(), (value.to_vec(), *last));
    }
}

impl Host for World {
    fn now(&self) -> u64 {
        self.time.get().max(1_000)
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.reads.set(self.reads.get() + 1);
        self.values.lock().unwrap().0.get(key).cloned()
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        self.writes.set(self.writes.get() + 1);
        if self.refuses {
            return Err(StoreError::Refused);
        }
        let (values, last) = &mut *self.values.lock().unwrap();
        match (values.get(key), version) {
            (Some((_, current)), Some(version)) if *current != version => return Err(StoreError::Changed),
            _ => {}
        }
        *last += 1;
        values.insert(key.to_owned(), (value.to_vec(), *last));
        Ok(())
    }
}

/// A world in which something happens just before one of the worker's steps.
pub(crate) struct Interrupted<'a> {
    pub(crate) world: World,
    pub(crate) left: Cell<usize>,
    pub(crate) action: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
}

impl Interrupted<'_> {
    fn step(&self) {
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        if left == 0
            && let Some(action) = self.action.borrow_mut().take()
        {
            action();
        }
    }
}

impl Host for Interrupted<'_> {
    fn now(&self) -> u64 {
        self.world.now()
    }

    fn random(&self, into: &mut [u8]) -> bool {
        self.world.random(into)
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.world.property(path)
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.step();
        self.world.store_get(key)
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        self.step();
        self.world.store_set(key, value, version)
    }
}

/// A configuration; schemas are looked at unless it says otherwise.
pub(crate) fn config(json: &str) -> CatalogueConfig {
    let mut config: serde_json::Value = serde_json::from_str(json).unwrap();
    config.as_object_mut().unwrap().entry("schema").or_insert("enforce".into());
    serde_json::from_value(config).unwrap()
}

pub(crate) fn catalogue(json: &str) -> Catalogue {
    Catalogue::new(&config(json)).unwrap()
}

pub(crate) fn server(name: &str) -> ServerKey {
    ServerKey::new(name.as_bytes(), "/mcp")
}

/// A list of tools whose one argument must be the constant.
pub(crate) fn list<'a>(tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let tools = tools.into_iter().map(|(name, constant)| {
        let schema = format!(r#"{{"type":"object","properties":{{"v":{{"const":"{constant}"}}}},"required":["v"]}}"#);
        format!(r#"{{"name":"{name}","description":"d","inputSchema":{schema}}}"#)
    });
    format!("[{}]", tools.collect::<Vec<_>>().join(","))
}

/// As the stage does it.
pub(crate) fn learn(catalogue: &Catalogue, host: &dyn Host, server: &ServerKey, text: &str) -> Learned {
    let entries: Vec<_> = elements(text, Span { start: 0, end: text.len() })
        .map(|entry| (string(text, member(text, entry, "name").unwrap()).unwrap(), entry))
        .collect();
    catalogue.learn(host, server, text, entries.iter().map(|(name, entry)| (&**name, *entry)))
}

/// Which of the constants a tool demands, if it is known; `Some(None)`: none of them.
pub(crate) fn demanded<'c>(
    catalogue: &Catalogue,
    host: &dyn Host,
    server: &ServerKey,
    name: &str,
    constants: &[&'c str],
) -> Option<Option<&'c str>> {
    let tool = catalogue.tool(host, server, name)?;
    let fits = |constant: &&&str| tool.check_arguments(Some(&format!(r#"{{"v":"{constant}"}}"#))).is_ok();
    let fitting: Vec<_> = constants.iter().filter(fits).collect();
    assert!(fitting.len() < 2);
    Some(fitting.first().map(|constant| **constant))
}
