//! The places of annotations in a schema: what the scanner finds, sorted into schemas and data.

use crate::json::{Span, ValueKind, unescape};
use crate::refusal::Reason;
use crate::scan::{Sink, Value};

/// An annotation, wherever it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The value of `x-mcp-header`.
    pub(super) header: Span,
    /// The value of the `type` beside it.
    pub(super) kind: Option<Span>,
    /// Which property it is on.
    property: Place,
}

/// How a schema is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// It is the root.
    #[default]
    Root,
    /// Through `properties` alone; the index of its step.
    Property(usize),
    /// In another way.
    Elsewhere,
}

/// One property that is reached through `properties` alone.
#[derive(Debug, Clone, Copy)]
struct Step {
    name: Span,
    parent: Place,
}

/// Listens to the scan of one schema.
#[derive(Debug)]
pub(super) struct Walk<'t> {
    schema: &'t str,
    steps: Vec<Step>,
    /// Of the schemas that are open, outermost first: what of interest they have.
    open: Vec<(Option<Span>, Option<Span>)>,
    found: Vec<Found>,
}

impl<'t> Walk<'t> {
    pub(super) const fn new(schema: &'t str) -> Self {
        Self { schema, steps: Vec::new(), open: Vec::new(), found: Vec::new() }
    }

    /// The annotations, in the order in which the schemas that have them end.
    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }

    /// The names of members that lead to an annotated argument; none if annotations are not allowed where it is.
    pub(super) fn path(&self, found: &Found) -> Option<Vec<String>> {
        let mut names = Vec::new();
        let mut place = found.property;
        while let Place::Property(step) = place {
            let step = self.steps.get(step)?;
            names.push(unescape(step.name.of(self.schema)).into_owned());
            place = step.parent;
        }
        names.reverse();
        (place == Place::Root && !names.is_empty()).then_some(names)
    }
}

/// What a container is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Role {
    /// Nothing in it is a schema.
    #[default]
    Data,
    Schema(Place),
    /// The value of `properties`.
    Properties(Place),
    /// Other maps from names to schemas.
    Map,
    /// An array of schemas.
    List,
}

/// What a key is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Slot {
    #[default]
    Other,
    Header,
    Type,
    Properties,
    /// Its value is a schema, or an array of schemas.
    Schemas,
    /// Its value maps names to schemas.
    Map,
    /// The name of a property.
    Property(Place),
}

impl Slot {
    /// The applicators of JSON Schema 2020-12 (Core, section 10; Validation, section 8.5), and what earlier drafts had
    /// in their place.
    fn of_keyword(keyword: &str) -> Self {
        match keyword {
            super::KEYWORD => Self::Header,
            "type" => Self::Type,
            "properties" => Self::Properties,
            "patternProperties" | "dependentSchemas" | "dependencies" | "$defs" | "definitions" => Self::Map,
            "allOf"
            | "anyOf"
            | "oneOf"
            | "not"
            | "if"
            | "then"
            | "else"
            | "prefixItems"
            | "items"
            | "additionalItems"
            | "contains"
            | "unevaluatedItems"
            | "additionalProperties"
            | "propertyNames"
            | "unevaluatedProperties"
            | "contentSchema" => Self::Schemas,
            _ => Self::Other,
        }
    }
}

impl Sink for Walk<'_> {
    type Role = Role;
    type Slot = Slot;

    fn open(&mut self, slot: Slot, parent: Role, kind: ValueKind, at: usize) -> Result<Role, Reason> {
        let object = kind == ValueKind::Object;
        let role = match (parent, slot) {
            (Role::Data, _) if at == 0 && object => Role::Schema(Place::Root),
            (Role::Schema(place), Slot::Properties) if object => Role::Properties(place),
            (Role::Schema(_), Slot::Map) if object => Role::Map,
            (Role::Schema(_), Slot::Schemas) if !object => Role::List,
            (Role::Properties(_), Slot::Property(place)) if object => Role::Schema(place),
            (Role::Schema(_), Slot::Schemas) | (Role::Map | Role::List, _) if object => Role::Schema(Place::Elsewhere),
            _ => Role::Data,
        };
        if matches!(role, Role::Schema(_)) {
            self.open.push((None, None));
        }
        Ok(role)
    }

    fn key(&mut self, role: Role, letters: &str, _: bool, at: Span) -> Result<Slot, Reason> {
        Ok(match role {
            Role::Schema(_) => Slot::of_keyword(&unescape(letters)),
            Role::Properties(Place::Elsewhere) => Slot::Property(Place::Elsewhere),
            Role::Properties(parent) => {
                let step = self.steps.len();
                self.steps.push(Step { name: at, parent });
                Slot::Property(Place::Property(step))
            }
            Role::Map | Role::List | Role::Data => Slot::Other,
        })
    }

    fn value(&mut self, slot: Slot, parent: Role, value: Value) -> Result<(), Reason> {
        if let (Role::Schema(_), Some((header, kind))) = (parent, self.open.last_mut()) {
            match slot {
                Slot::Header => *header = Some(value.span),
                Slot::Type => *kind = Some(value.span),
                _ => {}
            }
        }
        Ok(())
    }

    fn close(&mut self, role: Role, _: Span) -> Result<(), Reason> {
        if let Role::Schema(property) = role
            && let Some((Some(header), kind)) = self.open.pop()
        {
            self.found.push(Found { header, kind, property });
        }
        Ok(())
    }

    fn listens(&self, role: Role) -> bool {
        !matches!(role, Role::Data)
    }
}
