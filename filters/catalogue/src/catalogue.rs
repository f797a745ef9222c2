//! The catalogue, as the stages use it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use meshward_engine::Host;
use meshward_wire::annotations;
use meshward_wire::json::{Span, member};

use crate::compiled::{Compiled, Entry};
use crate::config::{CatalogueConfig, SchemaMode, UnknownTools};
use crate::schema::Schema;
use crate::server::ServerKey;
use crate::store::{Found, Learned, MAX_SERVERS, MAX_TOOLS, Page, SEGMENT_BYTES, Worker};
use crate::tool::Tool;

/// The largest bound of the definitions of one server.
const MAX_BYTES: usize = 64 << 20;

/// What is known of the tools of all servers. One for all exchanges of a worker; all workers of a proxy know the same.
#[derive(Debug)]
pub struct Catalogue {
    config: CatalogueConfig,
    given: BTreeMap<String, Rc<Tool>>,
    learned: RefCell<Cache>,
}

/// What a worker remembers of the shared store.
#[derive(Debug, Default)]
struct Cache {
    worker: Worker,
    compiled: Compiled,
}

impl Catalogue {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// All that is wrong with it: where, and what.
    pub fn new(config: &CatalogueConfig) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        for (field, value, largest) in [
            ("max_servers", config.max_servers, MAX_SERVERS),
            ("max_tools", config.max_tools, MAX_TOOLS),
            ("max_tool_bytes", config.max_tool_bytes.0, SEGMENT_BYTES),
            ("max_bytes", config.max_bytes.0, MAX_BYTES),
        ] {
            if !(1..=largest).contains(&value) {
                errors.push((format!("catalogue.{field}"), format!("between 1 and {largest}")));
            }
        }
        if config.schema != SchemaMode::Off && !cfg!(feature = "schema-validation") {
            let remedy = "this module does not read input schemas: load `meshward-schema.wasm`, or leave this out";
            errors.push(("catalogue.schema".to_owned(), remedy.to_owned()));
        }
        let mut given = BTreeMap::new();
        for (index, tool) in config.tools.iter().enumerate() {
            let path = format!("catalogue.tools[{index}]");
            // A map of JSON values is always JSON.
            let schema = serde_json::to_string(&tool.input_schema).unwrap_or_default();
            if let Err(problem) = usable(&schema) {
                errors.push((format!("{path}.inputSchema"), problem));
            }
            if given.insert(tool.name.clone(), Rc::new(Tool::new(&schema, config.schema))).is_some() {
                errors.push((format!("{path}.name"), format!("another tool is called `{}` too", tool.name)));
            }
        }
        if errors.is_empty() {
            Ok(Self { config: config.clone(), given, learned: RefCell::default() })
        } else {
            Err(errors)
        }
    }

    /// What happens to calls whose arguments do not fit.
    #[must_use]
    pub const fn schema_mode(&self) -> SchemaMode {
        self.config.schema
    }

    /// What happens to calls of tools that are not known.
    #[must_use]
    pub const fn unknown_tools(&self) -> UnknownTools {
        self.config.unknown
    }

    /// Whether it wants to see the server's lists and notifications.
    #[must_use]
    pub const fn learns(&self) -> bool {
        self.config.learn
    }

    /// Takes in a page of a server's `tools/list` result: the names of its entries, and their places in the text, which
    /// a strict reader let through. What is known of other tools stays. Work and writes are in proportion to the page; a
    /// page that this worker has seen before costs one read of the store.
    pub fn learn<'t>(
        &self,
        host: &dyn Host,
        server: &ServerKey,
        text: &'t str,
        tools: impl IntoIterator<Item = (&'t str, Span)>,
    ) -> Learned {
        if !self.config.learn {
            return Learned::default();
        }
        let tools = tools.into_iter().filter(|(name, _)| !self.given.contains_key(*name));
        let schema = |entry| member(text, entry, "inputSchema").map(|schema| schema.of(text)).unwrap_or_default();
        let page = Page::new(tools.map(|(name, entry)| (name, schema(entry))));
        self.learned.borrow_mut().worker.learn(host, *server, &page, &self.config)
    }

    /// Forgets what a server has listed, for all workers: it says that its list has changed. `false`: the store would not.
    pub fn forget(&self, host: &dyn Host, server: &ServerKey) -> bool {
        !self.config.learn || self.learned.borrow_mut().worker.forget(host, *server, &self.config).is_ok()
    }

    /// A tool, if its definition is known. Costs one read of the store when this worker has used it since the server's
    /// catalogue last changed; nothing for a tool of the configuration.
    pub fn tool(&self, host: &dyn Host, server: &ServerKey, name: &str) -> Option<Rc<Tool>> {
        if let Some(tool) = self.given.get(name) {
            return Some(Rc::clone(tool));
        }
        if !self.config.learn {
            return None;
        }
        let Cache { worker, compiled } = &mut *self.learned.borrow_mut();
        let as_of = worker.as_of(host, *server)?;
        let known = compiled.get(*server, name);
        if let Some(tool) = known.as_ref().filter(|known| known.as_of == as_of) {
            return Some(Rc::clone(&tool.tool));
        }
        let digest = known.as_ref().map(|known| known.digest);
        let mode = self.config.schema;
        let make =
            |schema: Option<&str>| schema.map_or_else(|| Tool::too_large(mode), |schema| Tool::new(schema, mode));
        match worker.find(host, as_of, name, digest, make)? {
            Found::Same => compiled.renew(*server, name, as_of),
            Found::Other(digest, tool) => {
                let tool = Rc::new(tool);
                compiled.insert(*server, name, Entry { tool: Rc::clone(&tool), digest, as_of });
                Some(tool)
            }
        }
    }
}

/// What an operator gives must be checked whole.
fn usable(schema: &str) -> Result<(), String> {
    if cfg!(feature = "schema-validation") {
        let compiled = Schema::compile(schema).map_err(|unusable| unusable.to_string())?;
        if let Some(pointer) = compiled.unchecked().first() {
            return Err(format!("at `{pointer}`: this pattern cannot be matched in linear time: leave it out"));
        }
    }
    annotations::read(schema, Span { start: 0, end: schema.len() }).map_err(|invalid| invalid.to_string())?;
    Ok(())
}
