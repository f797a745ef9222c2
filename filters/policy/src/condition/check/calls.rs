//! Calls of functions: which there are, how each is called, and what stands in for the crate's.

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::{Context, IdedExpr, Value};

use super::Checker;
use super::comprehensions::MACROS;
use super::lowered::{Lowered, call, constant, expr, paid};
use crate::condition::bound;
use crate::condition::fault::{Fault, suggestion};
use crate::condition::functions::{Form, SIGNATURES, Signature};
use crate::condition::kinds::{Kinds, Typed};
use crate::condition::text::Pattern;

impl Checker<'_> {
    pub(super) fn signature(&mut self, target: Option<&IdedExpr>, name: &str, arguments: &[IdedExpr]) -> Lowered {
        let first = target.map(|target| self.lower(target));
        let at = self.words.word(name);
        let Some(signature) = SIGNATURES.iter().find(|signature| signature.name == name) else {
            return self.unknown_function(at, name, target.is_some(), arguments.len());
        };
        if let Some(message) = misused(signature, target.is_some(), arguments.len()) {
            return self.wrong(at, message);
        }
        let mut parts: Vec<(usize, Lowered)> = first.into_iter().map(|first| (at, first)).collect();
        for argument in arguments {
            let argument_at = self.words.peek();
            parts.push((argument_at, self.lower(argument)));
        }
        for ((part_at, (_, typed)), takes) in parts.iter().zip(signature.takes) {
            if !typed.kinds.meets(*takes) {
                let (takes, kinds) = (takes.render(), typed.kinds.render());
                self.faults.push(Fault::new(*part_at, format!("\"{name}\" is for {takes}, not {kinds}")));
                return (expr(Expr::Literal(LiteralValue::Null)), Typed::ANY);
            }
        }
        if name == "matches" {
            return self.pattern(parts);
        }
        let is_constant = parts.iter().all(|(_, (part, _))| matches!(part.expr, Expr::Literal(_)));
        let own = signature.instead.is_some();
        let mut args = parts.into_iter().map(|(_, part)| if own { part.0 } else { paid(part) });
        let inner = if name == "split" { Kinds::STRING } else { Kinds::ANY };
        let lowered = if own || target.is_none() {
            call(signature.instead.unwrap_or(name), args.collect())
        } else {
            let target = args.next().map(Box::new);
            expr(Expr::Call(CallExpr { func_name: name.to_owned(), target, args: args.collect() }))
        };
        if is_constant {
            // What does not depend on the message is tried once, and told if it fails.
            bound::begin();
            if Value::resolve_val(&lowered, &Context::with_env(Arc::clone(self.env))).is_err() {
                return self.wrong(at, format!("this \"{name}\" fails whatever the message is"));
            }
        }
        (lowered, Typed { kinds: signature.gives, inner })
    }

    fn unknown_function(&mut self, at: usize, name: &str, on_target: bool, count: usize) -> Lowered {
        let functions = SIGNATURES.iter().map(|signature| signature.name);
        let macros = MACROS.iter().map(|(name, _)| *name);
        let message = match MACROS.iter().find(|(known, _)| *known == name) {
            Some((_, takes)) if on_target => format!("\"{name}\" takes {takes} arguments, not {count}"),
            Some(_) => format!("\"{name}\" is called on a list or map, as args.list.{name}(…)"),
            None if name == "has" => format!("\"has\" takes 1 argument, not {count}"),
            None => {
                format!("undeclared function \"{name}\"{}", suggestion(name, functions.chain(macros).chain(["has"])))
            }
        };
        self.wrong(at, message)
    }

    /// `x.matches(pattern)`
    fn pattern(&mut self, parts: Vec<(usize, Lowered)>) -> Lowered {
        let mut parts = parts.into_iter();
        let (Some((_, subject)), Some((at, (pattern, _)))) = (parts.next(), parts.next()) else {
            return self.wrong(0, "\"matches\" takes a string and a pattern".to_owned());
        };
        let Some(pattern) = constant(&pattern) else {
            return self.wrong(at, "the pattern of \"matches\" must be a constant string".to_owned());
        };
        match Pattern::new(pattern) {
            Ok(pattern) => {
                let pattern = self.constant(Box::new(pattern));
                (call("@matches", vec![subject.0, pattern]), Typed::of(Kinds::BOOL))
            }
            Err(error) => self.wrong(at, format!("the pattern of \"matches\": {error}")),
        }
    }
}

/// Why a function cannot be called like this.
fn misused(signature: &Signature, on_target: bool, count: usize) -> Option<String> {
    let name = signature.name;
    match (signature.form, on_target) {
        (Form::Global, true) => return Some(format!("\"{name}\" is called as {name}(x), not on a value")),
        (Form::Member, false) => return Some(format!("\"{name}\" is called on a value, as x.{name}(…)")),
        _ => {}
    }
    let most = signature.takes.len().saturating_sub(usize::from(on_target));
    let least = most.saturating_sub(signature.optional);
    if (least..=most).contains(&count) {
        return None;
    }
    let takes = if least == most { most.to_string() } else { format!("{least} or {most}") };
    Some(format!("\"{name}\" takes {takes} argument{}, not {count}", if most == 1 { "" } else { "s" }))
}
