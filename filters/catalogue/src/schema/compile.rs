//! From a schema's text to its rules. Nothing recurses: schemas that are met wait in a queue.

use std::collections::BTreeMap;

use meshward_wire::json::ValueKind;

use super::Schema;
use super::check::{Bound, Check, Constant, Limit, Rule, RuleId, Size, Types};
use super::dialect::{Dialect, Holds};
use super::document::{Table, Unreadable, Value};
use super::pattern::Pattern;
use super::references::References;
use crate::violation::Unusable;

/// Bound of the schemas within a schema.
const MAX_RULES: usize = 4096;
/// Bound of the memory of all patterns of a schema.
const MAX_PATTERN_BYTES: usize = 512 << 10;

/// What is wrong, and at which value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Problem {
    at: usize,
    what: &'static str,
}

impl Problem {
    pub(super) const fn new(value: Value<'_>, what: &'static str) -> Self {
        Self { at: value.at(), what }
    }
}

pub(super) fn compile(text: &str) -> Result<Schema, Unusable> {
    let table = Table::read(text).map_err(|unreadable| {
        let problem = match unreadable {
            Unreadable::NotJson => "it is not JSON",
            Unreadable::TooLarge => "it is nested too deeply",
        };
        Unusable::Invalid { pointer: String::new(), problem }
    })?;
    let root = table.root(text);
    let unusable = |problem: Problem| Unusable::Invalid { pointer: root.pointer_to(problem.at), problem: problem.what };
    let compiled = Compiler::compile(root).map_err(unusable)?;
    Ok(Schema {
        weight: compiled.weight.saturating_add(text.len()),
        rules: compiled.rules,
        unchecked: compiled.unchecked.into_iter().map(|at| root.pointer_to(at)).collect(),
        text: text.into(),
    })
}

struct Compiler<'a> {
    dialect: Dialect,
    references: References<'a>,
    rules: Vec<Rule>,
    /// The rules that there are, by the places of their schemas.
    ids: BTreeMap<usize, RuleId>,
    queue: Vec<(RuleId, Value<'a>)>,
    pattern_bytes: usize,
    /// Patterns that cannot be matched.
    unchecked: Vec<usize>,
    /// Whether to leave a pattern unchecked could make a value fit less, and not more.
    delicate: bool,
    weight: usize,
}

impl<'a> Compiler<'a> {
    fn compile(root: Value<'a>) -> Result<Self, Problem> {
        let dialect = match root.get("$schema") {
            None => Dialect::Draft2020,
            Some(uri) => {
                let dialect = uri.as_str().and_then(|uri| Dialect::of(&uri));
                dialect.ok_or(Problem::new(uri, "this dialect of JSON Schema is not known"))?
            }
        };
        let mut compiler = Self {
            dialect,
            references: References::survey(root, dialect)?,
            rules: Vec::new(),
            ids: BTreeMap::new(),
            queue: Vec::new(),
            pattern_bytes: MAX_PATTERN_BYTES,
            unchecked: Vec::new(),
            delicate: false,
            weight: 0,
        };
        compiler.rule(root)?;
        while let Some((id, schema)) = compiler.queue.pop() {
            let rule = compiler.fill(schema)?;
            let index = usize::try_from(id).unwrap_or(usize::MAX);
            compiler.weight = compiler
                .weight
                .saturating_add(size_of::<Rule>())
                .saturating_add(rule.checks.len().saturating_mul(size_of::<Check>()));
            if let Some(place) = compiler.rules.get_mut(index) {
                *place = rule;
            }
        }
        match compiler.unchecked.first() {
            Some(&at) if compiler.delicate => {
                Err(Problem { at, what: "a pattern that cannot be matched in linear time" })
            }
            _ => {
                let patterns = MAX_PATTERN_BYTES.saturating_sub(compiler.pattern_bytes);
                compiler.weight = compiler.weight.saturating_add(patterns);
                Ok(compiler)
            }
        }
    }

    /// The rule of a schema, now or later.
    fn rule(&mut self, schema: Value<'a>) -> Result<RuleId, Problem> {
        if let Some(id) = self.ids.get(&schema.at()) {
            return Ok(*id);
        }
        let too_many = Problem::new(schema, "it holds too many schemas");
        let id = RuleId::try_from(self.rules.len()).map_err(|_| too_many)?;
        if self.rules.len() >= MAX_RULES {
            return Err(too_many);
        }
        self.rules.push(Rule { at: schema.at(), never: true, checks: Vec::new(), marks: false });
        self.ids.insert(schema.at(), id);
        self.queue.push((id, schema));
        Ok(id)
    }

    fn fill(&mut self, schema: Value<'a>) -> Result<Rule, Problem> {
        let mut rule = Rule { at: schema.at(), never: false, checks: Vec::new(), marks: false };
        match schema.kind() {
            ValueKind::Bool => rule.never = schema.as_bool() == Some(false),
            ValueKind::Object => {
                let alone = self.dialect.ref_stands_alone().then(|| schema.get("$ref")).flatten();
                if let Some(reference) = alone {
                    let target = self.references.resolve(reference)?;
                    rule.checks.push(Check::Same(self.rule(target)?));
                } else {
                    rule.checks = self.checks(schema)?;
                    let asks = |check: &Check| matches!(check, Check::OtherMembers(_) | Check::OtherItems(_));
                    rule.marks = rule.checks.iter().any(asks);
                    self.delicate |= rule.marks;
                }
            }
            _ => return Err(Problem::new(schema, "a schema is an object or a boolean")),
        }
        Ok(rule)
    }

    fn checks(&mut self, schema: Value<'a>) -> Result<Vec<Check>, Problem> {
        let mut checks = Vec::new();
        self.of_any_type(schema, &mut checks)?;
        self.of_numbers(schema, &mut checks)?;
        self.of_sizes(schema, &mut checks)?;
        self.of_names(schema, &mut checks)?;
        self.of_strings(schema, &mut checks)?;
        self.of_members(schema, &mut checks)?;
        self.of_items(schema, &mut checks)?;
        self.in_place(schema, &mut checks)?;
        for (keyword, check) in [
            ("unevaluatedProperties", Check::OtherMembers as fn(RuleId) -> Check),
            ("unevaluatedItems", Check::OtherItems as fn(RuleId) -> Check),
        ] {
            checks.extend(self.one(schema, keyword)?.map(check));
        }
        Ok(checks)
    }

    fn of_any_type(&mut self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        if let Some(value) = schema.get("type") {
            let invalid = Problem::new(value, "`type` is the name of a type or an array of them");
            let types = match value.kind() {
                ValueKind::Array => {
                    value.children().try_fold(Types::default(), |types, name| types.with(&name.as_str()?))
                }
                _ => value.as_str().and_then(|name| Types::default().with(&name)),
            };
            checks.push(Check::Type(types.ok_or(invalid)?));
        }
        if let Some(value) = schema.get("enum") {
            if value.kind() != ValueKind::Array {
                return Err(Problem::new(value, "`enum` is an array"));
            }
            checks.push(Check::Enum(value.children().map(|one| self.constant(one)).collect::<Result<_, _>>()?));
        }
        if let Some(value) = schema.get("const") {
            checks.push(Check::Const(self.constant(value)?));
        }
        Ok(())
    }

    fn constant(&mut self, value: Value<'a>) -> Result<Constant, Problem> {
        let text = value.raw();
        // The rows of its table take more than its letters.
        self.weight = self.weight.saturating_add(size_of::<Constant>()).saturating_add(text.len().saturating_mul(8));
        Constant::new(text).map_err(|_| Problem::new(value, "it is not JSON"))
    }

    fn of_numbers(&self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        let limit = |value: Value<'a>| {
            let number = if value.kind() == ValueKind::Number { Limit::new(value.raw()) } else { None };
            number.ok_or(Problem::new(value, "a limit is a number"))
        };
        for bound in Bound::ALL {
            if let Some(value) = schema.get(bound.keyword()) {
                checks.push(Check::Bound(bound, limit(value)?));
            }
        }
        if let Some(value) = schema.get("multipleOf") {
            let divisor = limit(value)?;
            let usable = |number: meshward_wire::json::Number<'_>| {
                number.is_positive() && number.is_multiple_of(&number).is_some()
            };
            if !divisor.get().is_some_and(usable) {
                return Err(Problem::new(value, "a divisor is above zero, of at most 19 digits"));
            }
            checks.push(Check::MultipleOf(divisor));
        }
        Ok(())
    }

    fn of_sizes(&self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        for size in Size::ALL {
            if let Some(value) = schema.get(size.keyword()) {
                checks.push(Check::Size(size, count(value)?));
            }
        }
        Ok(())
    }

    /// Names of members that must be there.
    fn of_names(&self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        if let Some(value) = schema.get("required") {
            checks.push(Check::Required(strings(value)?));
        }
        let dependent = if self.dialect <= Dialect::Draft7 { "dependencies" } else { "dependentRequired" };
        if let Some(value) = schema.get(dependent) {
            // `dependencies` holds schemas too.
            let lists =
                value.children().filter(|child| self.dialect > Dialect::Draft7 || child.kind() == ValueKind::Array);
            let names = lists.map(|list| Ok((list.key().into(), strings(list)?))).collect::<Result<_, Problem>>()?;
            checks.push(Check::DependentRequired(dependent, names));
        }
        Ok(())
    }

    fn of_strings(&mut self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        let Some(value) = schema.get("pattern") else { return Ok(()) };
        let source = value.as_str().ok_or(Problem::new(value, "a pattern is a string"))?;
        match Pattern::new(&source, &mut self.pattern_bytes) {
            Ok(pattern) => checks.push(Check::Pattern(pattern)),
            Err(_) => self.unchecked.push(value.at()),
        }
        Ok(())
    }

    fn of_members(&mut self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        let named = self.map(schema, "properties")?.into_iter().collect::<BTreeMap<_, _>>();
        let mut matching = Vec::new();
        if let Some(patterns) = schema.get("patternProperties") {
            for member in patterns.children() {
                let unsupported = Problem::new(member, "a pattern that cannot be matched in linear time");
                let pattern = Pattern::new(&member.key(), &mut self.pattern_bytes).map_err(|_| unsupported)?;
                matching.push((pattern, self.rule(member)?));
            }
        }
        let others = self.one(schema, "additionalProperties")?;
        if !named.is_empty() || !matching.is_empty() || others.is_some() {
            self.weight = self.weight.saturating_add(named.len().saturating_mul(48));
            checks.push(Check::Members { named, matching, others });
        }
        checks.extend(self.one(schema, "propertyNames")?.map(Check::Names));
        Ok(())
    }

    fn of_items(&mut self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        let is_list = schema.get("items").is_some_and(|items| items.kind() == ValueKind::Array);
        let legacy = self.dialect.holds("items") == Some(Holds::OneOrList);
        let (first, rest) = if legacy && is_list { ("items", "additionalItems") } else { ("prefixItems", "items") };
        let first = self.list(schema, first)?;
        let rest = self.one(schema, rest)?;
        if !first.is_empty() || rest.is_some() {
            checks.push(Check::Items { first, rest });
        }
        if let Some(rule) = self.one(schema, "contains")? {
            let counts = self.dialect >= Dialect::Draft2019;
            let bound = |keyword| schema.get(keyword).filter(|_| counts).map(count).transpose();
            let (least, most) = (bound("minContains")?.unwrap_or(1), bound("maxContains")?);
            self.delicate |= most.is_some();
            checks.push(Check::Contains { rule, least, most, marks: self.dialect == Dialect::Draft2020 });
        }
        if schema.get("uniqueItems").and_then(|value| value.as_bool()) == Some(true) {
            checks.push(Check::Unique);
        }
        Ok(())
    }

    /// Schemas for the same value.
    fn in_place(&mut self, schema: Value<'a>, checks: &mut Vec<Check>) -> Result<(), Problem> {
        for (keyword, since, until) in [
            ("$ref", Dialect::Draft6, Dialect::Draft2020),
            ("$dynamicRef", Dialect::Draft2020, Dialect::Draft2020),
            ("$recursiveRef", Dialect::Draft2019, Dialect::Draft2019),
        ] {
            if let Some(reference) = schema.get(keyword).filter(|_| since <= self.dialect && self.dialect <= until) {
                let target = self.references.resolve(reference)?;
                checks.push(Check::Same(self.rule(target)?));
            }
        }
        for (keyword, check) in [
            ("allOf", Check::All as fn(Vec<RuleId>) -> Check),
            ("anyOf", Check::Any as fn(Vec<RuleId>) -> Check),
            ("oneOf", Check::One as fn(Vec<RuleId>) -> Check),
        ] {
            let Some(value) = schema.get(keyword) else { continue };
            let rules = self.list(schema, keyword)?;
            if rules.is_empty() {
                return Err(Problem::new(value, "it is an array of at least one schema"));
            }
            self.delicate |= keyword == "oneOf";
            checks.push(check(rules));
        }
        if let Some(rule) = self.one(schema, "not")? {
            self.delicate = true;
            checks.push(Check::Not(rule));
        }
        if let Some(condition) = self.one(schema, "if")? {
            self.delicate = true;
            let (then, otherwise) = (self.one(schema, "then")?, self.one(schema, "else")?);
            checks.push(Check::If { condition, then, otherwise });
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            let rules = self.map(schema, keyword)?;
            if !rules.is_empty() {
                checks.push(Check::Dependent(rules));
            }
        }
        Ok(())
    }

    /// The rule of a keyword's schema, if the dialect has the keyword.
    fn one(&mut self, schema: Value<'a>, keyword: &str) -> Result<Option<RuleId>, Problem> {
        let known = matches!(self.dialect.holds(keyword), Some(Holds::One | Holds::OneOrList));
        schema.get(keyword).filter(|_| known).map(|value| self.rule(value)).transpose()
    }

    fn list(&mut self, schema: Value<'a>, keyword: &str) -> Result<Vec<RuleId>, Problem> {
        let known = matches!(self.dialect.holds(keyword), Some(Holds::List | Holds::OneOrList));
        let Some(value) = schema.get(keyword).filter(|_| known) else { return Ok(Vec::new()) };
        if value.kind() != ValueKind::Array {
            return Err(Problem::new(value, "it is an array of schemas"));
        }
        value.children().map(|child| self.rule(child)).collect()
    }

    fn map(&mut self, schema: Value<'a>, keyword: &str) -> Result<Vec<(Box<str>, RuleId)>, Problem> {
        let holds = self.dialect.holds(keyword).filter(|holds| matches!(holds, Holds::Map | Holds::MixedMap));
        let Some(value) = schema.get(keyword).filter(|_| holds.is_some()) else { return Ok(Vec::new()) };
        if value.kind() != ValueKind::Object {
            return Err(Problem::new(value, "it is an object of schemas"));
        }
        let schemas = value.children().filter(|child| holds == Some(Holds::Map) || child.kind() != ValueKind::Array);
        schemas.map(|child| Ok((child.key().into(), self.rule(child)?))).collect()
    }
}

/// A number of things; what 64 bits do not hold, nothing reaches.
fn count(value: Value<'_>) -> Result<u64, Problem> {
    let number = value.as_number().filter(|number| number.is_integer());
    let number = number.ok_or(Problem::new(value, "it is an integer, not below zero"))?;
    match number.to_u64() {
        Some(count) => Ok(count),
        None if number.is_positive() => Ok(u64::MAX),
        None => Err(Problem::new(value, "it is an integer, not below zero")),
    }
}

fn strings(value: Value<'_>) -> Result<Vec<Box<str>>, Problem> {
    let invalid = Problem::new(value, "it is an array of strings");
    if value.kind() != ValueKind::Array {
        return Err(invalid);
    }
    value.children().map(|child| child.as_str().map(Into::into).ok_or(invalid)).collect()
}
