//! The operators between two values: what they are for, and what stands in for those of the crate.
//!
//! The crate compares an integer with a double by rounding it to one: 9007199254740993 would equal
//! 9007199254740992.0. Comparisons are made here instead, by mathematical value, and paid for.

use std::cmp::Ordering;

use cel::ExecutionError;
use cel::common::ast::operators;
use cel::common::functions::Function;
use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelString, CelUInt, Kind};
use cel::common::value::{CowVal, Val};

use super::bound::{self, MAX_NESTING};
use super::kinds::Kinds;

const ARITHMETIC: [(Kinds, Kinds, Kinds); 3] = [
    (Kinds::INT, Kinds::INT, Kinds::INT),
    (Kinds::UINT, Kinds::UINT, Kinds::UINT),
    (Kinds::DOUBLE, Kinds::DOUBLE, Kinds::DOUBLE),
];

const ADDITIONS: [(Kinds, Kinds, Kinds); 3] = [
    (Kinds::STRING, Kinds::STRING, Kinds::STRING),
    (Kinds::BYTES, Kinds::BYTES, Kinds::BYTES),
    (Kinds::LIST, Kinds::LIST, Kinds::LIST),
];

const ORDERED: [(Kinds, Kinds, Kinds); 4] = [
    (Kinds::BOOL, Kinds::BOOL, Kinds::BOOL),
    (Kinds::NUMBER, Kinds::NUMBER, Kinds::BOOL),
    (Kinds::STRING, Kinds::STRING, Kinds::BOOL),
    (Kinds::BYTES, Kinds::BYTES, Kinds::BOOL),
];

/// An operator between two values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator {
    /// As it is written.
    pub(super) sign: &'static str,
    /// The function that stands in for the crate's, if one does.
    pub(super) instead: Option<&'static str>,
    meaning: Meaning,
}

#[derive(Debug, Clone, Copy)]
enum Meaning {
    Add,
    Arithmetic,
    Remainder,
    Equality,
    Order,
    In,
}

/// The operator that the parser calls so.
pub(super) fn named(name: &str) -> Option<Operator> {
    let (sign, instead, meaning) = match name {
        operators::ADD => ("+", None, Meaning::Add),
        operators::SUBSTRACT => ("-", None, Meaning::Arithmetic),
        operators::MULTIPLY => ("*", None, Meaning::Arithmetic),
        operators::DIVIDE => ("/", None, Meaning::Arithmetic),
        operators::MODULO => ("%", None, Meaning::Remainder),
        operators::EQUALS => ("==", Some("@equal"), Meaning::Equality),
        operators::NOT_EQUALS => ("!=", Some("@differ"), Meaning::Equality),
        operators::LESS => ("<", Some("@less"), Meaning::Order),
        operators::LESS_EQUALS => ("<=", Some("@at_most"), Meaning::Order),
        operators::GREATER => (">", Some("@greater"), Meaning::Order),
        operators::GREATER_EQUALS => (">=", Some("@at_least"), Meaning::Order),
        operators::IN => ("in", Some("@within"), Meaning::In),
        _ => return None,
    };
    Some(Operator { sign, instead, meaning })
}

impl Operator {
    /// What it may give for operands of these types; nothing if it has no meaning for any of them.
    pub(super) fn gives(self, left: Kinds, right: Kinds) -> Kinds {
        let when = |fits: bool| if fits { Kinds::BOOL } else { Kinds::NONE };
        let (plain, more): (&[_], &[_]) = match self.meaning {
            Meaning::Add => (&ARITHMETIC, &ADDITIONS),
            Meaning::Arithmetic => (&ARITHMETIC, &[]),
            Meaning::Remainder => (ARITHMETIC.split_at(2).0, &[]),
            Meaning::Order => (&ORDERED, &[]),
            Meaning::Equality => return when(left.comparable(right)),
            Meaning::In => return when(right.meets(Kinds::LIST | Kinds::MAP)),
        };
        let fits = |(one, other, _): &&(Kinds, Kinds, Kinds)| left.meets(*one) && right.meets(*other);
        plain.iter().chain(more).filter(fits).fold(Kinds::NONE, |sum, (_, _, gives)| sum | *gives)
    }
}

/// Whether two values compare so.
pub(super) type Comparison = fn(&dyn Val, &dyn Val) -> Result<bool, ExecutionError>;

/// The comparisons that stand in for operators, and the same as functions, for where the crate evaluates.
pub(super) const COMPARISONS: [(&str, Comparison, Function); 7] = [
    ("@equal", equal, |pair| answer(&pair, equal)),
    ("@differ", differ, |pair| answer(&pair, differ)),
    ("@less", less, |pair| answer(&pair, less)),
    ("@at_most", at_most, |pair| answer(&pair, at_most)),
    ("@greater", greater, |pair| answer(&pair, greater)),
    ("@at_least", at_least, |pair| answer(&pair, at_least)),
    ("@within", is_within, |pair| answer(&pair, is_within)),
];

fn answer<'b, 'v>(pair: &[CowVal<'_, '_>], comparison: Comparison) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match pair {
        [left, right] => Ok(CowVal::owned(CelBool::from(comparison(left.as_ref(), right.as_ref())?))),
        _ => Err(bound::error()),
    }
}

fn equal(left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    equal_within(left, right, MAX_NESTING)
}

fn differ(left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    equal(left, right).map(|equal| !equal)
}

fn less(left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    Ok(order(left, right)?.is_some_and(Ordering::is_lt))
}

fn at_most(left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    Ok(order(left, right)?.is_some_and(Ordering::is_le))
}

fn greater(left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    Ok(order(left, right)?.is_some_and(Ordering::is_gt))
}

fn at_least(left: &dyn Val, right: &dyn Val) -> Result<bool, ExecutionError> {
    Ok(order(left, right)?.is_some_and(Ordering::is_ge))
}

/// Values of different types are not equal, but for numbers.
fn equal_within(left: &dyn Val, right: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    bound::spend(1)?;
    match (left.get_type().kind(), right.get_type().kind()) {
        (Kind::String, Kind::String) | (Kind::Bytes, Kind::Bytes) => {
            Ok(order_texts(left, right)?.is_some_and(Ordering::is_eq))
        }
        (Kind::List, Kind::List) => equal_lists(left, right, levels.checked_sub(1).ok_or_else(bound::error)?),
        (Kind::Map, Kind::Map) => equal_maps(left, right, levels.checked_sub(1).ok_or_else(bound::error)?),
        (left_kind, right_kind) => match (Number::of(left), Number::of(right)) {
            (Some(left), Some(right)) => Ok(left.compare(right) == Some(Ordering::Equal)),
            _ => Ok(left_kind == right_kind && left.equals(right)),
        },
    }
}

fn equal_lists(left: &dyn Val, right: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    let mut left = left.as_iterable().ok_or_else(bound::error)?.iter();
    let mut right = right.as_iterable().ok_or_else(bound::error)?.iter();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(true),
            (Some(left), Some(right)) if equal_within(left, right, levels)? => {}
            _ => return Ok(false),
        }
    }
}

fn equal_maps(left: &dyn Val, right: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    let size = |map: &dyn Val| map.as_sizer().map(|sizer| sizer.size()).ok_or_else(bound::error);
    if size(left)? != size(right)? {
        return Ok(false);
    }
    let (ours, theirs) = (left.as_indexer().ok_or_else(bound::error)?, right.as_indexer().ok_or_else(bound::error)?);
    let mut keys = left.as_iterable().ok_or_else(bound::error)?.iter();
    while let Some(key) = keys.next() {
        let same = match (ours.get(key)?, theirs.get(key)) {
            (value, Ok(other)) => equal_within(value.as_ref(), other.as_ref(), levels)?,
            (_, Err(ExecutionError::NoSuchKey(_))) => false,
            (_, Err(error)) => return Err(error),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `None` beside a NaN.
fn order(left: &dyn Val, right: &dyn Val) -> Result<Option<Ordering>, ExecutionError> {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return Ok(left.compare(right));
    }
    if let (Some(left), Some(right)) = (left.downcast_ref::<CelBool>(), right.downcast_ref::<CelBool>()) {
        return Ok(Some(left.inner().cmp(right.inner())));
    }
    order_texts(left, right)?.map(Some).ok_or_else(bound::error)
}

/// The order of two strings, or two sequences of bytes; `None` for anything else.
fn order_texts(left: &dyn Val, right: &dyn Val) -> Result<Option<Ordering>, ExecutionError> {
    if let (Some(left), Some(right)) = (left.downcast_ref::<CelString<'_>>(), right.downcast_ref::<CelString<'_>>()) {
        bound::read(left.len().min(right.len()))?;
        return Ok(Some(left.inner().cmp(right.inner())));
    }
    if let (Some(left), Some(right)) = (left.downcast_ref::<CelBytes<'_>>(), right.downcast_ref::<CelBytes<'_>>()) {
        bound::read(left.inner().len().min(right.inner().len()))?;
        return Ok(Some(left.inner().cmp(right.inner())));
    }
    Ok(None)
}

/// `x in list`, `key in map`
fn is_within(wanted: &dyn Val, container: &dyn Val) -> Result<bool, ExecutionError> {
    if container.get_type().kind() == Kind::Map {
        bound::spend(1)?;
        return match container.as_indexer().ok_or_else(bound::error)?.get(wanted) {
            Ok(_) => Ok(true),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error),
        };
    }
    let mut elements = container.as_iterable().ok_or_else(bound::error)?.iter();
    while let Some(element) = elements.next() {
        if equal_within(element, wanted, MAX_NESTING)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Integer(i128),
    Double(f64),
}

impl Number {
    fn of(value: &dyn Val) -> Option<Self> {
        match value.get_type().kind() {
            Kind::Int => value.downcast_ref::<CelInt>().map(|value| Self::Integer(i128::from(*value.inner()))),
            Kind::UInt => value.downcast_ref::<CelUInt>().map(|value| Self::Integer(i128::from(*value.inner()))),
            Kind::Double => value.downcast_ref::<CelDouble>().map(|value| Self::Double(*value.inner())),
            _ => None,
        }
    }

    /// By their mathematical values; `None` beside a NaN.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (Self::Double(left), Self::Double(right)) => left.partial_cmp(&right),
            (Self::Integer(left), Self::Double(right)) => compare_integer(left, right),
            (Self::Double(left), Self::Integer(right)) => compare_integer(right, left).map(Ordering::reverse),
        }
    }
}

fn compare_integer(integer: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Beyond i128 the conversion keeps to its ends, which are far beyond every integer here; otherwise it is exact.
    let whole = double.trunc();
    let ordering = integer.cmp(&(whole as i128));
    Some(ordering.then_with(|| 0.0.partial_cmp(&(double - whole)).unwrap_or(Ordering::Equal)))
}
