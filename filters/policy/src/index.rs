//! Which rules can match a subject by what it is about, found without looking at all of them.
//!
//! A rule that names things is found by their names: a name to the letter, or the letters before the first `*` of a
//! pattern. The work for one subject grows with the length of its name and with the rules that may really match it.

use std::collections::{BTreeSet, HashMap};

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
    literals: HashMap<Box<[u8]>, Vec<u32>>,
    prefixes: HashMap<Box<[u8]>, Vec<u32>>,
    /// The lengths of the prefixes.
    lengths: BTreeSet<usize>,
}

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

    /// The rules that may match, in order.
    pub(crate) fn candidates(&self, subject: &Subject<'_>) -> Vec<u32> {
        let (names, name) = match &subject.target {
            Target::Tool(name) => (&self.tools, name),
            Target::Prompt(name) => (&self.prompts, name),
            Target::Resource(_) if subject.is_template => return merged(self.unnamed.clone(), &self.all_resources),
            Target::Resource(uri) => (&self.resources, uri),
            Target::Resources(_) | Target::None => return self.unnamed.clone(),
        };
        let mut found = Vec::new();
        names.find(name.as_bytes(), &mut found);
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
        for glob in globs.iter().flatten() {
            let rules = match glob.literal() {
                Some(name) => self.literals.entry(name.into()).or_default(),
                None => {
                    self.lengths.insert(glob.prefix().len());
                    self.prefixes.entry(glob.prefix().into()).or_default()
                }
            };
            // One rule may have several patterns that begin alike.
            if rules.last() != Some(&rule) {
                rules.push(rule);
            }
        }
    }

    fn find(&self, name: &[u8], found: &mut Vec<u32>) {
        found.extend(self.literals.get(name).into_iter().flatten());
        for prefix in self.lengths.iter().map_while(|length| name.get(..*length)) {
            found.extend(self.prefixes.get(prefix).into_iter().flatten());
        }
    }
}
