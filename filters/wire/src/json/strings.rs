//! The strings of a value, wherever in it they are, and where among a string's letters a place of its text is.

use memchr::memchr;

use super::{Span, plain_length, unescape};

/// A string in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundString {
    /// Its letters, without the quotes.
    pub letters: Span,
    /// It is the key of an object's member.
    pub is_key: bool,
    /// Some letters are escapes, so that its text is another ([`super::unescape`]).
    pub has_escapes: bool,
}

/// All strings of a value of text that was read strictly, keys among them, in order. Each byte is looked at once.
#[must_use]
pub fn strings(text: &str, value: Span) -> Strings<'_> {
    Strings { bytes: text.as_bytes().get(..value.end).unwrap_or_default(), at: value.start }
}

/// See [`strings`].
#[derive(Debug, Clone)]
pub struct Strings<'t> {
    /// The text up to the value's end.
    bytes: &'t [u8],
    at: usize,
}

impl Iterator for Strings<'_> {
    type Item = FoundString;

    fn next(&mut self) -> Option<FoundString> {
        let quote = memchr(b'"', self.rest())?;
        self.forward(quote.saturating_add(1));
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.forward(plain_length(self.rest()));
            match self.rest().first()? {
                b'\\' => {
                    has_escapes = true;
                    self.forward(2);
                }
                b'"' => break,
                _ => self.forward(1),
            }
        }
        let letters = Span { start, end: self.at };
        self.forward(1);
        let next = self.rest().iter().find(|b| !b.is_ascii_whitespace());
        Some(FoundString { letters, is_key: next == Some(&b':'), has_escapes })
    }
}

impl<'t> Strings<'t> {
    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn forward(&mut self, by: usize) {
        self.at = self.at.saturating_add(by).min(self.bytes.len());
    }
}

/// Finds among a string's letters where places of its text are. It is asked for one place after another.
#[derive(Debug, Clone)]
pub struct Places<'t> {
    letters: &'t str,
    /// How far it has come, in bytes of the letters and of the text.
    at: (usize, usize),
}

impl<'t> Places<'t> {
    /// For a string's letters, as a strict reader let them through.
    #[must_use]
    pub const fn new(letters: &'t str) -> Self {
        Self { letters, at: (0, 0) }
    }

    /// Where the letters begin that say what is at this byte of the text; behind the last at the text's end. A byte inside
    /// of a character is taken for the next one's. Never before the place that was asked for last.
    pub fn of(&mut self, place: usize) -> usize {
        loop {
            let (letters, text) = self.at;
            let rest = self.letters.get(letters..).unwrap_or_default();
            let left = place.saturating_sub(text);
            if left == 0 || rest.is_empty() {
                return letters;
            }
            let ahead = rest.as_bytes().get(..left).unwrap_or(rest.as_bytes());
            let (of_letters, of_text) = match memchr(b'\\', ahead) {
                Some(0) => escape(rest),
                plain => {
                    let plain = rest.ceil_char_boundary(plain.unwrap_or(ahead.len()));
                    (plain, plain)
                }
            };
            self.at = (letters.saturating_add(of_letters), text.saturating_add(of_text));
        }
    }
}

/// How many bytes the escape has that letters begin with, and how many the character that it stands for.
fn escape(letters: &str) -> (usize, usize) {
    let length = match letters.as_bytes() {
        // A surrogate comes with its other half.
        [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', ..] => 12,
        [b'\\', b'u', ..] => 6,
        _ => 2,
    };
    let escape = letters.get(..length).unwrap_or(letters);
    (escape.len(), unescape(escape).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_found_with_what_it_is() {
        let text = r#" {"a" : "x\"y", "b":[1,"\\", {"c\u0041":"", "d":null}], "e":"}" } "#;
        let value = Span { start: 0, end: text.len() };
        let found: Vec<_> =
            strings(text, value).map(|found| (found.letters.of(text), found.is_key, found.has_escapes)).collect();
        let expected = [
            ("a", true, false),
            (r#"x\"y"#, false, true),
            ("b", true, false),
            (r"\\", false, true),
            (r"c\u0041", true, true),
            ("", false, false),
            ("d", true, false),
            ("e", true, false),
            ("}", false, false),
        ];
        assert_eq!(found, expected);
        let inner = Span { start: text.find('[').unwrap(), end: text.find(']').unwrap() };
        assert_eq!(strings(text, inner).count(), 4);
        // Of text that nobody read, the answers mean nothing, but it ends.
        for cut in 0..text.len() {
            assert!(strings(text.get(..cut).unwrap(), value).count() <= expected.len());
        }
    }

    #[test]
    fn places_of_the_text_are_found_among_the_letters() {
        let letters = r"a\n\u00e9é\ud83d\uDE00\\z";
        let text = unescape(letters);
        let mut from_letters = String::new();
        for (at, c) in text.char_indices() {
            let mut places = Places::new(letters);
            let (start, end) = (places.of(at), places.of(at + c.len_utf8()));
            let of_this = letters.get(start..end).unwrap();
            assert_eq!(unescape(of_this), c.to_string());
            from_letters.push_str(of_this);
        }
        assert_eq!(from_letters, letters);
        assert_eq!(Places::new(letters).of(text.len() + 9), letters.len());
        // Inside of a character: behind it.
        assert_eq!(Places::new("é!").of(1), 2);
        assert_eq!(Places::new(r"\u00e9!").of(1), 6);
    }
}
