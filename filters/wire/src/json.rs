//! JSON text that was read strictly: spans into it, and its strings.

use std::borrow::Cow;

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

/// Likewise, behind what `out` holds.
pub(crate) fn unescape_into(letters: &str, out: &mut String) {
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
    for c in text.chars() {
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
