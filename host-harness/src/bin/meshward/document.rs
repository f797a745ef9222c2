//! A configuration file: YAML for people, JSON for the module.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::places::{Place, Places};

/// A configuration file that is well-formed YAML.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its content as JSON would have it.
    pub(crate) value: Value,
    text: String,
}

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML, has a key twice, or is no mapping.
    #[error("{}:{}:{}: {message}", path.display(), place.line, place.column)]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong.
        message: String,
    },
}

impl Document {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, DocumentError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| DocumentError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Reads the text of the file `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, DocumentError> {
        // Only `true` and `false` are booleans: a tool may well be called `on` or `no`.
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let wrong = |place, message| DocumentError::Yaml { path: path.to_owned(), place, message };
        let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map_or(Place::START, Place::of);
            wrong(place, without_location(&error.to_string()).to_owned())
        })?;
        if !value.is_object() {
            let message = "the configuration must be a mapping that begins with `apiVersion: meshward/v1`";
            return Err(wrong(Place::START, message.to_owned()));
        }
        Ok(Self { path: path.to_owned(), value, text: text.to_owned() })
    }

    /// Puts a value in the place of a top-level one.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if let Some(members) = self.value.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    }

    /// Where its values are.
    pub(crate) fn places(&self) -> Places {
        Places::of(&self.text)
    }

    /// The document as the module reads it.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        self.value.to_string().into_bytes()
    }
}

/// The library puts ` at line 3, column 5` behind its messages; ours have the place in front.
fn without_location(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, String> {
        Document::parse(Path::new("m.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn words_that_yaml_1_1_took_for_booleans_stay_words() {
        let document = parse("tools: [on, no, y, true]").unwrap();
        assert_eq!(document.to_json(), br#"{"tools":["on","no","y",true]}"#);
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        let error = parse("a: 1\nb: [1,\n").unwrap_err();
        assert!(error.starts_with("m.yaml:"), "{error}");
        assert!(!error.contains(" at line "), "{error}");
        let error = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert!(error.starts_with("m.yaml:3:1: "), "{error}");
        assert!(error.contains('a'), "{error}");
    }

    #[test]
    fn a_document_is_a_mapping_whose_members_can_be_set() {
        let mut document = parse("a: 1\nb: 2").unwrap();
        document.set("b", true.into());
        document.set("c", Value::Null);
        assert_eq!(document.to_json(), br#"{"a":1,"b":true,"c":null}"#);
        for text in ["", "[]", "word", "12"] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("m.yaml:1:1: "), "{error}");
        }
    }
}
