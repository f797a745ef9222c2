//! Paths: what becomes of them when they are decoded and split.

use std::borrow::Cow;

/// What is to be known of a path, whoever decodes it and however often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
    /// A segment is `.` or `..`, or is taken for one: behind encoded dots or separators, before a `;`, or where dots
    /// and spaces at an end do not count.
    pub(super) dot_segment: bool,
    /// A slash or backslash is encoded.
    pub(super) encoded_separator: bool,
    /// It begins with two separators.
    pub(super) starts_twice: bool,
}

impl Shape {
    /// `None` where what is encoded is no UTF-8 (some decoders read `%C0%AE` as a dot), or has a NUL, where some stop.
    pub(super) fn of(path: &str) -> Option<Self> {
        let decoded = decode(path)?;
        let mut shape = Self::default();
        let mut separators = 0_usize;
        let mut segment = Segment::default();
        for (index, letter) in decoded.chars().enumerate() {
            match plain(letter) {
                '\0' => return None,
                '/' | '\\' => {
                    shape.dot_segment |= segment.is_dots();
                    segment = Segment::default();
                    shape.starts_twice |= index == 1 && separators == 1;
                    separators = separators.saturating_add(1);
                }
                letter => segment.add(letter),
            }
        }
        shape.dot_segment |= segment.is_dots();
        shape.encoded_separator = separators != path.bytes().filter(|b| *b == b'/').count();
        Some(shape)
    }
}

/// What a segment has, up to its parameters (`..;a=b`).
#[derive(Debug, Default)]
struct Segment {
    dots: bool,
    others: bool,
    ended: bool,
}

impl Segment {
    const fn add(&mut self, letter: char) {
        match letter {
            ';' => self.ended = true,
            _ if self.ended => {}
            '.' => self.dots = true,
            '\u{1}'..=' ' => {}
            _ => self.others = true,
        }
    }

    const fn is_dots(&self) -> bool {
        self.dots && !self.others
    }
}

/// The letter that some take a letter for: the compatible forms (Unicode NFKC) of dots and separators.
const fn plain(letter: char) -> char {
    match letter {
        '\u{2024}'..='\u{2026}' | '\u{fe52}' | '\u{ff0e}' => '.',
        '\u{ff0f}' => '/',
        '\u{fe68}' | '\u{ff3c}' => '\\',
        '\u{ff1b}' => ';',
        letter => letter,
    }
}

/// The text of a path with everything decoded until nothing is left to decode; `None` where it is no UTF-8.
fn decode(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        out.push(byte);
        // What was decoded may be part of another code: `%252e`, `%2%65`.
        while let Some((kept, [b'%', digits @ ..])) = out.split_last_chunk::<3>() {
            let (Some((byte, _)), kept) = (octet(digits), kept.len()) else { break };
            out.truncate(kept);
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// The byte that two hexadecimal digits stand for, and what is behind them.
fn octet(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, behind) = digits.split_first_chunk::<2>()?;
    let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
    Some((u8::try_from(high? << 4 | low?).ok()?, behind))
}

/// The path in the one spelling that patterns are held against (RFC 3986, section 6.2.2): what need not be encoded is
/// not, and digits are upper case.
pub(super) fn normal(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        match octet(piece.as_bytes()).zip(piece.split_at_checked(2)) {
            Some(((byte, _), (digits, rest))) => {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                    out.push(char::from(byte));
                } else {
                    out.push('%');
                    out.push_str(&digits.to_ascii_uppercase());
                }
                out.push_str(rest);
            }
            None => {
                out.push('%');
                out.push_str(piece);
            }
        }
    }
    Cow::Owned(out)
}
