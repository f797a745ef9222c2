//! The outer shape of a condition, in sets of values: `&&`, `||`, `!` and `?:` over parts that are evaluated term by term.
//!
//! A part that names something unknown is unknown as a whole. `&&` and `||` do not depend on the order of their
//! operands: one that decides makes up for one that fails or is not known (CEL specification, "Logical Operators").

use std::cell::OnceCell;
use std::sync::Arc;

use cel::{Context, Env, ExecutionError, Value};

use super::check::Plan;
use super::environment::{Scope, Unknowns};
use super::operand::{Held, Operand};
use super::term::Term;
use super::{bound, comparison, text};
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
    scope: &'v Scope<'v>,
    /// Made when the crate first has something to evaluate.
    context: OnceCell<Context<'v, 'v>>,
    unknowns: Unknowns,
    /// There is no message: only constants are known.
    no_message: bool,
    /// What the parts were found to be, where they are looked at twice.
    found: Vec<Option<Truth>>,
}

impl<'v> Evaluation<'v> {
    pub(super) fn new(env: &'v Arc<Env>, scope: &'v Scope<'v>) -> Self {
        let unknowns = scope.unknowns();
        Self { env, scope, context: OnceCell::new(), unknowns, no_message: false, found: Vec::new() }
    }

    /// The values it can have, whatever the message is.
    pub(super) fn run_without_message(mut self, plan: &Plan) -> Truth {
        bound::begin();
        self.no_message = true;
        let truth = self.truth(&plan.logic);
        if bound::is_spent() { Truth::UNKNOWN } else { truth }
    }

    pub(super) fn run(mut self, plan: &Plan) -> Truth {
        bound::begin();
        let settled = if plan.has_certain_part { self.without_unknowns(plan) } else { None };
        let truth = settled.unwrap_or_else(|| self.truth(&plan.logic));
        if bound::is_spent() { Truth::ERROR } else { truth }
    }

    /// The one value of a key's plan, as text. `None`: it has none, or none that is simple.
    pub(super) fn key(self, plan: &Plan) -> Option<String> {
        let Logic::Part(part) = &plan.logic else { return None };
        bound::begin();
        let held = self.held(&part.term);
        let failed = bound::take_failed() || bound::is_spent();
        match held.ok().filter(|_| !failed)?.operand() {
            Operand::Text(text) => Some(text.to_owned()),
            Operand::Int(number) => Some(number.to_string()),
            Operand::UInt(number) => Some(number.to_string()),
            Operand::Bool(value) => Some(value.to_string()),
            Operand::Null | Operand::Double(_) | Operand::Other(_) => None,
        }
    }

    /// By what is always known: where this decides, it decides whatever the arguments are, and they need not be looked at.
    fn without_unknowns(&mut self, plan: &Plan) -> Option<Truth> {
        self.found = vec![None; plan.parts];
        let all = Unknowns { args: true, meta: true, uri: true };
        let known = std::mem::replace(&mut self.unknowns, all);
        let truth = self.truth(&plan.logic);
        self.unknowns = known;
        truth.is_one().then_some(truth)
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
        match term {
            Term::Comparison(comparison, terms) => {
                let [left, right] = &**terms;
                let (left, right) = (self.held(left)?, self.held(right)?);
                comparison.holds(left.operand(), right.operand())
            }
            Term::Among(term, known) => {
                comparison::is_among(self.held(term)?.operand(), known.iter().map(Held::operand))
            }
            term => match self.held(term)?.operand() {
                Operand::Bool(answer) => Ok(answer),
                _ => Err(bound::error()),
            },
        }
    }

    fn held<'e>(&'e self, term: &'e Term) -> Result<Held<'e>, ExecutionError> {
        Ok(match term {
            Term::Constant(constant) => Held::There(constant.operand()),
            Term::Variable(place) => self.scope.variable(*place).ok_or_else(bound::error)?,
            Term::Comparison(..) | Term::Among(..) => Held::There(Operand::Bool(self.holds(term)?)),
            Term::Size(term) => Held::There(Operand::Int(text::size(self.held(term)?.operand())?)),
            Term::Call(function, terms) => {
                let values = terms.iter().map(|term| Ok(self.held(term)?.into_value())).collect::<Result<_, _>>()?;
                Held::Value(function(values)?)
            }
            Term::Other(expr) => {
                Held::Value(Value::resolve_val(expr, self.context.get_or_init(|| self.new_context()))?)
            }
        })
    }

    fn new_context(&self) -> Context<'v, 'v> {
        let mut context = Context::with_env(Arc::clone(self.env));
        context.set_variable_resolver(self.scope);
        context
    }
}
