//! Holding a value against rules, within a budget of steps and of depth.

use std::collections::BTreeMap;

use meshward_wire::json::ValueKind;

use super::check::{Check, Rule, RuleId};
use super::document::Value;
use super::marks::Marks;
use super::pattern::Pattern;
use super::steps::{Steps, TooComplex};

/// Bound of rules within rules, for which the stack must do: three of a recursive schema for each level of 64.
const MAX_DEPTH: usize = 192;
/// Up to so many items are compared each with each.
const FEW_ITEMS: usize = 8;

/// What came of a check.
enum Verdict {
    Fits,
    /// It does not, and this keyword says so.
    Fails(&'static str),
    /// It does not, and what says so is noted.
    Noted,
}

impl Verdict {
    const fn of(fits: bool, keyword: &'static str) -> Self {
        if fits { Self::Fits } else { Self::Fails(keyword) }
    }

    const fn of_rule(fits: bool) -> Self {
        if fits { Self::Fits } else { Self::Noted }
    }
}

/// One evaluation.
pub(super) struct Run<'s> {
    rules: &'s [Rule],
    steps: Steps,
    depth: usize,
    /// The schema, by its place, and the keyword that failed last.
    failure: (usize, &'static str),
}

type Fits = Result<bool, TooComplex>;

impl<'s> Run<'s> {
    pub(super) const fn new(rules: &'s [Rule], steps: usize) -> Self {
        Self { rules, steps: Steps::new(steps), depth: 0, failure: (0, "") }
    }

    /// Whether a value fits the schema.
    pub(super) fn root(&mut self, value: Value<'_>) -> Fits {
        self.rule(0, value, None)
    }

    /// The keyword for which it did not.
    pub(super) const fn failure(&self) -> (usize, &'static str) {
        self.failure
    }

    fn rule(&mut self, id: RuleId, value: Value<'_>, marks: Option<&mut Marks>) -> Fits {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        let Some(rule) = self.rules.get(index) else { return Err(TooComplex) };
        self.steps.spend(2)?;
        if rule.never {
            self.failure = (rule.at, "");
            return Ok(false);
        }
        if rule.checks.is_empty() {
            return Ok(true);
        }
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(TooComplex);
        }
        let fits = if rule.marks {
            // What it asks is what was evaluated in it, not beside it.
            let mut own = Marks::default();
            let fits = self.checks(rule, value, Some(&mut own))?;
            if let Some(marks) = marks
                && fits
            {
                marks.add(&own, &mut self.steps)?;
            }
            fits
        } else {
            self.checks(rule, value, marks)?
        };
        self.depth = self.depth.saturating_sub(1);
        Ok(fits)
    }

    fn checks(&mut self, rule: &'s Rule, value: Value<'_>, mut marks: Option<&mut Marks>) -> Fits {
        for check in &rule.checks {
            match self.check(check, value, marks.as_deref_mut())? {
                Verdict::Fits => {}
                Verdict::Noted => return Ok(false),
                Verdict::Fails(keyword) => {
                    self.failure = (rule.at, keyword);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn check(&mut self, check: &'s Check, value: Value<'_>, marks: Option<&mut Marks>) -> Result<Verdict, TooComplex> {
        self.steps.spend(1)?;
        let kind = value.kind();
        Ok(match check {
            Check::Type(types) => Verdict::of(types.hold(value), "type"),
            Check::Enum(constants) => {
                let mut any = false;
                for constant in constants {
                    any = any || constant.equals(value, &mut self.steps)?;
                }
                Verdict::of(any, "enum")
            }
            Check::Const(constant) => Verdict::of(constant.equals(value, &mut self.steps)?, "const"),
            Check::Bound(bound, limit) if kind == ValueKind::Number => {
                self.steps.spend_bytes(value.raw().len())?;
                let holds =
                    value.as_number().zip(limit.get()).is_some_and(|(number, limit)| bound.holds(number, limit));
                Verdict::of(holds, bound.keyword())
            }
            Check::MultipleOf(divisor) if kind == ValueKind::Number => {
                self.steps.spend(value.raw().len())?;
                let multiple = value.as_number().zip(divisor.get()).and_then(|(number, of)| number.is_multiple_of(&of));
                Verdict::of(multiple == Some(true), "multipleOf")
            }
            Check::Size(size, limit) if kind == size.kind() => {
                let length = match value.as_str() {
                    Some(text) => {
                        self.steps.spend_bytes(text.len())?;
                        text.chars().count()
                    }
                    None => value.len(),
                };
                Verdict::of(size.holds(u64::try_from(length).unwrap_or(u64::MAX), *limit), size.keyword())
            }
            Check::Pattern(pattern) => match value.as_str() {
                Some(text) => Verdict::of(pattern.is_match(&text, &mut self.steps)?, "pattern"),
                None => Verdict::Fits,
            },
            Check::Unique if kind == ValueKind::Array => Verdict::of(self.unique(value)?, "uniqueItems"),
            Check::Required(names) if kind == ValueKind::Object => Verdict::of(self.has_all(value, names)?, "required"),
            Check::DependentRequired(keyword, lists) if kind == ValueKind::Object => {
                let mut fits = true;
                for (name, names) in lists {
                    fits = fits && (!self.has(value, name)? || self.has_all(value, names)?);
                }
                Verdict::of(fits, keyword)
            }
            Check::Members { named, matching, others } if kind == ValueKind::Object => {
                Verdict::of_rule(self.members(value, named, matching, *others, marks)?)
            }
            Check::Names(rule) if kind == ValueKind::Object => {
                let mut fits = true;
                for child in value.children() {
                    fits = fits && self.rule(*rule, child.key_as_value(), None)?;
                }
                Verdict::of_rule(fits)
            }
            Check::Items { first, rest } if kind == ValueKind::Array => {
                Verdict::of_rule(self.items(value, first, *rest, marks)?)
            }
            Check::Contains { rule, least, most, marks: sets } if kind == ValueKind::Array => {
                let marks = marks.filter(|_| *sets);
                self.contains(value, *rule, (*least, *most), marks)?
            }
            Check::All(rules) => Verdict::of_rule(self.all(rules, value, marks)?),
            Check::Any(rules) => Verdict::of(self.any(rules, value, marks)?, "anyOf"),
            Check::One(rules) => Verdict::of(self.one(rules, value, marks)?, "oneOf"),
            Check::Not(rule) => Verdict::of(!self.rule(*rule, value, None)?, "not"),
            Check::If { condition, then, otherwise } => {
                Verdict::of_rule(self.conditional(value, *condition, (*then, *otherwise), marks)?)
            }
            Check::Dependent(rules) if kind == ValueKind::Object => {
                Verdict::of_rule(self.dependent(rules, value, marks)?)
            }
            Check::Same(rule) => Verdict::of_rule(self.rule(*rule, value, marks)?),
            Check::OtherMembers(rule) if kind == ValueKind::Object => {
                Verdict::of_rule(self.others(value, *rule, marks)?)
            }
            Check::OtherItems(rule) if kind == ValueKind::Array => Verdict::of_rule(self.others(value, *rule, marks)?),
            // They speak of other types.
            Check::Bound(..)
            | Check::MultipleOf(_)
            | Check::Size(..)
            | Check::Unique
            | Check::Required(_)
            | Check::DependentRequired(..)
            | Check::Members { .. }
            | Check::Names(_)
            | Check::Items { .. }
            | Check::Contains { .. }
            | Check::Dependent(_)
            | Check::OtherMembers(_)
            | Check::OtherItems(_) => Verdict::Fits,
        })
    }

    fn has(&mut self, value: Value<'_>, name: &str) -> Fits {
        self.steps.spend(value.len())?;
        Ok(value.get(name).is_some())
    }

    fn has_all(&mut self, value: Value<'_>, names: &[Box<str>]) -> Fits {
        for name in names {
            if !self.has(value, name)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn members(
        &mut self,
        value: Value<'_>,
        named: &BTreeMap<Box<str>, RuleId>,
        matching: &[(Pattern, RuleId)],
        others: Option<RuleId>,
        mut marks: Option<&mut Marks>,
    ) -> Fits {
        for (place, child) in value.children().enumerate() {
            self.steps.spend(2)?;
            let key = child.key();
            let mut evaluated = false;
            if let Some(rule) = named.get(&*key) {
                evaluated = true;
                if !self.rule(*rule, child, None)? {
                    return Ok(false);
                }
            }
            for (pattern, rule) in matching {
                if pattern.is_match(&key, &mut self.steps)? {
                    evaluated = true;
                    if !self.rule(*rule, child, None)? {
                        return Ok(false);
                    }
                }
            }
            if let Some(rule) = others.filter(|_| !evaluated) {
                evaluated = true;
                if !self.rule(rule, child, None)? {
                    return Ok(false);
                }
            }
            if let Some(marks) = marks.as_deref_mut().filter(|_| evaluated) {
                marks.set(place);
            }
        }
        Ok(true)
    }

    fn items(
        &mut self,
        value: Value<'_>,
        first: &[RuleId],
        rest: Option<RuleId>,
        mut marks: Option<&mut Marks>,
    ) -> Fits {
        for (place, child) in value.children().enumerate() {
            self.steps.spend(1)?;
            let Some(rule) = first.get(place).copied().or(rest) else { break };
            if !self.rule(rule, child, None)? {
                return Ok(false);
            }
            if let Some(marks) = marks.as_deref_mut() {
                marks.set(place);
            }
        }
        Ok(true)
    }

    fn contains(
        &mut self,
        value: Value<'_>,
        rule: RuleId,
        (least, most): (u64, Option<u64>),
        mut marks: Option<&mut Marks>,
    ) -> Result<Verdict, TooComplex> {
        let mut count = 0_u64;
        for (place, child) in value.children().enumerate() {
            self.steps.spend(1)?;
            if self.rule(rule, child, None)? {
                count = count.saturating_add(1);
                if let Some(marks) = marks.as_deref_mut() {
                    marks.set(place);
                }
            }
        }
        Ok(if most.is_some_and(|most| count > most) {
            Verdict::Fails("maxContains")
        } else {
            Verdict::of(count >= least, "contains")
        })
    }

    /// Whether no two items are equal. Many are sorted by their digests, so that only equal ones meet.
    fn unique(&mut self, value: Value<'_>) -> Fits {
        let items: Vec<_> = value.children().collect();
        if items.len() <= FEW_ITEMS {
            let mut rest = items.as_slice();
            while let Some((one, others)) = rest.split_first() {
                for other in others {
                    if one.equals(*other, &mut self.steps)? {
                        return Ok(false);
                    }
                }
                rest = others;
            }
            return Ok(true);
        }
        let mut digests = Vec::with_capacity(items.len());
        for item in items {
            self.steps.spend(4)?;
            digests.push((item.digest(&mut self.steps)?, item));
        }
        digests.sort_unstable_by_key(|(digest, _)| *digest);
        let mut rest = digests.as_slice();
        while let Some(((digest, one), others)) = rest.split_first() {
            for (_, other) in others.iter().take_while(|(other, _)| other == digest) {
                if one.equals(*other, &mut self.steps)? {
                    return Ok(false);
                }
            }
            rest = others;
        }
        Ok(true)
    }

    fn all(&mut self, rules: &[RuleId], value: Value<'_>, mut marks: Option<&mut Marks>) -> Fits {
        for rule in rules {
            if !self.rule(*rule, value, marks.as_deref_mut())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A rule whose marks count only if it fits.
    fn perhaps(&mut self, rule: RuleId, value: Value<'_>, marks: Option<&mut Marks>) -> Fits {
        let Some(marks) = marks else { return self.rule(rule, value, None) };
        let mut own = Marks::default();
        let fits = self.rule(rule, value, Some(&mut own))?;
        if fits {
            marks.add(&own, &mut self.steps)?;
        }
        Ok(fits)
    }

    fn any(&mut self, rules: &[RuleId], value: Value<'_>, mut marks: Option<&mut Marks>) -> Fits {
        let mut any = false;
        for rule in rules {
            // Every one that fits says what it has evaluated.
            if !any || marks.is_some() {
                any |= self.perhaps(*rule, value, marks.as_deref_mut())?;
            }
        }
        Ok(any)
    }

    fn one(&mut self, rules: &[RuleId], value: Value<'_>, mut marks: Option<&mut Marks>) -> Fits {
        let mut count = 0_usize;
        for rule in rules {
            if self.perhaps(*rule, value, marks.as_deref_mut())? {
                count = count.saturating_add(1);
            }
            if count > 1 {
                break;
            }
        }
        Ok(count == 1)
    }

    fn conditional(
        &mut self,
        value: Value<'_>,
        condition: RuleId,
        (then, otherwise): (Option<RuleId>, Option<RuleId>),
        mut marks: Option<&mut Marks>,
    ) -> Fits {
        let next = if self.perhaps(condition, value, marks.as_deref_mut())? { then } else { otherwise };
        next.map_or(Ok(true), |rule| self.rule(rule, value, marks))
    }

    fn dependent(&mut self, rules: &[(Box<str>, RuleId)], value: Value<'_>, mut marks: Option<&mut Marks>) -> Fits {
        for (name, rule) in rules {
            if self.has(value, name)? && !self.rule(*rule, value, marks.as_deref_mut())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is not marked.
    fn others(&mut self, value: Value<'_>, rule: RuleId, marks: Option<&mut Marks>) -> Fits {
        let Some(marks) = marks else { return Err(TooComplex) };
        for (place, child) in value.children().enumerate() {
            self.steps.spend(1)?;
            if !marks.has(place) {
                if !self.rule(rule, child, None)? {
                    return Ok(false);
                }
                marks.set(place);
            }
        }
        Ok(true)
    }
}
