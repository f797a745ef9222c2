//! The strict scanner: RFC 8259 and nothing more, in one pass without recursion, telling what it finds to a [`Sink`].
//!
//! Faults that leave the structure readable (a duplicate key, a number out of range) are noted and the scan goes on, so
//! that the id of the message can still be found behind them; faults of the syntax end it.

use crate::json::{Span, ValueKind, unescape_into};
use crate::limits::Limits;
use crate::refusal::Reason;

/// What a container means to whoever listens; `Role::default()` means nothing.
pub(crate) trait Sink {
    type Role: Copy + Default;
    /// Which member a key names; `Slot::default()` is none of interest.
    type Slot: Copy + Default;

    /// An object or array begins as the value of a slot.
    fn open(&mut self, slot: Self::Slot, parent: Self::Role, kind: ValueKind, at: usize) -> Result<Self::Role, Reason>;
    /// A key of a container with a role was read; `letters` are between its quotes.
    fn key(&mut self, role: Self::Role, letters: &str, escaped: bool, at: Span) -> Result<Self::Slot, Reason>;
    /// A value is complete.
    fn value(&mut self, slot: Self::Slot, parent: Self::Role, value: Value) -> Result<(), Reason>;
    /// A container with a role is complete.
    fn close(&mut self, role: Self::Role, span: Span) -> Result<(), Reason>;
    /// Whether keys of this role's containers are of interest.
    fn listens(&self, role: Self::Role) -> bool;
}

/// A complete value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Value {
    pub(crate) span: Span,
    pub(crate) kind: ValueKind,
    /// A string with an escaped NUL.
    pub(crate) has_nul: bool,
}

/// The first fault of a body, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) at: usize,
}

/// Memory that is used again for the next body.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    keys: Vec<Key>,
    unescaped: String,
}

/// A key of an object that is still open.
#[derive(Debug, Clone, Copy)]
struct Key {
    fingerprint: u32,
    /// The text, in the body or, when it had escapes, in the scratch.
    start: u32,
    end: u32,
    unescaped: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame<R, S> {
    role: R,
    /// The slot whose value this container is, and the role of the container around it.
    slot: S,
    parent: R,
    start: usize,
    is_object: bool,
    begun: bool,
    first_key: usize,
    first_unescaped: usize,
    /// Enough keys that duplicates are looked for at the end, by sorting.
    many: bool,
}

/// An object with more keys is checked for duplicates when it closes: comparing each with each would be quadratic.
const FEW_KEYS: usize = 16;

pub(crate) struct Scanner<'b, 's, S: Sink> {
    text: &'b str,
    bytes: &'b [u8],
    at: usize,
    limits: Limits,
    scratch: &'s mut Scratch,
    sink: &'s mut S,
    stack: Vec<Frame<S::Role, S::Slot>>,
    fault: Option<Fault>,
}

type Syntax<T> = Result<T, Fault>;

impl<'b, 's, S: Sink> Scanner<'b, 's, S> {
    pub(crate) fn new(text: &'b str, limits: Limits, scratch: &'s mut Scratch, sink: &'s mut S) -> Self {
        scratch.keys.clear();
        scratch.unescaped.clear();
        Self { text, bytes: text.as_bytes(), at: 0, limits, scratch, sink, stack: Vec::with_capacity(8), fault: None }
    }

    /// Scans the whole text.
    pub(crate) fn run(mut self) -> Result<(), Fault> {
        let syntax = self.document();
        match (self.fault, syntax) {
            (Some(fault), _) | (None, Err(fault)) => Err(fault),
            (None, Ok(())) => Ok(()),
        }
    }

    fn document(&mut self) -> Syntax<()> {
        self.blank();
        self.value(S::Slot::default(), S::Role::default())?;
        while let Some(frame) = self.stack.last().copied() {
            if frame.is_object { self.member(frame)? } else { self.element(frame)? }
        }
        self.blank();
        if self.at < self.bytes.len() { Err(self.syntax(Reason::TrailingData)) } else { Ok(()) }
    }

    /// At the beginning of a member, or behind one. Returns when a container opened or closed.
    fn member(&mut self, frame: Frame<S::Role, S::Slot>) -> Syntax<()> {
        self.blank();
        let mut first = !frame.begun;
        loop {
            match self.peek()? {
                b'}' => return self.close(frame),
                b',' if !first => {
                    self.step();
                    self.blank();
                }
                b'"' if first => {}
                _ => return Err(self.syntax(Reason::InvalidJson)),
            }
            if first {
                first = false;
                self.begin();
            }
            if self.peek()? != b'"' {
                return Err(self.syntax(Reason::InvalidJson));
            }
            let slot = self.key()?;
            self.blank();
            if self.peek()? != b':' {
                return Err(self.syntax(Reason::InvalidJson));
            }
            self.step();
            self.blank();
            let depth = self.stack.len();
            self.value(slot, frame.role)?;
            if self.stack.len() != depth {
                return Ok(());
            }
            self.blank();
        }
    }

    fn element(&mut self, frame: Frame<S::Role, S::Slot>) -> Syntax<()> {
        self.blank();
        let mut first = !frame.begun;
        loop {
            match self.peek()? {
                b']' => return self.close(frame),
                b',' if !first => {
                    self.step();
                    self.blank();
                }
                _ if first => {}
                _ => return Err(self.syntax(Reason::InvalidJson)),
            }
            if first {
                first = false;
                self.begin();
            }
            let depth = self.stack.len();
            self.value(S::Slot::default(), frame.role)?;
            if self.stack.len() != depth {
                return Ok(());
            }
            self.blank();
        }
    }

    /// The innermost container is no longer empty.
    fn begin(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.begun = true;
        }
    }

    fn value(&mut self, slot: S::Slot, parent: S::Role) -> Syntax<()> {
        let start = self.at;
        let (kind, has_nul) = match self.peek()? {
            b'{' => return self.open(slot, parent, ValueKind::Object),
            b'[' => return self.open(slot, parent, ValueKind::Array),
            b'"' => (ValueKind::String, self.string()?.has_nul),
            b't' => (ValueKind::Bool, self.literal(b"true")?),
            b'f' => (ValueKind::Bool, self.literal(b"false")?),
            b'n' => (ValueKind::Null, self.literal(b"null")?),
            _ => {
                self.number()?;
                (ValueKind::Number, false)
            }
        };
        let value = Value { span: Span { start, end: self.at }, kind, has_nul };
        let told = self.sink.value(slot, parent, value);
        self.note(told.map(drop), start);
        Ok(())
    }

    fn open(&mut self, slot: S::Slot, parent: S::Role, kind: ValueKind) -> Syntax<()> {
        if self.stack.len() >= usize::from(self.limits.max_depth) {
            return Err(self.syntax(Reason::TooDeep));
        }
        let start = self.at;
        let role = match self.sink.open(slot, parent, kind, start) {
            Ok(role) => role,
            Err(reason) => {
                self.note(Err(reason), start);
                S::Role::default()
            }
        };
        self.step();
        self.stack.push(Frame {
            role,
            slot,
            parent,
            start,
            is_object: kind == ValueKind::Object,
            begun: false,
            first_key: self.scratch.keys.len(),
            first_unescaped: self.scratch.unescaped.len(),
            many: false,
        });
        Ok(())
    }

    fn close(&mut self, frame: Frame<S::Role, S::Slot>) -> Syntax<()> {
        self.step();
        // The copy the caller holds is as old as the container's beginning.
        let many = self.stack.pop().is_some_and(|frame| frame.many);
        if many {
            self.find_duplicates(frame.first_key);
        }
        self.scratch.keys.truncate(frame.first_key);
        self.scratch.unescaped.truncate(frame.first_unescaped);
        let span = Span { start: frame.start, end: self.at };
        if self.sink.listens(frame.role) {
            let told = self.sink.close(frame.role, span);
            self.note(told, frame.start);
        }
        let kind = if frame.is_object { ValueKind::Object } else { ValueKind::Array };
        let told = self.sink.value(frame.slot, frame.parent, Value { span, kind, has_nul: false });
        self.note(told, frame.start);
        Ok(())
    }

    fn key(&mut self) -> Syntax<S::Slot> {
        let start = self.at.saturating_add(1);
        let string = self.string()?;
        let letters = Span { start, end: self.at.saturating_sub(1) };
        let role = self.stack.last().map(|frame| frame.role).unwrap_or_default();
        self.remember_key(letters, string.escaped);
        if !self.sink.listens(role) {
            return Ok(S::Slot::default());
        }
        match self.sink.key(role, letters.of(self.text), string.escaped, letters) {
            Ok(slot) => Ok(slot),
            Err(reason) => {
                self.note(Err(reason), start);
                Ok(S::Slot::default())
            }
        }
    }

    fn remember_key(&mut self, letters: Span, escaped: bool) {
        let (start, end) = if escaped {
            let start = self.scratch.unescaped.len();
            unescape_into(letters.of(self.text), &mut self.scratch.unescaped);
            (start, self.scratch.unescaped.len())
        } else {
            (letters.start, letters.end)
        };
        let mut key = Key {
            fingerprint: 0,
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
            unescaped: escaped,
        };
        key.fingerprint = fingerprint(self.text_of(key).as_bytes());
        let Some(frame) = self.stack.last_mut() else { return };
        let siblings = self.scratch.keys.get(frame.first_key..).unwrap_or_default();
        if siblings.len() >= FEW_KEYS {
            frame.many = true;
        } else {
            let again = siblings
                .iter()
                .any(|other| other.fingerprint == key.fingerprint && self.text_of(*other) == self.text_of(key));
            if again {
                self.note(Err(Reason::DuplicateKey), letters.start);
            }
        }
        self.scratch.keys.push(key);
    }

    fn text_of(&self, key: Key) -> &str {
        let span = Span { start: key.start as usize, end: key.end as usize };
        span.of(if key.unescaped { &self.scratch.unescaped } else { self.text })
    }

    /// Looks for equal keys among many by sorting them, which no choice of keys can make slow.
    fn find_duplicates(&mut self, first: usize) {
        let mut keys = self.scratch.keys.split_off(first);
        keys.sort_unstable_by(|a, b| {
            a.fingerprint.cmp(&b.fingerprint).then_with(|| self.text_of(*a).cmp(self.text_of(*b)))
        });
        let again = keys.windows(2).any(|pair| match pair {
            [a, b] => a.fingerprint == b.fingerprint && self.text_of(*a) == self.text_of(*b),
            _ => false,
        });
        if again {
            self.note(Err(Reason::DuplicateKey), self.at);
        }
    }

    fn string(&mut self) -> Syntax<StringFacts> {
        let mut facts = StringFacts::default();
        self.step();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at = self.at.saturating_add(plain_length(rest));
            match self.peek()? {
                b'"' => {
                    self.step();
                    return Ok(facts);
                }
                b'\\' => {
                    facts.escaped = true;
                    facts.has_nul |= self.escape()?;
                }
                _ => return Err(self.syntax(Reason::ControlCharacter)),
            }
        }
    }

    /// One escape. Says whether it is a NUL.
    fn escape(&mut self) -> Syntax<bool> {
        self.step();
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.step();
                Ok(false)
            }
            b'u' => {
                let start = self.at;
                let unit = self.code_unit()?;
                match unit {
                    0xd800..0xdc00 => {
                        let rest = self.bytes.get(self.at..).unwrap_or_default();
                        if !rest.starts_with(b"\\u") {
                            return Err(self.cut_or(rest, b"\\u", Reason::LoneSurrogate, start));
                        }
                        self.step();
                        if !(0xdc00..0xe000).contains(&self.code_unit()?) {
                            return Err(Fault { reason: Reason::LoneSurrogate, at: start });
                        }
                        Ok(false)
                    }
                    0xdc00..0xe000 => Err(Fault { reason: Reason::LoneSurrogate, at: start }),
                    unit => Ok(unit == 0),
                }
            }
            _ => Err(self.syntax(Reason::InvalidJson)),
        }
    }

    /// A text that ends before it could be what it must be is cut; else it is the fault.
    fn cut_or(&self, rest: &[u8], wanted: &[u8], reason: Reason, at: usize) -> Fault {
        if rest.len() < wanted.len() && wanted.starts_with(rest) {
            Fault { reason: Reason::TruncatedJson, at: self.bytes.len() }
        } else {
            Fault { reason, at }
        }
    }

    /// The four digits behind a `u`.
    fn code_unit(&mut self) -> Syntax<u16> {
        self.step();
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
            unit = unit << 4 | digit.ok_or_else(|| self.syntax(Reason::InvalidJson))?;
            self.step();
        }
        Ok(unit)
    }

    fn literal(&mut self, word: &[u8]) -> Syntax<bool> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at = self.at.saturating_add(word.len());
            return Ok(false);
        }
        Err(self.cut_or(rest, word, Reason::InvalidJson, self.at))
    }

    fn number(&mut self) -> Syntax<()> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.step();
        }
        match self.peek()? {
            b'0' => self.step(),
            b'1'..=b'9' => self.digits()?,
            _ => return Err(self.syntax(Reason::InvalidJson)),
        }
        let mut plain = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.step();
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            plain = false;
            self.step();
            if matches!(self.peek()?, b'+' | b'-') {
                self.step();
            }
            self.digits()?;
        }
        let letters = Span { start, end: self.at };
        // A double reaches to 1.8e308: fewer letters without an exponent cannot leave it.
        if (!plain || letters.len() > 300) && letters.of(self.text).parse::<f64>().map_or(true, f64::is_infinite) {
            self.note(Err(Reason::NumberOutOfRange), start);
        }
        Ok(())
    }

    fn digits(&mut self) -> Syntax<()> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.syntax(Reason::InvalidJson));
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at = self.at.saturating_add(count);
        Ok(())
    }

    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn peek(&self) -> Syntax<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => Err(self.syntax(Reason::TruncatedJson)),
        }
    }

    const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    const fn syntax(&self, reason: Reason) -> Fault {
        Fault { reason, at: self.at }
    }

    fn note(&mut self, told: Result<(), Reason>, at: usize) {
        if let Err(reason) = told {
            self.fault.get_or_insert(Fault { reason, at });
        }
    }
}

#[derive(Debug, Default)]
struct StringFacts {
    escaped: bool,
    has_nul: bool,
}

/// How many bytes from here on are a string's plain letters: up to a quote, a backslash or a control character.
fn plain_length(bytes: &[u8]) -> usize {
    let special = |b: u8| b == b'"' || b == b'\\' || b < 0x20;
    let (blocks, rest) = bytes.as_chunks::<16>();
    let mut length = 0_usize;
    for block in blocks {
        // Without a branch inside, so that the compiler makes it a few vector instructions.
        if block.iter().fold(false, |any, b| any | special(*b)) {
            return length.saturating_add(block.iter().position(|b| special(*b)).unwrap_or_default());
        }
        length = length.saturating_add(16);
    }
    length.saturating_add(rest.iter().position(|b| special(*b)).unwrap_or(rest.len()))
}

/// A cheap number by which most different keys differ: the length and up to eight bytes from either end.
fn fingerprint(key: &[u8]) -> u32 {
    let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, b| word << 8 | u64::from(*b));
    let head = word(key.get(..8).unwrap_or(key));
    let tail = word(key.get(key.len().saturating_sub(8)..).unwrap_or(key));
    let mixed = (head ^ tail.rotate_left(29) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
