//! What is decided on: one message, or one entry of a list as though it were called.

use meshward_engine::{Call, KeptHeaders, Target};
use meshward_identity::Caller;
use meshward_wire::json::Span;
use meshward_wire::revision::Revision;
use serde::Deserialize;

use crate::decide::is_upkeep;

/// Everything a rule may look at.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The method; of an entry of a list, the one that uses it.
    pub method: &'a str,
    /// Who sends it.
    pub direction: Direction,
    /// It only keeps the protocol up.
    pub upkeep: bool,
    /// What it is about.
    pub target: Target<'a>,
    /// The target is a URI template (RFC 6570) in a list, which stands for all its expansions.
    pub is_template: bool,
    /// The client's own name, where it is known.
    pub client: Option<&'a str>,
    /// The protocol revision.
    pub revision: Option<Revision>,
    /// The session's id.
    pub session: Option<&'a str>,
    /// `params.arguments`, an object.
    pub arguments: Known<'a>,
    /// `params._meta`, an object.
    pub meta: Known<'a>,
    /// Who calls.
    pub caller: &'a Caller,
    /// The header fields that are kept of the HTTP request it came in, or is answered to, with its path and authority.
    pub headers: &'a KeptHeaders,
}

impl<'a> Subject<'a> {
    /// A message of the client's. `method`: as it says itself.
    #[must_use]
    pub fn of_call(
        call: &'a Call<'_>,
        method: &'a str,
        client: Option<&'a str>,
        caller: &'a Caller,
        headers: &'a KeptHeaders,
    ) -> Self {
        let text = call.message.text();
        Self {
            method,
            direction: Direction::Client,
            upkeep: is_upkeep(method, call.message.kind(), call.method, &call.target),
            target: call.target.clone(),
            is_template: false,
            client,
            revision: call.revision,
            session: headers.all("mcp-session-id").next().and_then(|id| std::str::from_utf8(id).ok()),
            arguments: match (call.message.arguments(), call.message.argument_members()) {
                (Some(span), Some(members)) => Known::Object(Object { text, span, members }),
                (arguments, _) => Known::of(arguments.map(|span| span.of(text)).filter(|json| json.starts_with('{'))),
            },
            meta: call.message.meta().map_or(Known::Absent, |span| {
                Known::Object(Object { text, span, members: call.message.meta_members() })
            }),
            caller,
            headers,
        }
    }
}

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The client.
    #[default]
    Client,
    /// The server: sampling, elicitation, roots.
    Server,
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    /// It can be anything: the call that a list entry offers has not been made.
    Unknown,
    /// It is not there.
    Absent,
    /// It is this JSON text, as the strict reader let it through.
    Json(&'a str),
    /// It is this object, of which the reader has told the members.
    Object(Object<'a>),
}

/// An object in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// The message.
    pub text: &'a str,
    /// The object.
    pub span: Span,
    /// All of its members, in order: each key without its quotes, and its value.
    pub members: &'a [(Span, Span)],
}

impl<'a> Known<'a> {
    /// What is there, or is not.
    #[must_use]
    pub fn of(json: Option<&'a str>) -> Self {
        json.map_or(Self::Absent, Self::Json)
    }

    /// The JSON text, if it is there.
    #[must_use]
    pub fn json(self) -> Option<&'a str> {
        match self {
            Self::Unknown | Self::Absent => None,
            Self::Json(text) => Some(text),
            Self::Object(Object { text, span, .. }) => Some(span.of(text)),
        }
    }
}
