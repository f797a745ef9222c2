//! Mirrored headers: parts of the body repeated in header fields, for those who do not read the body.
//!
//! `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` (MCP 2026-07-28, basic/transports/streamable-http,
//! Request Metadata). The body decides; a header can only contradict it, and then the request is refused, whatever its
//! revision. Only 2026-07-28 and later require them, and no revision makes them trusted. What the version header says
//! is the business of [`crate::revision`].

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::field;
use crate::json::{number, unescape};
use crate::method::Method;
use crate::refusal::Reason;
use crate::revision::{Revision, VersionHeader};

/// Bound of one mirrored header's value in bytes, before anything is decoded. The longest name that is read from a body
/// fits in, in base64 too.
pub const MAX_VALUE_BYTES: usize = 12 * 1024;

/// Bound of how many mirrored headers one request may have.
pub const MAX_HEADERS: usize = 64;

const PARAM_PREFIX: &[u8] = b"mcp-param-";

/// Which mirrored header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Header {
    /// `MCP-Protocol-Version`
    ProtocolVersion,
    /// `Mcp-Method`
    Method,
    /// `Mcp-Name`
    Name,
    /// One of `Mcp-Param-*`.
    Param,
}

impl Header {
    /// Which one a field name is, in any case, or is taken for by servers that turn names into environment variables
    /// (RFC 3875, section 4.1.18): to them `_` is `-`.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::spelt(name).or_else(|| Self::misspelt(name))
    }

    /// Which one a field name is, in any case.
    fn spelt(name: &[u8]) -> Option<Self> {
        match name {
            // As HTTP/2 writes them, and Envoy shows them all.
            b"mcp-protocol-version" => Some(Self::ProtocolVersion),
            b"mcp-method" => Some(Self::Method),
            b"mcp-name" => Some(Self::Name),
            _ => Self::by(name, <[u8]>::eq_ignore_ascii_case),
        }
    }

    /// Which one another field name is taken for: what checks the one would pass the other. What follows the prefix of a
    /// parameter is the tool's to name, and may have any character.
    fn misspelt(name: &[u8]) -> Option<Self> {
        Self::by(name, are_alike)
    }

    #[inline]
    fn by(name: &[u8], is: impl Fn(&[u8], &[u8]) -> bool) -> Option<Self> {
        // All of them begin alike, and most fields do not: without regard to case, and then as it should be.
        let (first, rest) = name.split_first_chunk::<4>()?;
        let [m, c, p, _] = first.map(|b| b | 0x20);
        if [m, c, p] != *b"mcp" || !is(first, b"mcp-") {
            return None;
        }
        if is(rest, b"protocol-version") {
            Some(Self::ProtocolVersion)
        } else if is(rest, b"method") {
            Some(Self::Method)
        } else if is(rest, b"name") {
            Some(Self::Name)
        } else if rest.first_chunk::<6>().is_some_and(|rest| is(rest, b"param-")) {
            Some(Self::Param)
        } else {
            None
        }
    }

    /// Its name as the specification writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "MCP-Protocol-Version",
            Self::Method => "Mcp-Method",
            Self::Name => "Mcp-Name",
            Self::Param => "Mcp-Param",
        }
    }
}

/// Whether two field names are the same in any case, `_` and `-` being the same.
fn are_alike(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().copied().map(folded).eq(other.iter().copied().map(folded))
}

const fn folded(b: u8) -> u8 {
    if b == b'_' { b'-' } else { b.to_ascii_lowercase() }
}

/// What is wrong with a mirrored header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It does not say what the body says.
    Mismatch,
    /// It is there more than once, be it with one value.
    Repeated,
    /// The revision requires it, and it is not there.
    Missing,
    /// It cannot be read: too long, bytes that no header may have, base64 that is none, or `_` for `-` in its name.
    Malformed,
}

/// A mirrored header for which a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {fault:?}", .header.name())]
pub struct Condemned {
    /// Which header.
    pub header: Header,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Condemned {
    /// Its entry in the registry.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self.fault {
            Fault::Mismatch => Reason::HeaderMismatch,
            Fault::Repeated => Reason::HeaderRepeated,
            Fault::Missing => Reason::HeaderMissing,
            Fault::Malformed => Reason::HeaderMalformed,
        }
    }
}

/// What the body says, to hold the headers against.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The body is a batch. One header cannot speak for several messages.
    pub is_batch: bool,
    /// The message is a request. What headers a notification needs is not defined, so it needs none.
    pub is_request: bool,
    /// The revision, if it is established.
    pub revision: Option<Revision>,
    /// The method; none for a response.
    pub method: Option<&'a str>,
    /// The same, where MCP knows it.
    pub known: Option<&'static Method>,
    /// What `params` says in the member that [`crate::method::TargetKind::named_by`] names, when it is a string.
    pub name: Option<&'a str>,
}

/// A parameter that a tool's schema wants mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// The value of `x-mcp-header`: what follows `Mcp-Param-` in the header's name.
    pub header: &'a str,
    /// The value at the parameter's place in `params.arguments`, as JSON to the letter.
    pub value: Option<&'a str>,
}

/// The mirrored headers of a request, each of them text and there at most once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mirrored<'h> {
    version: Option<&'h str>,
    method: Option<&'h str>,
    name: Option<&'h str>,
    /// The first that is not the version.
    other: Option<Header>,
}

impl<'h> Mirrored<'h> {
    /// Reads the mirrored headers of a request, and condemns it on them alone: one that is repeated, too long, or has bytes
    /// that none may have. Passing here allows nothing.
    ///
    /// # Errors
    ///
    /// The first header that is wrong.
    pub fn read(headers: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone) -> Result<Self, Condemned> {
        let (mut mirrored, mut count) = (Self::default(), 0_usize);
        for (place, (name, value)) in headers.clone().enumerate() {
            let spelt = Header::spelt(name);
            let Some(header) = spelt.or_else(|| Header::misspelt(name)) else { continue };
            let wrong = |fault| Condemned { header, fault };
            let text = Some(value).filter(|value| count < MAX_HEADERS && value.len() <= MAX_VALUE_BYTES);
            let text = text.and_then(field::text).filter(|_| spelt.is_some()).ok_or(wrong(Fault::Malformed))?;
            count = count.saturating_add(1);
            let is_repeated = match header {
                Header::ProtocolVersion => mirrored.version.replace(text).is_some(),
                Header::Method => mirrored.method.replace(text).is_some(),
                Header::Name => mirrored.name.replace(text).is_some(),
                Header::Param => headers.clone().take(place).any(|(earlier, _)| are_alike(earlier, name)),
            };
            if is_repeated {
                return Err(wrong(Fault::Repeated));
            }
            if header != Header::ProtocolVersion {
                mirrored.other.get_or_insert(header);
            }
        }
        Ok(mirrored)
    }

    /// What the version header says.
    #[must_use]
    pub fn version(&self) -> VersionHeader<'h> {
        self.version.map_or(VersionHeader::Absent, VersionHeader::of)
    }

    /// Holds the headers against one message of the request's body.
    ///
    /// # Errors
    ///
    /// The header for which the request is to be refused.
    pub fn check(&self, facts: &Facts<'_>) -> Result<(), Condemned> {
        if facts.is_batch {
            return self.other.map_or(Ok(()), |header| Err(Condemned { header, fault: Fault::Mismatch }));
        }
        let required = facts.is_request && facts.revision.is_some_and(Revision::requires_mirrored_headers);
        let wrong = |header, fault| Err(Condemned { header, fault });
        if required && self.version.is_none() {
            return wrong(Header::ProtocolVersion, Fault::Missing);
        }
        // Methods are never encoded, and differ by case (Case Sensitivity).
        match self.method {
            Some(_) if self.method != facts.method => return wrong(Header::Method, Fault::Mismatch),
            None if required => return wrong(Header::Method, Fault::Missing),
            _ => {}
        }
        match self.name {
            Some(value) => {
                let named = facts.known.and_then(|method| method.target.named_by()).and(facts.name);
                match decode(value) {
                    Ok(name) if named == Some(&*name) => {}
                    Ok(_) => return wrong(Header::Name, Fault::Mismatch),
                    Err(fault) => return wrong(Header::Name, fault),
                }
            }
            None if required && facts.known.is_some_and(Method::requires_name_header) => {
                return wrong(Header::Name, Fault::Missing);
            }
            None => {}
        }
        Ok(())
    }
}

/// Holds the `Mcp-Param-*` headers of a request against the parameters that its tool's schema has them mirror. A header that
/// is not among them is let be: who does not know an `Mcp-Param-*` header forwards it and ignores it (Server Behavior for
/// Custom Headers). `required`: the revision has clients send them.
///
/// # Errors
///
/// The first header for which the request is to be refused.
pub fn check_params<'h>(
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
    params: &[Param<'_>],
    required: bool,
) -> Result<(), Condemned> {
    let wrong = |fault| Condemned { header: Header::Param, fault };
    for param in params {
        match headers.clone().find(|(name, _)| is_param(name, param.header)) {
            Some((_, value)) => compare_param(value, param.value).map_err(wrong)?,
            None if required && param.value.is_some_and(|value| value != "null") => {
                return Err(wrong(Fault::Missing));
            }
            None => {}
        }
    }
    Ok(())
}

fn is_param(name: &[u8], param: &str) -> bool {
    let rest =
        name.split_at_checked(PARAM_PREFIX.len()).filter(|(prefix, _)| prefix.eq_ignore_ascii_case(PARAM_PREFIX));
    rest.is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(param.as_bytes()))
}

/// Compares the value of an `Mcp-Param-*` header with the JSON value it mirrors, to the letter as it stands in a body
/// that was read strictly.
///
/// Strings are compared to the letter, integers by their value whatever their length or spelling (`42.0` is `42`),
/// booleans as `true` and `false`. Nothing else can be mirrored: a header beside `null`, an array, an object or no value
/// at all does not match.
///
/// # Errors
///
/// [`Fault::Malformed`] where the header cannot be read, [`Fault::Mismatch`] where it says another value.
pub fn compare_param(value: &[u8], body: Option<&str>) -> Result<(), Fault> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(Fault::Malformed);
    }
    let text = decode(field::text(value).ok_or(Fault::Malformed)?)?;
    let same = match body {
        Some(literal @ ("true" | "false")) => text == literal,
        Some(json) if json.starts_with('"') => {
            let letters = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
            letters.is_some_and(|letters| unescape(letters) == text)
        }
        Some(json) if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            number::equal(&text, json)
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(Fault::Mismatch) }
}

/// The text that the value of a mirrored header stands for; `None` where it cannot be read.
#[must_use]
pub fn decoded(value: &[u8]) -> Option<Cow<'_, str>> {
    decode(field::text(value)?).ok()
}

/// A text as the value of a mirrored header: itself, or in base64 where no header can carry it, or where it would be taken for
/// base64 (Value Encoding).
#[must_use]
pub fn encoded(text: &str) -> Cow<'_, str> {
    if field::text(text.as_bytes()) == Some(text) && !text.starts_with("=?base64?") {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(text)))
}

/// The value that a header carries: its text, or what its base64 sentinel holds (Value Encoding). The sentinel's letters
/// are matched exactly; anything else is the text itself.
fn decode(text: &str) -> Result<Cow<'_, str>, Fault> {
    let Some(inner) = text.strip_prefix("=?base64?") else { return Ok(Cow::Borrowed(text)) };
    let Some(encoded) = inner.strip_suffix("?=") else {
        // Begin and end share a letter: a sentinel to those who look at each alone, and text to others.
        return if text.ends_with("?=") { Err(Fault::Malformed) } else { Ok(Cow::Borrowed(text)) };
    };
    let decoded = STANDARD.decode(encoded).map_err(|_| Fault::Malformed)?;
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Fault::Malformed)
}

#[cfg(test)]
mod tests;
