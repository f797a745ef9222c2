//! The catalogue, as the stages use it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use meshward_engine::{Host, StoreError};
use meshward_wire::annotations;
use meshward_wire::json::{Span, member};

use crate::compiled::{Compiled, Entry};
use crate::config::{CatalogueConfig, SchemaMode, UnknownTools};
use crate::schema::Schema;
use crate::server::ServerKey;
use crate::store::{Bounds, Found, Learned, MAX_SERVERS, MAX_TOOLS, Page, SEGMENT_BYTES, Worker};
use crate::tool::Tool;
use crate::tools::Tools;

/// The largest bound of the definitions of one server.
const MAX_BYTES: usize = 64 << 20;

/// What is known of the tools of all servers. One for all exchanges of a worker; all workers of a proxy know the same.
#[derive(Debug)]
pub struct Catalogue {
    config: CatalogueConfig,
    bounds: Bounds,
    given: BTreeMap<String, Rc<Tool>>,
    learned: RefCell<Cache>,
}

/// What is known of the tools of a server.
#[derive(Debug, Clone)]
pub enum Remembered {
    /// What it has listed, and what was approved of that.
    Tools(Rc<Tools>),
    /// It has listed nothing yet.
    Nothing,
    /// Nothing, and nothing will be: as many others have their places.
    NoRoom,
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
            let bounds = Bounds {
                max_servers: config.max_servers,
                max_tools: config.max_tools,
                max_tool_bytes: config.max_tool_bytes.0,
                max_bytes: config.max_bytes.0,
                epoch: None,
            };
            Ok(Self { config: config.clone(), bounds, given, learned: RefCell::default() })
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

    /// The same, which also remembers what was approved, of at least as many servers. What was approved in another epoch is not.
    #[must_use]
    pub fn with_approvals(mut self, epoch: u64, max_servers: usize) -> Self {
        let max_servers = if self.config.learn { self.bounds.max_servers.max(max_servers) } else { max_servers };
        self.bounds = Bounds { epoch: Some(epoch), max_servers, ..self.bounds };
        self
    }

    /// Whether it learns schemas from the server's lists.
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
        let page = self.page(text, tools);
        let learned = self.learned.borrow_mut().worker.learn(host, *server, &page, &self.bounds, None);
        learned.unwrap_or(Learned { failed: true, ..Learned::default() })
    }

    /// The same for somebody who approves: what the function makes of the server's tools goes into the store too, in one write. It is
    /// run again where another worker was first.
    ///
    /// # Errors
    /// The store did not take it, or there is no room for the server.
    pub fn review<'t, R>(
        &self,
        host: &dyn Host,
        server: &ServerKey,
        text: &'t str,
        tools: impl IntoIterator<Item = (&'t str, Span)>,
        mut review: impl FnMut(&mut Tools) -> R,
    ) -> Result<R, StoreError> {
        let page = self.page(text, tools);
        let mut said = None;
        let mut review = |tools: &mut Tools| said = Some(review(tools));
        self.learned.borrow_mut().worker.learn(host, *server, &page, &self.bounds, Some(&mut review))?;
        said.ok_or(StoreError::Refused)
    }

    /// The schemas of a page that are learned.
    fn page<'t>(&self, text: &'t str, tools: impl IntoIterator<Item = (&'t str, Span)>) -> Page<'t> {
        let tools = tools.into_iter().filter(|(name, _)| self.config.learn && !self.given.contains_key(*name));
        let schema = |entry| member(text, entry, "inputSchema").map(|schema| schema.of(text)).unwrap_or_default();
        Page::new(tools.map(|(name, entry)| (name, schema(entry))))
    }

    /// Forgets what a server has listed, for all workers: it says that its list has changed. What was approved stays. `false`: the
    /// store would not.
    pub fn forget(&self, host: &dyn Host, server: &ServerKey) -> bool {
        let keeps = self.config.learn || self.bounds.epoch.is_some();
        !keeps || self.learned.borrow().worker.forget(host, *server, &self.bounds).is_ok()
    }

    /// What is known of a server. Costs one read of the store if nothing has changed since this worker asked last.
    pub fn remembered(&self, host: &dyn Host, server: &ServerKey) -> Remembered {
        self.learned.borrow_mut().worker.remembered(host, *server, &self.bounds)
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
        let as_of = worker.as_of(host, *server, &self.bounds)?;
        let known = compiled.get(*server, name);
        if let Some(tool) = known.as_ref().filter(|known| known.as_of == as_of) {
            return Some(Rc::clone(&tool.tool));
        }
        let digest = known.as_ref().map(|known| known.digest);
        let mode = self.config.schema;
        let make =
            |schema: Option<&str>| schema.map_or_else(|| Tool::too_large(mode), |schema| Tool::new(schema, mode));
        match worker.find(host, (*server, as_of), name, digest, make)? {
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
