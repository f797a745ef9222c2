//! The strict scanner: RFC 8259 and nothing more, in one pass without recursion, telling what it finds to a [`Sink`].
//!
//! Faults that leave the structure clear (a duplicate key, a bad escape, `NaN`, too deep a container) are noted and the
//! scan goes on, so that the id of the message can still be found behind them; faults of the structure end it.

mod keys;
mod token;

use self::keys::{Keys, Mark};
use crate::json::{Span, ValueKind};
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
    /// Of a string.
    pub(crate) letters: Letters,
}

/// What a string's letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Letters {
    /// What they say.
    #[default]
    Plain,
    /// Some of them are escaped.
    Escaped,
    /// There is an escaped NUL among them, or a fault.
    Unfit,
}

/// Where the scan is after the beginning of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Behind the value.
    Behind,
    /// Inside of the container that it is.
    Inside,
}

/// The first fault of a body, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) at: usize,
}

/// Memory that is used again for the next body.
#[derive(Debug)]
pub(crate) struct Scratch<R, S> {
    keys: Keys,
    stack: Vec<Frame<R, S>>,
}

impl<R, S> Default for Scratch<R, S> {
    fn default() -> Self {
        Self { keys: Keys::default(), stack: Vec::new() }
    }
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
    keys: Mark,
}

pub(crate) struct Scanner<'b, 's, S: Sink> {
    text: &'b str,
    bytes: &'b [u8],
    at: usize,
    limits: Limits,
    keys: &'s mut Keys,
    stack: &'s mut Vec<Frame<S::Role, S::Slot>>,
    sink: &'s mut S,
    fault: Option<Fault>,
}

/// `None`: the structure is at fault, which is noted, and the scan is over.
type Syntax<T> = Option<T>;

impl<'b, 's, S: Sink> Scanner<'b, 's, S> {
    pub(crate) fn new(
        text: &'b str,
        limits: Limits,
        scratch: &'s mut Scratch<S::Role, S::Slot>,
        sink: &'s mut S,
    ) -> Self {
        let Scratch { keys, stack } = scratch;
        keys.clear();
        stack.clear();
        Self { text, bytes: text.as_bytes(), at: 0, limits, keys, stack, sink, fault: None }
    }

    /// Scans the whole text.
    pub(crate) fn run(mut self) -> Result<(), Fault> {
        self.document();
        self.fault.map_or(Ok(()), Err)
    }

    fn document(&mut self) -> Syntax<()> {
        self.value(S::Slot::default(), S::Role::default())?;
        while let Some(frame) = self.stack.last().copied() {
            if frame.is_object { self.member(frame)? } else { self.element(frame)? }
        }
        self.blank();
        if self.at < self.bytes.len() { self.wrong(Reason::TrailingData) } else { Some(()) }
    }

    /// At the beginning of a member, or behind one. Returns when a container opened or closed.
    fn member(&mut self, frame: Frame<S::Role, S::Slot>) -> Syntax<()> {
        let mut first = !frame.begun;
        loop {
            let quote = match self.next()? {
                b'}' => return self.close(frame),
                b',' if !first => {
                    self.step();
                    self.next()?
                }
                byte if first => byte,
                _ => return self.wrong(Reason::InvalidJson),
            };
            if quote != b'"' {
                return self.wrong(Reason::InvalidJson);
            }
            if first {
                first = false;
                self.begin();
            }
            let slot = self.key(&frame)?;
            if self.next()? != b':' {
                return self.wrong(Reason::InvalidJson);
            }
            self.step();
            if self.value(slot, frame.role)? == Next::Inside {
                return Some(());
            }
        }
    }

    fn element(&mut self, frame: Frame<S::Role, S::Slot>) -> Syntax<()> {
        let mut first = !frame.begun;
        loop {
            match self.next()? {
                b']' => return self.close(frame),
                b',' if !first => self.step(),
                _ if first => {}
                _ => return self.wrong(Reason::InvalidJson),
            }
            if first {
                first = false;
                self.begin();
            }
            if self.value(S::Slot::default(), frame.role)? == Next::Inside {
                return Some(());
            }
        }
    }

    /// The innermost container is no longer empty.
    fn begin(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.begun = true;
        }
    }

    fn value(&mut self, slot: S::Slot, parent: S::Role) -> Syntax<Next> {
        let first = self.next()?;
        let start = self.at;
        let (kind, letters) = match first {
            b'{' => return self.open(slot, parent, ValueKind::Object),
            b'[' => return self.open(slot, parent, ValueKind::Array),
            b'"' => (ValueKind::String, self.string()?),
            first => match self.word(first)? {
                Some(kind) => (kind, Letters::Plain),
                None => return Some(Next::Behind),
            },
        };
        let value = Value { span: Span { start, end: self.at }, kind, letters };
        let told = self.sink.value(slot, parent, value);
        self.note(told, start);
        Some(Next::Behind)
    }

    fn open(&mut self, slot: S::Slot, parent: S::Role, kind: ValueKind) -> Syntax<Next> {
        if self.stack.len() >= usize::from(self.limits.max_depth) {
            self.note(Err(Reason::TooDeep), self.at);
            self.skip()?;
            return Some(Next::Behind);
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
            keys: self.keys.mark(),
        });
        Some(Next::Inside)
    }

    /// Goes behind a container that is nested too deeply, looking at its brackets and strings alone.
    fn skip(&mut self) -> Syntax<()> {
        let mut depth = 0_usize;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let dull = rest.iter().position(|b| matches!(b, b'"' | b'{' | b'}' | b'[' | b']')).unwrap_or(rest.len());
            self.at = self.at.saturating_add(dull);
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth = depth.saturating_add(1),
                _ => depth = depth.saturating_sub(1),
            }
            self.step();
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn close(&mut self, frame: Frame<S::Role, S::Slot>) -> Syntax<()> {
        self.step();
        self.stack.pop();
        if let Some(at) = self.keys.close(self.text, frame.keys) {
            self.note(Err(Reason::DuplicateKey), at);
        }
        let span = Span { start: frame.start, end: self.at };
        if self.sink.listens(frame.role) {
            let told = self.sink.close(frame.role, span);
            self.note(told, frame.start);
        }
        let kind = if frame.is_object { ValueKind::Object } else { ValueKind::Array };
        let told = self.sink.value(frame.slot, frame.parent, Value { span, kind, letters: Letters::Plain });
        self.note(told, frame.start);
        Some(())
    }

    fn key(&mut self, frame: &Frame<S::Role, S::Slot>) -> Syntax<S::Slot> {
        let start = self.at.saturating_add(1);
        let string = self.string()?;
        let letters = Span { start, end: self.at.saturating_sub(1) };
        if self.keys.add(self.text, frame.keys, letters, string != Letters::Plain) {
            self.note(Err(Reason::DuplicateKey), start);
        }
        if string == Letters::Unfit && self.fault.is_some() || !self.sink.listens(frame.role) {
            return Some(S::Slot::default());
        }
        match self.sink.key(frame.role, letters.of(self.text), string != Letters::Plain, letters) {
            Ok(slot) => Some(slot),
            Err(reason) => {
                self.note(Err(reason), start);
                Some(S::Slot::default())
            }
        }
    }

    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    /// What comes behind white space.
    fn next(&mut self) -> Syntax<u8> {
        self.blank();
        self.peek()
    }

    fn peek(&mut self) -> Syntax<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => Some(*byte),
            None => self.wrong(Reason::TruncatedJson),
        }
    }

    /// Behind a byte that is there: there are never more than `usize` counts.
    const fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// The structure is at fault here.
    #[cold]
    fn wrong<T>(&mut self, reason: Reason) -> Syntax<T> {
        self.note(Err(reason), self.at);
        None
    }

    fn note(&mut self, told: Result<(), Reason>, at: usize) {
        if let Err(reason) = told {
            self.fault.get_or_insert(Fault { reason, at });
        }
    }
}
