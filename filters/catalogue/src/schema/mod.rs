//! Input schemas: JSON Schema 2020-12, or what `$schema` says of the drafts from 6 on, by the crate `jsonschema`.
//!
//! A schema comes from a server and the arguments from a client, and neither is trusted: a schema of a few hundred bytes
//! can ask for 2^50 evaluations. So before the library sees a schema it is surveyed: its references, its size, and the
//! most evaluations that it can cause at one place of an instance, by depth ([`load`]). Schemas that ask for too much at
//! once are not used, and arguments for which the sum is too large are not judged. Patterns are matched in linear time.
//!
//! References stay in the schema: `#`, `#/…`, `#anchor`. Nothing is ever fetched. In a schema without an `$id` below its
//! root, which would not be used, `$dynamicRef` and `$recursiveRef` mean what `$ref` means. `format` and the `content*`
//! keywords say nothing about validity, as the default vocabulary of 2020-12 has it. Numbers that 64 bits do not hold are
//! compared as doubles.
//!
//! `jsonschema` makes the module 6.6 MB large instead of 1.9 MB: its keywords are there in many generic forms, and two
//! regex engines with their Unicode tables; no feature leaves out more. So it is a build of its own (feature
//! `schema-validation`, `meshward-schema.wasm`). `boon` 0.6.1 would add 1.8 MB, but had no release since January 2025, lets
//! nobody bound a pattern's size, and overflows its stack on deep schemas. Both take exponential time where a schema asks
//! for it.

mod load;
mod patterns;
mod survey;

#[cfg(test)]
mod tests;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use self::load::{Load, Size};
use self::survey::Survey;
use crate::violation::{Unusable, Violation};

/// The most evaluations, or as much work, that one check may take; each is some tens of nanoseconds.
const MAX_WORK: u64 = 4 << 20;
/// The most for which it is found out which keyword failed: that takes memory for each failure on the way.
const MAX_EXPLAINED_WORK: u64 = 16 << 10;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    load: Load,
    unchecked: Vec<String>,
    weight: usize,
}

/// What is wrong with a schema, and where.
#[derive(Debug)]
struct Problem {
    pointer: String,
    what: &'static str,
}

impl From<Problem> for Unusable {
    fn from(problem: Problem) -> Self {
        Self::Invalid { pointer: problem.pointer, problem: problem.what.into() }
    }
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn compile(text: &str) -> Result<Self, Unusable> {
        let invalid = |pointer: String, problem: &str| Unusable::Invalid { pointer, problem: problem.into() };
        let mut schema: Value =
            serde_json::from_str(text).map_err(|_| invalid(String::new(), "it is not JSON, or nested too deeply"))?;
        let draft = survey::draft(&schema)?;
        let survey = Survey::of(&schema)?;
        let load = Load::of(&survey)?;
        let (unchecked, pattern_bytes) = (survey.unmatched()?, survey.pattern_bytes());
        for pointer in &unchecked {
            remove(&mut schema, pointer);
        }
        for keyword in ["/$schema", "/$id"] {
            remove(&mut schema, keyword);
        }
        let validator = jsonschema::options()
            .with_draft(draft)
            .with_pattern_options(pattern_options(patterns::LARGEST))
            .should_validate_formats(false)
            .without_content_encoding_support("base64")
            .without_content_media_type_support("application/json")
            .offline()
            .build(&schema)
            .map_err(|error| invalid(error.instance_path().as_str().to_owned(), &error.masked().to_string()))?;
        // The library's tree takes about as much for each byte of a schema's text.
        let weight = text.len().saturating_mul(24).saturating_add(pattern_bytes);
        Ok(Self { validator, load, unchecked, weight })
    }

    /// Holds the arguments of a call against it.
    ///
    /// # Errors
    /// They do not fit, or to tell takes too much.
    pub(crate) fn check(&self, arguments: &str) -> Result<(), Violation> {
        let arguments: Value = serde_json::from_str(arguments).map_err(|_| Violation::TooComplex)?;
        let size = Size::of(&arguments).ok_or(Violation::TooComplex)?;
        let work = self.load.work(&size).filter(|work| *work <= MAX_WORK).ok_or(Violation::TooComplex)?;
        if self.validator.is_valid(&arguments) {
            return Ok(());
        }
        let explained = size.depth().saturating_mul(work) <= MAX_EXPLAINED_WORK;
        let error = if explained { self.validator.validate(&arguments).err() } else { None };
        Err(Violation::Unfit(error.map(|error| error.schema_path().as_str().to_owned()).unwrap_or_default()))
    }

    /// JSON pointers to the patterns that are not checked, because that cannot be done in linear time.
    pub(crate) fn unchecked(&self) -> &[String] {
        &self.unchecked
    }

    /// About how many bytes of memory it takes.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }
}

/// The engine without backtracking, its programs and caches bounded.
fn pattern_options(size: usize) -> PatternOptions<jsonschema::Regex> {
    PatternOptions::regex().size_limit(size).dfa_size_limit(size)
}

/// Takes a member out of its object.
fn remove(schema: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    if let Some(object) = schema.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.remove(&name);
    }
}
