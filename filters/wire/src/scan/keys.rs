//! The keys of the objects that are open, to tell when one comes a second time.
//!
//! Few keys are compared each with each, many are sorted when their object closes: no hash table, so nothing to flood.

use crate::json::{Span, unescape_into};

/// An object with more keys is checked when it closes: comparing each with each would be quadratic.
const FEW: usize = 16;

/// Keys of the objects that are open, outermost first. Its memory is used again for the next body.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    unescaped: String,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    fingerprint: u32,
    /// The text, in the body or, when it had escapes, in `unescaped`.
    start: u32,
    end: u32,
    unescaped: bool,
}

/// Where the keys of an object begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    key: usize,
    unescaped: usize,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.unescaped.clear();
    }

    /// An object opens.
    pub(super) const fn mark(&self) -> Mark {
        Mark { key: self.keys.len(), unescaped: self.unescaped.len() }
    }

    /// A key of the innermost object. Says whether it is known to be there already.
    pub(super) fn add(&mut self, text: &str, mark: Mark, letters: Span, escaped: bool) -> bool {
        let mut at = letters;
        if escaped {
            at.start = self.unescaped.len();
            unescape_into(letters.of(text), &mut self.unescaped);
            at.end = self.unescaped.len();
        }
        let mut key = Key {
            fingerprint: 0,
            // Where a body is longer than four GiB, keys seem equal and it is refused.
            start: u32::try_from(at.start).unwrap_or(u32::MAX),
            end: u32::try_from(at.end).unwrap_or(u32::MAX),
            unescaped: escaped,
        };
        key.fingerprint = fingerprint(self.text_of(text, key));
        let siblings = self.keys.get(mark.key..).unwrap_or_default();
        let again = siblings.len() < FEW && siblings.iter().any(|other| self.equal(text, other, &key));
        self.keys.push(key);
        again
    }

    /// The innermost object closes. Says where a key is that was there already, if one is that [`Keys::add`] missed.
    pub(super) fn close(&mut self, text: &str, mark: Mark) -> Option<usize> {
        let again = if self.keys.len().saturating_sub(mark.key) > FEW { self.find(text, mark) } else { None };
        self.keys.truncate(mark.key);
        if self.unescaped.len() > mark.unescaped {
            self.unescaped.truncate(mark.unescaped);
        }
        again
    }

    /// Looks for equal keys among many by sorting them, which no choice of keys can make slow.
    fn find(&mut self, text: &str, mark: Mark) -> Option<usize> {
        let mut keys = self.keys.split_off(mark.key);
        keys.sort_unstable_by(|a, b| {
            a.fingerprint.cmp(&b.fingerprint).then_with(|| self.text_of(text, *a).cmp(self.text_of(text, *b)))
        });
        keys.windows(2).find_map(|pair| match pair {
            [a, b] => self.equal(text, a, b).then(|| a.start.max(b.start) as usize),
            _ => None,
        })
    }

    fn equal(&self, text: &str, a: &Key, b: &Key) -> bool {
        a.fingerprint == b.fingerprint && self.text_of(text, *a) == self.text_of(text, *b)
    }

    fn text_of<'t>(&'t self, text: &'t str, key: Key) -> &'t [u8] {
        let text = if key.unescaped { &self.unescaped } else { text };
        text.as_bytes().get(key.start as usize..key.end as usize).unwrap_or_default()
    }
}

/// A cheap number by which most different keys differ: the length and up to eight bytes from either end.
fn fingerprint(key: &[u8]) -> u32 {
    let (head, tail) = if let (Some(head), Some(tail)) = (key.first_chunk(), key.last_chunk()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (key.first_chunk(), key.last_chunk()) {
        (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
    } else {
        (key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0)
    };
    let mixed = (head ^ tail.rotate_left(29) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
