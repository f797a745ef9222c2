//! The terms of a condition: what stands in for the crate's own functions is called without looking for it by its name,
//! and everything else is the crate's to evaluate.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::common::functions::Function;

use super::operators::{COMPARISONS, Comparison};
use super::{environment, text};

#[derive(Debug)]
pub(super) enum Term {
    Literal(LiteralValue),
    /// By its name in expressions.
    Variable(String),
    /// Of two terms.
    Comparison(Comparison, Vec<Term>),
    Call(Function, Vec<Term>),
    Other(IdedExpr),
}

impl Default for Term {
    fn default() -> Self {
        Self::Other(IdedExpr::default())
    }
}

impl Term {
    /// A checked expression as a term.
    pub(super) fn of(lowered: IdedExpr) -> Self {
        match lowered.expr {
            Expr::Literal(literal) => Self::Literal(literal),
            Expr::Ident(name) if environment::place_of(&name).is_some() => Self::Variable(name),
            Expr::Call(CallExpr { func_name, target: None, args }) => {
                let terms = |args: Vec<IdedExpr>| args.into_iter().map(Self::of).collect();
                let is_called = |name: &str| name == func_name;
                if let Some((_, comparison, _)) = COMPARISONS.into_iter().find(|(name, ..)| is_called(name)) {
                    Self::Comparison(comparison, terms(args))
                } else if let Some((.., function)) = text::FUNCTIONS.into_iter().find(|(name, ..)| is_called(name)) {
                    Self::Call(function, terms(args))
                } else {
                    let call = CallExpr { func_name, target: None, args };
                    Self::Other(IdedExpr { id: lowered.id, expr: Expr::Call(call) })
                }
            }
            expr => Self::Other(IdedExpr { id: lowered.id, expr }),
        }
    }
}
