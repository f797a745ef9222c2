//! The outer shape of a condition, in sets of values: `&&`, `||`, `!` and `?:` over parts that are evaluated term by term.
//!
//! A part that names something unknown is unknown as a whole. `&&` and `||` do not depend on the order of their
//! operands: one that decides makes up for one that fails or is not known (CEL specification, "Logical Operators").

use std::cell::OnceCell;
use std::sync::Arc;

use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Value};

use super::bound;
use super::environment::Unknowns;
use super::term::Term;
use crate::truth::Truth;

#[derive(Debug)]
pub(super) enum Logic {
    Part(Part),
    Not(Box<Logic>),
    And(Box<[Logic; 2]>),
    Or(Box<[Logic; 2]>),
    Conditional(Box<[Logic; 3]>),
}

/// What is evaluated as a whole.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) term: Term,
    /// What it names that may not be known.
    pub(super) names: Unknowns,
    /// Whether it names anything of a message; otherwise it has one value for ever.
    pub(super) varies: bool,
    /// Which part it is.
    pub(super) number: usize,
}

/// One evaluation of a condition.
pub(super) struct Evaluation<'v> {
    env: &'v Arc<Env>,
    variables: &'v dyn VariableResolver,
    /// Made when the crate first has something to evaluate.
    context: OnceCell<Context<'v, 'v>>,
    unknowns: Unknowns,
    /// There is no message: only constants are known.
    no_message: bool,
    /// What the parts were found to be.
    found: Vec<Option<Truth>>,
}

impl<'v> Evaluation<'v> {
    pub(super) fn new(
        env: &'v Arc<Env>,
        variables: &'v dyn VariableResolver,
        unknowns: Unknowns,
        parts: usize,
    ) -> Self {
        Self { env, variables, context: OnceCell::new(), unknowns, no_message: false, found: vec![None; parts] }
    }

    /// The values it can have, whatever the message is.
    pub(super) fn run_without_message(mut self, logic: &Logic) -> Truth {
        bound::begin();
        self.no_message = true;
        let truth = self.truth(logic);
        if bound::is_spent() { Truth::UNKNOWN } else { truth }
    }

    pub(super) fn run(mut self, logic: &Logic) -> Truth {
        bound::begin();
        // First by what is always known: so that where this decides, it decides whatever the arguments are, and they
        // need not be looked at.
        let all = Unknowns { args: true, meta: true, uri: true };
        let known = std::mem::replace(&mut self.unknowns, all);
        let first = self.truth(logic);
        self.unknowns = known;
        let truth = if first.is_one() { first } else { self.truth(logic) };
        if bound::is_spent() { Truth::ERROR } else { truth }
    }

    fn truth(&mut self, logic: &Logic) -> Truth {
        match logic {
            Logic::Part(part) => self.part(part),
            Logic::Not(operand) => self.truth(operand).not(),
            // One operand that decides is enough.
            Logic::And(operands) => {
                let [left, right] = &**operands;
                match self.truth(left) {
                    Truth::FALSE => Truth::FALSE,
                    left => left.and(self.truth(right)),
                }
            }
            Logic::Or(operands) => {
                let [left, right] = &**operands;
                match self.truth(left) {
                    Truth::TRUE => Truth::TRUE,
                    left => left.or(self.truth(right)),
                }
            }
            Logic::Conditional(operands) => {
                let [condition, then, otherwise] = &**operands;
                match self.truth(condition) {
                    Truth::TRUE => self.truth(then),
                    Truth::FALSE => self.truth(otherwise),
                    Truth::ERROR => Truth::ERROR,
                    open => open.choose(self.truth(then), self.truth(otherwise)),
                }
            }
        }
    }

    fn part(&mut self, part: &Part) -> Truth {
        if part.names.meet(self.unknowns) || self.no_message && part.varies {
            return Truth::UNKNOWN;
        }
        if let Some(Some(found)) = self.found.get(part.number) {
            return *found;
        }
        let answer = self.holds(&part.term);
        let truth = match answer {
            _ if bound::take_failed() => Truth::ERROR,
            Ok(holds) => holds.into(),
            Err(_) => Truth::ERROR,
        };
        if let Some(found) = self.found.get_mut(part.number) {
            *found = Some(truth);
        }
        truth
    }

    fn holds(&self, term: &Term) -> Result<bool, ExecutionError> {
        if let Term::Comparison(comparison, terms) = term {
            let [left, right] = terms.as_slice() else { return Err(bound::error()) };
            return comparison(self.value(left)?.as_ref(), self.value(right)?.as_ref());
        }
        let value = self.value(term)?;
        value.downcast_ref::<CelBool>().map(|answer| *answer.inner()).ok_or_else(bound::error)
    }

    fn value<'e>(&'e self, term: &'e Term) -> Result<CowVal<'e, 'v>, ExecutionError> {
        match term {
            Term::Literal(literal) => Ok(literal.to_val()),
            Term::Variable(name) => self.variables.resolve(name).ok_or_else(bound::error),
            Term::Comparison(..) => Ok(CowVal::owned(CelBool::from(self.holds(term)?))),
            Term::Call(function, terms) => {
                let values = terms.iter().map(|term| self.value(term)).collect::<Result<_, _>>()?;
                function(values)
            }
            Term::Other(expr) => Value::resolve_val(expr, self.context.get_or_init(|| self.new_context())),
        }
    }

    fn new_context(&self) -> Context<'v, 'v> {
        let mut context = Context::with_env(Arc::clone(self.env));
        context.set_variable_resolver(self.variables);
        context
    }
}
