//! The pins, compiled.

use std::collections::BTreeMap;

use meshward_catalogue::{Digest, DigestError};
use meshward_engine::Mode;

use crate::config::{PinsConfig, Trust, Unlisted};

/// Bound of servers, whatever a configuration says.
const MAX_SERVERS: usize = 64;
/// Bound of tools of a server, likewise.
const MAX_TOOLS: usize = 1 << 14;
/// Bound of a definition, likewise.
const MAX_DEFINITION_BYTES: usize = 4 << 20;

/// What is pinned.
#[derive(Debug, Clone)]
pub struct Pins {
    pub(crate) mode: Mode,
    pub(crate) trust: Trust,
    pub(crate) unlisted: Unlisted,
    pub(crate) max_definition_bytes: usize,
    /// By endpoint; those of all endpoints are among each one's.
    endpoints: BTreeMap<String, Pinned>,
}

/// The pins of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pinned {
    names: BTreeMap<Box<str>, Vec<Digest>>,
    /// The names of each definition.
    definitions: BTreeMap<Digest, Vec<Box<str>>>,
}

impl Pins {
    /// Compiles a configuration, for these endpoints.
    ///
    /// # Errors
    /// All that is wrong with it: where in the section, and what.
    pub fn new<'e>(
        config: &PinsConfig,
        endpoints: impl IntoIterator<Item = &'e str>,
    ) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        for (field, value, largest) in [
            ("max_servers", config.max_servers, MAX_SERVERS),
            ("max_tools", config.max_tools, MAX_TOOLS),
            ("max_definition_bytes", config.max_definition_bytes.0, MAX_DEFINITION_BYTES),
        ] {
            if !(1..=largest).contains(&value) {
                errors.push((field.to_owned(), format!("between 1 and {largest}")));
            }
        }
        let mut pinned: BTreeMap<String, Pinned> = BTreeMap::new();
        pinned.extend(endpoints.into_iter().map(|path| (path.to_owned(), Pinned::default())));
        for (index, pin) in config.tools.iter().enumerate() {
            let hash = match pin.hash.parse() {
                Ok(hash) => hash,
                Err(error) => {
                    errors.push((format!("tools[{index}].hash"), DigestError::to_string(&error)));
                    continue;
                }
            };
            let mut is_new = false;
            for (path, pinned) in &mut pinned {
                if pin.endpoint.as_ref().is_none_or(|endpoint| endpoint == path) {
                    is_new |= pinned.add(&pin.name, hash);
                }
            }
            if pin.endpoint.as_ref().is_some_and(|endpoint| !pinned.contains_key(endpoint)) {
                let message = "no endpoint has this path: write it as in `endpoints`, or leave it out";
                errors.push((format!("tools[{index}].endpoint"), message.to_owned()));
            } else if !is_new && !pinned.is_empty() {
                errors.push((format!("tools[{index}]"), "this pin is there already".to_owned()));
            }
        }
        if config.trust == Trust::Configured && config.tools.is_empty() {
            let message = "without pins no tool is trusted: let `meshward pin` write them, or set `trust: first_use`";
            errors.push(("tools".to_owned(), message.to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            mode: config.mode,
            trust: config.trust,
            unlisted: config.unlisted,
            max_definition_bytes: config.max_definition_bytes.0,
            endpoints: pinned,
        })
    }

    /// The names of all tools with a pin.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.endpoints.values().flat_map(Pinned::names)
    }

    /// The pins of an endpoint, by its path.
    pub(crate) fn of(&self, endpoint: &str) -> &Pinned {
        static NOTHING: Pinned = Pinned { names: BTreeMap::new(), definitions: BTreeMap::new() };
        self.endpoints.get(endpoint).unwrap_or(&NOTHING)
    }
}

impl Pinned {
    /// `false`: it is there already.
    fn add(&mut self, name: &str, digest: Digest) -> bool {
        let digests = self.names.entry(name.into()).or_default();
        if digests.contains(&digest) {
            return false;
        }
        digests.push(digest);
        self.definitions.entry(digest).or_default().push(name.into());
        true
    }

    /// The definitions that are trusted of a tool; none without a pin.
    pub(crate) fn of(&self, name: &str) -> &[Digest] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// The tools that are pinned.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    /// The tools that are pinned to a definition.
    pub(crate) fn named(&self, definition: Digest) -> impl Iterator<Item = &str> {
        self.definitions.get(&definition).into_iter().flatten().map(|name| &**name)
    }
}
