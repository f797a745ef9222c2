//! Values as operators look at them: simple ones as they are, without a box around each, and all others as the crate has
//! them.

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt, Kind};
use cel::common::value::{CowVal, Val};

/// A value that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand<'v> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(&'v str),
    /// None of these.
    Other(&'v dyn Val),
}

/// A value that is kept while it is looked at.
#[derive(Debug)]
pub(super) enum Held<'v> {
    /// It stands somewhere else.
    There(Operand<'v>),
    Text(String),
    Value(CowVal<'v, 'v>),
}

impl<'v> Operand<'v> {
    pub(super) fn of(value: &'v dyn Val) -> Self {
        let simple = match value.get_type().kind() {
            Kind::NullType => Some(Self::Null),
            Kind::Boolean => value.downcast_ref::<CelBool>().map(|value| Self::Bool(*value.inner())),
            Kind::Int => value.downcast_ref::<CelInt>().map(|value| Self::Int(*value.inner())),
            Kind::UInt => value.downcast_ref::<CelUInt>().map(|value| Self::UInt(*value.inner())),
            Kind::Double => value.downcast_ref::<CelDouble>().map(|value| Self::Double(*value.inner())),
            Kind::String => value.downcast_ref::<CelString<'_>>().map(|value| Self::Text(value.inner())),
            _ => None,
        };
        simple.unwrap_or(Self::Other(value))
    }

    /// The same, kept without what it was looked at in; `None` for what is not simple.
    pub(super) fn to_constant(self) -> Option<Held<'static>> {
        Some(match self {
            Self::Null => Held::There(Operand::Null),
            Self::Bool(value) => Held::There(Operand::Bool(value)),
            Self::Int(value) => Held::There(Operand::Int(value)),
            Self::UInt(value) => Held::There(Operand::UInt(value)),
            Self::Double(value) => Held::There(Operand::Double(value)),
            Self::Text(text) => Held::Text(text.to_owned()),
            Self::Other(_) => return None,
        })
    }
}

impl<'v> Held<'v> {
    /// A value that the crate made.
    pub(super) fn boxed(value: Box<dyn Val + 'v>) -> Self {
        Self::Value(CowVal::Owned(value))
    }

    pub(super) fn operand(&self) -> Operand<'_> {
        match self {
            Self::There(operand) => *operand,
            Self::Text(text) => Operand::Text(text),
            Self::Value(value) => Operand::of(value.as_ref()),
        }
    }

    /// As the crate has it.
    pub(super) fn into_value(self) -> CowVal<'v, 'v> {
        match self {
            Self::There(Operand::Null) => CowVal::owned(CelNull),
            Self::There(Operand::Bool(value)) => CowVal::owned(CelBool::from(value)),
            Self::There(Operand::Int(value)) => CowVal::owned(CelInt::from(value)),
            Self::There(Operand::UInt(value)) => CowVal::owned(CelUInt::from(value)),
            Self::There(Operand::Double(value)) => CowVal::owned(CelDouble::from(value)),
            Self::There(Operand::Text(text)) => CowVal::owned(CelString::from(text)),
            Self::There(Operand::Other(value)) => CowVal::Borrowed(value),
            Self::Text(text) => CowVal::owned(CelString::from(text)),
            Self::Value(value) => value,
        }
    }
}
