//! The outer shape of a condition, in three values: `&&`, `||`, `!` and `?:` over parts that the crate evaluates.
//!
//! A part that names something unknown is unknown as a whole. `&&` and `||` do not depend on the order of their
//! operands: one that decides makes up for one that fails or is not known (CEL specification, "Logical Operators"; Kleene's
//! strong logic).

use cel::common::types::CelBool;
use cel::{Context, IdedExpr, Value};

use super::Truth;
use super::bound;
use super::environment::Unknowns;

#[derive(Debug)]
pub(super) enum Logic {
    Part(Part),
    Not(Box<Logic>),
    And(Box<[Logic; 2]>),
    Or(Box<[Logic; 2]>),
    Conditional(Box<[Logic; 3]>),
}

/// What the crate evaluates.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) expr: IdedExpr,
    /// What it names that may not be known.
    pub(super) names: Unknowns,
    /// Which part it is.
    pub(super) number: usize,
}

/// One evaluation of a condition.
pub(super) struct Evaluation<'e, 'v> {
    context: Context<'e, 'v>,
    unknowns: Unknowns,
    /// What the parts were found to be.
    found: Vec<Option<Truth>>,
}

impl<'e, 'v> Evaluation<'e, 'v> {
    pub(super) fn new(context: Context<'e, 'v>, unknowns: Unknowns, parts: usize) -> Self {
        Self { context, unknowns, found: vec![None; parts] }
    }

    pub(super) fn run(mut self, logic: &Logic) -> Truth {
        bound::begin();
        // First by what is always known: so that where this decides, it decides whatever the arguments are, and they
        // need not be looked at.
        let all = Unknowns { args: true, meta: true, uri: true };
        let known = std::mem::replace(&mut self.unknowns, all);
        let first = self.truth(logic);
        self.unknowns = known;
        let truth = if first == Truth::Unknown { self.truth(logic) } else { first };
        if bound::is_spent() { Truth::Error } else { truth }
    }

    fn truth(&mut self, logic: &Logic) -> Truth {
        match logic {
            Logic::Part(part) => self.part(part),
            Logic::Not(operand) => negate(self.truth(operand)),
            Logic::And(operands) => self.both(operands, Truth::False),
            Logic::Or(operands) => self.both(operands, Truth::True),
            Logic::Conditional(operands) => {
                let [condition, then, otherwise] = &**operands;
                match self.truth(condition) {
                    Truth::True => self.truth(then),
                    Truth::False => self.truth(otherwise),
                    open => open,
                }
            }
        }
    }

    /// `&&` and `||`: one operand that decides is enough.
    fn both(&mut self, operands: &[Logic; 2], decides: Truth) -> Truth {
        let [left, right] = operands;
        let left = self.truth(left);
        if left == decides {
            return left;
        }
        let right = self.truth(right);
        match (left, right) {
            (_, right) if right == decides => right,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            (Truth::Error, _) | (_, Truth::Error) => Truth::Error,
            _ => negate(decides),
        }
    }

    fn part(&mut self, part: &Part) -> Truth {
        if part.names.meet(self.unknowns) {
            return Truth::Unknown;
        }
        if let Some(Some(found)) = self.found.get(part.number) {
            return *found;
        }
        let value = Value::resolve_val(&part.expr, &self.context);
        let answer = value.ok().and_then(|value| value.downcast_ref::<CelBool>().map(|answer| *answer.inner()));
        let truth = match answer {
            _ if bound::take_failed() => Truth::Error,
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Error,
        };
        if let Some(found) = self.found.get_mut(part.number) {
            *found = Some(truth);
        }
        truth
    }
}

const fn negate(truth: Truth) -> Truth {
    match truth {
        Truth::True => Truth::False,
        Truth::False => Truth::True,
        open => open,
    }
}
