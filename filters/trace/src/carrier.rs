//! The two places where a context comes and goes: the fields of a request's head, and the members of `params._meta`.
//! What is read is clean: what is malformed is marked to be taken out.

use meshward_engine::{HeaderEdit, Headers};
use meshward_wire::json::{self, Member, Span};
use meshward_wire::message::Message;
use meshward_wire::splice::Splices;

use crate::baggage::Allowance;
use crate::parent::{Parent, Quoted};
use crate::state;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// What a place has, and what is to be done there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) parent: Slot<Parent>,
    pub(crate) state: Slot<String>,
    pub(crate) baggage: Slot<String>,
}

/// One value in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot<T> {
    /// There is something, of whatever kind.
    sent: bool,
    /// It cannot be read.
    malformed: bool,
    pub(crate) value: Option<T>,
    /// The place does not say so yet.
    pub(crate) differs: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { sent: false, malformed: false, value: None, differs: false }
    }
}

impl<T> Slot<T> {
    /// What was sent, and what it was read as.
    const fn sent(value: Option<T>) -> Self {
        let is_malformed = value.is_none();
        Self { sent: true, malformed: is_malformed, value, differs: is_malformed }
    }

    /// Nothing is to be left of it.
    pub(crate) fn remove(&mut self) {
        self.value = None;
        self.differs = self.sent;
    }

    fn set(&mut self, value: T) {
        self.value = Some(value);
        self.differs = true;
    }

    /// Takes the edit out, which is carried out now: what is to be there, if anything. `None`: it stays as it is.
    fn take(&mut self) -> Option<Option<&T>> {
        if !std::mem::take(&mut self.differs) {
            return None;
        }
        self.sent = self.value.is_some();
        Some(self.value.as_ref())
    }
}

impl Place {
    /// Whether a request's head has any of the three fields.
    pub(crate) fn is_in_head(head: Headers<'_>) -> bool {
        // Most names begin otherwise.
        let is = |name: &[u8]| {
            matches!(name, [b't', ..] | [b'b', ..]) && matches!(name, b"traceparent" | b"tracestate" | b"baggage")
        };
        head.iter().any(|(name, _)| is(name))
    }

    /// Whether `params._meta` has any of the three members.
    pub(crate) fn is_in_meta(message: &Message<'_>) -> bool {
        message.meta_members().iter().any(|(key, _)| name_of(message.text(), *key).is_some())
    }

    /// Whether nothing was sent here and nothing is to be here.
    pub(crate) const fn is_silent(&self) -> bool {
        !(self.parent.sent || self.state.sent || self.baggage.sent) && self.parent.value.is_none()
    }

    /// A parent was written here, and nothing else is here.
    pub(crate) fn written(parent: Parent) -> Self {
        Self { parent: Slot::sent(Some(parent)), ..Self::default() }
    }

    /// Reads a request's head. Of several field lines with a `traceparent` none is right; those of the other two are one list
    /// (RFC 9110, section 5.3).
    pub(crate) fn of_head(head: Headers<'_>, allowance: &Allowance) -> Self {
        let (mut parent, mut states, mut baggage): (Option<Slot<_>>, _, _) = (None, Lines::default(), Lines::default());
        for (name, value) in head.iter() {
            match name {
                b"traceparent" => {
                    let read = if parent.is_some() { None } else { Parent::read(value.trim_ascii()) };
                    parent = Some(Slot::sent(read));
                }
                b"tracestate" => states.push(value),
                b"baggage" => baggage.push(value),
                _ => {}
            }
        }
        let mut place = Self { parent: parent.unwrap_or_default(), ..Self::default() };
        if let Some(list) = states.joined() {
            place.read_state(list);
        }
        if let Some(list) = baggage.joined() {
            place.read_baggage(list, allowance);
        }
        place
    }

    /// Reads `params._meta`.
    pub(crate) fn of_meta(message: &Message<'_>, allowance: &Allowance) -> Self {
        let mut place = Self::default();
        let text = message.text();
        let (mut state, mut baggage) = (None, None);
        for (key, value) in message.meta_members() {
            match name_of(text, *key) {
                Some(PARENT) => {
                    place.parent = Slot::sent(parent_in(text, *value));
                }
                Some(STATE) => state = Some(*value),
                Some(BAGGAGE) => baggage = Some(*value),
                _ => {}
            }
        }
        let string = |value| json::string(text, value).map(Into::into);
        if let Some(value) = state {
            place.read_state(string(value));
        }
        if let Some(value) = baggage {
            place.read_baggage(string(value), allowance);
        }
        place
    }

    /// Without a parent nothing is known of the vendors' positions (W3C Trace Context level 2, section 3.3).
    fn read_state(&mut self, list: Option<String>) {
        let has_parent = self.parent.value.is_some();
        self.state = Slot::sent(list.filter(|list| has_parent && state::is_valid(list)));
    }

    fn read_baggage(&mut self, list: Option<String>, allowance: &Allowance) {
        let Some(list) = list else {
            self.baggage = Slot::sent(None);
            return;
        };
        let filtered =
            allowance.filter(&list).map(|kept| (kept.len() == list.len()).then_some(()).ok_or(kept.into_owned()));
        self.baggage = match filtered {
            None => Slot::sent(None),
            Some(Ok(())) => Slot::sent(Some(list)),
            Some(Err(kept)) if kept.is_empty() => Slot { malformed: false, ..Slot::sent(None) },
            Some(Err(kept)) => Slot { differs: true, ..Slot::sent(Some(kept)) },
        };
    }

    /// What was malformed, by name.
    pub(crate) fn malformed(&self) -> impl Iterator<Item = &'static str> {
        let parts = [(PARENT, self.parent.malformed), (STATE, self.state.malformed), (BAGGAGE, self.baggage.malformed)];
        parts.into_iter().filter_map(|(part, malformed)| malformed.then_some(part))
    }

    /// Takes the context of another place.
    pub(crate) fn follow(&mut self, parent: Parent, state: Option<&str>) {
        self.parent.set(parent);
        match state.map(state::carried).filter(|carried| !carried.is_empty()) {
            Some(carried) => self.state.set(carried.into_owned()),
            None => self.state.remove(),
        }
    }

    /// Takes the baggage of another place.
    pub(crate) fn take_baggage(&mut self, baggage: &str) {
        self.baggage.set(baggage.to_owned());
    }

    /// Nothing is left of what was sent.
    pub(crate) fn clear(&mut self) {
        self.parent.remove();
        self.state.remove();
        self.baggage.remove();
    }

    const fn differs(&self) -> bool {
        self.parent.differs || self.state.differs || self.baggage.differs
    }

    /// The edits of a request's head.
    pub(crate) fn edit_head(&mut self, mut edit_field: impl FnMut(HeaderEdit)) {
        if !self.differs() {
            return;
        }
        let Self { parent, state, baggage } = self;
        if let Some(parent) = parent.take() {
            let set = |parent: &Parent| HeaderEdit::Set(PARENT, parent.quoted().value().to_vec());
            edit_field(parent.map_or(HeaderEdit::Remove(PARENT), set));
        }
        for (name, slot) in [(STATE, state), (BAGGAGE, baggage)] {
            if let Some(list) = slot.take() {
                let set = |list: &String| HeaderEdit::Set(name, list.clone().into_bytes());
                edit_field(list.map_or(HeaderEdit::Remove(name), set));
            }
        }
    }

    /// Writes the edits of `params._meta`.
    pub(crate) fn edit_meta(&mut self, message: &Message<'_>, splices: &mut Splices) {
        if !self.differs() {
            return;
        }
        let Self { parent, state, baggage } = self;
        let mut edits: [(&str, Option<Option<Vec<u8>>>); 3] = [(PARENT, None), (STATE, None), (BAGGAGE, None)];
        let [(_, of_parent), (_, of_state), (_, of_baggage)] = &mut edits;
        *of_parent = parent.take().map(|parent| parent.map(|parent| parent.quoted().0.to_vec()));
        *of_state = state.take().map(|list| list.map(|list| quoted(list)));
        *of_baggage = baggage.take().map(|list| list.map(|list| quoted(list)));
        let text = message.text();
        for (name, edit) in &edits {
            let here = |(key, _): &&(Span, Span)| name_of(text, *key) == Some(*name);
            if let Some(None) = edit
                && let Some((key, value)) = message.meta_members().iter().find(here)
            {
                splices.remove_member(Member { key: *key, value: *value });
            }
        }
        let members: Vec<_> = edits.into_iter().filter_map(|(name, edit)| Some((name, edit??))).collect();
        if !members.is_empty() {
            splices.set_meta(message, &members);
        }
    }
}

/// Gives a request's head that has no `traceparent` a parent.
pub(crate) fn begun_in_head(parent: &Quoted) -> HeaderEdit {
    HeaderEdit::Add(PARENT, parent.value().to_vec())
}

/// Gives a `params._meta` that has none of the three members a parent.
pub(crate) fn begin_in_meta(parent: &Quoted, message: &Message<'_>, splices: &mut Splices) {
    splices.set_meta(message, &[(PARENT, &parent.0)]);
}

fn quoted(text: &str) -> Vec<u8> {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    json::write_string(text, &mut quoted);
    quoted.into_bytes()
}

/// A parent that is a string of JSON. A right one needs no escapes, and mostly has none.
fn parent_in(text: &str, value: Span) -> Option<Parent> {
    let letters = value.of(text).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let as_written = letters.and_then(|letters| Parent::read(letters.as_bytes()));
    as_written.or_else(|| Parent::read(json::string(text, value)?.as_bytes()))
}

/// Which of the three a key of `_meta` is.
fn name_of(text: &str, key: Span) -> Option<&'static str> {
    let letters = key.of(text);
    [PARENT, STATE, BAGGAGE].into_iter().find(|name| json::writes(letters, name))
}

/// The field lines of one name.
#[derive(Default)]
struct Lines {
    bytes: Option<Vec<u8>>,
}

impl Lines {
    fn push(&mut self, value: &[u8]) {
        match &mut self.bytes {
            None => self.bytes = Some(value.to_vec()),
            Some(bytes) => {
                bytes.push(b',');
                bytes.extend_from_slice(value);
            }
        }
    }

    /// As one list, if there are any; and that, if it is text.
    fn joined(self) -> Option<Option<String>> {
        self.bytes.map(|bytes| String::from_utf8(bytes).ok())
    }
}
