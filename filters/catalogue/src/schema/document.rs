//! A JSON document as a flat table: each value is followed by what it contains, so that nothing recurses and nothing is
//! copied.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use memchr::memchr2;
use meshward_wire::json::{Number, Span, ValueKind, unescape};

use super::steps::{Steps, TooComplex};

/// Bound of nesting: twice what requests may have unless the operator lets them.
pub(super) const MAX_DEPTH: usize = 128;
/// Bound of values.
pub(super) const MAX_VALUES: usize = 1 << 18;

/// Why a text is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is not JSON.
    NotJson,
    /// It is nested deeper, or holds more values, than the bounds.
    TooLarge,
}

/// The values of a document, outermost first.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Between the key's quotes; empty in arrays.
    key: Short,
    value: Short,
    /// The first row behind what it contains.
    end: u32,
    /// How many values are directly in it.
    count: u32,
    kind: ValueKind,
}

/// A span of a document below 4 GiB.
#[derive(Debug, Clone, Copy, Default)]
struct Short {
    start: u32,
    end: u32,
}

impl Short {
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    fn of(self, text: &str) -> &str {
        let place = |at| usize::try_from(at).unwrap_or(usize::MAX);
        Span { start: place(self.start), end: place(self.end) }.of(text)
    }
}

impl Table {
    /// Reads text that a strict reader let through; of other text the table means nothing, and still holds the bounds.
    pub(super) fn read(text: &str) -> Result<Self, Unreadable> {
        let bytes = text.as_bytes();
        let (mut at, mut key) = (0_usize, None);
        let mut rows: Vec<Row> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let start = at;
            let byte = *bytes.get(at).ok_or(Unreadable::NotJson)?;
            at = at.saturating_add(1);
            let in_object = open.last().and_then(|row| rows.get(*row)).is_some_and(|row| row.kind == ValueKind::Object);
            let kind = match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => continue,
                b'}' | b']' => {
                    let end = u32::try_from(rows.len()).map_err(|_| Unreadable::TooLarge)?;
                    let row = open.pop().and_then(|row| rows.get_mut(row)).ok_or(Unreadable::NotJson)?;
                    row.end = end;
                    row.value.end = u32::try_from(at).map_err(|_| Unreadable::TooLarge)?;
                    if open.is_empty() {
                        return Ok(Self { rows });
                    }
                    continue;
                }
                b'"' => {
                    at = string_end(bytes, at).ok_or(Unreadable::NotJson)?;
                    if in_object && key.is_none() {
                        key = Short::new(start.saturating_add(1), at.saturating_sub(1));
                        continue;
                    }
                    ValueKind::String
                }
                b'{' => ValueKind::Object,
                b'[' => ValueKind::Array,
                _ => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let ends = |b: &u8| matches!(b, b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']') || *b <= b' ';
                    at = at.saturating_add(rest.iter().position(ends).unwrap_or(rest.len()));
                    match byte {
                        b't' | b'f' => ValueKind::Bool,
                        b'n' => ValueKind::Null,
                        b'-' | b'0'..=b'9' => ValueKind::Number,
                        _ => return Err(Unreadable::NotJson),
                    }
                }
            };
            if in_object && key.is_none() {
                return Err(Unreadable::NotJson);
            }
            if rows.len() >= MAX_VALUES {
                return Err(Unreadable::TooLarge);
            }
            if let Some(parent) = open.last().and_then(|row| rows.get_mut(*row)) {
                parent.count = parent.count.saturating_add(1);
            }
            let value = Short::new(start, at).ok_or(Unreadable::TooLarge)?;
            let this = rows.len();
            let end = u32::try_from(this.saturating_add(1)).map_err(|_| Unreadable::TooLarge)?;
            rows.push(Row { key: key.take().unwrap_or_default(), value, end, count: 0, kind });
            if matches!(kind, ValueKind::Object | ValueKind::Array) {
                if open.len() >= MAX_DEPTH {
                    return Err(Unreadable::TooLarge);
                }
                open.push(this);
            } else if open.is_empty() {
                return Ok(Self { rows });
            }
        }
    }

    /// The outermost value.
    pub(super) fn root<'a>(&'a self, text: &'a str) -> Value<'a> {
        Value { text, table: self, at: 0, as_key: false }
    }
}

/// The place behind the quote that ends a string.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at.checked_add(memchr2(b'"', b'\\', bytes.get(at..)?)?)?;
        match bytes.get(found)? {
            b'"' => return found.checked_add(1),
            _ => at = found.checked_add(2)?,
        }
    }
}

/// A value of a document, or the key of a member as a string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    text: &'a str,
    table: &'a Table,
    at: usize,
    as_key: bool,
}

impl<'a> Value<'a> {
    fn row(&self) -> Row {
        let nothing = Row { key: Short::default(), value: Short::default(), end: 0, count: 0, kind: ValueKind::Null };
        self.table.rows.get(self.at).copied().unwrap_or(nothing)
    }

    /// Its place in the table.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn kind(&self) -> ValueKind {
        if self.as_key { ValueKind::String } else { self.row().kind }
    }

    /// Its letters.
    pub(super) fn raw(&self) -> &'a str {
        self.row().value.of(self.text)
    }

    pub(super) fn as_str(&self) -> Option<Cow<'a, str>> {
        if self.as_key {
            return Some(self.key());
        }
        let quoted = (self.kind() == ValueKind::String).then(|| self.raw())?;
        Some(unescape(quoted.strip_prefix('"')?.strip_suffix('"')?))
    }

    pub(super) fn as_number(&self) -> Option<Number<'a>> {
        if self.kind() == ValueKind::Number { Number::parse(self.raw()) } else { None }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        (self.kind() == ValueKind::Bool).then(|| self.raw() == "true")
    }

    /// The key under which it is in its object.
    pub(super) fn key(&self) -> Cow<'a, str> {
        unescape(self.row().key.of(self.text))
    }

    /// That key as a string.
    pub(super) const fn key_as_value(self) -> Self {
        Self { as_key: true, ..self }
    }

    /// How many values are directly in it.
    pub(super) fn len(&self) -> usize {
        if self.as_key { 0 } else { usize::try_from(self.row().count).unwrap_or(usize::MAX) }
    }

    /// What is directly in it, in order.
    pub(super) fn children(&self) -> impl Iterator<Item = Self> + use<'a> {
        let Self { text, table, at, .. } = *self;
        let end = if self.as_key { 0 } else { usize::try_from(self.row().end).unwrap_or_default() };
        let mut next = at.saturating_add(1);
        std::iter::from_fn(move || {
            let child = Self { text, table, at: next, as_key: false };
            if next >= end {
                return None;
            }
            next = usize::try_from(child.row().end).ok()?.max(next.saturating_add(1));
            Some(child)
        })
    }

    /// The value of a member.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        if self.kind() == ValueKind::Object { self.children().find(|child| child.key() == key) } else { None }
    }

    /// JSON pointer (RFC 6901) to a place in the table, from this value.
    pub(super) fn pointer_to(self, at: usize) -> String {
        let mut pointer = String::new();
        let mut here = self;
        while here.at != at {
            let is_array = here.kind() == ValueKind::Array;
            let holds = |(_, child): &(usize, Self)| {
                child.at <= at && at < usize::try_from(child.row().end).unwrap_or_default()
            };
            let Some((index, child)) = here.children().enumerate().find(holds) else { break };
            pointer.push('/');
            if is_array {
                pointer.push_str(&index.to_string());
            } else {
                pointer.push_str(&child.key().replace('~', "~0").replace('/', "~1"));
            }
            here = child;
        }
        pointer
    }

    /// Whether two values are equal as JSON Schema has it (core, section 4.2.2): numbers by value, members in any order.
    pub(super) fn equals(self, other: Value<'_>, steps: &mut Steps) -> Result<bool, TooComplex> {
        steps.spend(1)?;
        if self.kind() != other.kind() || self.len() != other.len() {
            return Ok(false);
        }
        match self.kind() {
            ValueKind::Null => Ok(true),
            ValueKind::Bool => Ok(self.raw() == other.raw()),
            ValueKind::Number => {
                steps.spend_bytes(self.raw().len())?;
                Ok(self.as_number().is_some_and(|number| Some(number) == other.as_number()))
            }
            ValueKind::String => {
                steps.spend_bytes(self.row().value.of(self.text).len())?;
                Ok(self.as_str() == other.as_str())
            }
            ValueKind::Array => {
                for (one, another) in self.children().zip(other.children()) {
                    if !one.equals(another, steps)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            ValueKind::Object => {
                let mut in_order = other.children();
                for one in self.children() {
                    let key = one.key();
                    // Mostly they are in the same order.
                    let another = match in_order.next().filter(|another| another.key() == key) {
                        Some(another) => another,
                        None => {
                            steps.spend(other.len())?;
                            match other.get(&key) {
                                Some(another) => another,
                                None => return Ok(false),
                            }
                        }
                    };
                    if !one.equals(another, steps)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// The same for equal values.
    pub(super) fn digest(self, steps: &mut Steps) -> Result<u64, TooComplex> {
        steps.spend(1)?;
        let mut hasher = DefaultHasher::new();
        let kind = self.kind();
        (kind as u8, self.len()).hash(&mut hasher);
        match kind {
            ValueKind::Null => {}
            ValueKind::Bool => self.raw().hash(&mut hasher),
            ValueKind::Number => {
                steps.spend_bytes(self.raw().len())?;
                self.as_number().hash(&mut hasher);
            }
            ValueKind::String => {
                steps.spend_bytes(self.row().value.of(self.text).len())?;
                self.as_str().hash(&mut hasher);
            }
            ValueKind::Array => {
                for child in self.children() {
                    child.digest(steps)?.hash(&mut hasher);
                }
            }
            ValueKind::Object => {
                let mut sum = 0_u64;
                for child in self.children() {
                    let mut member = DefaultHasher::new();
                    (child.key(), child.digest(steps)?).hash(&mut member);
                    sum = sum.wrapping_add(member.finish());
                }
                sum.hash(&mut hasher);
            }
        }
        Ok(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(one: &str, other: &str) -> bool {
        let (a, b) = (Table::read(one).unwrap(), Table::read(other).unwrap());
        let (a, b) = (a.root(one), b.root(other));
        let mut steps = Steps::new(10_000);
        let equal = a.equals(b, &mut steps).unwrap();
        assert!(!equal || a.digest(&mut steps) == b.digest(&mut steps), "{one} {other}");
        equal
    }

    #[test]
    fn equality_is_by_value() {
        for (one, other) in [
            ("1", "1.0"),
            (r#"{"a":1,"b":[2,{}]}"#, r#" { "b" : [ 2 , { } ] , "a" : 10e-1 } "#),
            (r#""a\u0062""#, r#""ab""#),
            ("[]", "[ ]"),
            ("null", "null"),
        ] {
            assert!(equal(one, other) && equal(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("1", "true"),
            ("0", "false"),
            ("[]", "{}"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,2]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#""a""#, r#""b""#),
            ("9007199254740993", "9007199254740992"),
        ] {
            assert!(!equal(one, other) && !equal(other, one), "{one} {other}");
        }
    }

    #[test]
    fn pointers_lead_to_every_value() {
        let text = r#"{"a/b":[1,{"~":2}],"c":{}}"#;
        let table = Table::read(text).unwrap();
        let pointers: Vec<_> = (0..table.rows.len()).map(|at| table.root(text).pointer_to(at)).collect();
        assert_eq!(pointers, ["", "/a~1b", "/a~1b/0", "/a~1b/1", "/a~1b/1/~0", "/c"]);
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Table::read(&deep(MAX_DEPTH - 1)).is_ok());
        assert!(Table::read(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(Table::read(&deep(MAX_DEPTH + 1)).unwrap_err(), Unreadable::TooLarge);
        // The array is a value too.
        let many = |n: usize| format!("[{}]", vec!["1"; n - 1].join(","));
        assert!(Table::read(&many(MAX_VALUES - 1)).is_ok());
        assert!(Table::read(&many(MAX_VALUES)).is_ok());
        assert_eq!(Table::read(&many(MAX_VALUES + 1)).unwrap_err(), Unreadable::TooLarge);
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(text in r#"[{}\[\]",:\\a1 é]{0,40}"#) {
            if let Ok(table) = Table::read(&text) {
                let root = table.root(&text);
                for child in root.children() {
                    let _ = (child.as_str(), child.as_number(), root.pointer_to(child.at()));
                }
                let _ = root.equals(root, &mut Steps::new(1000));
            }
        }
    }
}
