//! MCP messages as views over the bytes they came in: spans, and nothing copied.

mod known;
mod read;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

pub use self::known::resembles;
pub use self::read::{ReadError, Reader};
use self::read::{SLOTS, Slot};
use crate::json::{Span, ValueKind, unescape, writes};
use crate::listing::{ListKind, Listing, Unlistable};
use crate::scan::{Letters, Value};

/// What a body holds.
#[expect(clippy::large_enum_variant, reason = "one message is the common case, and boxing it would cost an allocation")]
#[derive(Debug)]
pub enum Body<'b> {
    /// One message.
    One(Message<'b>),
    /// A JSON-RPC batch; never empty.
    Batch(Vec<Message<'b>>),
}

/// What a message is (JSON-RPC 2.0, sections 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// `method` and `id`.
    #[default]
    Request,
    /// `method` alone.
    Notification,
    /// `result` and `id`.
    Response,
    /// `error`; its `id` may be missing.
    Error,
}

/// One message.
#[derive(Debug)]
pub struct Message<'b> {
    text: &'b str,
    span: Span,
    kind: Kind,
    values: [Value; SLOTS],
    members: Members,
    /// What the result lists as tools, once somebody has asked: several look at that. It borrows nothing, so that a message
    /// can be taken for one of a shorter life.
    tools: OnceCell<Result<Rc<Listing<'static>>, Unlistable>>,
}

/// Members of objects that are looked into often: each key without its quotes, and its value.
#[derive(Debug)]
struct Members {
    meta: Vec<(Span, Span)>,
    /// `None`: they are no object, or are not kept.
    arguments: Option<Vec<(Span, Span)>>,
}

impl Members {
    const NONE: Self = Self { meta: Vec::new(), arguments: None };
}

/// An id to the letter, quotes and all: `1`, `1.0` and `"1"` are three ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id<'b>(&'b str);

impl<'b> Id<'b> {
    /// The letters, as JSON.
    #[must_use]
    pub const fn raw(self) -> &'b str {
        self.0
    }

    /// A copy that outlives the body.
    #[must_use]
    pub fn to_owned(self) -> OwnedId {
        OwnedId(self.0.to_owned())
    }
}

/// An [`Id`] that outlives its body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnedId(String);

impl OwnedId {
    /// An id from JSON letters that are known to be one.
    #[must_use]
    pub fn from_raw(letters: &str) -> Self {
        Self(letters.to_owned())
    }

    /// The letters, as JSON.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }
}

/// A member whose type matters to whoever asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text<'b> {
    /// It is not there.
    Missing,
    /// It is there and no string.
    NotAString,
    /// It is this string.
    Is(Cow<'b, str>),
}

impl<'b> Text<'b> {
    /// The string, if it is one.
    #[must_use]
    pub fn into_option(self) -> Option<Cow<'b, str>> {
        match self {
            Self::Is(text) => Some(text),
            Self::Missing | Self::NotAString => None,
        }
    }
}

/// What `completion/complete` completes for (`params.ref`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'b> {
    /// `ref/prompt` or `ref/resource`.
    pub kind: Text<'b>,
    /// A prompt's name.
    pub name: Text<'b>,
    /// A resource's or template's URI.
    pub uri: Text<'b>,
}

impl<'b> Message<'b> {
    /// The body the spans point into.
    #[must_use]
    pub const fn text(&self) -> &'b str {
        self.text
    }

    /// The message itself.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Request, notification, response or error.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The id. None on a notification, and on an error whose id is missing or null.
    #[must_use]
    pub fn id(&self) -> Option<Id<'b>> {
        let value = self.present(Slot::Id)?;
        (value.kind != ValueKind::Null).then(|| Id(value.span.of(self.text)))
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<Cow<'b, str>> {
        self.string(Slot::Method).into_option()
    }

    /// `params`, an object.
    #[must_use]
    pub fn params(&self) -> Option<Span> {
        self.span_of(Slot::Params)
    }

    /// `params.name`.
    #[must_use]
    pub fn name(&self) -> Text<'b> {
        self.string(Slot::Name)
    }

    /// `params.uri`.
    #[must_use]
    pub fn uri(&self) -> Text<'b> {
        self.string(Slot::Uri)
    }

    /// `params.taskId`.
    #[must_use]
    pub fn task_id(&self) -> Text<'b> {
        self.string(Slot::TaskId)
    }

    /// `params.ref`, when it is an object.
    #[must_use]
    pub fn reference(&self) -> Option<Reference<'b>> {
        let value = self.present(Slot::Ref)?;
        (value.kind == ValueKind::Object).then(|| Reference {
            kind: self.string(Slot::RefType),
            name: self.string(Slot::RefName),
            uri: self.string(Slot::RefUri),
        })
    }

    /// `params.arguments`, of any type.
    #[must_use]
    pub fn arguments(&self) -> Option<Span> {
        self.span_of(Slot::Arguments)
    }

    /// What `params.arguments` is, if it is there.
    #[must_use]
    pub fn arguments_kind(&self) -> Option<ValueKind> {
        self.present(Slot::Arguments).map(|value| value.kind)
    }

    /// `params._meta`, when it is an object.
    #[must_use]
    pub fn meta(&self) -> Option<Span> {
        self.present(Slot::Meta).filter(|value| value.kind == ValueKind::Object).map(|value| value.span)
    }

    /// `params._meta` and what it is, whatever that is.
    #[must_use]
    pub fn meta_as_sent(&self) -> Option<(Span, ValueKind)> {
        self.present(Slot::Meta).map(|value| (value.span, value.kind))
    }

    /// The members of `params._meta`: each key without its quotes, and its value.
    #[must_use]
    pub fn meta_members(&self) -> &[(Span, Span)] {
        &self.members.meta
    }

    /// The members of `params.arguments`, likewise, if the reader keeps them and they are an object.
    #[must_use]
    pub fn argument_members(&self) -> Option<&[(Span, Span)]> {
        self.members.arguments.as_deref()
    }

    /// The value of one member of `params._meta`.
    #[must_use]
    pub fn meta_value(&self, key: &str) -> Option<Span> {
        self.members.meta.iter().find(|(name, _)| writes(name.of(self.text), key)).map(|(_, value)| *value)
    }

    /// `params.protocolVersion`, which `initialize` has.
    #[must_use]
    pub fn protocol_version(&self) -> Text<'b> {
        self.string(Slot::ProtocolVersion)
    }

    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`, which stateless requests have.
    #[must_use]
    pub fn meta_protocol_version(&self) -> Text<'b> {
        self.string(Slot::MetaProtocolVersion)
    }

    /// The client's name, from `params.clientInfo` or from `params._meta`.
    #[must_use]
    pub fn client_name(&self) -> Option<Cow<'b, str>> {
        self.string(Slot::MetaClientName).into_option().or_else(|| self.string(Slot::ClientName).into_option())
    }

    /// `params._meta.progressToken`, to the letter.
    #[must_use]
    pub fn progress_token(&self) -> Option<Span> {
        self.span_of(Slot::ProgressToken)
    }

    /// `params.cursor`.
    #[must_use]
    pub fn cursor(&self) -> Option<Span> {
        self.span_of(Slot::Cursor)
    }

    /// `result`, an object.
    #[must_use]
    pub fn result(&self) -> Option<Span> {
        self.span_of(Slot::Result)
    }

    /// What the result lists of a kind; `None` where there is no result. Tools are read once, whoever asks.
    ///
    /// # Errors
    /// As [`Listing::read`].
    #[must_use]
    pub fn listing(&self, kind: ListKind) -> Option<Result<Rc<Listing<'b>>, Unlistable>> {
        let result = self.result()?;
        let read = || Listing::read(self.text, result, kind);
        Some(match kind {
            ListKind::Tools => match self.tools.get_or_init(|| read().map(Listing::into_owned).map(Rc::new)) {
                Ok(listing) => Ok(Rc::<Listing<'static>>::clone(listing)),
                Err(unlistable) => Err(*unlistable),
            },
            ListKind::Prompts | ListKind::Resources | ListKind::ResourceTemplates => read().map(Rc::new),
        })
    }

    /// `error`, an object.
    #[must_use]
    pub fn error(&self) -> Option<Span> {
        self.span_of(Slot::Error)
    }

    /// `error.code`, to the letter.
    #[must_use]
    pub fn error_code(&self) -> Option<&'b str> {
        self.span_of(Slot::ErrorCode).map(|span| span.of(self.text))
    }

    fn present(&self, slot: Slot) -> Option<Value> {
        self.values.get(slot as usize).copied().filter(|value| !value.span.is_empty())
    }

    fn span_of(&self, slot: Slot) -> Option<Span> {
        self.present(slot).map(|value| value.span)
    }

    fn string(&self, slot: Slot) -> Text<'b> {
        match self.present(slot) {
            None => Text::Missing,
            Some(Value { kind: ValueKind::String, span, letters }) => {
                let text = span.without_quotes().of(self.text);
                Text::Is(if letters == Letters::Plain { Cow::Borrowed(text) } else { unescape(text) })
            }
            Some(_) => Text::NotAString,
        }
    }
}
