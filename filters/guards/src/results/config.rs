//! The `results` section of the configuration, as it is written.

use serde::Deserialize;

/// What results may hold.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ResultsConfig {
    /// What happens to what a pattern matches, unless the pattern says otherwise.
    pub action: ResultAction,
    /// Patterns that come with the module: sets of them (`secrets`, `personal_data`), or single ones by name.
    pub builtin: Vec<String>,
    /// Those of `builtin` that are left out.
    pub without: Vec<String>,
    /// Patterns of your own.
    pub patterns: Vec<ResultPatternConfig>,
    /// The methods whose results and errors are looked at.
    pub methods: Vec<String>,
    /// Whether requests and notifications of the server are looked at too: log messages, progress, questions to the client's
    /// model.
    pub server_messages: bool,
    /// Tools whose results are not looked at, with `*` for any characters: those whose business it is to give out secrets.
    pub except_tools: Vec<String>,
    /// What stands in the place of what is redacted; `{name}` is the pattern's name.
    pub replacement: String,
    /// The most matches in one message. One with more is refused, where anything is refused or redacted.
    pub max_matches: usize,
}

impl Default for ResultsConfig {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            action: ResultAction::default(),
            builtin: names(&["secrets"]),
            without: Vec::new(),
            patterns: Vec::new(),
            methods: names(&["tools/call", "resources/read", "prompts/get", "tasks/get", "tasks/result"]),
            server_messages: true,
            except_tools: Vec::new(),
            replacement: "[redacted:{name}]".to_owned(),
            max_matches: 1000,
        }
    }
}

/// What happens to what a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResultAction {
    /// It is counted and recorded, and passes.
    Observe,
    /// A replacement takes its place.
    #[default]
    Redact,
    /// The message is refused: an error takes the place of a result.
    Refuse,
}

impl ResultAction {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Redact => "redact",
            Self::Refuse => "refuse",
        }
    }
}

/// A pattern of text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResultPatternConfig {
    /// Its name, in replacements, metrics and audit records.
    pub name: String,
    /// A regular expression in the syntax of the crate `regex`, without Unicode classes, matched in linear time.
    pub pattern: String,
    /// What happens to what it matches. Absent: as the section says.
    #[serde(default)]
    pub action: Option<ResultAction>,
}
