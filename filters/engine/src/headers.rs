//! Header fields, borrowed while they are at hand, and the few that are kept.

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

    /// The first value of one name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }
}

/// Field lines copied out of a head, for when it has gone: without header hold it cannot be read in the body phase.
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
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.lines.push(Line { name: start, value: middle, end: self.bytes.len() });
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

    /// The values of one name.
    pub fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n [u8]> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }
}
