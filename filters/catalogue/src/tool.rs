//! A tool as its server, or the operator, has defined it.

use meshward_wire::annotations::{self, Annotation};
use meshward_wire::json::Span;

use crate::config::SchemaMode;
use crate::schema::Schema;
use crate::violation::{Unusable, Violation};

/// What is known of a tool.
#[derive(Debug)]
pub struct Tool {
    /// `None`: schemas are not looked at.
    schema: Option<Result<Schema, Unusable>>,
    mirrored: Vec<Annotation>,
}

impl Tool {
    /// Of the letters of an `inputSchema`; empty where there is none.
    pub(crate) fn new(schema: &str, mode: SchemaMode) -> Self {
        // With one invalid annotation the specification has the tool left out of lists, so no client mirrors anything.
        let mirrored = annotations::read(schema, Span { start: 0, end: schema.len() }).unwrap_or_default();
        let schema = (mode != SchemaMode::Off).then(|| Schema::compile(schema));
        Self { schema, mirrored }
    }

    /// A tool whose schema is too large to be kept.
    pub(crate) fn too_large(mode: SchemaMode) -> Self {
        let schema = (mode != SchemaMode::Off).then_some(Err(Unusable::TooLarge));
        Self { schema, mirrored: Vec::new() }
    }

    /// Holds the arguments of a call against the input schema: `params.arguments` to the letter as a strict reader let
    /// them through, or `None` where there are none, which is as `{}`. Always fits where `catalogue.schema` is `off`.
    ///
    /// Takes bounded work and memory, whatever the schema and the arguments.
    ///
    /// # Errors
    /// They do not fit, or there is no telling.
    pub fn check_arguments(&self, arguments: Option<&str>) -> Result<(), Violation> {
        match &self.schema {
            None => Ok(()),
            Some(Ok(schema)) => schema.check(arguments.unwrap_or("{}")),
            Some(Err(unusable)) => Err(Violation::Unusable(unusable.clone())),
        }
    }

    /// Why there is no schema to hold arguments against.
    #[must_use]
    pub const fn unusable(&self) -> Option<&Unusable> {
        match &self.schema {
            Some(Err(unusable)) => Some(unusable),
            _ => None,
        }
    }

    /// JSON pointers to patterns of the schema that are not checked, because they cannot be matched in linear time
    /// (look-around, back-references, Unicode properties). All else is.
    #[must_use]
    pub fn unchecked(&self) -> &[String] {
        match &self.schema {
            Some(Ok(schema)) => schema.unchecked(),
            _ => &[],
        }
    }

    /// The parameters that a client repeats in `Mcp-Param-*` headers.
    #[must_use]
    pub fn mirrored(&self) -> &[Annotation] {
        &self.mirrored
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let schema = self.schema.as_ref().and_then(|schema| schema.as_ref().ok()).map_or(0, Schema::weight);
        schema.saturating_add(self.mirrored.len().saturating_mul(256)).saturating_add(512)
    }
}
