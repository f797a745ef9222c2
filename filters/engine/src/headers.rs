//! Header fields, borrowed while they are at hand, and the few that are kept.

use std::borrow::Cow;

use crate::effect::HeaderEdit;

/// The field lines of one head, in order, duplicates and all. Names are lower case, as HTTP/2 has them and Envoy makes
/// them.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    lines: &'a [(&'a [u8], &'a [u8])],
}

impl<'a> Headers<'a> {
    /// A view over field lines.
    #[must_use]
    pub const fn new(lines: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self { lines }
    }

    /// Every field line.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.lines.iter().copied()
    }

    /// The values of one name.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// Every field line that some server takes for one of this name, which is in lower case: `_` may stand for `-`.
    pub fn taken_for<'n>(&self, known: &'n str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a, 'n> {
        self.iter().filter(move |(name, _)| is_called(name, known.as_bytes()))
    }

    /// The first value of one name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }
}

/// Whether a header has a name, as servers see it that turn names into environment variables (RFC 3875, section 4.1.18): to
/// them `_` is `-`.
pub(crate) fn is_called(name: &[u8], known: &[u8]) -> bool {
    let folded = |b: &u8| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    name.len() == known.len() && name.iter().map(folded).eq(known.iter().copied())
}

/// Which fields a stage wants kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HeaderDemand {
    /// None but those that are always kept.
    #[default]
    None,
    /// These, by their names in lower case.
    Named(Vec<String>),
    /// All.
    All,
}

impl HeaderDemand {
    /// What both want.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::None, some) | (some, Self::None) => some,
            (Self::Named(mut names), Self::Named(more)) => {
                names.extend(more);
                names.sort_unstable();
                names.dedup();
                Self::Named(names)
            }
        }
    }

    /// Whether a field is wanted.
    #[must_use]
    pub fn wants(&self, name: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes())),
            Self::All => true,
        }
    }
}

/// Field lines copied out of a head, for when it has gone: without header hold it cannot be read in the body phase. Always
/// kept are `:path`, `:authority` and `mcp-*`.
#[derive(Debug, Default)]
pub struct KeptHeaders {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    name: usize,
    value: usize,
    end: usize,
}

impl KeptHeaders {
    /// None yet, with room for what most requests have.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(256), lines: Vec::with_capacity(8) }
    }

    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.lines.push(Line { name: start, value: middle, end: self.bytes.len() });
    }

    /// The same after an edit.
    pub(crate) fn edited(&self, edit: &HeaderEdit) -> Self {
        let stays =
            |name: &[u8]| matches!(edit, HeaderEdit::Add(..)) || !name.eq_ignore_ascii_case(edit.name().as_bytes());
        let mut edited: Self = self.iter().filter(|(name, _)| stays(name)).collect();
        if let HeaderEdit::Set(name, value) | HeaderEdit::Add(name, value) = edit {
            edited.push(name.as_bytes(), value);
        }
        edited
    }

    /// Every kept field line, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.lines.iter().map(|line| {
            (
                self.bytes.get(line.name..line.value).unwrap_or_default(),
                self.bytes.get(line.value..line.end).unwrap_or_default(),
            )
        })
    }

    /// Whether there is a field line of a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is = |line: &Line| {
            self.bytes.get(line.name..line.value).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        };
        self.lines.iter().any(|line| line.value.wrapping_sub(line.name) == name.len() && is(line))
    }

    /// The values of one name.
    pub fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n [u8]> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// The value of one name as text, several field lines joined by `,` (RFC 9110, section 5.3). `None`: there is none,
    /// or it is not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| std::str::from_utf8(value));
        let first = values.next()?.ok()?;
        let mut joined = Cow::Borrowed(first);
        for value in values {
            let joined = joined.to_mut();
            joined.push(',');
            joined.push_str(value.ok()?);
        }
        Some(joined)
    }

    /// The path of the request target, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.all(":path").next().unwrap_or_default();
        std::str::from_utf8(target.split(|b| *b == b'?').next().unwrap_or_default()).unwrap_or_default()
    }

    /// The authority: the host and perhaps its port, as the client names them.
    #[must_use]
    pub fn authority(&self) -> &str {
        std::str::from_utf8(self.all(":authority").next().unwrap_or_default()).unwrap_or_default()
    }
}

impl<'h> FromIterator<(&'h [u8], &'h [u8])> for KeptHeaders {
    fn from_iter<I: IntoIterator<Item = (&'h [u8], &'h [u8])>>(lines: I) -> Self {
        let mut kept = Self::default();
        for (name, value) in lines {
            kept.push(name, value);
        }
        kept
    }
}
