//! From the parser's tree to the plan: names and functions are resolved against the declared environment, what cannot be
//! meant is refused, and what could cost more than it may is replaced or paid for.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr,
    SelectExpr, operators as signs,
};
use cel::common::types::CelList;
use cel::common::value::Val;
use cel::{Context, Env, IdedExpr, Value};
use meshward_engine::HeaderDemand;
use std::sync::Arc;

use super::Wants;
use super::bound::{self, MAX_DEPTH, MAX_LOOPS};
use super::environment::{self, Field, Meaning, Root, Unknowns, Variable};
use super::fault::{Fault, suggestion};
use super::functions::{Form, SIGNATURES, Signature};
use super::kinds::{Kinds, Typed};
use super::logic::{Logic, Part};
use super::operators;
use super::text::Pattern;
use super::words::Words;

/// The macros, but for `has` all called on a list or map. The parser has expanded them where their arguments fit.
const MACROS: [(&str, &str); 6] =
    [("all", "2"), ("exists", "2"), ("exists_one", "2"), ("existsOne", "2"), ("filter", "2"), ("map", "2 or 3")];

/// A checked condition.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) logic: Logic,
    pub(super) parts: usize,
    pub(super) variables: Vec<Variable>,
    pub(super) constants: Vec<Box<dyn Val>>,
    pub(super) wants: Wants,
}

/// Makes the plan of a condition.
pub(super) fn check(expr: &IdedExpr, words: Words<'_>, env: &Arc<Env>) -> Result<Plan, Vec<Fault>> {
    let mut checker = Checker {
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
            variables: Vec::new(),
            constants: Vec::new(),
            wants: Wants::default(),
        },
    };
    let logic = checker.logic(expr, "a condition");
    if !checker.faults.is_empty() {
        return Err(checker.faults);
    }
    Ok(Plan { logic, ..checker.plan })
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

type Lowered = (IdedExpr, Typed);

const fn expr(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn text(text: &str) -> IdedExpr {
    expr(Expr::Literal(LiteralValue::String(text.to_owned().into())))
}

/// The value of an expression, for some steps and those of copying it.
fn steps(value: IdedExpr, count: usize) -> IdedExpr {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    call("@steps", vec![value, expr(Expr::Literal(LiteralValue::Int(count.into())))])
}

/// Pays for what may be large, before the crate copies it or works on it.
fn paid((value, typed): Lowered) -> IdedExpr {
    let large = Kinds::STRING | Kinds::BYTES | Kinds::LIST | Kinds::MAP;
    if matches!(value.expr, Expr::Literal(_)) || !typed.kinds.meets(large) { value } else { steps(value, 0) }
}

/// How many parts an expression has.
fn size(expr: &IdedExpr) -> usize {
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
        (self.names, self.varies) = (Unknowns::default(), false);
        let at = self.words.peek();
        let (lowered, typed) = self.lower(node);
        if !typed.kinds.meets(Kinds::BOOL) {
            self.fault(at, format!("{of} must be bool, this is {}", typed.kinds.render()));
        }
        let number = self.plan.parts;
        self.plan.parts = number.saturating_add(1);
        Logic::Part(Part { expr: lowered, names: self.names, varies: self.varies, number })
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
                Some(target) => self.method(target, &call.func_name, &call.args),
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

    fn name(&mut self, name: &str) -> Lowered {
        let at = self.words.word(name);
        if let Some((_, typed)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return (expr(Expr::Ident(name.to_owned())), *typed);
        }
        if let Some((_, root)) = environment::ROOTS.iter().find(|(root, _)| *root == name) {
            return self.root(*root);
        }
        if let Some(members) = environment::object(name) {
            let members = members.iter().map(|(member, _)| *member).collect::<Vec<_>>().join(", ");
            return self.wrong(at, format!("\"{name}\" is no value by itself, name one of its fields: {members}"));
        }
        if Kinds::NAMES.iter().any(|(kind, _)| *kind == name) {
            return (expr(Expr::Ident(name.to_owned())), Typed::of(Kinds::TYPE));
        }
        let locals = self.locals.iter().map(|(local, _)| local.as_str());
        let roots = environment::ROOTS.iter().map(|(root, _)| *root);
        let objects = environment::OBJECTS.iter().map(|(object, _)| *object);
        let suggestion = suggestion(name, locals.chain(roots).chain(objects));
        self.wrong(at, format!("undeclared variable \"{name}\"{suggestion}"))
    }

    fn root(&mut self, root: Root) -> Lowered {
        let wants = &mut self.plan.wants;
        match root {
            Root::Args => (wants.arguments, self.names.args) = (true, true),
            Root::Meta => (wants.meta, self.names.meta) = (true, true),
            Root::Claims => wants.claims = true,
            Root::Headers => wants.headers = HeaderDemand::All,
        }
        let inner = if root == Root::Headers { Kinds::STRING } else { Kinds::JSON };
        (self.variable(Variable::Root(root)), Typed { kinds: Kinds::MAP, inner })
    }

    /// The meaning of a member of `mcp`, `peer` or `request`. `None`: it is the member of something else.
    fn declared(&mut self, operand: &IdedExpr, member: Option<&str>) -> Option<Result<Meaning, Lowered>> {
        let Expr::Ident(name) = &operand.expr else { return None };
        let members = environment::object(name)?;
        let at = self.words.word(name);
        let Some(member) = member else {
            return Some(Err(self.wrong(at, format!("the fields of \"{name}\" are named by constants"))));
        };
        let at = self.words.find(|word| word.contains(member));
        let Some((_, meaning)) = members.iter().find(|(known, _)| *known == member) else {
            let suggestion = suggestion(member, members.iter().map(|(known, _)| *known));
            return Some(Err(self.wrong(at, format!("undeclared field \"{name}.{member}\"{suggestion}"))));
        };
        Some(Ok(*meaning))
    }

    fn meaning(&mut self, meaning: Meaning) -> Lowered {
        match meaning {
            Meaning::Root(root) => self.root(root),
            Meaning::Field(field) => {
                match field {
                    Field::Client => self.plan.wants.client = true,
                    Field::PeerId => self.plan.wants.peer = true,
                    Field::PeerAddress => self.plan.wants.source = true,
                    Field::Uri => self.names.uri = true,
                    _ => {}
                }
                (self.variable(Variable::Field(field)), Typed::of(Kinds::STRING))
            }
        }
    }

    /// Whether an expression is `request.headers`.
    fn is_headers(operand: &IdedExpr) -> bool {
        let is_request = |operand: &IdedExpr| matches!(&operand.expr, Expr::Ident(name) if name == "request");
        match &operand.expr {
            Expr::Select(select) => !select.test && select.field == "headers" && is_request(&select.operand),
            Expr::Call(CallExpr { func_name, target: None, args }) if func_name == signs::INDEX => {
                matches!(args.as_slice(), [operand, key] if is_request(operand) && constant(key) == Some("headers"))
            }
            _ => false,
        }
    }

    /// A header field by a constant name.
    fn header(&mut self, name: &str, test: bool) -> Lowered {
        self.words.word("request");
        self.words.find(|word| word.contains("headers"));
        let at = self.words.find(|word| word.contains(name));
        let lower = name.to_ascii_lowercase();
        if lower != name {
            return self.wrong(at, format!("the names of header fields are lower case (did you mean \"{lower}\"?)"));
        }
        let demand = std::mem::take(&mut self.plan.wants.headers);
        self.plan.wants.headers = demand.join(HeaderDemand::Named(vec![lower.clone()]));
        if test {
            (self.variable(Variable::HasHeader(lower)), Typed::of(Kinds::BOOL))
        } else {
            (self.variable(Variable::Header(lower)), Typed::of(Kinds::STRING))
        }
    }

    /// `operand.field`, `operand["field"]`
    fn member(&mut self, operand: &IdedExpr, field: &str, test: bool) -> Lowered {
        if Self::is_headers(operand) {
            return self.header(field, test);
        }
        match self.declared(operand, Some(field)) {
            Some(Ok(Meaning::Field(place))) if test => {
                // A text that there is not is empty.
                let (value, _) = self.meaning(Meaning::Field(place));
                return (call("@differ", vec![value, text("")]), Typed::of(Kinds::BOOL));
            }
            Some(Ok(meaning)) => return self.meaning(meaning),
            Some(Err(wrong)) => return wrong,
            None => {}
        }
        let (value, typed) = self.lower(operand);
        let at = self.words.find(|word| word.contains(field));
        if !typed.kinds.meets(Kinds::MAP) {
            return self.wrong(at, format!("{} has no member \"{field}\"", typed.kinds.render()));
        }
        if test {
            let select = SelectExpr { operand: Box::new(value), field: field.to_owned(), test: true };
            return (expr(Expr::Select(select)), Typed::of(Kinds::BOOL));
        }
        (call(signs::INDEX, vec![value, text(field)]), typed.inside())
    }

    fn has(&mut self, select: &SelectExpr) -> Lowered {
        self.words.word("has");
        self.member(&select.operand, &select.field, true)
    }

    fn index(&mut self, operand: &IdedExpr, key: &IdedExpr) -> Lowered {
        if let Some(name) = constant(key) {
            return self.member(operand, name, false);
        }
        if let Some(Err(wrong)) = self.declared(operand, None) {
            return wrong;
        }
        let (container, typed) = self.lower(operand);
        let at = self.words.word("[");
        if !typed.kinds.meets(Kinds::LIST | Kinds::MAP) {
            return self.wrong(at, format!("\"[]\" is for list or map, not {}", typed.kinds.render()));
        }
        // A key that does not fit makes the crate copy the whole container into its error.
        let container = if is_place(&container) { container } else { paid((container, typed)) };
        let (key, _) = self.lower(key);
        (call(signs::INDEX, vec![container, key]), typed.inside())
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

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Lowered {
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

    fn method(&mut self, target: &IdedExpr, name: &str, arguments: &[IdedExpr]) -> Lowered {
        self.signature(Some(target), name, arguments)
    }

    fn signature(&mut self, target: Option<&IdedExpr>, name: &str, arguments: &[IdedExpr]) -> Lowered {
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

/// The text of a constant string.
fn constant(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Whether a lowered expression stands in the message or the token as it is, so that copying it costs nothing.
fn is_place(lowered: &IdedExpr) -> bool {
    match &lowered.expr {
        Expr::Ident(name) => name.starts_with('@'),
        Expr::Call(call) if call.func_name == signs::INDEX => call.args.first().is_some_and(is_place),
        _ => false,
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
