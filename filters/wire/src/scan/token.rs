//! Strings, numbers and literals.
//!
//! A fault inside a token is noted and the token read to its end: the id of the message may stand behind it.

use super::{Fault, Letters, Scanner, Sink, Syntax};
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
                    return Ok(letters);
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
                Ok(false)
            }
            b'u' => self.unicode_escape(),
            _ => {
                self.note(Err(Reason::InvalidJson), self.at);
                self.step();
                Ok(true)
            }
        }
    }

    /// At the `u` of an escape. Says whether it is a NUL or a fault.
    fn unicode_escape(&mut self) -> Syntax<bool> {
        let start = self.at;
        let Some(unit) = self.code_unit()? else { return Ok(true) };
        let lone = match unit {
            0xd800..0xdc00 => {
                let second = self.at;
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                if rest.starts_with(b"\\u") {
                    self.step();
                    let paired = self.code_unit()?.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
                    if !paired {
                        // It may be half of another pair.
                        self.at = second;
                    }
                    !paired
                } else if cut(rest, b"\\u") {
                    return Err(self.truncated());
                } else {
                    true
                }
            }
            0xdc00..0xe000 => true,
            unit => return Ok(unit == 0),
        };
        if lone {
            self.note(Err(Reason::LoneSurrogate), start);
        }
        Ok(lone)
    }

    /// The four digits behind a `u`; none if they are not four, which is noted.
    fn code_unit(&mut self) -> Syntax<Option<u16>> {
        self.step();
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
            let Some(digit) = digit else {
                self.note(Err(Reason::InvalidJson), self.at);
                return Ok(None);
            };
            unit = unit << 4 | digit;
            self.step();
        }
        Ok(Some(unit))
    }

    /// A number or literal; none if it is no such thing, which is noted.
    pub(super) fn word(&mut self, first: u8) -> Syntax<Option<ValueKind>> {
        let start = self.at;
        let kind = match first {
            b't' => self.literal(b"true", ValueKind::Bool),
            b'f' => self.literal(b"false", ValueKind::Bool),
            b'n' => self.literal(b"null", ValueKind::Null),
            _ => self.number(),
        };
        let wrong = match kind {
            Ok(kind) if self.at_end_of_word() => return Ok(Some(kind)),
            Ok(_) => self.syntax(Reason::InvalidJson),
            Err(fault) => fault,
        };
        if wrong.reason == Reason::TruncatedJson {
            return Err(wrong);
        }
        self.note(Err(wrong.reason), wrong.at);
        while !self.at_end_of_word() {
            self.step();
        }
        if self.at == start { Err(wrong) } else { Ok(None) }
    }

    /// Whether what is here cannot belong to a number or literal, well-formed or not (`NaN`, `-Infinity`, `0x1f`).
    fn at_end_of_word(&self) -> bool {
        !matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' | b'_'))
    }

    fn literal(&mut self, word: &[u8], kind: ValueKind) -> Syntax<ValueKind> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at = self.at.saturating_add(word.len());
            return Ok(kind);
        }
        Err(if cut(rest, word) { self.truncated() } else { self.syntax(Reason::InvalidJson) })
    }

    fn number(&mut self) -> Syntax<ValueKind> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.step();
        }
        match self.peek()? {
            b'0' => self.step(),
            b'1'..=b'9' => self.digits()?,
            _ => return Err(self.syntax(Reason::InvalidJson)),
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
        Ok(ValueKind::Number)
    }

    /// At least one.
    fn digits(&mut self) -> Syntax<()> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.syntax(Reason::InvalidJson));
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at = self.at.saturating_add(count);
        Ok(())
    }

    const fn truncated(&self) -> Fault {
        Fault { reason: Reason::TruncatedJson, at: self.bytes.len() }
    }
}

/// Whether a text ends before it could be what it must be.
fn cut(rest: &[u8], wanted: &[u8]) -> bool {
    rest.len() < wanted.len() && wanted.starts_with(rest)
}
