//! Both sections, compiled: what tools must be, and what they may say.

use meshward_catalogue::Catalogue;
use meshward_engine::Mode;

use crate::config::PinsConfig;
use crate::definitions::{Definitions, DefinitionsConfig, Flaw, Flaws, Remedy};
use crate::pins::Pins;
use crate::review::Change;

/// What is demanded of tools.
#[derive(Debug, Clone)]
pub struct Guards {
    pub(crate) pins: Option<Pins>,
    pub(crate) definitions: Option<Definitions>,
    pub(crate) epoch: u64,
    pub(crate) max_servers: usize,
    pub(crate) max_tools: usize,
}

impl Guards {
    /// Compiles both sections, for these endpoints.
    ///
    /// # Errors
    /// All that is wrong with them: where in the document, and what.
    pub fn new<'e>(
        pins: Option<&PinsConfig>,
        definitions: Option<&DefinitionsConfig>,
        endpoints: impl IntoIterator<Item = &'e str>,
    ) -> Result<Self, Vec<(String, String)>> {
        let within = |section: &'static str| move |(path, message)| (format!("{section}.{path}"), message);
        let mut errors = Vec::new();
        let bounds = PinsConfig::default();
        let bounds = pins.unwrap_or(&bounds);
        let (epoch, max_servers, max_tools) = (bounds.epoch, bounds.max_servers, bounds.max_tools);
        let pins = pins.and_then(|config| {
            let faults = |faults: Vec<_>| errors.extend(faults.into_iter().map(within("pins")));
            Pins::new(config, endpoints).map_err(faults).ok()
        });
        let definitions = definitions.and_then(|config| {
            let pinned = pins.iter().flat_map(Pins::names);
            let faults = |faults: Vec<_>| errors.extend(faults.into_iter().map(within("definitions")));
            Definitions::new(config, pinned).map_err(faults).ok()
        });
        if errors.is_empty() { Ok(Self { pins, definitions, epoch, max_servers, max_tools }) } else { Err(errors) }
    }

    /// Has a catalogue remember what is approved here.
    #[must_use]
    pub fn remember_in(&self, catalogue: Catalogue) -> Catalogue {
        catalogue.with_approvals(self.epoch, self.max_servers)
    }

    /// Whether anything is enforced.
    pub(crate) fn enforces(&self) -> bool {
        self.enforces_pins() || self.definitions.as_ref().is_some_and(Definitions::enforces)
    }

    /// Whether tools without approval are refused.
    pub(crate) fn enforces_pins(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| pins.mode == Mode::Enforce)
    }

    /// Whether a tool with these flaws is refused: one that could be cleaned has none any more.
    pub(crate) fn refuses(&self, flaws: Flaws) -> bool {
        let Some(definitions) = &self.definitions else { return false };
        flaws.iter().any(|flaw| matches!(definitions.remedy(flaw), Remedy::Refuse | Remedy::Clean))
    }

    /// Whether a tool with these flaws is counted and recorded, and nothing else.
    pub(crate) fn observes(&self, flaws: Flaws) -> bool {
        !self.refuses(flaws) && flaws != Flaws::default()
    }

    /// Whether anything comes of a finding but that it is counted and recorded.
    pub(crate) fn acts_on(&self, finding: Change) -> bool {
        let remedy = |flaw| self.definitions.as_ref().map(|definitions| definitions.remedy(flaw));
        match finding {
            Change::Changed | Change::Unknown | Change::Added | Change::Removed | Change::Renamed => {
                self.enforces_pins()
            }
            Change::Invisible => matches!(remedy(Flaw::Invisible), Some(Remedy::Refuse | Remedy::Clean)),
            Change::Matches => matches!(remedy(Flaw::Matches), Some(Remedy::Refuse | Remedy::Clean)),
            Change::Lookalike => matches!(remedy(Flaw::Lookalike), Some(Remedy::Refuse | Remedy::Clean)),
        }
    }
}
