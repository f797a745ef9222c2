//! What a condition may name, and where each of it comes from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::OnceLock;

use cel::common::types::{CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use meshward_engine::{KeptHeaders, Target};
use meshward_wire::json::Span;
use meshward_wire::revision::Revision;

use super::bound;
use super::check::Plan;
use super::operand::{Held, Operand};
use super::tree::{self, Place};
use crate::subject::{Direction, Known, Object, Subject};

/// A text of the message, the connection or the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Method,
    Tool,
    Prompt,
    Uri,
    Client,
    Revision,
    Session,
    Direction,
    PeerId,
    PeerAddress,
    Path,
    Host,
}

/// A map of things that a condition names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Args,
    Meta,
    Claims,
    Headers,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Field(Field),
    Root(Root),
}

/// The variables with members of any name.
pub(super) const ROOTS: [(&str, Root); 3] = [("args", Root::Args), ("meta", Root::Meta), ("jwt", Root::Claims)];

/// The variables with declared members.
pub(super) const OBJECTS: [(&str, &[(&str, Meaning)]); 3] = [
    (
        "mcp",
        &[
            ("method", Meaning::Field(Field::Method)),
            ("tool", Meaning::Field(Field::Tool)),
            ("prompt", Meaning::Field(Field::Prompt)),
            ("uri", Meaning::Field(Field::Uri)),
            ("client", Meaning::Field(Field::Client)),
            ("revision", Meaning::Field(Field::Revision)),
            ("session", Meaning::Field(Field::Session)),
            ("direction", Meaning::Field(Field::Direction)),
        ],
    ),
    ("peer", &[("id", Meaning::Field(Field::PeerId)), ("address", Meaning::Field(Field::PeerAddress))]),
    (
        "request",
        &[
            ("path", Meaning::Field(Field::Path)),
            ("host", Meaning::Field(Field::Host)),
            ("headers", Meaning::Root(Root::Headers)),
        ],
    ),
];

/// The declared members of a variable.
pub(super) fn object(name: &str) -> Option<&'static [(&'static str, Meaning)]> {
    OBJECTS.iter().find(|(object, _)| *object == name).map(|(_, members)| *members)
}

/// What a condition is evaluated on.
#[derive(Debug)]
pub(super) struct Facts<'s> {
    subject: &'s Subject<'s>,
    args: Document<'s>,
    meta: Document<'s>,
    address: OnceLock<String>,
}

/// `args` or `meta`. Where the reader has not told its members, they are found when they are first asked for.
#[derive(Debug)]
struct Document<'s> {
    known: Known<'s>,
    members: OnceLock<Vec<(Span, Span)>>,
}

impl<'s> Document<'s> {
    const fn new(known: Known<'s>) -> Self {
        Self { known, members: OnceLock::new() }
    }

    /// Where it stands. `None`: it is not known, or too long for the bound.
    fn place(&self) -> Option<Place<'_>> {
        match self.known {
            Known::Unknown => None,
            Known::Absent => Some(Place::Text("{}")),
            Known::Object(object) => Some(Place::Indexed(object)),
            Known::Json(text) => {
                let text = text.trim_ascii();
                if !text.starts_with('{') {
                    return Some(Place::Text(text));
                }
                if self.members.get().is_none() {
                    bound::read(text.len()).ok()?;
                }
                let members = self.members.get_or_init(|| tree::members(text));
                Some(Place::Indexed(Object { text, span: tree::whole(text), members }))
            }
        }
    }
}

/// What is not known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Unknowns {
    pub(super) args: bool,
    pub(super) meta: bool,
    /// The URI is any expansion of a template.
    pub(super) uri: bool,
}

impl Unknowns {
    /// Whether they have one in common.
    pub(super) const fn meet(self, other: Self) -> bool {
        self.args && other.args || self.meta && other.meta || self.uri && other.uri
    }
}

impl<'s> Facts<'s> {
    pub(super) const fn of(subject: &'s Subject<'s>) -> Self {
        Self {
            subject,
            args: Document::new(subject.arguments),
            meta: Document::new(subject.meta),
            address: OnceLock::new(),
        }
    }

    pub(super) fn unknowns(&self) -> Unknowns {
        Unknowns {
            args: self.subject.arguments == Known::Unknown,
            meta: self.subject.meta == Known::Unknown,
            uri: self.subject.is_template,
        }
    }

    fn field(&self, field: Field) -> Option<&str> {
        let subject = self.subject;
        Some(match (field, &subject.target) {
            (Field::Method, _) => subject.method,
            (Field::Tool, Target::Tool(name)) | (Field::Prompt, Target::Prompt(name)) => name,
            (Field::Uri, Target::Resource(uri)) => uri,
            // Several: a condition says nothing of them all.
            (Field::Uri, Target::Resources(_)) => return None,
            (Field::Tool | Field::Prompt | Field::Uri, _) => "",
            (Field::Client, _) => subject.client.unwrap_or_default(),
            (Field::Revision, _) => subject.revision.map_or("", Revision::as_str),
            (Field::Session, _) => subject.session.unwrap_or_default(),
            (Field::Direction, _) => match subject.direction {
                Direction::Client => "client",
                Direction::Server => "server",
            },
            (Field::PeerId, _) => subject.caller.peer.as_deref().unwrap_or_default(),
            (Field::PeerAddress, _) => {
                self.address.get_or_init(|| subject.caller.source.map(|ip: IpAddr| ip.to_string()).unwrap_or_default())
            }
            (Field::Path, _) => subject.headers.path(),
            (Field::Host, _) => subject.headers.authority(),
        })
    }

    /// Where a root stands. Header fields stand apart from one another.
    fn place(&self, root: Root) -> Option<Place<'_>> {
        match root {
            Root::Args => self.args.place(),
            Root::Meta => self.meta.place(),
            Root::Claims => Some(self.subject.caller.claims.as_ref().map_or(Place::Text("{}"), Place::Claims)),
            Root::Headers => None,
        }
    }

    fn root(&self, root: Root) -> Option<Held<'_>> {
        match root {
            Root::Headers => all_headers(self.subject.headers).map(Held::boxed),
            root => tree::held(self.place(root)?).ok(),
        }
    }

    fn member(&self, root: Root, path: &[String]) -> Option<Held<'_>> {
        let mut place = self.place(root)?;
        for key in path {
            place = place.member(key).ok()??;
        }
        tree::held(place).ok()
    }
}

/// `None`: one of them is not UTF-8, or there are too many for the bound.
fn all_headers<'b>(headers: &'b KeptHeaders) -> Option<Box<dyn Val + 'b>> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (name, line) in headers.iter() {
        bound::spend(1).ok()?;
        bound::write(name.len().saturating_add(line.len())).ok()?;
        let line = std::str::from_utf8(line).ok()?;
        let text = fields.entry(std::str::from_utf8(name).ok()?.to_ascii_lowercase());
        text.and_modify(|text| {
            text.push(',');
            text.push_str(line);
        })
        .or_insert_with(|| line.to_owned());
    }
    let entry = |(name, text): (String, String)| {
        (CelMapKey::String(CelString::from(name)), Box::new(CelString::from(text)) as Box<dyn Val + 'b>)
    };
    Some(Box::new(CelMap::from(fields.into_iter().map(entry).collect::<HashMap<_, _>>())))
}

/// A variable of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Field(Field),
    Root(Root),
    /// A member of a root, or of a member of it and so on, by the names on the way.
    Member(Root, Vec<String>),
    /// A header field, by its name.
    Header(String),
    /// Whether there is this header field.
    HasHeader(String),
    /// A value of the condition's own.
    Constant(usize),
}

/// The place of a variable in its plan, by its name in an expression.
pub(super) fn place_of(name: &str) -> Option<usize> {
    name.strip_prefix('@')?.parse().ok()
}

/// The variables of a plan, as a message has them: it names them by `@` and their places. Without a message there are its
/// constants alone.
#[derive(Debug)]
pub(super) struct Scope<'b> {
    facts: Option<&'b Facts<'b>>,
    variables: &'b [Variable],
    constants: &'b [Box<dyn Val>],
}

impl<'b> Scope<'b> {
    pub(super) fn of(plan: &'b Plan, facts: Option<&'b Facts<'b>>) -> Self {
        Self { facts, variables: &plan.variables, constants: &plan.constants }
    }

    pub(super) fn unknowns(&self) -> Unknowns {
        self.facts.map(Facts::unknowns).unwrap_or_default()
    }

    /// The value of a variable, by its place.
    pub(super) fn variable(&self, place: usize) -> Option<Held<'_>> {
        let variable = self.variables.get(place)?;
        if let Variable::Constant(place) = variable {
            return Some(Held::There(Operand::Other(self.constants.get(*place)?.as_ref())));
        }
        let facts = self.facts?;
        let headers = facts.subject.headers;
        match variable {
            Variable::Field(field) => Some(Held::There(Operand::Text(facts.field(*field)?))),
            Variable::Root(root) => facts.root(*root),
            Variable::Member(root, path) => facts.member(*root, path),
            Variable::Header(name) => Some(match headers.text(name)? {
                Cow::Borrowed(text) => Held::There(Operand::Text(text)),
                Cow::Owned(text) => Held::Text(text),
            }),
            Variable::HasHeader(name) => Some(Held::There(Operand::Bool(headers.all(name).next().is_some()))),
            Variable::Constant(_) => None,
        }
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        Some(self.variable(place_of(name)?)?.into_value())
    }
}
