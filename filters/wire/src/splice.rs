//! Edits of a text that leave every other byte as it came.
//!
//! Edits are collected against one text and applied together, once. A removal swallows the edits inside of it, since one
//! stage may remove what another wants to change; any other two that touch the same bytes are an error, not an order.

use std::cmp::Reverse;

use crate::json::{Member, Span, write_string};
use crate::message::Message;

/// Edits of one text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Splices {
    edits: Vec<Edit>,
}

#[derive(Debug, PartialEq, Eq)]
struct Edit {
    at: Span,
    new: New,
}

#[derive(Debug, PartialEq, Eq)]
enum New {
    Bytes(Vec<u8>),
    /// Nothing, and the comma that parted it from its neighbour goes too.
    Gone,
}

/// Two edits touch the same bytes, or one lies outside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("edits overlap or lie outside the text, at byte {at}")]
pub struct SpliceError {
    /// Where.
    pub at: usize,
}

impl Splices {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Adds the edits of another collection for the same text.
    pub fn append(&mut self, mut others: Self) {
        self.edits.append(&mut others.edits);
    }

    /// Puts bytes in the place of a span.
    pub fn replace(&mut self, at: Span, bytes: Vec<u8>) {
        self.edits.push(Edit { at, new: New::Bytes(bytes) });
    }

    /// Removes an element of an array, or a member of an object whose span reaches from its key to its value, and the
    /// comma beside it. Edits inside of it are removed with it, and to remove it twice is to remove it once.
    pub fn remove_element(&mut self, at: Span) {
        self.edits.push(Edit { at, new: New::Gone });
    }

    /// The elements and members that go.
    pub fn removed(&self) -> impl Iterator<Item = Span> + '_ {
        self.edits.iter().filter(|edit| edit.new == New::Gone).map(|edit| edit.at)
    }

    /// Removes a member of an object, and the comma beside it.
    pub fn remove_member(&mut self, member: Member) {
        self.remove_element(member.span());
    }

    /// Puts a member before the others of an object; the value is JSON. Once for an object: whoever has more members to
    /// insert joins them, since two insertions at one place have no order.
    pub fn insert_member(&mut self, text: &str, object: Span, key: &str, value: &str) {
        let mut member = String::with_capacity(key.len().saturating_add(value.len()).saturating_add(4));
        write_string(key, &mut member);
        member.push(':');
        member.push_str(value);
        self.insert_first(text, object, member.into_bytes());
    }

    /// Sets members of `params._meta`; the values are JSON, the keys differ. What is missing of `params` and `_meta` is
    /// made. Nothing is done to a response, which has no `params`. Once for a message: a second call may touch the same
    /// place.
    pub fn set_meta<V: AsRef<[u8]>>(&mut self, message: &Message<'_>, members: &[(&str, V)]) {
        if message.method().is_none() {
            return;
        }
        let written = |(key, value): &(&str, V)| key.len().saturating_add(value.as_ref().len()).saturating_add(4);
        // With room for what may go around it.
        let mut missing = Vec::with_capacity(members.iter().map(written).sum::<usize>().saturating_add(24));
        for (key, value) in members {
            if let Some(span) = message.meta_value(key) {
                self.replace(span, value.as_ref().to_vec());
                continue;
            }
            if !missing.is_empty() {
                missing.push(b',');
            }
            write_key(key, &mut missing);
            missing.push(b':');
            missing.extend_from_slice(value.as_ref());
        }
        if missing.is_empty() {
            return;
        }
        if let Some(meta) = message.meta() {
            return self.insert_first(message.text(), meta, missing);
        }
        let around = |before: &[u8], after: &[u8]| [before, &*missing, after].concat();
        match message.params() {
            // A `_meta` that is no object gives way to one: beside it there would be two.
            Some(_) if message.meta_as_sent().is_some() => {
                let place = message.meta_as_sent().map(|(span, _)| span).unwrap_or_default();
                self.replace(place, around(b"{", b"}"));
            }
            Some(params) => self.insert_first(message.text(), params, around(b"\"_meta\":{", b"}")),
            None => {
                self.insert_first(message.text(), message.span(), around(b"\"params\":{\"_meta\":{", b"}}"));
            }
        }
    }

    /// Inserts members right behind an object's brace.
    fn insert_first(&mut self, text: &str, object: Span, mut members: Vec<u8>) {
        let inside = Span { start: object.start.saturating_add(1), end: object.end.saturating_sub(1) };
        if !inside.of(text).bytes().all(|b| b.is_ascii_whitespace()) {
            members.push(b',');
        }
        self.replace(Span { start: inside.start, end: inside.start }, members);
    }

    /// The text with all edits.
    ///
    /// # Errors
    /// Two edits touch the same bytes and neither is inside of a removal, or one lies outside the text.
    pub fn apply(&self, text: &[u8]) -> Result<Vec<u8>, SpliceError> {
        match &*self.edits {
            // Mostly there is one, and it has no other to clash with.
            [Edit { at, new: New::Bytes(bytes) }] => {
                let outside = SpliceError { at: at.start };
                let before = text.get(..at.start).ok_or(outside)?;
                let after = text.get(at.end.max(at.start)..).ok_or(outside)?;
                Ok([before, &**bytes, after].concat())
            }
            _ => self.apply_all(text),
        }
    }

    fn apply_all(&self, text: &[u8]) -> Result<Vec<u8>, SpliceError> {
        let mut edits: Vec<&Edit> = self.edits.iter().collect();
        // What begins at one place: first insertions, which lie before it, then the longest, which may swallow others.
        edits.sort_by_key(|edit| (edit.at.start, !edit.at.is_empty(), Reverse(edit.at.end), edit.new != New::Gone));
        let added: usize = edits
            .iter()
            .map(|edit| match &edit.new {
                New::Bytes(bytes) => bytes.len(),
                New::Gone => 0,
            })
            .sum();
        let mut out = Vec::with_capacity(text.len().saturating_add(added));
        let mut from = 0_usize;
        let mut last_insertion = None;
        let mut removed_to = 0_usize;
        for edit in edits {
            // Edits begin no earlier than the removal before them, and insertions at its beginning came before it.
            if edit.at.start < removed_to && edit.at.end <= removed_to {
                continue;
            }
            let clash = SpliceError { at: edit.at.start };
            if edit.at.is_empty() && last_insertion == Some(edit.at.start) {
                return Err(clash);
            }
            last_insertion = edit.at.is_empty().then_some(edit.at.start);
            out.extend_from_slice(text.get(from..edit.at.start).ok_or(clash)?);
            from = edit.at.end.max(edit.at.start);
            match &edit.new {
                New::Bytes(bytes) => out.extend_from_slice(bytes),
                New::Gone => {
                    removed_to = from;
                    match behind_comma(text, from) {
                        Some(next) => from = next,
                        None => drop_comma(&mut out),
                    }
                }
            }
        }
        out.extend_from_slice(text.get(from..).ok_or(SpliceError { at: from })?);
        Ok(out)
    }
}

/// Writes a member's key.
fn write_key(key: &str, out: &mut Vec<u8>) {
    if key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b)) {
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.push(b'"');
    } else {
        let mut quoted = String::new();
        write_string(key, &mut quoted);
        out.extend_from_slice(quoted.as_bytes());
    }
}

/// Where the next element begins, if a comma follows.
fn behind_comma(text: &[u8], from: usize) -> Option<usize> {
    let blanks = |from: usize| text.iter().skip(from).take_while(|b| b.is_ascii_whitespace()).count();
    let comma = from.saturating_add(blanks(from));
    (text.get(comma) == Some(&b',')).then(|| {
        let next = comma.saturating_add(1);
        next.saturating_add(blanks(next))
    })
}

/// The last element goes, and with it the comma before it, if one is left.
fn drop_comma(out: &mut Vec<u8>) {
    let kept = out.trim_ascii_end().len();
    if out.get(kept.saturating_sub(1)) == Some(&b',') {
        out.truncate(kept.saturating_sub(1));
    }
}
