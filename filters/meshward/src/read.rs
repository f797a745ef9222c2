//! Reading a document so that all its errors are found at once.
//!
//! A deserialiser stops at the first error. So each error is noted, the value at fault is replaced by one that fits, and
//! the document is read again, until it reads or there are too many errors to be useful.

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::config::Config;
use crate::error::{ConfigError, ConfigErrors};

/// More errors than this help nobody.
const MOST_ERRORS: usize = 50;

impl Config {
    /// Reads and validates a JSON document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigErrors> {
        let value = serde_json::from_slice(text).map_err(|error| {
            ConfigErrors(vec![ConfigError { path: ".".into(), message: format!("not a JSON document: {error}") }])
        })?;
        Self::from_value(value)
    }

    /// Validates a document that was read already.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_value(mut document: Value) -> Result<Self, ConfigErrors> {
        if !document.is_object() {
            let message = "a configuration is an object: begin with `apiVersion: meshward/v1`".to_owned();
            return Err(ConfigErrors(vec![ConfigError { path: ".".into(), message }]));
        }
        let mut errors: Vec<ConfigError> = Vec::new();
        let config = loop {
            match serde_path_to_error::deserialize::<_, Self>(&document) {
                Ok(config) => break config,
                Err(error) => {
                    let fault = Fault::new(error.path(), &error.inner().to_string());
                    let error = fault.error();
                    // What was put in place of a faulty value has faults of its own.
                    if !errors.iter().any(|earlier| lies_within(&error.path, &earlier.path)) {
                        errors.push(error);
                    }
                    if errors.len() >= MOST_ERRORS || !fault.repair(&mut document) {
                        return Err(ConfigErrors(errors));
                    }
                }
            }
        };
        let shape_errors = errors.len();
        for error in config.validate() {
            let repaired = errors.iter().take(shape_errors).any(|earlier| lies_within(&error.path, &earlier.path));
            if !repaired {
                errors.push(error);
            }
        }
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }
}

/// One error of the deserialiser.
struct Fault {
    path: Vec<Step>,
    kind: FaultKind,
    message: String,
}

#[derive(Clone, PartialEq)]
enum Step {
    Member(String),
    Element(usize),
}

enum FaultKind {
    UnknownField(String),
    MissingField(String),
    Value,
}

impl Fault {
    fn new(path: &Path, message: &str) -> Self {
        let mut path: Vec<Step> = path
            .iter()
            .filter_map(|segment| match segment {
                Segment::Seq { index } => Some(Step::Element(*index)),
                Segment::Map { key } => Some(Step::Member(key.clone())),
                Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let mut quoted = quoted(message);
        let first = quoted.next().unwrap_or_default().to_owned();
        let kind = if message.starts_with("unknown field") {
            // The path may or may not end in the field itself, as the deserialiser had read its name or not.
            if path.last() == Some(&Step::Member(first.clone())) {
                path.pop();
            }
            FaultKind::UnknownField(first)
        } else if message.starts_with("missing field") {
            FaultKind::MissingField(first)
        } else {
            FaultKind::Value
        };
        Self { path, kind, message: message.to_owned() }
    }

    fn error(&self) -> ConfigError {
        let (path, message) = match &self.kind {
            FaultKind::UnknownField(field) => {
                let known: Vec<_> = quoted(&self.message).skip(1).collect();
                let hint = nearest(field, &known)
                    .map_or_else(|| format!("use one of {}", list(&known)), |known| format!("did you mean `{known}`?"));
                (self.path_with(Some(field)), format!("unknown field `{field}` ({hint})"))
            }
            FaultKind::MissingField(field) => (self.path_with(Some(field)), format!("missing field `{field}`")),
            FaultKind::Value => {
                let mut quoted = quoted(&self.message);
                let hint = match (self.message.starts_with("unknown variant"), quoted.next()) {
                    (true, Some(given)) => {
                        nearest(given, &quoted.collect::<Vec<_>>()).map(|known| format!(" (did you mean `{known}`?)"))
                    }
                    _ => None,
                };
                (self.path_with(None), format!("{}{}", self.message, hint.unwrap_or_default()))
            }
        };
        ConfigError { path, message }
    }

    fn path_with(&self, field: Option<&str>) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Element(index) => out.push_str(&format!("[{index}]")),
                Step::Member(name) => join(&mut out, name),
            }
        }
        if let Some(field) = field {
            join(&mut out, field);
        }
        if out.is_empty() { ".".into() } else { out }
    }

    /// Makes the document read further: the unknown field goes, any other value at fault is replaced by one that fits.
    fn repair(&self, document: &mut Value) -> bool {
        let mut steps = self.path.clone();
        match &self.kind {
            FaultKind::UnknownField(field) => {
                let Some(Value::Object(parent)) = at(document, &steps) else { return false };
                return parent.remove(field).is_some();
            }
            FaultKind::MissingField(field) => {
                let Some(Value::Object(parent)) = at(document, &steps) else { return false };
                parent.insert(field.clone(), Value::Null);
                steps.push(Step::Member(field.clone()));
            }
            FaultKind::Value => {}
        }
        // A name that no other value has, so that it breaks no rule of its own.
        let name = Value::from(format!("\u{0}repaired {}", self.path_with(None)));
        let mut candidates =
            vec![name, Value::from(1), true.into(), Value::Array(Vec::new()), Value::Object(Default::default())];
        let mut tried = 0;
        while let Some(candidate) = candidates.get(tried) {
            let Some(place) = at(document, &steps) else { return false };
            *place = candidate.clone();
            match serde_path_to_error::deserialize::<_, Config>(&*document) {
                Err(error) => {
                    let fault = Self::new(error.path(), &error.inner().to_string());
                    if fault.path != steps || !matches!(fault.kind, FaultKind::Value) {
                        return true;
                    }
                    // The words an enumeration knows are in its message.
                    if tried == 0 && fault.message.starts_with("unknown variant") {
                        candidates.extend(quoted(&fault.message).nth(1).map(Value::from));
                    }
                }
                Ok(_) => return true,
            }
            tried = tried.saturating_add(1);
        }
        false
    }
}

/// Whether a path is another, or leads into it.
fn lies_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn at<'v>(document: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(document, |value, step| match step {
        Step::Element(index) => value.get_mut(*index),
        Step::Member(name) => value.get_mut(name),
    })
}

fn join(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// What stands between backticks in a message.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name that was most likely meant.
fn nearest<'n>(given: &str, known: &[&'n str]) -> Option<&'n str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(given, name);
    let best = known.iter().min_by_key(|name| distance(name))?;
    (distance(best) <= (given.len() / 3).max(1)).then_some(*best)
}
