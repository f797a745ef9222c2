//! The lowered expression: what the checker makes of the parser's tree, for the crate to evaluate.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators as signs};

use crate::condition::kinds::{Kinds, Typed};

/// An expression, and what it may give.
pub(super) type Lowered = (IdedExpr, Typed);

pub(super) const fn expr(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

pub(super) fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

pub(super) fn text(text: &str) -> IdedExpr {
    expr(Expr::Literal(LiteralValue::String(text.to_owned().into())))
}

/// The value of an expression, for some steps and those of copying it.
pub(super) fn steps(value: IdedExpr, count: usize) -> IdedExpr {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    call("@steps", vec![value, expr(Expr::Literal(LiteralValue::Int(count.into())))])
}

/// Pays for what may be large, before the crate copies it or works on it.
pub(super) fn paid((value, typed): Lowered) -> IdedExpr {
    let large = Kinds::STRING | Kinds::BYTES | Kinds::LIST | Kinds::MAP;
    if matches!(value.expr, Expr::Literal(_)) || !typed.kinds.meets(large) { value } else { steps(value, 0) }
}

/// How many parts an expression has.
pub(super) fn size(expr: &IdedExpr) -> usize {
    let inner: usize = match &expr.expr {
        Expr::Call(call) => call.args.iter().map(size).sum(),
        Expr::List(list) => list.elements.iter().map(size).sum(),
        Expr::Select(select) => size(&select.operand),
        Expr::Map(map) => map.entries.len().saturating_mul(2),
        Expr::Comprehension(comprehension) => size(&comprehension.iter_range).saturating_add(4),
        _ => 0,
    };
    inner.saturating_add(1)
}

/// The text of a constant string.
pub(super) fn constant(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Whether a lowered expression stands in the message or the token as it is, so that copying it costs nothing.
pub(super) fn is_place(lowered: &IdedExpr) -> bool {
    match &lowered.expr {
        Expr::Ident(name) => name.starts_with('@'),
        Expr::Call(call) if call.func_name == signs::INDEX => call.args.first().is_some_and(is_place),
        _ => false,
    }
}
