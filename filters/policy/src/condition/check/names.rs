//! Names, members and indices: what they stand for in the declared environment.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, SelectExpr, operators as signs};
use meshward_engine::HeaderDemand;

use super::Checker;
use super::lowered::{Lowered, call, constant, expr, is_place, paid, text};
use crate::condition::environment::{self, Field, Meaning, Root, Variable};
use crate::condition::fault::suggestion;
use crate::condition::kinds::{Kinds, Typed};

impl Checker<'_> {
    pub(super) fn name(&mut self, name: &str) -> Lowered {
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
    pub(super) fn is_headers(operand: &IdedExpr) -> bool {
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
    pub(super) fn header(&mut self, name: &str, test: bool) -> Lowered {
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
    pub(super) fn member(&mut self, operand: &IdedExpr, field: &str, test: bool) -> Lowered {
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
        match self.member_of(&value, field) {
            Some(variable) => (self.variable(variable), typed.inside()),
            None => (call(signs::INDEX, vec![value, text(field)]), typed.inside()),
        }
    }

    /// The member of a root, or of a member of one, as a variable: found without a value for what is on the way.
    fn member_of(&self, lowered: &IdedExpr, field: &str) -> Option<Variable> {
        let Expr::Ident(name) = &lowered.expr else { return None };
        let (root, mut path) = match self.plan.variables.get(environment::place_of(name)?)? {
            Variable::Root(root) if *root != Root::Headers => (*root, Vec::new()),
            Variable::Member(root, path) => (*root, path.clone()),
            _ => return None,
        };
        path.push(field.to_owned());
        Some(Variable::Member(root, path))
    }

    pub(super) fn has(&mut self, select: &SelectExpr) -> Lowered {
        self.words.word("has");
        self.member(&select.operand, &select.field, true)
    }

    pub(super) fn index(&mut self, operand: &IdedExpr, key: &IdedExpr) -> Lowered {
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
}
