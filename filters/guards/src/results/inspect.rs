//! One message, searched: what is in it, and the edits that take it out.

use std::cmp::Reverse;
use std::ops::Range;

use meshward_wire::json::{self, FoundString, Places, Span};

use super::compile::Results;
use super::config::ResultAction;
use super::search::Found;

/// What was found in a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// How often, by pattern; empty if nothing was.
    pub(crate) counts: Vec<u64>,
    /// What takes the place of which letters, if it is redacted.
    pub(crate) edits: Vec<(Span, String)>,
    /// There is more than may be.
    pub(crate) has_more: bool,
}

impl Results {
    /// Searches the texts of all strings in a value. What a client has to give back as it is, is let be: `kept`.
    pub(crate) fn inspect(&self, text: &str, value: Span, kept: impl FnOnce() -> Option<Span>) -> Inspected {
        let mut inspected = Inspected::default();
        let mut unescaped = String::new();
        let mut kept = Lazy::Open(kept);
        let (mut left, mut redacted_keys) = (self.max_matches, 0_usize);
        for found in json::strings(text, value) {
            let letters = found.letters.of(text);
            let string = if found.has_escapes {
                unescaped.clear();
                json::unescape_into(letters, &mut unescaped);
                &unescaped
            } else {
                letters
            };
            let matches = self.searcher.search(string, left);
            if matches.is_empty() || kept.get().is_some_and(|kept| lies_in(found.letters, kept)) {
                continue;
            }
            inspected.has_more = matches.len() > left;
            left = left.saturating_sub(matches.len());
            inspected.counts.resize(self.patterns.len(), 0);
            for found in &matches {
                if let Some(count) = inspected.counts.get_mut(found.pattern) {
                    *count = count.saturating_add(1);
                }
            }
            if inspected.has_more {
                break;
            }
            self.redact(found, letters, matches, &mut redacted_keys, &mut inspected.edits);
        }
        inspected
    }

    /// Replaces what is to be redacted of one string. The names of an object's members stay apart: from the second on they get
    /// a number.
    fn redact(
        &self,
        string: FoundString,
        letters: &str,
        mut matches: Vec<Found>,
        redacted_keys: &mut usize,
        edits: &mut Vec<(Span, String)>,
    ) {
        matches.retain(|found| self.action(found.pattern) == Some(ResultAction::Redact));
        matches.sort_by_key(|found| (found.at.start, Reverse(found.at.end), found.pattern));
        let mut places = Places::new(letters);
        let mut covered: Option<(Range<usize>, usize)> = None;
        // One more round for the last.
        for found in matches.into_iter().map(Some).chain([None]) {
            if let (Some((covered, _)), Some(found)) = (&mut covered, &found)
                && found.at.start < covered.end
            {
                covered.end = covered.end.max(found.at.end);
                continue;
            }
            if let Some((at, pattern)) = covered.take() {
                let start = string.letters.start.saturating_add(places.of(at.start));
                let end = string.letters.start.saturating_add(places.of(at.end));
                let mut replacement =
                    self.patterns.get(pattern).map(|pattern| pattern.replacement.clone()).unwrap_or_default();
                if string.is_key {
                    *redacted_keys = redacted_keys.saturating_add(1);
                    if *redacted_keys > 1 {
                        replacement.push_str(&redacted_keys.to_string());
                    }
                }
                edits.push((Span { start, end }, replacement));
            }
            covered = found.map(|found| (found.at, found.pattern));
        }
    }

    pub(super) fn action(&self, pattern: usize) -> Option<ResultAction> {
        self.patterns.get(pattern).map(|pattern| pattern.action)
    }
}

const fn lies_in(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// What is looked for once it is asked for.
enum Lazy<F> {
    Open(F),
    Known(Option<Span>),
    Asked,
}

impl<F: FnOnce() -> Option<Span>> Lazy<F> {
    fn get(&mut self) -> Option<Span> {
        let known = match std::mem::replace(self, Self::Asked) {
            Self::Open(look) => look(),
            Self::Known(known) => known,
            Self::Asked => None,
        };
        *self = Self::Known(known);
        known
    }
}
