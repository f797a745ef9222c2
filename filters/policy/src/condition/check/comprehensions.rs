//! Comprehensions: the macros as the parser has expanded them, each turn of which is paid for.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, operators as signs};

use super::Checker;
use super::lowered::{Lowered, call, expr, paid, size, steps};
use crate::condition::bound::MAX_LOOPS;
use crate::condition::environment;
use crate::condition::kinds::{Kinds, Typed};

/// The macros, but for `has` all called on a list or map. The parser has expanded them where their arguments fit.
pub(super) const MACROS: [(&str, &str); 6] =
    [("all", "2"), ("exists", "2"), ("exists_one", "2"), ("existsOne", "2"), ("filter", "2"), ("map", "2 or 3")];

impl Checker<'_> {
    pub(super) fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Lowered {
        let range = self.lower(&comprehension.iter_range);
        let at = self.words.find(|word| MACROS.iter().any(|(name, _)| *name == word));
        let local = comprehension.iter_var.as_str();
        let local_at = self.words.word(local);
        if environment::object(local).is_some() || environment::ROOTS.iter().any(|(root, _)| *root == local) {
            return self.wrong(local_at, format!("\"{local}\" has a meaning already, choose another name"));
        }
        if self.locals.len() >= MAX_LOOPS {
            return self.wrong(at, format!("comprehensions may be nested {MAX_LOOPS} deep"));
        }
        if !range.1.kinds.meets(Kinds::LIST | Kinds::MAP) {
            return self.wrong(at, format!("comprehensions are for list or map, not {}", range.1.kinds.render()));
        }
        let element = element_of(range.1);
        self.locals.push((local.to_owned(), element));
        let body = self.body(comprehension);
        self.locals.pop();
        let Some((loop_cond, loop_step, typed)) = body else {
            return self.wrong(at, "a comprehension that is not known".to_owned());
        };
        let lowered = ComprehensionExpr { iter_range: paid(range), loop_cond, loop_step, ..comprehension.clone() };
        (expr(Expr::Comprehension(Box::new(lowered))), typed)
    }

    /// The condition and the step of a comprehension, each turn of which is paid for, and what it gives. The shapes are
    /// those that the parser expands its macros to; the crate knows them again, so they are kept.
    fn body(&mut self, comprehension: &ComprehensionExpr) -> Option<(IdedExpr, IdedExpr, Typed)> {
        let Expr::Call(step) = &comprehension.loop_step.expr else { return None };
        let boolean = Typed::of(Kinds::BOOL);
        let accumulated = || expr(Expr::Ident(comprehension.accu_var.clone()));
        let condition = comprehension.loop_cond.clone();
        match (step.func_name.as_str(), step.args.as_slice()) {
            (sign @ (signs::LOGICAL_AND | signs::LOGICAL_OR), [_, body]) => {
                let body = self.boolean(body, if sign == signs::LOGICAL_AND { "all" } else { "exists" });
                // Failures of the body may be made up for by other elements; that of the condition ends the loop.
                Some((steps(condition, size(&body)), call(sign, vec![accumulated(), body]), boolean))
            }
            (signs::ADD, [_, _]) => {
                let (appended, kinds) = self.appended(&comprehension.loop_step)?;
                Some((condition, appended, Typed { kinds: Kinds::LIST, inner: kinds }))
            }
            (signs::CONDITIONAL, [fits, step, _]) => {
                let fits = self.boolean(fits, "the condition");
                let count = size(&fits);
                let fits = steps(fits, count);
                let is_count = matches!(comprehension.accu_init.expr, Expr::Literal(LiteralValue::Int(_)));
                let (step, typed) = if is_count {
                    (step.clone(), boolean)
                } else {
                    let (appended, kinds) = self.appended(step)?;
                    (appended, Typed { kinds: Kinds::LIST, inner: kinds })
                };
                Some((condition, call(signs::CONDITIONAL, vec![fits, step, accumulated()]), typed))
            }
            _ => None,
        }
    }

    /// `accumulated + [element]`
    fn appended(&mut self, step: &IdedExpr) -> Option<(IdedExpr, Kinds)> {
        let Expr::Call(CallExpr { func_name, args, .. }) = &step.expr else { return None };
        let [accumulated, IdedExpr { expr: Expr::List(list), .. }] = args.as_slice() else { return None };
        let [element] = list.elements.as_slice() else { return None };
        let (element, typed) = self.lower(element);
        let count = size(&element);
        let list = expr(Expr::List(ListExpr::new(vec![steps(element, count)])));
        Some((call(func_name, vec![accumulated.clone(), list]), typed.kinds))
    }
}

/// What the variable of a comprehension stands for: an element of a list, a key of a map.
fn element_of(range: Typed) -> Typed {
    let is_json = range.inner == Kinds::JSON;
    match (range.kinds.meets(Kinds::LIST), range.kinds.meets(Kinds::MAP)) {
        (true, false) => range.inside(),
        // The keys of JSON objects and the names of header fields are strings.
        (false, true) if is_json || range.inner == Kinds::STRING => Typed::of(Kinds::STRING),
        (true, true) if is_json => Typed::JSON,
        _ => Typed::ANY,
    }
}
