//! Which rules can match a subject by what it is about, found without looking at all of them.
//!
//! A rule that names things is found by their names: a name to the letter, the letters before the first `*` of a pattern,
//! or, if there are none, those behind the last. The work for one subject grows with the length of its name and with the
//! patterns that begin or end as it does, not with the rules or the names that a rule has.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use meshward_engine::{Glob, Target};

use crate::rule::{Rule, Targets};
use crate::subject::Subject;

/// The rules of a policy by what they name. Rules are known by their place in the policy's order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    tools: Names,
    prompts: Names,
    resources: Names,
    /// Rules that name nothing.
    unnamed: Vec<u32>,
    /// All rules that name resources: for a template, which stands for many names.
    all_resources: Vec<u32>,
}

/// The rules that name one kind of thing.
#[derive(Debug, Default)]
struct Names {
    literals: ByName<Vec<u32>>,
    beginnings: Patterns,
    /// Patterns that begin with `*` and do not end with it.
    ends: Patterns,
}

/// What is configured is what is hashed, so nobody can choose names that meet.
type ByName<T> = HashMap<Box<[u8]>, T, FixedState>;

/// Patterns by the letters at one of their sides.
#[derive(Debug, Default)]
struct Patterns {
    by_side: ByName<Vec<Pattern>>,
    /// The lengths of the sides.
    lengths: BTreeSet<usize>,
}

/// Where a pattern stands: the rule's place, and its own in the rule.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    rule: u32,
    place: u32,
}

/// The patterns of a rule for one kind of thing.
type Kind = fn(&Targets) -> &Option<Vec<Glob>>;

impl Index {
    /// Indexes rules in their order.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (place, rule) in (0_u32..).zip(rules) {
            let Targets { tools, prompts, resources } = &rule.targets;
            if tools.is_none() && prompts.is_none() && resources.is_none() {
                index.unnamed.push(place);
            }
            if resources.is_some() {
                index.all_resources.push(place);
            }
            index.tools.add(place, tools);
            index.prompts.add(place, prompts);
            index.resources.add(place, resources);
        }
        index
    }

    /// The rules whose names fit, in order. For a template, which stands for many names: those that may.
    pub(crate) fn candidates(&self, rules: &[Rule], subject: &Subject<'_>) -> Vec<u32> {
        let (names, kind, name): (_, Kind, _) = match &subject.target {
            Target::Tool(name) => (&self.tools, |targets| &targets.tools, name),
            Target::Prompt(name) => (&self.prompts, |targets| &targets.prompts, name),
            Target::Resource(_) if subject.is_template => return merged(self.unnamed.clone(), &self.all_resources),
            Target::Resource(uri) => (&self.resources, |targets| &targets.resources, uri),
            Target::Resources(_) | Target::None => return self.unnamed.clone(),
        };
        let fits = |pattern: &Pattern| {
            let globs = rules.get(pattern.rule as usize).and_then(|rule| kind(&rule.targets).as_ref());
            globs.and_then(|globs| globs.get(pattern.place as usize)).is_some_and(|glob| glob.matches(name))
        };
        let mut found = Vec::new();
        names.find(name.as_bytes(), &fits, &mut found);
        merged(found, &self.unnamed)
    }
}

fn merged(mut some: Vec<u32>, more: &[u32]) -> Vec<u32> {
    some.extend_from_slice(more);
    some.sort_unstable();
    some.dedup();
    some
}

impl Names {
    fn add(&mut self, rule: u32, globs: &Option<Vec<Glob>>) {
        for (place, glob) in (0_u32..).zip(globs.iter().flatten()) {
            let pattern = Pattern { rule, place };
            match glob.literal() {
                Some(name) => self.literals.entry(name.into()).or_default().push(rule),
                None if glob.prefix().is_empty() && !glob.suffix().is_empty() => self.ends.add(glob.suffix(), pattern),
                None => self.beginnings.add(glob.prefix(), pattern),
            }
        }
    }

    fn find(&self, name: &[u8], fits: &dyn Fn(&Pattern) -> bool, found: &mut Vec<u32>) {
        found.extend(self.literals.get(name).into_iter().flatten());
        let beginnings = self.beginnings.of(|length| name.get(..length));
        let ends = self.ends.of(|length| name.get(name.len().checked_sub(length)?..));
        found.extend(beginnings.chain(ends).filter(|pattern| fits(pattern)).map(|pattern| pattern.rule));
    }
}

impl Patterns {
    fn add(&mut self, side: &[u8], pattern: Pattern) {
        self.lengths.insert(side.len());
        self.by_side.entry(side.into()).or_default().push(pattern);
    }

    /// Those whose letters are the name's, of which `side` gives so many.
    fn of<'s, 'n>(&'s self, side: impl Fn(usize) -> Option<&'n [u8]>) -> impl Iterator<Item = &'s Pattern> {
        let sides = self.lengths.iter().map_while(move |length| side(*length));
        sides.filter_map(|side| self.by_side.get(side)).flatten()
    }
}
