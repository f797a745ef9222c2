//! Results that list what a server has: the span and the name of every entry.
//!
//! The results of `tools/list`, `prompts/list`, `resources/list` and `resources/templates/list`, in all revisions, and
//! the questions in a result of 2026-07-28 that asks for input. What is listed is read as the strict reader let it
//! through, so no key comes twice; a member that a reader without regard for case takes for one that matters here
//! makes the whole result unreadable, and so does an entry without a name. Time is linear in the length of the result.

mod inputs;

use std::borrow::Cow;

pub use self::inputs::{InputRequest, input_requests};
use crate::json::{Span, Walk, members, unescape};
use crate::message::resembles;
use crate::splice::Splices;

/// What a result lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
}

impl ListKind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::ResourceTemplates];

    /// What the result of a method lists, if it lists anything that has a name to its caller.
    #[must_use]
    pub fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == method)
    }

    /// The method that asks for it.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
        }
    }

    /// The member of the result that holds the entries.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }

    /// The member of an entry by which it is used.
    #[must_use]
    pub const fn named_by(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::ResourceTemplates => "uriTemplate",
        }
    }
}

/// A result that lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<'t> {
    /// The result itself, an object.
    pub result: Span,
    /// What is listed, in order.
    pub entries: Vec<Entry<'t>>,
    /// The value of `cacheScope`, which 2026-07-28 requires.
    pub cache_scope: Option<Span>,
}

/// One thing that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The entry, an object: what [`Splices::remove_element`] takes.
    pub span: Span,
    /// What it is used by: a tool's or prompt's `name`, a resource's `uri`, a template's `uriTemplate`.
    pub name: Cow<'t, str>,
    /// `inputSchema` of a tool, whatever that is.
    pub input_schema: Option<Span>,
}

/// A result whose entries cannot be read in one way only. It must not pass: some client may see in it what a filter
/// did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub struct Unlistable {
    /// What is wrong.
    pub fault: ListFault,
    /// Where: a byte offset in the text.
    pub at: usize,
}

/// What is wrong with a result that lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ListFault {
    /// The member that holds the entries is not there.
    #[error("no list")]
    Missing,
    /// The list is no array, or what maps keys to entries is no object; `null` is neither.
    #[error("a list of the wrong type")]
    NotAList,
    /// An entry is no object.
    #[error("an entry that is no object")]
    NotAnObject,
    /// An entry has no name.
    #[error("an entry without a name")]
    NoName,
    /// An entry's name is no string.
    #[error("a name that is no string")]
    NameNotAString,
    /// An entry's name has a NUL: readers of C strings take what stands before it for the whole.
    #[error("a name with a NUL")]
    NameWithNul,
    /// A member's name differs only by case from one that matters.
    #[error("a case variant of a member")]
    CaseVariant,
}

impl ListFault {
    const fn at(self, span: Span) -> Unlistable {
        Unlistable { fault: self, at: span.start }
    }
}

impl<'t> Listing<'t> {
    /// Reads the result of a method that lists.
    ///
    /// # Errors
    /// The first thing that keeps the entries from being read in one way only.
    pub fn read(text: &'t str, result: Span, kind: ListKind) -> Result<Self, Unlistable> {
        let known = [kind.member(), CACHE_SCOPE];
        let (mut entries, mut cache_scope) = (None, None);
        let mut walk = Walk::new(text, result, b'{');
        while let Some(key) = walk.value(b',') {
            let name = known_name(text, key.without_quotes(), &known)?;
            if name.is_some_and(|name| name == kind.member()) {
                entries = Some(read_entries(text, &mut walk, kind)?);
            } else {
                let value = walk.value(b':');
                cache_scope = if name.is_some() { value } else { cache_scope };
            }
        }
        Ok(Self { result, entries: entries.ok_or(ListFault::Missing.at(result))?, cache_scope })
    }

    /// The same, with its names copied.
    #[must_use]
    pub fn into_owned(self) -> Listing<'static> {
        let owned = |entry: Entry<'_>| Entry {
            span: entry.span,
            name: Cow::Owned(entry.name.into_owned()),
            input_schema: entry.input_schema,
        };
        Listing {
            entries: self.entries.into_iter().map(owned).collect(),
            result: self.result,
            cache_scope: self.cache_scope,
        }
    }

    /// Has the result say that it is for one caller only: `cacheScope` becomes `private`, or is put in. Without it,
    /// what a client takes for granted is not defined (MCP 2026-07-28, server/utilities/caching).
    ///
    /// Once for a result: a second listing of the same result has the same `cacheScope`.
    pub fn make_private(&self, text: &str, splices: &mut Splices) {
        match self.cache_scope {
            Some(scope) if scope.of(text) == PRIVATE => {}
            Some(scope) => splices.replace(scope, PRIVATE.as_bytes().to_vec()),
            None => splices.insert_member(text, self.result, CACHE_SCOPE, PRIVATE),
        }
    }
}

const CACHE_SCOPE: &str = "cacheScope";
const PRIVATE: &str = "\"private\"";

/// The entries of the list that is the next value.
fn read_entries<'t>(text: &'t str, walk: &mut Walk<'t>, kind: ListKind) -> Result<Vec<Entry<'t>>, Unlistable> {
    if walk.enter(b':', b'[').is_none() {
        return Err(ListFault::NotAList.at(walk.value(b':').unwrap_or_default()));
    }
    let known: &[&'static str] = match kind {
        ListKind::Tools => &["name", INPUT_SCHEMA],
        _ => &[kind.named_by()],
    };
    let mut entries = Vec::new();
    while let Some(start) = walk.enter(b',', b'{') {
        let (mut name, mut input_schema) = (None, None);
        while let Some(key) = walk.value(b',') {
            let known = known_name(text, key.without_quotes(), known)?;
            let value = walk.value(b':');
            match known {
                Some(INPUT_SCHEMA) => input_schema = value,
                Some(_) => name = value,
                None => {}
            }
        }
        let span = Span { start, end: walk.leave() };
        entries.push(Entry { span, name: text_of_name(text, name, span)?, input_schema });
    }
    match walk.value(b',') {
        Some(other) => Err(ListFault::NotAnObject.at(other)),
        None => {
            walk.leave();
            Ok(entries)
        }
    }
}

const INPUT_SCHEMA: &str = "inputSchema";

/// The kinds of lists for which a result has members: what a response lists whose request is not known, on a stream
/// that was opened by GET.
///
/// # Errors
/// A member that resembles one that lists.
pub fn kinds_by_shape(text: &str, result: Span) -> Result<Vec<ListKind>, Unlistable> {
    const KNOWN: [&str; 4] = [
        ListKind::Tools.member(),
        ListKind::Prompts.member(),
        ListKind::Resources.member(),
        ListKind::ResourceTemplates.member(),
    ];
    let mut kinds = Vec::new();
    for member in members(text, result) {
        if let Some(name) = known_name(text, member.key, &KNOWN)? {
            kinds.extend(ListKind::ALL.into_iter().find(|kind| kind.member() == name));
        }
    }
    Ok(kinds)
}

/// The name of a member if it is one of these; an error if it only resembles one.
fn known_name(text: &str, key: Span, known: &[&'static str]) -> Result<Option<&'static str>, Unlistable> {
    let name = unescape(key.of(text));
    match known.iter().find(|known| **known == name) {
        None if resembles(&name, known) => Err(ListFault::CaseVariant.at(key)),
        found => Ok(found.copied()),
    }
}

fn text_of_name(text: &str, name: Option<Span>, entry: Span) -> Result<Cow<'_, str>, Unlistable> {
    let span = name.ok_or(ListFault::NoName.at(entry))?;
    let name = crate::json::string(text, span).ok_or(ListFault::NameNotAString.at(span))?;
    if name.contains('\0') { Err(ListFault::NameWithNul.at(span)) } else { Ok(name) }
}

#[cfg(test)]
mod tests;
