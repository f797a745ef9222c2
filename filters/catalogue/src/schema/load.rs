//! How much work a schema can cause: the most evaluations at one place of an instance, by the depth of the place.
//!
//! Two schemas for one member are two evaluations of it, and as many of each of its own members as they have for those:
//! so the numbers of a depth come of those of the depth above. They say too much where alternatives end early, and never
//! too little.

use serde_json::Value;

use super::Problem;
use super::survey::{Node, Survey, Way};

/// Bound of the depth of schemas and arguments, that of our reader of JSON.
const MAX_DEPTH: usize = 64;
/// Bound of the evaluations at one place, before those below it.
const MAX_AT_ONCE: u64 = 64 << 10;
/// Bound of the ways from each schema to the schemas for the places right below, together.
const MAX_WAYS: usize = 64 << 10;
/// Bound of schemas within schemas at run time, for which the stack must do.
const MAX_NESTING: u64 = 512;
/// So many bytes of a text are as much work as an evaluation.
const BYTES_AT_ONCE: u64 = 16;

/// Work at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Work {
    /// Times the values there.
    values: u64,
    /// Times the bytes there.
    bytes: u64,
    /// Times the values there and below.
    below: u64,
}

impl Work {
    const fn and(self, other: Self) -> Self {
        Self {
            values: self.values.saturating_add(other.values),
            bytes: self.bytes.saturating_add(other.bytes),
            below: self.below.saturating_add(other.below),
        }
    }

    const fn times(self, n: u64) -> Self {
        Self {
            values: self.values.saturating_mul(n),
            bytes: self.bytes.saturating_mul(n),
            below: self.below.saturating_mul(n),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            values: self.values.max(other.values),
            bytes: self.bytes.max(other.bytes),
            below: self.below.max(other.below),
        }
    }
}

/// What a schema causes.
#[derive(Debug)]
pub(super) struct Load {
    /// The most at one place, by its depth.
    by_depth: Vec<Work>,
    /// The longest chain of schemas for one place.
    height: u64,
}

/// A schema with all that it evaluates at its own place.
#[derive(Debug, Default)]
struct Whole<'a> {
    work: Work,
    height: u64,
    /// The schemas for the places right below, by their ways, and how many times each.
    ways: Vec<(Way<'a>, usize, u64)>,
}

impl Load {
    /// Of a schema.
    ///
    /// # Errors
    /// It causes too much at one place, or without end.
    pub(super) fn of(survey: &Survey<'_>) -> Result<Self, Problem> {
        let wholes = wholes(survey)?;
        let mut at: Vec<Work> = wholes.iter().map(|whole| whole.work).collect();
        let mut by_depth = Vec::new();
        for _ in 0..=MAX_DEPTH {
            let root = at.first().copied().unwrap_or_default();
            if root == Work::default() {
                break;
            }
            by_depth.push(root);
            at = wholes.iter().map(|whole| below(&whole.ways, &at)).collect();
        }
        Ok(Self { by_depth, height: wholes.iter().map(|whole| whole.height).max().unwrap_or_default() })
    }

    /// A bound of the work that an instance takes. `None`: it would take too much of the stack.
    pub(super) fn work(&self, size: &Size) -> Option<u64> {
        if self.height.saturating_mul(size.depth()) > MAX_NESTING {
            return None;
        }
        let mut sum = 0_u64;
        for (depth, work) in self.by_depth.iter().enumerate() {
            let Some((values, bytes)) = size.levels.get(depth).copied() else { break };
            let under = size.levels.iter().skip(depth).map(|(values, _)| *values).fold(0, u64::saturating_add);
            let here = [
                work.values.saturating_mul(values),
                work.bytes.saturating_mul(bytes),
                work.below.saturating_mul(under),
            ];
            sum = here.into_iter().fold(sum, u64::saturating_add);
        }
        Some(sum)
    }
}

/// Every schema with those for the same place, in order of the survey.
fn wholes<'a>(survey: &Survey<'a>) -> Result<Vec<Whole<'a>>, Problem> {
    let mut wholes: Vec<Whole<'a>> = survey.nodes.iter().map(|_| Whole::default()).collect();
    let mut all_ways = 0_usize;
    for index in innermost_first(survey)? {
        let Some(node) = survey.nodes.get(index) else { continue };
        let mut whole = Whole {
            work: Work { values: node.values, bytes: node.patterns, below: u64::from(node.unique) },
            height: 1,
            ways: Vec::new(),
        };
        for (way, target) in &node.leads {
            match (way, wholes.get(*target)) {
                (Way::Same, Some(inner)) => {
                    whole.work = whole.work.and(inner.work);
                    whole.height = whole.height.max(inner.height.saturating_add(1));
                    whole.ways.extend_from_slice(&inner.ways);
                }
                _ => whole.ways.push((*way, *target, 1)),
            }
            if whole.ways.len() > MAX_WAYS {
                return Err(too_much(node));
            }
        }
        if node.unevaluated {
            // What the schemas for this place have evaluated is found by asking each of them, and those in it, again.
            let times = whole.height.saturating_add(1);
            whole.work = whole.work.times(times);
            whole.ways.iter_mut().for_each(|(_, _, n)| *n = n.saturating_mul(times));
        }
        whole.ways.sort_unstable();
        whole.ways.dedup_by(|(way, target, n), (kept_way, kept, sum)| {
            let same = way == kept_way && target == kept;
            if same {
                *sum = sum.saturating_add(*n);
            }
            same
        });
        all_ways = all_ways.saturating_add(whole.ways.len());
        if whole.work.values > MAX_AT_ONCE || all_ways > MAX_WAYS {
            return Err(too_much(node));
        }
        if let Some(place) = wholes.get_mut(index) {
            *place = whole;
        }
    }
    Ok(wholes)
}

fn too_much(node: &Node<'_>) -> Problem {
    Problem { pointer: node.pointer.clone(), what: "it asks for too many evaluations of one value" }
}

/// An order in which a schema comes after all others for the same place.
fn innermost_first(survey: &Survey<'_>) -> Result<Vec<usize>, Problem> {
    let same = |node: usize| {
        let leads = survey.nodes.get(node).map_or(&[][..], |node| &node.leads);
        leads.iter().filter(|(way, _)| *way == Way::Same).map(|(_, target)| *target)
    };
    let mut outer = vec![0_usize; survey.nodes.len()];
    for target in (0..survey.nodes.len()).flat_map(same) {
        if let Some(count) = outer.get_mut(target) {
            *count = count.saturating_add(1);
        }
    }
    let mut order: Vec<usize> = Vec::with_capacity(outer.len());
    order.extend(outer.iter().enumerate().filter(|(_, count)| **count == 0).map(|(node, _)| node));
    let mut done = 0;
    while let Some(&node) = order.get(done) {
        for target in same(node) {
            let Some(count) = outer.get_mut(target) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                order.push(target);
            }
        }
        done = done.saturating_add(1);
    }
    if let Some(node) = outer.iter().position(|count| *count > 0) {
        let pointer = survey.nodes.get(node).map(|node| node.pointer.clone()).unwrap_or_default();
        return Err(Problem { pointer, what: "it refers to itself for one and the same value" });
    }
    order.reverse();
    Ok(order)
}

/// The most work at one place below a place, if a schema with these ways is evaluated at it.
fn below(ways: &[(Way<'_>, usize, u64)], at: &[Work]) -> Work {
    let work = |(_, target, times): &(Way<'_>, usize, u64)| at.get(*target).copied().unwrap_or_default().times(*times);
    let of = |wanted: Way<'_>| {
        let ways = ways.iter().filter(move |(way, ..)| *way == wanted);
        ways.map(work).fold(Work::default(), Work::and)
    };
    let (members, items) = (of(Way::AnyMember), of(Way::AnyItem));
    let mut most = of(Way::Name).or(members).or(items);
    for one in ways.chunk_by(|(one, ..), (other, ..)| one == other) {
        let others = match one.first() {
            Some((Way::Member(_), ..)) => members,
            Some((Way::Item(_), ..)) => items,
            _ => continue,
        };
        most = most.or(one.iter().map(work).fold(others, Work::and));
    }
    most
}

/// The size of an instance: by depth, how many values and bytes there are. Names count as values below their object.
#[derive(Debug)]
pub(super) struct Size {
    levels: Vec<(u64, u64)>,
}

impl Size {
    /// Of an instance; `None` if it is nested too deeply.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let mut size = Self { levels: Vec::new() };
        size.add(value, 0).then_some(size)
    }

    /// How many levels there are.
    pub(super) fn depth(&self) -> u64 {
        u64::try_from(self.levels.len()).unwrap_or(u64::MAX)
    }

    fn add(&mut self, value: &Value, depth: usize) -> bool {
        let inner = depth.saturating_add(1);
        match value {
            Value::Array(items) => {
                self.count(depth, 0);
                inner <= MAX_DEPTH && items.iter().all(|item| self.add(item, inner))
            }
            Value::Object(members) => {
                self.count(depth, 0);
                inner <= MAX_DEPTH
                    && members.iter().all(|(name, member)| {
                        // As names to the patterns of the object, and as values of their own.
                        self.count(depth, name.len());
                        self.count(inner, name.len());
                        self.add(member, inner)
                    })
            }
            Value::String(text) => {
                self.count(depth, text.len());
                true
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.count(depth, 0);
                true
            }
        }
    }

    fn count(&mut self, depth: usize, len: usize) {
        if self.levels.len() <= depth {
            self.levels.resize(depth.saturating_add(1), (0, 0));
        }
        if let Some((values, bytes)) = self.levels.get_mut(depth) {
            let len = u64::try_from(len).unwrap_or(u64::MAX);
            *values = values.saturating_add(1).saturating_add(len.div_euclid(BYTES_AT_ONCE));
            *bytes = bytes.saturating_add(1).saturating_add(len);
        }
    }
}
