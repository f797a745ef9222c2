//! Two rules beside each other: whether one matches all that the other does, and whether some message matches both.
//!
//! Both answers err to the safe side: a rule is said to cover another only if it surely does, and two are said to be apart
//! only if they surely are.

use meshward_engine::Glob;
use meshward_wire::revision::Revision;

use super::topic::{Named, Spelling, Topic, names_any, patterns};
use crate::config::RuleConfig;

/// Any name.
const ANY: &str = "*";

/// Whether every message that `inner` matches is matched by `outer`. `topics`: those that `inner` may match.
pub(super) fn covers(outer: &RuleConfig, inner: &RuleConfig, topics: &[Topic]) -> bool {
    outer.direction == inner.direction
        && (outer.when.is_none() || outer.when == inner.when)
        && (outer.uri.is_none() || outer.uri == inner.uri)
        && holds_all(outer.principals.as_deref(), inner.principals.as_deref(), |some, one| some.contains(one))
        && holds_all(outer.revisions.as_deref(), inner.revisions.as_deref(), |some, one| some.contains(one))
        && holds_all(outer.clients.as_deref(), inner.clients.as_deref(), |some, one| has_pattern_over(some, one))
        && topics.iter().all(|topic| covers_topic(outer, inner, topic))
}

/// Whether a list that may be left out, and then means everything, has all of another.
fn holds_all<T>(outer: Option<&[T]>, inner: Option<&[T]>, holds: impl Fn(&[T], &T) -> bool) -> bool {
    match (outer, inner) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => inner.iter().all(|one| holds(outer, one)),
    }
}

fn covers_topic(outer: &RuleConfig, inner: &RuleConfig, topic: &Topic) -> bool {
    let by_method = match (&outer.methods, topic.method) {
        (None, _) => !topic.upkeep,
        (Some(methods), Spelling::Known(_)) => methods.iter().any(|pattern| topic.has_method(pattern)),
        (Some(methods), Spelling::Other | Spelling::OtherNotification) => match &inner.methods {
            None => has_pattern_over(methods, ANY),
            Some(inner) => inner
                .iter()
                .filter(|pattern| topic.has_method(pattern))
                .all(|pattern| has_pattern_over(methods, pattern)),
        },
    };
    by_method && (!names_any(outer) || covers_names(outer, inner, topic.named))
}

fn covers_names(outer: &RuleConfig, inner: &RuleConfig, named: Named) -> bool {
    let Some(outer) = patterns(outer, named) else { return false };
    match patterns(inner, named) {
        Some(inner) => inner.iter().all(|pattern| has_pattern_over(outer, pattern)),
        None => has_pattern_over(outer, ANY),
    }
}

/// Whether one of some patterns matches everything that a pattern does.
fn has_pattern_over(some: &[String], pattern: &str) -> bool {
    some.iter().any(|outer| {
        // What matches a character that it does not have itself does so by a `*`, and then matches anything there.
        outer == pattern || !outer.contains('\0') && Glob::new(outer).matches(&pattern.replace('*', "\0"))
    })
}

/// Whether some message may be matched by both of two rules, of which the first matches these topics.
pub(super) fn may_meet(rule: &RuleConfig, topics: &[Topic], other: &RuleConfig) -> bool {
    rule.direction == other.direction
        && match (&rule.revisions, &other.revisions) {
            (Some(some), Some(others)) => {
                some.iter().filter_map(|name| Revision::parse(name)).any(|is| others.iter().any(|o| o == is.as_str()))
            }
            _ => true,
        }
        && topics.iter().any(|topic| topic.fits(other) && names_meet(rule, other, topic.named))
}

fn names_meet(rule: &RuleConfig, other: &RuleConfig, named: Named) -> bool {
    match (patterns(rule, named), patterns(other, named)) {
        (Some(some), Some(others)) => {
            let others: Vec<Glob> = others.iter().map(|pattern| Glob::new(pattern)).collect();
            some.iter().map(|pattern| Glob::new(pattern)).any(|glob| others.iter().any(|other| glob.intersects(other)))
        }
        _ => true,
    }
}
