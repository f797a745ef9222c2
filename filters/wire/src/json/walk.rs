//! Walks over the members of objects and the elements of arrays in text that was read strictly.
//!
//! Nothing is built and nothing recurses: a walk over a container takes time in proportion to its length. Of text that
//! was not read strictly the answers mean nothing, but a walk still ends, and nothing fails.

use super::{Span, ValueKind, plain_length};

/// A member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The key's letters between its quotes; [`super::unescape`] gives its text.
    pub key: Span,
    /// The value.
    pub value: Span,
}

impl Member {
    /// From the key's quote to the end of the value.
    #[must_use]
    pub const fn span(self) -> Span {
        Span { start: self.key.start.saturating_sub(1), end: self.value.end }
    }
}

/// The members of an object, in order; none if the span is no object.
#[must_use]
pub fn members(text: &str, object: Span) -> Members<'_> {
    Members(Walk::new(text, object, b'{'))
}

/// The elements of an array, in order; none if the span is no array.
#[must_use]
pub fn elements(text: &str, array: Span) -> Elements<'_> {
    Elements(Walk::new(text, array, b'['))
}

/// The value of an object's member with this key.
#[must_use]
pub fn member(text: &str, object: Span, key: &str) -> Option<Span> {
    members(text, object).find(|member| super::unescape(member.key.of(text)) == key).map(|member| member.value)
}

/// What a value is, by its first letter; `None` where there is none.
#[must_use]
pub fn kind(text: &str, value: Span) -> Option<ValueKind> {
    Some(match value.of(text).as_bytes().first()? {
        b'{' => ValueKind::Object,
        b'[' => ValueKind::Array,
        b'"' => ValueKind::String,
        b't' | b'f' => ValueKind::Bool,
        b'n' => ValueKind::Null,
        b'-' | b'0'..=b'9' => ValueKind::Number,
        _ => return None,
    })
}

/// See [`members`].
#[derive(Debug, Clone)]
pub struct Members<'t>(Walk<'t>);

/// See [`elements`].
#[derive(Debug, Clone)]
pub struct Elements<'t>(Walk<'t>);

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let key = self.0.value(b',')?;
        let value = self.0.value(b':')?;
        Some(Member { key: key.without_quotes(), value })
    }
}

impl Iterator for Elements<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        self.0.value(b',')
    }
}

/// Where a walk is. It may go into containers on its way, instead of past them: so each byte is looked at once.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'t> {
    /// The text up to the outermost container's closing bracket.
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Walk<'t> {
    /// Inside of a container that begins with this bracket; at the end of nothing if it is another.
    pub(crate) fn new(text: &'t str, container: Span, bracket: u8) -> Self {
        let inside = container.without_quotes();
        let fits = container.of(text).as_bytes().first() == Some(&bracket);
        let bytes = if fits { text.as_bytes().get(..inside.end) } else { None };
        Self { bytes: bytes.unwrap_or_default(), at: inside.start }
    }

    /// Goes into the next value, which a sign parts from the one before, if it begins with this bracket; says where it
    /// begins. If it does not, the value is still the next.
    pub(crate) fn enter(&mut self, sign: u8, bracket: u8) -> Option<usize> {
        let start = self.skip_to_value(sign)?;
        (self.bytes.get(start) == Some(&bracket)).then(|| {
            self.step();
            start
        })
    }

    /// Goes behind the bracket of the container that was entered last and whose values are all read; says where that is.
    pub(crate) fn leave(&mut self) -> usize {
        self.step();
        self.at
    }

    /// Behind white space and the sign that parts a value from the one before. `None` at the end of the text.
    fn skip_to_value(&mut self, sign: u8) -> Option<usize> {
        while matches!(*self.bytes.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r')
            || self.bytes.get(self.at) == Some(&sign)
        {
            self.step();
        }
        Some(self.at)
    }

    /// The next value, which a sign parts from the one before; `None` at the end of the container.
    pub(crate) fn value(&mut self, sign: u8) -> Option<Span> {
        let start = self.skip_to_value(sign)?;
        match self.bytes.get(self.at)? {
            b'"' => self.string(),
            b'{' | b'[' => self.container(),
            _ => {
                let ends = |b: &u8| matches!(b, b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']') || *b <= b' ';
                self.forward(|rest| rest.iter().position(ends).unwrap_or(rest.len()));
            }
        }
        (self.at > start).then_some(Span { start, end: self.at })
    }

    fn string(&mut self) {
        self.step();
        loop {
            self.forward(plain_length);
            match self.bytes.get(self.at) {
                Some(b'"') => return self.step(),
                Some(b'\\') => {
                    self.step();
                    self.step();
                }
                Some(_) => self.step(),
                None => return,
            }
        }
    }

    fn container(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.step();
            if depth == 0 {
                return;
            }
        }
    }

    fn forward(&mut self, length: impl FnOnce(&[u8]) -> usize) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.at.saturating_add(length(rest)).min(self.bytes.len());
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1).min(self.bytes.len());
    }
}
