//! What schemas are compiled to.

use std::collections::BTreeMap;

use meshward_wire::json::{Number, ValueKind};

use super::document::{Table, Unreadable, Value};
use super::pattern::Pattern;
use super::steps::{Steps, TooComplex};

/// The place of a schema's rule among all of its document.
pub(super) type RuleId = u32;

/// A compiled schema object, or one of the two booleans.
#[derive(Debug)]
pub(super) struct Rule {
    /// Where it is in the schema's table.
    pub(super) at: usize,
    /// Nothing fits `false`.
    pub(super) never: bool,
    /// What must hold; cheap ones first, those that ask what the others have evaluated last.
    pub(super) checks: Vec<Check>,
    /// Whether one of the checks asks what the others have evaluated.
    pub(super) marks: bool,
}

/// What must hold of a value; of values of other types than it speaks of, every check holds.
#[derive(Debug)]
pub(super) enum Check {
    Type(Types),
    Enum(Vec<Constant>),
    Const(Constant),
    Bound(Bound, Limit),
    MultipleOf(Limit),
    Size(Size, u64),
    Pattern(Pattern),
    Unique,
    Required(Vec<Box<str>>),
    DependentRequired(&'static str, Vec<(Box<str>, Vec<Box<str>>)>),
    Members { named: BTreeMap<Box<str>, RuleId>, matching: Vec<(Pattern, RuleId)>, others: Option<RuleId> },
    Names(RuleId),
    Items { first: Vec<RuleId>, rest: Option<RuleId> },
    Contains { rule: RuleId, least: u64, most: Option<u64>, marks: bool },
    All(Vec<RuleId>),
    Any(Vec<RuleId>),
    One(Vec<RuleId>),
    Not(RuleId),
    If { condition: RuleId, then: Option<RuleId>, otherwise: Option<RuleId> },
    Dependent(Vec<(Box<str>, RuleId)>),
    Same(RuleId),
    OtherMembers(RuleId),
    OtherItems(RuleId),
}

/// A set of JSON Schema's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Types(u8);

impl Types {
    const INTEGER: u8 = 1 << 6;

    /// With one more; `None` for what is no type.
    pub(super) fn with(self, name: &str) -> Option<Self> {
        let bit = match name {
            "null" => Self::bit(ValueKind::Null),
            "boolean" => Self::bit(ValueKind::Bool),
            "number" => Self::bit(ValueKind::Number),
            "string" => Self::bit(ValueKind::String),
            "array" => Self::bit(ValueKind::Array),
            "object" => Self::bit(ValueKind::Object),
            "integer" => Self::INTEGER,
            _ => return None,
        };
        Some(Self(self.0 | bit))
    }

    const fn bit(kind: ValueKind) -> u8 {
        match kind {
            ValueKind::Null => 1,
            ValueKind::Bool => 1 << 1,
            ValueKind::Number => 1 << 2,
            ValueKind::String => 1 << 3,
            ValueKind::Array => 1 << 4,
            ValueKind::Object => 1 << 5,
        }
    }

    pub(super) fn hold(self, value: Value<'_>) -> bool {
        let kind = value.kind();
        self.0 & Self::bit(kind) != 0
            || kind == ValueKind::Number
                && self.0 & Self::INTEGER != 0
                && value.as_number().is_some_and(|number| number.is_integer())
    }
}

/// A value that a schema writes out.
#[derive(Debug)]
pub(super) struct Constant {
    text: Box<str>,
    table: Table,
}

impl Constant {
    pub(super) fn new(text: &str) -> Result<Self, Unreadable> {
        Ok(Self { text: text.into(), table: Table::read(text)? })
    }

    pub(super) fn equals(&self, value: Value<'_>, steps: &mut Steps) -> Result<bool, TooComplex> {
        self.table.root(&self.text).equals(value, steps)
    }
}

/// A number that a schema writes, in its letters.
#[derive(Debug)]
pub(super) struct Limit(Box<str>);

impl Limit {
    pub(super) fn new(text: &str) -> Option<Self> {
        Number::parse(text)?;
        Some(Self(text.into()))
    }

    pub(super) fn get(&self) -> Option<Number<'_>> {
        Number::parse(&self.0)
    }
}

/// On which side of a limit a number must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Maximum,
    ExclusiveMaximum,
    Minimum,
    ExclusiveMinimum,
}

impl Bound {
    pub(super) const ALL: [Self; 4] = [Self::Maximum, Self::ExclusiveMaximum, Self::Minimum, Self::ExclusiveMinimum];

    pub(super) const fn keyword(self) -> &'static str {
        match self {
            Self::Maximum => "maximum",
            Self::ExclusiveMaximum => "exclusiveMaximum",
            Self::Minimum => "minimum",
            Self::ExclusiveMinimum => "exclusiveMinimum",
        }
    }

    pub(super) fn holds(self, number: Number<'_>, limit: Number<'_>) -> bool {
        match self {
            Self::Maximum => number <= limit,
            Self::ExclusiveMaximum => number < limit,
            Self::Minimum => number >= limit,
            Self::ExclusiveMinimum => number > limit,
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    MaxLength,
    MinLength,
    MaxItems,
    MinItems,
    MaxProperties,
    MinProperties,
}

impl Size {
    pub(super) const ALL: [Self; 6] =
        [Self::MaxLength, Self::MinLength, Self::MaxItems, Self::MinItems, Self::MaxProperties, Self::MinProperties];

    pub(super) const fn keyword(self) -> &'static str {
        match self {
            Self::MaxLength => "maxLength",
            Self::MinLength => "minLength",
            Self::MaxItems => "maxItems",
            Self::MinItems => "minItems",
            Self::MaxProperties => "maxProperties",
            Self::MinProperties => "minProperties",
        }
    }

    /// The type of which it speaks.
    pub(super) const fn kind(self) -> ValueKind {
        match self {
            Self::MaxLength | Self::MinLength => ValueKind::String,
            Self::MaxItems | Self::MinItems => ValueKind::Array,
            Self::MaxProperties | Self::MinProperties => ValueKind::Object,
        }
    }

    pub(super) const fn holds(self, size: u64, limit: u64) -> bool {
        match self {
            Self::MaxLength | Self::MaxItems | Self::MaxProperties => size <= limit,
            Self::MinLength | Self::MinItems | Self::MinProperties => size >= limit,
        }
    }
}
