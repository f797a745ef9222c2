//! One block of a stream, and what its lines say.

use std::borrow::Cow;

use memchr::memchr2;

use super::BOM;

/// What ends with a blank line, a comment on its own, or what a stream broke off with.
///
/// Only what has a `data` line is an event, be its data empty: the event of 2025-11-25 that primes a client for
/// resumption is `id` and an empty `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    raw: &'a [u8],
    /// Bytes of a byte order mark before the first line.
    mark: usize,
    complete: bool,
    data_lines: usize,
    first_data: &'a [u8],
    event_type: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    retry: Option<u64>,
}

impl<'a> Block<'a> {
    pub(super) fn new(raw: &'a [u8], first_of_stream: bool, complete: bool) -> Self {
        let mark = if first_of_stream && raw.starts_with(BOM) { BOM.len() } else { 0 };
        let mut block =
            Self { raw, mark, complete, data_lines: 0, first_data: &[], event_type: None, id: None, retry: None };
        for line in block.lines() {
            match line.field() {
                (b"data", value) => {
                    if block.data_lines == 0 {
                        block.first_data = value;
                    }
                    block.data_lines = block.data_lines.saturating_add(1);
                }
                (b"event", value) => block.event_type = Some(value),
                (b"id", value) if !value.contains(&0) => block.id = Some(value),
                (b"retry", value) => block.retry = digits(value).or(block.retry),
                _ => {}
            }
        }
        block
    }

    /// The bytes it was received as.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether its end was received. A client following the standard discards a block that is not.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The event's data, its lines joined by LF. `None` where there is no `data` line, and so no event.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        match self.data_lines {
            0 => None,
            1 => Some(Cow::Borrowed(self.first_data)),
            _ => {
                let mut joined = Vec::with_capacity(self.raw.len());
                for (_, value) in self.lines().map(Line::field).filter(|(name, _)| *name == b"data") {
                    joined.extend_from_slice(value);
                    joined.push(b'\n');
                }
                joined.pop();
                Some(Cow::Owned(joined))
            }
        }
    }

    /// The data as text. `None` where there is none, and where it is not UTF-8: a client reads replacement characters
    /// there, so that what it sees is not what was sent.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self.data()? {
            Cow::Borrowed(data) => simdutf8::basic::from_utf8(data).ok().map(Cow::Borrowed),
            Cow::Owned(data) => String::from_utf8(data).ok().map(Cow::Owned),
        }
    }

    /// The event's type; `None` is `message`.
    #[must_use]
    pub fn event_type(&self) -> Option<&'a [u8]> {
        self.event_type.filter(|name| !name.is_empty())
    }

    /// What becomes the client's last event id, if this block says one.
    #[must_use]
    pub const fn id(&self) -> Option<&'a [u8]> {
        self.id
    }

    /// The time to wait before reconnecting, in milliseconds, if this block says one.
    #[must_use]
    pub const fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// The same block as it was written anew.
    #[must_use]
    pub fn like<'b>(&self, written: &'b [u8]) -> Block<'b> {
        Block::new(written, self.mark > 0, self.complete)
    }

    /// The last id of those that a client could come back with. `None`: it says none, or takes back what was said before.
    #[must_use]
    pub fn resumable_id(&self) -> Option<&'a [u8]> {
        self.id.filter(|id| !id.is_empty())
    }

    /// Writes the block with another id, in the place of its last, or without: no other line of its name is left, and every other line is
    /// as it was received.
    pub fn write_with_id(&self, id: Option<&[u8]>, out: &mut Vec<u8>) {
        out.reserve(self.raw.len().saturating_add(id.map_or(0, <[u8]>::len)));
        out.extend_from_slice(self.raw.get(..self.mark).unwrap_or_default());
        let is_id = |line: &Line<'_>| line.field().0 == b"id";
        let last = self.lines().filter(is_id).count();
        let mut seen = 0_usize;
        let mut removed = false;
        for line in self.lines() {
            if is_id(&line) {
                seen = seen.saturating_add(1);
                let written = id.filter(|_| seen == last);
                if let Some(id) = written {
                    out.extend_from_slice(b"id: ");
                    out.extend_from_slice(id);
                    out.extend_from_slice(line.ending);
                }
                removed |= written.is_none();
                continue;
            }
            // Where a line between them has gone, a CR and an LF must not become one line ending.
            if removed && line.content.is_empty() && line.ending == b"\n" && out.last() == Some(&b'\r') {
                out.push(b'\n');
            }
            out.extend_from_slice(line.content);
            out.extend_from_slice(line.ending);
        }
    }

    /// Writes the block with other data: each line of `data` in a line of its own where the first `data` line stood, and
    /// every line that is no data as it was received. A block that had no data gets it before its end.
    pub fn write_with_data(&self, data: &[u8], out: &mut Vec<u8>) {
        out.reserve(self.raw.len().saturating_add(data.len()));
        out.extend_from_slice(self.raw.get(..self.mark).unwrap_or_default());
        let mut written = false;
        for line in self.lines() {
            let is_data = line.field().0 == b"data";
            if (is_data || line.content.is_empty()) && !written {
                written = true;
                write_data(data, line.ending_or_lf(), out);
            }
            if !is_data {
                // Where a line between them has gone, a CR and an LF must not become one line ending.
                if written && line.content.is_empty() && line.ending == b"\n" && out.last() == Some(&b'\r') {
                    out.push(b'\n');
                }
                out.extend_from_slice(line.content);
                out.extend_from_slice(line.ending);
            }
        }
        if !written {
            // Nothing but whole lines may stand before a new one.
            if !matches!(out.last(), None | Some(b'\n' | b'\r')) {
                out.push(b'\n');
            }
            write_data(data, b"\n", out);
        }
    }

    fn lines(&self) -> Lines<'a> {
        Lines { rest: self.raw.get(self.mark..).unwrap_or_default() }
    }
}

fn write_data(data: &[u8], ending: &[u8], out: &mut Vec<u8>) {
    let mut rest = Some(data);
    while let Some(text) = rest {
        let (line, behind) = match memchr2(b'\r', b'\n', text) {
            None => (text, None),
            Some(at) => {
                let line = Lines { rest: text }.next();
                (text.get(..at).unwrap_or_default(), line.and_then(|line| text.get(line.length()..)))
            }
        };
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(ending);
        rest = behind;
    }
}

fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// One line.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    content: &'a [u8],
    /// Its CR, LF or CRLF; nothing where the stream broke off.
    ending: &'a [u8],
}

impl<'a> Line<'a> {
    /// Name and value. A comment has no name; a line without colon has no value.
    fn field(self) -> (&'a [u8], &'a [u8]) {
        let Some(colon) = memchr::memchr(b':', self.content) else { return (self.content, &[]) };
        let (name, value) = self.content.split_at_checked(colon).unwrap_or_default();
        let value = value.strip_prefix(b":").unwrap_or(value);
        (name, value.strip_prefix(b" ").unwrap_or(value))
    }

    const fn ending_or_lf(&self) -> &'a [u8] {
        if self.ending.is_empty() { b"\n" } else { self.ending }
    }

    const fn length(&self) -> usize {
        self.content.len().saturating_add(self.ending.len())
    }
}

/// The lines of a text.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\r', b'\n', self.rest).unwrap_or(self.rest.len());
        let (content, behind) = self.rest.split_at_checked(end)?;
        let length = match behind {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        let (ending, rest) = behind.split_at_checked(length)?;
        self.rest = rest;
        Some(Line { content, ending })
    }
}
