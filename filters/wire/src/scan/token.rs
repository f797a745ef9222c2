//! Strings, numbers and literals.
//!
//! A fault inside a token is noted and the token read to its end: the id of the message may stand behind it.

use super::{Letters, Scanner, Sink, Syntax};
use crate::json::{Span, ValueKind, plain_length};
use crate::refusal::Reason;

impl<S: Sink> Scanner<'_, '_, S> {
    /// From one quote to behind the other.
    pub(super) fn string(&mut self) -> Syntax<Letters> {
        let mut letters = Letters::Plain;
        self.step();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at = self.at.saturating_add(plain_length(rest));
            match self.peek()? {
                b'"' => {
                    self.step();
                    return Some(letters);
                }
                b'\\' => {
                    let is_unfit = self.escape()?;
                    letters = letters.max(if is_unfit { Letters::Unfit } else { Letters::Escaped });
                }
                _ => {
                    self.note(Err(Reason::ControlCharacter), self.at);
                    letters = Letters::Unfit;
                    self.step();
                }
            }
        }
    }

    /// One escape. Says whether it is a NUL or a fault.
    fn escape(&mut self) -> Syntax<bool> {
        self.step();
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.step();
                Some(false)
            }
            b'u' => self.unicode_escape(),
            _ => {
                self.note(Err(Reason::InvalidJson), self.at);
                self.step();
                Some(true)
            }
        }
    }

    /// At the `u` of an escape. Says whether it is a NUL or a fault.
    fn unicode_escape(&mut self) -> Syntax<bool> {
        let start = self.at;
        let Some(unit) = self.code_unit()? else { return Some(true) };
        let lone = match unit {
            0xd800..0xdc00 => {
                let second = self.at;
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                if rest.starts_with(b"\\u") {
                    self.step();
                    let paired = matches!(self.code_unit()?, Some(0xdc00..0xe000));
                    if !paired {
                        // It may be half of another pair.
                        self.at = second;
                    }
                    !paired
                } else if cut(rest, b"\\u") {
                    return self.truncated();
                } else {
                    true
                }
            }
            0xdc00..0xe000 => true,
            unit => return Some(unit == 0),
        };
        if lone {
            self.note(Err(Reason::LoneSurrogate), start);
        }
        Some(lone)
    }

    /// The four digits behind a `u`; none if they are not four, which is noted.
    fn code_unit(&mut self) -> Syntax<Option<u16>> {
        self.step();
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
            let Some(digit) = digit else {
                self.note(Err(Reason::InvalidJson), self.at);
                return Some(None);
            };
            unit = unit << 4 | digit;
            self.step();
        }
        Some(Some(unit))
    }

    /// A number or literal; of no kind if it is no such thing, which is noted.
    pub(super) fn word(&mut self, first: u8) -> Syntax<Option<ValueKind>> {
        let start = self.at;
        let (kind, read) = match first {
            b't' => (ValueKind::Bool, self.literal(b"true")),
            b'f' => (ValueKind::Bool, self.literal(b"false")),
            b'n' => (ValueKind::Null, self.literal(b"null")),
            _ => (ValueKind::Number, self.number()),
        };
        if read.is_some() {
            if self.at_end_of_word() {
                return Some(Some(kind));
            }
            self.note(Err(Reason::InvalidJson), self.at);
        } else if self.at >= self.bytes.len() {
            // It may only have been cut.
            return None;
        }
        while !self.at_end_of_word() {
            self.step();
        }
        (self.at > start).then_some(None)
    }

    /// Whether what is here cannot belong to a number or literal, well-formed or not (`NaN`, `-Infinity`, `0x1f`).
    fn at_end_of_word(&self) -> bool {
        !matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' | b'_'))
    }

    fn literal(&mut self, word: &[u8]) -> Syntax<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at = self.at.saturating_add(word.len());
            return Some(());
        }
        if cut(rest, word) { self.truncated() } else { self.wrong(Reason::InvalidJson) }
    }

    fn number(&mut self) -> Syntax<()> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.step();
        }
        match self.peek()? {
            b'0' => self.step(),
            b'1'..=b'9' => self.digits()?,
            _ => return self.wrong(Reason::InvalidJson),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.step();
            self.digits()?;
        }
        let mut exponent = 0;
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek()?, b'+' | b'-') {
                self.step();
            }
            let digits = self.at;
            self.digits()?;
            exponent = self.at.saturating_sub(digits);
        }
        let letters = Span { start, end: self.at };
        // A double reaches to 1.8e308: two hundred digits and an exponent below a hundred cannot leave it.
        let may_be_beyond = exponent > 2 || letters.len() > 200;
        if may_be_beyond && letters.of(self.text).parse::<f64>().map_or(true, f64::is_infinite) {
            self.note(Err(Reason::NumberOutOfRange), start);
        }
        Some(())
    }

    /// At least one.
    fn digits(&mut self) -> Syntax<()> {
        if !self.peek()?.is_ascii_digit() {
            return self.wrong(Reason::InvalidJson);
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at = self.at.saturating_add(count);
        Some(())
    }

    fn truncated<T>(&mut self) -> Syntax<T> {
        self.at = self.bytes.len();
        self.wrong(Reason::TruncatedJson)
    }
}

/// Whether a text ends before it could be what it must be.
fn cut(rest: &[u8], wanted: &[u8]) -> bool {
    rest.len() < wanted.len() && wanted.starts_with(rest)
}
