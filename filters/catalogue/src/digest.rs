//! Hashes of tools' definitions.
//!
//! A definition is everything that the server lists of a tool but its name, which a pin has beside the hash: so a tool that
//! is only renamed is found by its hash.

use std::fmt;
use std::str::FromStr;

use meshward_wire::json::{self, Span, ValueKind};
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use sha2::Digest as _;

/// A definition that is nested more deeply has no hash: what writes its canonical form recurses.
const MAX_DEPTH: usize = 96;

const PREFIX: &str = "sha256:";

/// The SHA-256 (FIPS 180-4) of a definition in canonical form (RFC 8785). Written as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What no definition has: it stands for one that cannot be read.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of a tool's definition: an object in text that was read strictly. `None`: it is nested too deeply.
    #[must_use]
    pub fn of_definition(text: &str, definition: Span) -> Option<Self> {
        let canonical = serde_json_canonicalizer::to_vec(&Node { text, span: definition, depth: 0 }).ok()?;
        Some(Self::of_bytes(&canonical))
    }

    /// The SHA-256 of bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    pub(crate) const fn from_array(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_array(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (halves, _) = self.0.as_chunks::<16>();
        f.write_str(PREFIX)?;
        halves.iter().try_for_each(|half| write!(f, "{:032x}", u128::from_be_bytes(*half)))
    }
}

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a hash as `sha256:` and 64 hexadecimal digits in lower case; `meshward pin` prints it")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix(PREFIX).ok_or(DigestError)?;
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() || digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
            // A sign is no digit.
            let is_hex = pair.bytes().all(|b| b.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| is_hex).ok_or(DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// A value of a text, as a serializer reads it. Numbers are doubles, to the last bit: RFC 8785, section 3.2.2.3.
struct Node<'t> {
    text: &'t str,
    span: Span,
    depth: usize,
}

impl Node<'_> {
    const fn inner(&self, span: Span) -> Self {
        Self { text: self.text, span, depth: self.depth.saturating_add(1) }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { text, span, depth } = *self;
        if depth > MAX_DEPTH {
            return Err(S::Error::custom("nested too deeply"));
        }
        match json::kind(text, span) {
            Some(ValueKind::Object) => {
                let mut map = serializer.serialize_map(None)?;
                for member in json::members(text, span) {
                    let key = json::unescape(member.key.of(text));
                    if depth > 0 || key != "name" {
                        map.serialize_entry(&key, &self.inner(member.value))?;
                    }
                }
                map.end()
            }
            Some(ValueKind::Array) => {
                let mut array = serializer.serialize_seq(None)?;
                for element in json::elements(text, span) {
                    array.serialize_element(&self.inner(element))?;
                }
                array.end()
            }
            Some(ValueKind::String) => serializer.serialize_str(&json::unescape(span.without_quotes().of(text))),
            Some(ValueKind::Number) => {
                let number = json::double(span.of(text)).ok_or_else(|| S::Error::custom("beyond a double"))?;
                serializer.serialize_f64(number)
            }
            Some(ValueKind::Bool) => serializer.serialize_bool(span.of(text) == "true"),
            Some(ValueKind::Null) | None => serializer.serialize_unit(),
        }
    }
}

#[cfg(test)]
mod tests;
