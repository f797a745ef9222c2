//! JSON text that was read strictly: spans into it, walks over its containers, its strings and numbers.

pub(crate) mod number;
mod strings;
mod walk;

use std::borrow::Cow;

pub use self::number::Number;
pub use self::strings::{FoundString, Places, Strings, strings};
pub(crate) use self::walk::Walk;
pub use self::walk::{Elements, Member, Members, elements, kind, member, members};

/// A half-open byte range of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl Span {
    /// The bytes it covers; empty where the span is not one of this text.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// How many bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it covers nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What is between the quotes of a string, or the brackets of a container.
    #[must_use]
    pub const fn without_quotes(self) -> Self {
        Self { start: self.start.saturating_add(1), end: self.end.saturating_sub(1) }
    }
}

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueKind {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The text of a string value, with its quotes; `None` where the value is no string.
#[must_use]
pub fn string(text: &str, value: Span) -> Option<Cow<'_, str>> {
    (kind(text, value)? == ValueKind::String).then(|| unescape(value.without_quotes().of(text)))
}

/// The integer that a number's letters write as one, without fraction or exponent, if 64 bits hold it.
#[must_use]
pub fn integer(letters: &str) -> Option<i64> {
    letters.parse().ok()
}

/// The double nearest to a number's letters.
#[must_use]
pub fn double(letters: &str) -> Option<f64> {
    letters.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The text of a string, from the letters between its quotes as a strict reader let them through.
#[must_use]
pub fn unescape(letters: &str) -> Cow<'_, str> {
    if !letters.contains('\\') {
        return Cow::Borrowed(letters);
    }
    let mut out = String::with_capacity(letters.len());
    unescape_into(letters, &mut out);
    Cow::Owned(out)
}

/// Whether the letters of a string, as in [`unescape`], write a text.
#[must_use]
#[inline]
pub fn writes(letters: &str, text: &str) -> bool {
    // Most texts that differ begin otherwise.
    let first = letters.as_bytes().first();
    (first == text.as_bytes().first() || first == Some(&b'\\')) && (letters == text || writes_escaped(letters, text))
}

#[inline(never)]
fn writes_escaped(letters: &str, text: &str) -> bool {
    // An escape has more letters than what it stands for.
    letters.len() > text.len() && letters.contains('\\') && unescape(letters) == text
}

/// What [`unescape`] gives, behind what `out` holds.
pub fn unescape_into(letters: &str, out: &mut String) {
    let mut rest = letters;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escaped.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let high = hex4(&mut chars);
                if (0xd800..0xdc00).contains(&high) {
                    chars.next();
                    chars.next();
                    let pair = [high, hex4(&mut chars)];
                    out.extend(char::decode_utf16(pair).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
                    rest = chars.as_str();
                    continue;
                }
                out.push(char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(same) => out.push(same),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

fn hex4(chars: &mut std::str::Chars<'_>) -> u16 {
    let mut value = 0_u16;
    for digit in chars.by_ref().take(4) {
        value = value << 4 | digit.to_digit(16).and_then(|digit| u16::try_from(digit).ok()).unwrap_or_default();
    }
    value
}

/// Writes a string with its quotes (RFC 8259, section 7).
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let (plain, rest) = text.split_at_checked(plain_length(text.as_bytes())).unwrap_or(("", text));
    out.push_str(plain);
    for c in rest.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A string of more words is looked through in larger blocks.
const FEW_WORDS: usize = 5;

/// How many bytes from here on are a string's plain letters: up to a quote, a backslash or a control character.
#[inline]
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    // Most strings are short: their end is found word by word, without a branch for each byte.
    let mut length = 0_usize;
    for word in bytes.as_chunks::<8>().0.iter().take(FEW_WORDS) {
        match first_special(*word) {
            8 => length = length.saturating_add(8),
            at => return length.saturating_add(at),
        }
    }
    length.saturating_add(long_plain_length(bytes.get(length..).unwrap_or_default()))
}

fn long_plain_length(bytes: &[u8]) -> usize {
    // Without a branch inside a block, so that the compiler makes it a few vector instructions.
    let plain = |block: &&[u8; 32]| !block.iter().fold(false, |any, b| any | is_special(*b));
    let mut length = bytes.as_chunks::<32>().0.iter().take_while(plain).count().saturating_mul(32);
    let (words, rest) = bytes.get(length..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        match first_special(*word) {
            8 => length = length.saturating_add(8),
            at => return length.saturating_add(at),
        }
    }
    length.saturating_add(rest.iter().position(|b| is_special(*b)).unwrap_or(rest.len()))
}

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Where the first byte of a word is that is no plain letter; 8 if there is none.
const fn first_special(word: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    let (quote, backslash) = (word ^ 0x2222_2222_2222_2222, word ^ 0x5c5c_5c5c_5c5c_5c5c);
    // `x - n & !x & 0x80` is set in the lowest byte of x that is less than n; above it, a borrow may mislead.
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    let control = word.wrapping_sub(0x2020_2020_2020_2020) & !word;
    ((quote | backslash | control) & HIGH).trailing_zeros() as usize / 8
}
