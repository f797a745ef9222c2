//! Comparisons of values, which stand in for the crate's.
//!
//! The crate compares an integer with a double by rounding it to one: 9007199254740993 would equal
//! 9007199254740992.0. Comparisons are made here instead, by mathematical value, and paid for.

use std::cmp::Ordering;

use cel::ExecutionError;
use cel::common::functions::Function;
use cel::common::types::{CelBool, CelBytes, Kind};
use cel::common::value::{CowVal, Val};

use super::bound::{self, MAX_NESTING};
use super::operand::{Held, Operand};

/// A comparison of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Differ,
    Less,
    AtMost,
    Greater,
    AtLeast,
    /// `x in list`, `key in map`
    Within,
}

/// The comparisons that stand in for operators, and the same as functions, for where the crate evaluates.
pub(super) const COMPARISONS: [(&str, Comparison, Function); 7] = [
    ("@equal", Comparison::Equal, |pair| answer(&pair, Comparison::Equal)),
    ("@differ", Comparison::Differ, |pair| answer(&pair, Comparison::Differ)),
    ("@less", Comparison::Less, |pair| answer(&pair, Comparison::Less)),
    ("@at_most", Comparison::AtMost, |pair| answer(&pair, Comparison::AtMost)),
    ("@greater", Comparison::Greater, |pair| answer(&pair, Comparison::Greater)),
    ("@at_least", Comparison::AtLeast, |pair| answer(&pair, Comparison::AtLeast)),
    ("@within", Comparison::Within, |pair| answer(&pair, Comparison::Within)),
];

fn answer<'b, 'v>(pair: &[CowVal<'_, '_>], comparison: Comparison) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match pair {
        [left, right] => {
            let (left, right) = (Operand::of(left.as_ref()), Operand::of(right.as_ref()));
            Ok(CowVal::owned(CelBool::from(comparison.holds(left, right)?)))
        }
        _ => Err(bound::error()),
    }
}

impl Comparison {
    /// Whether two values compare so.
    pub(super) fn holds(self, left: Operand<'_>, right: Operand<'_>) -> Result<bool, ExecutionError> {
        match self {
            Self::Equal => equal(left, right),
            Self::Differ => equal(left, right).map(|equal| !equal),
            Self::Within => is_within(left, right),
            Self::Less => Ok(order(left, right)?.is_some_and(Ordering::is_lt)),
            Self::AtMost => Ok(order(left, right)?.is_some_and(Ordering::is_le)),
            Self::Greater => Ok(order(left, right)?.is_some_and(Ordering::is_gt)),
            Self::AtLeast => Ok(order(left, right)?.is_some_and(Ordering::is_ge)),
        }
    }
}

/// Whether a value equals one of several.
pub(super) fn is_among<'v>(
    wanted: Operand<'_>,
    mut known: impl Iterator<Item = Operand<'v>>,
) -> Result<bool, ExecutionError> {
    loop {
        match known.next() {
            None => return Ok(false),
            Some(one) if equal(one, wanted)? => return Ok(true),
            Some(_) => {}
        }
    }
}

fn equal(left: Operand<'_>, right: Operand<'_>) -> Result<bool, ExecutionError> {
    equal_within(left, right, MAX_NESTING)
}

/// Values of different types are not equal, but for numbers.
fn equal_within(left: Operand<'_>, right: Operand<'_>, levels: usize) -> Result<bool, ExecutionError> {
    bound::spend(1)?;
    match (left, right) {
        (Operand::Null, Operand::Null) => Ok(true),
        (Operand::Bool(left), Operand::Bool(right)) => Ok(left == right),
        (Operand::Text(left), Operand::Text(right)) => {
            bound::read(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Operand::Other(left), Operand::Other(right)) => match (left.get_type().kind(), right.get_type().kind()) {
            (Kind::Bytes, Kind::Bytes) => Ok(order_bytes(left, right)?.is_some_and(Ordering::is_eq)),
            (Kind::List, Kind::List) => equal_lists(left, right, levels.checked_sub(1).ok_or_else(bound::error)?),
            (Kind::Map, Kind::Map) => equal_maps(left, right, levels.checked_sub(1).ok_or_else(bound::error)?),
            (left_kind, right_kind) => Ok(left_kind == right_kind && left.equals(right)),
        },
        _ => Ok(order_numbers(left, right).flatten() == Some(Ordering::Equal)),
    }
}

fn equal_lists(left: &dyn Val, right: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    let mut left = left.as_iterable().ok_or_else(bound::error)?.iter();
    let mut right = right.as_iterable().ok_or_else(bound::error)?.iter();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(true),
            (Some(left), Some(right)) if equal_within(Operand::of(left), Operand::of(right), levels)? => {}
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
            (value, Ok(other)) => equal_within(Operand::of(value.as_ref()), Operand::of(other.as_ref()), levels)?,
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
fn order(left: Operand<'_>, right: Operand<'_>) -> Result<Option<Ordering>, ExecutionError> {
    match (left, right) {
        (Operand::Bool(left), Operand::Bool(right)) => Ok(Some(left.cmp(&right))),
        (Operand::Text(left), Operand::Text(right)) => {
            bound::read(left.len().min(right.len()))?;
            Ok(Some(left.cmp(right)))
        }
        (Operand::Other(left), Operand::Other(right)) => order_bytes(left, right)?.map(Some).ok_or_else(bound::error),
        _ => order_numbers(left, right).ok_or_else(bound::error),
    }
}

/// The order of two sequences of bytes; `None` for anything else.
fn order_bytes(left: &dyn Val, right: &dyn Val) -> Result<Option<Ordering>, ExecutionError> {
    let (Some(left), Some(right)) = (left.downcast_ref::<CelBytes<'_>>(), right.downcast_ref::<CelBytes<'_>>()) else {
        return Ok(None);
    };
    bound::read(left.inner().len().min(right.inner().len()))?;
    Ok(Some(left.inner().cmp(right.inner())))
}

fn is_within(wanted: Operand<'_>, container: Operand<'_>) -> Result<bool, ExecutionError> {
    let Operand::Other(container) = container else { return Err(bound::error()) };
    if container.get_type().kind() == Kind::Map {
        bound::spend(1)?;
        let key = Held::There(wanted).into_value();
        return match container.as_indexer().ok_or_else(bound::error)?.get(key.as_ref()) {
            Ok(_) => Ok(true),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error),
        };
    }
    let mut elements = container.as_iterable().ok_or_else(bound::error)?.iter();
    is_among(wanted, std::iter::from_fn(|| elements.next().map(Operand::of)))
}

/// The order of two numbers by their mathematical values, `None` beside a NaN; of anything else there is none.
fn order_numbers(left: Operand<'_>, right: Operand<'_>) -> Option<Option<Ordering>> {
    // Up to here every integer is a double.
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    match (left, right) {
        (Operand::Int(left), Operand::Int(right)) => Some(Some(left.cmp(&right))),
        (Operand::Double(left), Operand::Double(right)) => Some(left.partial_cmp(&right)),
        (Operand::Int(left), Operand::Double(right)) if left.unsigned_abs() <= EXACT => {
            Some((left as f64).partial_cmp(&right))
        }
        (Operand::Double(left), Operand::Int(right)) if right.unsigned_abs() <= EXACT => {
            Some(left.partial_cmp(&(right as f64)))
        }
        _ => Some(Number::of(left)?.compare(Number::of(right)?)),
    }
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Integer(i128),
    Double(f64),
}

impl Number {
    fn of(value: Operand<'_>) -> Option<Self> {
        match value {
            Operand::Int(value) => Some(Self::Integer(value.into())),
            Operand::UInt(value) => Some(Self::Integer(value.into())),
            Operand::Double(value) => Some(Self::Double(value)),
            _ => None,
        }
    }

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
