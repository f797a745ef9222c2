//! From the parser's tree to the plan: names and functions are resolved against the declared environment, what cannot be
//! meant is refused, and what could cost more than it may is replaced or paid for.

mod calls;
mod comprehensions;
mod lowered;
mod names;

use std::sync::Arc;

use cel::common::ast::{
    CallExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr, operators as signs,
};
use cel::common::types::CelList;
use cel::common::value::Val;
use cel::{Env, IdedExpr};

use self::lowered::{Lowered, call, constant, expr, paid};
use super::Wants;
use super::bound::MAX_DEPTH;
use super::environment::{Unknowns, Variable};
use super::fault::Fault;
use super::kinds::{Kinds, Typed};
use super::logic::{Logic, Part};
use super::operators;
use super::term::{Own, Term};
use super::words::Words;

/// A checked condition.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) logic: Logic,
    pub(super) parts: usize,
    /// Some part names nothing that may not be known.
    pub(super) has_certain_part: bool,
    pub(super) variables: Vec<Variable>,
    pub(super) constants: Vec<Box<dyn Val>>,
    pub(super) wants: Wants,
}

/// Makes the plan of a condition.
pub(super) fn check(expr: &IdedExpr, words: Words<'_>, env: &Arc<Env>) -> Result<Plan, Vec<Fault>> {
    let mut checker = Checker::new(words, env);
    let logic = checker.logic(expr, "a condition");
    checker.plan(logic)
}

/// Makes the plan of a key: one part, with a simple value.
pub(super) fn check_key(expr: &IdedExpr, words: Words<'_>, env: &Arc<Env>) -> Result<Plan, Vec<Fault>> {
    let mut checker = Checker::new(words, env);
    let part = checker.part(expr, "a key", Kinds::STRING.or(Kinds::BOOL).or(Kinds::INT).or(Kinds::UINT));
    checker.plan(Logic::Part(part))
}

struct Checker<'c> {
    words: Words<'c>,
    env: &'c Arc<Env>,
    faults: Vec<Fault>,
    /// The variables of the comprehensions around, the outermost first.
    locals: Vec<(String, Typed)>,
    depth: usize,
    /// What the part under way names that may not be known.
    names: Unknowns,
    /// Whether the part under way names anything of a message.
    varies: bool,
    plan: Plan,
}

impl<'c> Checker<'c> {
    fn new(words: Words<'c>, env: &'c Arc<Env>) -> Self {
        Self {
            words,
            env,
            faults: Vec::new(),
            locals: Vec::new(),
            depth: 0,
            names: Unknowns::default(),
            varies: false,
            plan: Plan {
                logic: Logic::Part(Part::default()),
                parts: 0,
                has_certain_part: false,
                variables: Vec::new(),
                constants: Vec::new(),
                wants: Wants::default(),
            },
        }
    }

    fn plan(self, logic: Logic) -> Result<Plan, Vec<Fault>> {
        if self.faults.is_empty() { Ok(Plan { logic, ..self.plan }) } else { Err(self.faults) }
    }
}

impl Checker<'_> {
    fn fault(&mut self, at: usize, message: String) {
        self.faults.push(Fault::new(at, message));
    }

    /// Stands for what is wrong, so that the rest is checked too.
    fn wrong(&mut self, at: usize, message: String) -> Lowered {
        self.fault(at, message);
        (expr(Expr::Literal(LiteralValue::Null)), Typed::ANY)
    }

    fn variable(&mut self, variable: Variable) -> IdedExpr {
        self.varies |= !matches!(variable, Variable::Constant(_));
        let known = self.plan.variables.iter().position(|other| *other == variable);
        let place = known.unwrap_or_else(|| {
            self.plan.variables.push(variable);
            self.plan.variables.len().saturating_sub(1)
        });
        expr(Expr::Ident(format!("@{place}")))
    }

    fn constant(&mut self, value: Box<dyn Val>) -> IdedExpr {
        self.plan.constants.push(value);
        self.variable(Variable::Constant(self.plan.constants.len().saturating_sub(1)))
    }

    /// Whether there is one more level. It is left with [`Checker::leave`].
    fn enter(&mut self) -> bool {
        self.depth = self.depth.saturating_add(1);
        let fits = self.depth <= MAX_DEPTH;
        if !fits && self.depth == MAX_DEPTH.saturating_add(1) {
            let at = self.words.peek();
            self.fault(at, format!("a condition may have {MAX_DEPTH} levels of nesting"));
        }
        fits
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// The outer shape.
    fn logic(&mut self, node: &IdedExpr, of: &str) -> Logic {
        if let Expr::Call(CallExpr { func_name, target: None, args }) = &node.expr {
            let fits = self.enter();
            let logic = match (func_name.as_str(), args.as_slice()) {
                _ if !fits => None,
                (signs::LOGICAL_NOT, [operand]) => {
                    self.words.word("!");
                    Some(Logic::Not(Box::new(self.logic(operand, "\"!\""))))
                }
                (signs::LOGICAL_AND, [left, right]) => {
                    Some(Logic::And(Box::new(self.both(left, right, "&&", "\"&&\""))))
                }
                (signs::LOGICAL_OR, [left, right]) => Some(Logic::Or(Box::new(self.both(left, right, "||", "\"||\"")))),
                (signs::CONDITIONAL, [condition, then, otherwise]) => {
                    let condition = self.logic(condition, "\"?:\"");
                    self.words.word("?");
                    let then = self.logic(then, of);
                    self.words.word(":");
                    Some(Logic::Conditional(Box::new([condition, then, self.logic(otherwise, of)])))
                }
                _ => None,
            };
            self.leave();
            if let Some(logic) = logic {
                return logic;
            }
        }
        Logic::Part(self.part(node, of, Kinds::BOOL))
    }

    /// What is evaluated as a whole, and may be one of these kinds.
    fn part(&mut self, node: &IdedExpr, of: &str, kinds: Kinds) -> Part {
        (self.names, self.varies) = (Unknowns::default(), false);
        let at = self.words.peek();
        let (lowered, typed) = self.lower(node);
        if !typed.kinds.meets(kinds) {
            self.fault(at, format!("{of} must be {}, this is {}", kinds.render(), typed.kinds.render()));
        }
        let number = self.plan.parts;
        self.plan.parts = number.saturating_add(1);
        self.plan.has_certain_part |= self.names == Unknowns::default();
        let own = Own { variables: &self.plan.variables, constants: &self.plan.constants };
        Part { term: Term::of(lowered, own), names: self.names, varies: self.varies, number }
    }

    fn both(&mut self, left: &IdedExpr, right: &IdedExpr, sign: &str, of: &str) -> [Logic; 2] {
        let left = self.logic(left, of);
        self.words.word(sign);
        [left, self.logic(right, of)]
    }

    fn lower(&mut self, node: &IdedExpr) -> Lowered {
        let lowered = if self.enter() { self.node(node) } else { (IdedExpr::default(), Typed::ANY) };
        self.leave();
        lowered
    }

    fn node(&mut self, node: &IdedExpr) -> Lowered {
        match &node.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) if select.test => self.has(select),
            Expr::Select(select) => self.member(&select.operand, &select.field, false),
            Expr::Call(call) => match &call.target {
                Some(target) => self.signature(Some(target), &call.func_name, &call.args),
                None => self.function(&call.func_name, &call.args),
            },
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) | Expr::Unspecified => {
                let at = self.words.peek();
                self.wrong(at, "conditions have no messages".to_owned())
            }
        }
    }

    fn literal(&mut self, literal: &LiteralValue) -> Lowered {
        let kinds = match literal {
            LiteralValue::Null => Kinds::NULL,
            LiteralValue::Boolean(_) => Kinds::BOOL,
            LiteralValue::Int(_) => Kinds::INT,
            LiteralValue::UInt(_) => Kinds::UINT,
            LiteralValue::Double(_) => Kinds::DOUBLE,
            LiteralValue::String(_) => Kinds::STRING,
            LiteralValue::Bytes(_) => Kinds::BYTES,
        };
        if matches!(literal, LiteralValue::String(_) | LiteralValue::Bytes(_)) {
            self.words.string();
        }
        (expr(Expr::Literal(literal.clone())), Typed::of(kinds))
    }

    fn list(&mut self, list: &ListExpr) -> Lowered {
        let (mut inner, mut elements) = (Kinds::NONE, Vec::new());
        for element in &list.elements {
            let lowered = self.lower(element);
            inner = inner | lowered.1.kinds;
            elements.push(paid(lowered));
        }
        let typed = Typed { kinds: Kinds::LIST, inner: if elements.is_empty() { Kinds::ANY } else { inner } };
        let literals: Option<Vec<Box<dyn Val>>> = elements
            .iter()
            .map(|element| match &element.expr {
                Expr::Literal(literal) => Some(literal.clone()),
                _ => None,
            })
            .map(|literal| literal.map(|literal| literal.to_val().clone_as_boxed()))
            .collect();
        match literals {
            Some(literals) => (self.constant(Box::new(CelList::from(literals))), typed),
            None => (expr(Expr::List(ListExpr::new(elements))), typed),
        }
    }

    fn map(&mut self, map: &MapExpr) -> Lowered {
        let mut entries = Vec::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(MapEntryExpr { key, value, .. }) = &entry.expr else { continue };
            let key = self.lower(key);
            let key = paid(key);
            let value = self.lower(value);
            let value = paid(value);
            entries
                .push(IdedEntryExpr { id: 0, expr: EntryExpr::MapEntry(MapEntryExpr { key, value, optional: false }) });
        }
        (expr(Expr::Map(MapExpr { entries })), Typed::of(Kinds::MAP))
    }

    /// A call without a target; operators are calls too.
    fn function(&mut self, name: &str, arguments: &[IdedExpr]) -> Lowered {
        let boolean = Typed::of(Kinds::BOOL);
        match (name, arguments) {
            (signs::LOGICAL_NOT, [operand]) => {
                self.words.word("!");
                (call(name, vec![self.boolean(operand, "!")]), boolean)
            }
            (signs::LOGICAL_AND | signs::LOGICAL_OR, [left, right]) => {
                let sign = if name == signs::LOGICAL_AND { "&&" } else { "||" };
                let left = self.boolean(left, sign);
                self.words.word(sign);
                (call(name, vec![left, self.boolean(right, sign)]), boolean)
            }
            (signs::CONDITIONAL, [condition, then, otherwise]) => {
                let condition = self.boolean(condition, "?:");
                self.words.word("?");
                let (then, one) = self.lower(then);
                self.words.word(":");
                let (otherwise, other) = self.lower(otherwise);
                let typed = Typed { kinds: one.kinds | other.kinds, inner: one.inner | other.inner };
                (call(name, vec![condition, then, otherwise]), typed)
            }
            (signs::NEGATE, [operand]) => {
                let at = self.words.word("-");
                let (operand, typed) = self.lower(operand);
                let kinds = typed.kinds.and(Kinds::INT | Kinds::DOUBLE);
                if kinds == Kinds::NONE {
                    return self.wrong(at, format!("\"-\" is for numbers, not {}", typed.kinds.render()));
                }
                (call(name, vec![paid((operand, typed))]), Typed::of(kinds))
            }
            (signs::INDEX, [operand, key]) => self.index(operand, key),
            (_, [left, right]) if operators::named(name).is_some() => self.binary(name, left, right),
            _ => self.signature(None, name, arguments),
        }
    }

    fn boolean(&mut self, node: &IdedExpr, sign: &str) -> IdedExpr {
        let at = self.words.peek();
        let (lowered, typed) = self.lower(node);
        if !typed.kinds.meets(Kinds::BOOL) {
            self.fault(at, format!("\"{sign}\" must be bool, this is {}", typed.kinds.render()));
        }
        lowered
    }

    fn binary(&mut self, name: &str, left: &IdedExpr, right: &IdedExpr) -> Lowered {
        let Some(operator) = operators::named(name) else {
            return self.wrong(0, "no operator".to_owned());
        };
        if let (Some(header), signs::IN, true) = (constant(left), name, Self::is_headers(right)) {
            let at = self.words.string();
            if header.bytes().any(|byte| byte.is_ascii_uppercase()) {
                let lower = header.to_ascii_lowercase();
                return self
                    .wrong(at, format!("the names of header fields are lower case (did you mean \"{lower}\"?)"));
            }
            return self.header(header, true);
        }
        let left = self.lower(left);
        let at = self.words.word(operator.sign);
        let right = self.lower(right);
        let gives = operator.gives(left.1.kinds, right.1.kinds);
        if gives == Kinds::NONE {
            let (left, right) = (left.1.kinds.render(), right.1.kinds.render());
            return self.wrong(at, format!("\"{}\" is not for {left} and {right}", operator.sign));
        }
        let inner = if name == signs::ADD { left.1.inner | right.1.inner } else { Kinds::ANY };
        let operands = match operator.instead {
            Some(_) => vec![left.0, right.0],
            // Operands that do not fit are copied into the crate's error.
            None => vec![paid(left), paid(right)],
        };
        (call(operator.instead.unwrap_or(name), operands), Typed { kinds: gives, inner })
    }
}
