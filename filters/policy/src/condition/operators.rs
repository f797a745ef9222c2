//! The operators between two values, and what they are for.

use cel::common::ast::operators;

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
