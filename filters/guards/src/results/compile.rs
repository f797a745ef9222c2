//! The section, compiled.

use std::rc::Rc;

use meshward_engine::{Glob, MetricKind, Series};
use meshward_wire::json;
use meshward_wire::method::Method;

use super::config::{ResultAction, ResultPatternConfig, ResultsConfig};
use super::known::{KNOWN, Known, Set};
use super::search::{Searcher, Sought, fault};

/// The most patterns of one's own.
const MAX_PATTERNS: usize = 64;
/// The longest name, and the longest replacement, in bytes.
const MAX_NAME_BYTES: usize = 64;
const MAX_REPLACEMENT_BYTES: usize = 256;
/// Bound of matches in a message, whatever a configuration says.
const MAX_MATCHES: usize = 100_000;

/// What results are searched for, and what is done about it.
#[derive(Debug)]
pub struct Results {
    pub(super) searcher: Searcher,
    pub(super) patterns: Vec<Pattern>,
    pub(super) methods: Vec<&'static str>,
    pub(super) server_messages: bool,
    pub(super) except_tools: Vec<Glob>,
    pub(super) max_matches: usize,
}

/// One pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) name: Rc<str>,
    pub(super) action: ResultAction,
    /// What stands in the place of a match, as letters of a JSON string.
    pub(super) replacement: String,
    pub(super) series: Rc<Series>,
}

impl Results {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// All that is wrong with it: where in the section, and what.
    pub fn new(config: &ResultsConfig) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let mut error = |path: String, message: String| errors.push((path, message));
        let known = known(config, &mut error);
        own(&config.patterns, &mut error);
        bounds(config, &mut error);
        let methods = methods(config, &mut error);
        let sought: Vec<_> = known
            .iter()
            .map(|known| (known.name, config.action, Sought { pattern: known.pattern, check: known.check }))
            .chain(config.patterns.iter().map(|own| {
                let sought = Sought { pattern: &own.pattern, check: None };
                (own.name.as_str(), own.action.unwrap_or(config.action), sought)
            }))
            .collect();
        if sought.is_empty() && errors.is_empty() {
            let message = "there is nothing to look for: name a set, such as `secrets`, or give patterns of your own";
            errors.push(("builtin".to_owned(), message.to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let patterns =
            sought.iter().map(|(name, action, _)| Pattern::new(name, *action, &config.replacement)).collect();
        let sought: Vec<_> = sought.into_iter().map(|(_, _, sought)| sought).collect();
        let searcher = Searcher::new(&sought)
            .map_err(|message| vec![("patterns".to_owned(), format!("together they are too large: {message}"))])?;
        Ok(Self {
            searcher,
            patterns,
            methods,
            server_messages: config.server_messages,
            except_tools: config.except_tools.iter().map(|pattern| Glob::new(pattern)).collect(),
            max_matches: config.max_matches,
        })
    }

    /// Whether anything is refused or redacted.
    pub(super) fn enforces(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.action != ResultAction::Observe)
    }
}

impl Pattern {
    fn new(name: &str, action: ResultAction, replacement: &str) -> Self {
        let mut quoted = String::new();
        json::write_string(&replacement.replace("{name}", name), &mut quoted);
        let letters = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        let labels = [("pattern", name), ("action", action.name())];
        Self {
            name: name.into(),
            action,
            replacement: letters.to_owned(),
            series: Rc::new(Series::new(MetricKind::Counter, "meshward_result_matches", labels, "total")),
        }
    }
}

/// The patterns that come with the module and are asked for.
fn known(config: &ResultsConfig, error: &mut impl FnMut(String, String)) -> Vec<&'static Known> {
    let is_meant = |name: &str, known: &Known| name == known.name || name == known.set.name();
    for (field, names) in [("builtin", &config.builtin), ("without", &config.without)] {
        for (index, name) in names.iter().enumerate() {
            if !KNOWN.iter().any(|known| is_meant(name, known)) {
                let sets = Set::ALL.map(|set| format!("`{}`", set.name())).join(" and ");
                let names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
                let message =
                    format!("there is no pattern `{name}`: there are the sets {sets}, and {}", names.join(", "));
                error(format!("{field}[{index}]"), message);
            }
        }
    }
    let named = |names: &[String], known: &Known| names.iter().any(|name| is_meant(name, known));
    KNOWN.iter().filter(|known| named(&config.builtin, known) && !named(&config.without, known)).collect()
}

/// The patterns of the configuration's own: what is wrong with them.
fn own(patterns: &[ResultPatternConfig], error: &mut impl FnMut(String, String)) {
    if patterns.len() > MAX_PATTERNS {
        error("patterns".to_owned(), format!("at most {MAX_PATTERNS}"));
    }
    for (index, ResultPatternConfig { name, pattern, .. }) in patterns.iter().enumerate() {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_name) {
            let message = format!("up to {MAX_NAME_BYTES} ASCII letters, digits, `_`, `-` and `.`");
            error(format!("patterns[{index}].name"), message);
        } else if KNOWN.iter().any(|known| known.name == name) || patterns.iter().take(index).any(|p| p.name == *name) {
            error(format!("patterns[{index}].name"), "another pattern has this name".to_owned());
        }
        if let Some(message) = fault(pattern) {
            error(format!("patterns[{index}].pattern"), message);
        }
    }
}

fn bounds(config: &ResultsConfig, error: &mut impl FnMut(String, String)) {
    if config.replacement.len() > MAX_REPLACEMENT_BYTES {
        error("replacement".to_owned(), format!("at most {MAX_REPLACEMENT_BYTES} bytes"));
    }
    if !(1..=MAX_MATCHES).contains(&config.max_matches) {
        error("max_matches".to_owned(), format!("between 1 and {MAX_MATCHES}"));
    }
}

fn methods(config: &ResultsConfig, error: &mut impl FnMut(String, String)) -> Vec<&'static str> {
    let mut methods = Vec::new();
    for (index, name) in config.methods.iter().enumerate() {
        match Method::lookup(name) {
            Some(method) if name.ends_with("/list") => {
                let message =
                    format!("`{}` lists: what definitions may say is the business of `definitions`", method.name);
                error(format!("methods[{index}]"), message);
            }
            Some(method) => methods.push(method.name),
            None => error(format!("methods[{index}]"), format!("MCP has no method `{name}`")),
        }
    }
    methods
}
