//! What a server asks of its client in a result (MCP 2026-07-28, basic/patterns/mrtr): `inputRequests` of an
//! `InputRequiredResult`.

use std::borrow::Cow;

use super::{ListFault, Unlistable, known_name, text_of_name};
use crate::json::{Member, Span, ValueKind, kind, members, unescape};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRequest<'t> {
    /// The key by which the client answers it.
    pub key: Cow<'t, str>,
    /// What is asked for: `sampling/createMessage`, `elicitation/create`, `roots/list`.
    pub method: Cow<'t, str>,
    /// The question with its key: what [`crate::splice::Splices::remove_member`] takes. Its value is the request.
    pub member: Member,
}

/// Reads the questions in a result, whatever its `resultType`; most results have none.
///
/// # Errors
/// The first thing that keeps the questions from being read in one way only.
pub fn input_requests(text: &str, result: Span) -> Result<Vec<InputRequest<'_>>, Unlistable> {
    let mut requests = None;
    for member in members(text, result) {
        if known_name(text, member.key, &["inputRequests"])?.is_some() {
            requests = Some(member.value);
        }
    }
    let Some(requests) = requests else { return Ok(Vec::new()) };
    if kind(text, requests) != Some(ValueKind::Object) {
        return Err(ListFault::NotAList.at(requests));
    }
    members(text, requests).map(|member| read(text, member)).collect()
}

fn read(text: &str, member: Member) -> Result<InputRequest<'_>, Unlistable> {
    if kind(text, member.value) != Some(ValueKind::Object) {
        return Err(ListFault::NotAnObject.at(member.value));
    }
    let mut method = None;
    for inner in members(text, member.value) {
        if known_name(text, inner.key, &["method"])?.is_some() {
            method = Some(inner.value);
        }
    }
    let method = text_of_name(text, method, member.value)?;
    Ok(InputRequest { key: unescape(member.key.of(text)), method, member })
}
