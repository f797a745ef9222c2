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

type Syntax<T> = Result<T, Fault>;

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
            let slot = self.key(&frame)?;
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
        let (kind, letters) = match self.peek()? {
            b'{' => return self.open(slot, parent, ValueKind::Object),
            b'[' => return self.open(slot, parent, ValueKind::Array),
            b'"' => (ValueKind::String, self.string()?),
            first => match self.word(first)? {
                Some(kind) => (kind, Letters::Plain),
                None => return Ok(()),
            },
        };
        let value = Value { span: Span { start, end: self.at }, kind, letters };
        let told = self.sink.value(slot, parent, value);
        self.note(told, start);
        Ok(())
    }

    fn open(&mut self, slot: S::Slot, parent: S::Role, kind: ValueKind) -> Syntax<()> {
        if self.stack.len() >= usize::from(self.limits.max_depth) {
            self.note(Err(Reason::TooDeep), self.at);
            return self.skip();
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
        Ok(())
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
                return Ok(());
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
        Ok(())
    }

    fn key(&mut self, frame: &Frame<S::Role, S::Slot>) -> Syntax<S::Slot> {
        let start = self.at.saturating_add(1);
        let string = self.string()?;
        let letters = Span { start, end: self.at.saturating_sub(1) };
        if self.keys.add(self.text, frame.keys, letters, string != Letters::Plain) {
            self.note(Err(Reason::DuplicateKey), start);
        }
        if string == Letters::Unfit && self.fault.is_some() || !self.sink.listens(frame.role) {
            return Ok(S::Slot::default());
        }
        match self.sink.key(frame.role, letters.of(self.text), string != Letters::Plain, letters) {
            Ok(slot) => Ok(slot),
            Err(reason) => {
                self.note(Err(reason), start);
                Ok(S::Slot::default())
            }
        }
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
