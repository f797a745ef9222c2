//! All patterns, searched for at once.
//!
//! One automaton runs over a text and ends at the first match of any pattern, which most texts have none of. Only where it
//! finds one, each pattern that matches somewhere is searched for by itself: so no match hides behind another that lies
//! across it. States are made as they are needed, in memory with a bound, so the time is linear in the text for any pattern.

use std::cell::RefCell;
use std::ops::Range;

use regex_automata::hybrid::dfa::{self, DFA};
use regex_automata::hybrid::regex::{self, Regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternID, PatternSet};

/// The largest compiled pattern, and all patterns together, in bytes.
const MAX_PATTERN_BYTES: usize = 256 << 10;
const MAX_TOTAL_BYTES: usize = 4 << 20;
/// Memory for the states of the automaton of all patterns, and of one pattern in each direction.
const STATES_OF_ALL: usize = 2 << 20;
const STATES_OF_ONE: usize = 128 << 10;

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'p> {
    pub(crate) pattern: &'p str,
    /// How many bytes of a match are what is looked for, if any. Its matches are short.
    pub(crate) check: Option<fn(&str) -> Option<usize>>,
}

/// Patterns, compiled.
pub(crate) struct Searcher {
    all: DFA,
    single: Vec<Single>,
    /// No match is shorter.
    shortest: usize,
    states: RefCell<States>,
}

struct Single {
    regex: Regex,
    check: Option<fn(&str) -> Option<usize>>,
}

/// What the automata have come to so far. That of a single pattern is made when it first matches.
struct States {
    all: dfa::Cache,
    single: Vec<Option<regex::Cache>>,
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Searcher").field("patterns", &self.single.len()).finish_non_exhaustive()
    }
}

/// A match: where in the text, and of which pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) at: Range<usize>,
    pub(crate) pattern: usize,
}

/// Classes are of ASCII letters: those of Unicode have tables, and larger automata.
fn letters() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).nest_limit(64)
}

fn compiler(bytes: usize) -> thompson::Config {
    thompson::Config::new().utf8(false).nfa_size_limit(Some(bytes))
}

/// What is wrong with a pattern by itself.
pub(crate) fn fault(pattern: &str) -> Option<String> {
    let parsed = match syntax::parse_with(pattern, &letters()) {
        Ok(parsed) => parsed,
        // Its last line says what, those before it where.
        Err(error) => return Some(error.to_string().lines().last().unwrap_or_default().to_owned()),
    };
    match parsed.properties().minimum_len() {
        None => Some("it matches no text".to_owned()),
        Some(0) => Some("it matches the empty text".to_owned()),
        Some(_) => Single::new(Sought { pattern, check: None }).err(),
    }
}

impl Single {
    fn new(sought: Sought<'_>) -> Result<Self, String> {
        let states = DFA::config().cache_capacity(STATES_OF_ONE).skip_cache_capacity_check(true);
        let regex = Regex::builder()
            .syntax(letters())
            .thompson(compiler(MAX_PATTERN_BYTES))
            .dfa(states)
            .build(sought.pattern)
            .map_err(|error| innermost(&error))?;
        Ok(Self { regex, check: sought.check })
    }

    /// Every match, from left to right, none across another.
    fn search(&self, text: &str, states: &mut regex::Cache, mut add: impl FnMut(Range<usize>) -> bool) {
        let mut from = 0;
        while from < text.len() {
            let found = match self.regex.try_search(states, &Input::new(text).span(from..text.len())) {
                Ok(Some(found)) => found.range(),
                Ok(None) => return,
                // None of our automata gives up; if one did, nothing is known of what is left.
                Err(_) => from..text.len(),
            };
            let checked = match (self.check, text.get(found.clone())) {
                (Some(check), Some(matched)) => match check(matched) {
                    Some(length) => found.start..found.start.saturating_add(length),
                    // A shorter one may begin within it.
                    None => {
                        from = found.start.saturating_add(1);
                        continue;
                    }
                },
                (None, _) | (_, None) => found,
            };
            from = checked.end.max(checked.start.saturating_add(1));
            if !add(whole_characters(text, checked)) {
                return;
            }
        }
    }
}

/// What is at the bottom of an error.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// Patterns match bytes, and may begin and end inside of a character.
fn whole_characters(text: &str, at: Range<usize>) -> Range<usize> {
    text.floor_char_boundary(at.start)..text.ceil_char_boundary(at.end)
}

impl Searcher {
    /// Compiles patterns that are right by themselves ([`fault`]).
    ///
    /// # Errors
    /// Together they are too large.
    pub(crate) fn new(sought: &[Sought<'_>]) -> Result<Self, String> {
        let patterns: Vec<_> = sought.iter().map(|sought| sought.pattern).collect();
        let config =
            DFA::config().match_kind(MatchKind::All).cache_capacity(STATES_OF_ALL).skip_cache_capacity_check(true);
        let all = DFA::builder()
            .syntax(letters())
            .thompson(compiler(MAX_TOTAL_BYTES))
            .configure(config)
            .build_many(&patterns)
            .map_err(|error| innermost(&error))?;
        let single = sought.iter().map(|sought| Single::new(*sought)).collect::<Result<Vec<_>, _>>()?;
        let lengths = patterns.iter().filter_map(|pattern| {
            let parsed = syntax::parse_with(pattern, &letters()).ok()?;
            parsed.properties().minimum_len()
        });
        let shortest = lengths.min().unwrap_or_default();
        let states = States { all: all.create_cache(), single: single.iter().map(|_| None).collect() };
        Ok(Self { all, single, shortest, states: RefCell::new(states) })
    }

    /// Every match of every pattern, by pattern; `most` and one more at most.
    pub(crate) fn search(&self, text: &str, most: usize) -> Vec<Found> {
        let mut found = Vec::new();
        if text.len() < self.shortest {
            return found;
        }
        let States { all, single: states } = &mut *self.states.borrow_mut();
        if let Ok(None) = self.all.try_search_fwd(all, &Input::new(text).earliest(true)) {
            return found;
        }
        let mut matching = PatternSet::new(self.single.len());
        let told = self.all.try_which_overlapping_matches(all, &Input::new(text), &mut matching);
        for (pattern, (single, states)) in self.single.iter().zip(states).enumerate() {
            let is_there = PatternID::new(pattern).is_ok_and(|id| matching.contains(id));
            if !is_there && told.is_ok() {
                continue;
            }
            let states = states.get_or_insert_with(|| single.regex.create_cache());
            single.search(text, states, |at| {
                found.push(Found { at, pattern });
                found.len() <= most
            });
        }
        found
    }
}
