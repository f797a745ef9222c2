//! The terms of a condition: what stands in for the crate's own functions is called without looking for it by its name,
//! and everything else is the crate's to evaluate.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr};
use cel::common::functions::Function;
use cel::common::types::CelList;
use cel::common::value::Val;

use super::comparison::{COMPARISONS, Comparison};
use super::environment::{self, Variable};
use super::operand::{Held, Operand};
use super::text;

#[derive(Debug)]
pub(super) enum Term {
    Constant(Held<'static>),
    /// By its place in the plan.
    Variable(usize),
    /// Of two terms.
    Comparison(Comparison, Box<[Term; 2]>),
    /// Whether a term is one of these.
    Among(Box<Term>, Vec<Held<'static>>),
    Size(Box<Term>),
    Call(Function, Vec<Term>),
    Other(IdedExpr),
}

impl Default for Term {
    fn default() -> Self {
        Self::Other(IdedExpr::default())
    }
}

/// What a plan has of its own, as terms name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'p> {
    pub(super) variables: &'p [Variable],
    pub(super) constants: &'p [Box<dyn Val>],
}

impl Term {
    /// A checked expression as a term.
    pub(super) fn of(lowered: IdedExpr, own: Own<'_>) -> Self {
        let expr = match lowered.expr {
            Expr::Literal(literal) => match Operand::of(literal.to_val().as_ref()).to_constant() {
                Some(constant) => return Self::Constant(constant),
                None => Expr::Literal(literal),
            },
            Expr::Ident(name) => match environment::place_of(&name) {
                Some(place) => return Self::Variable(place),
                None => Expr::Ident(name),
            },
            Expr::Call(call) => match Self::of_call(call, own) {
                Ok(term) => return term,
                Err(call) => Expr::Call(call),
            },
            expr => expr,
        };
        Self::Other(IdedExpr { id: lowered.id, expr })
    }

    /// A call, if it is one of what stands in for the crate's.
    fn of_call(call: CallExpr, own: Own<'_>) -> Result<Self, CallExpr> {
        let name = call.func_name.as_str();
        let comparison =
            COMPARISONS.into_iter().find(|(known, ..)| *known == name).map(|(_, comparison, _)| comparison);
        let function = text::FUNCTIONS.into_iter().find(|(known, ..)| *known == name).map(|(.., function)| function);
        let is_size = name == text::SIZE;
        if call.target.is_some() || comparison.is_none() && function.is_none() {
            return Err(call);
        }
        let mut terms: Vec<Self> = call.args.iter().map(|arg| Self::of(arg.clone(), own)).collect();
        match (comparison, function, terms.len()) {
            (Some(comparison), _, 2) => {
                let (Some(right), Some(left)) = (terms.pop(), terms.pop()) else { return Err(call) };
                Ok(match own.list(&right) {
                    Some(list) if comparison == Comparison::Within => Self::Among(Box::new(left), list),
                    _ => Self::Comparison(comparison, Box::new([left, right])),
                })
            }
            (_, Some(_), 1) if is_size => terms.pop().map(|term| Self::Size(Box::new(term))).ok_or(call),
            (_, Some(function), _) => Ok(Self::Call(function, terms)),
            _ => Err(call),
        }
    }
}

impl Own<'_> {
    /// A constant list of simple values.
    fn list(self, term: &Term) -> Option<Vec<Held<'static>>> {
        let Term::Variable(place) = term else { return None };
        let Variable::Constant(place) = self.variables.get(*place)? else { return None };
        let list = self.constants.get(*place)?.downcast_ref::<CelList<'_>>()?;
        list.inner().iter().map(|element| Operand::of(element.as_ref()).to_constant()).collect()
    }
}
