//! Values out of JSON: the message's text where it stands, and the claims of the token. Only what a condition names is
//! looked at, and containers are handed on by their places.

use std::borrow::Cow;

use cel::ExecutionError;
use cel::common::value::Val;
use meshward_wire::json::{self, Span, ValueKind};

use super::bound;
use super::containers::{Array, Map};
use super::operand::{Held, Operand};
use crate::subject::Object;

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'t> {
    /// JSON text that was read strictly.
    Text(&'t str),
    /// An object whose members have been found already.
    Indexed(Object<'t>),
    /// A value of the token.
    Claim(&'t serde_json::Value),
    /// The token itself.
    Claims(&'t serde_json::Map<String, serde_json::Value>),
}

impl<'t> Place<'t> {
    /// Where the value of a member stands; nowhere if this is no object.
    pub(super) fn member(self, key: &str) -> Result<Option<Self>, ExecutionError> {
        Ok(match self {
            Self::Text(text) => {
                let found = json::members(text, whole(text)).find(|member| is_key(member.key.of(text), key));
                bound::read(found.map_or(text.len(), |member| member.value.end))?;
                found.map(|member| Self::Text(member.value.of(text)))
            }
            Self::Indexed(Object { text, members, .. }) => {
                bound::spend(members.len() / 16)?;
                let found = members.iter().find(|(name, _)| is_key(name.of(text), key));
                found.map(|(_, value)| Self::Text(value.of(text)))
            }
            Self::Claims(members) => members.get(key).map(Self::Claim),
            Self::Claim(claim) => claim.get(key).map(Self::Claim),
        })
    }
}

/// The members of an object's text: each key without its quotes, and its value. Of any other value there are none.
pub(super) fn members(text: &str) -> Vec<(Span, Span)> {
    json::members(text, whole(text)).map(|member| (member.key, member.value)).collect()
}

pub(super) const fn whole(text: &str) -> Span {
    Span { start: 0, end: text.len() }
}

/// Whether a key's letters say this key. Letters are never shorter than what they say.
fn is_key(letters: &str, key: &str) -> bool {
    letters == key || letters.len() > key.len() && letters.contains('\\') && json::unescape(letters) == key
}

/// The value that stands somewhere, as operators look at it.
///
/// # Errors
///
/// For an integer that neither `int` nor `uint` holds, and a number beyond the range of `double`.
pub(super) fn held<'t>(place: Place<'t>) -> Result<Held<'t>, ExecutionError> {
    let simple = match place {
        Place::Text(text) => match json::kind(text, whole(text)).ok_or_else(bound::error)? {
            ValueKind::Null => Operand::Null,
            ValueKind::Bool => Operand::Bool(text.starts_with('t')),
            ValueKind::Number => number(text)?,
            ValueKind::String => {
                return Ok(match string(whole(text).without_quotes().of(text))? {
                    Cow::Borrowed(text) => Held::There(Operand::Text(text)),
                    Cow::Owned(text) => Held::Text(text),
                });
            }
            ValueKind::Array => return Ok(Held::boxed(Box::new(Array::new(place)))),
            ValueKind::Object => return Ok(Held::boxed(Box::new(Map::new(place)))),
        },
        Place::Indexed(_) | Place::Claims(_) => return Ok(Held::boxed(Box::new(Map::new(place)))),
        Place::Claim(claim) => match claim {
            serde_json::Value::Null => Operand::Null,
            serde_json::Value::Bool(value) => Operand::Bool(*value),
            serde_json::Value::Number(number) => {
                if let Some(value) = number.as_i64() {
                    Operand::Int(value)
                } else if let Some(value) = number.as_u64() {
                    Operand::UInt(value)
                } else {
                    Operand::Double(number.as_f64().filter(|value| value.is_finite()).ok_or_else(bound::error)?)
                }
            }
            serde_json::Value::String(text) => Operand::Text(text),
            serde_json::Value::Array(_) => return Ok(Held::boxed(Box::new(Array::new(place)))),
            serde_json::Value::Object(members) => {
                return Ok(Held::boxed(Box::new(Map::new(Place::Claims(members)))));
            }
        },
    };
    Ok(Held::There(simple))
}

/// The same, as the crate has it.
pub(super) fn value<'t>(place: Place<'t>) -> Result<Box<dyn Val + 't>, ExecutionError> {
    Ok(held(place)?.into_value().into_owned())
}

/// A string from its letters between the quotes.
pub(super) fn string(letters: &str) -> Result<Cow<'_, str>, ExecutionError> {
    bound::read(letters.len())?;
    if letters.contains('\\') {
        bound::write(letters.len())?;
    }
    Ok(json::unescape(letters))
}

fn number(letters: &str) -> Result<Operand<'static>, ExecutionError> {
    if letters.contains(['.', 'e', 'E']) {
        return Ok(Operand::Double(json::double(letters).ok_or_else(bound::error)?));
    }
    if let Some(integer) = json::integer(letters) {
        return Ok(Operand::Int(integer));
    }
    Ok(Operand::UInt(letters.parse::<u64>().map_err(|_| bound::error())?))
}
