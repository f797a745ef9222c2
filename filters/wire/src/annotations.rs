//! `x-mcp-header` annotations of a tool's input schema: which arguments a client repeats in `Mcp-Param-*` headers.
//!
//! MCP 2026-07-28, server/tools and basic/transports/streamable-http (Schema Extension). An annotation is valid on a
//! string, integer or boolean that is reached from the root through `properties` alone, with a name that is an HTTP
//! token and differs from the others by more than case. With one invalid annotation the tool is to be left out of
//! `tools/list`.
//!
//! Only what JSON Schema 2020-12 (and `definitions`, `dependencies`, `additionalItems` before it) defines as a schema is
//! looked at: a property that is called `x-mcp-header` is no annotation, nor is a member of a `default` or an `enum`.
//! References are not followed. One pass, without recursion.

mod walk;

use memchr::memmem;

use self::walk::{Found, Walk};
use crate::json::{Span, members, string, unescape};
use crate::limits::Limits;
use crate::mirrored;
use crate::scan::{Scanner, Scratch};

/// Bound of how many arguments of one tool are mirrored: with the three standard ones, a request has no more mirrored
/// headers than are read.
pub const MAX_ANNOTATIONS: usize = mirrored::MAX_HEADERS - 3;

/// Bound of the value of one annotation, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

const KEYWORD: &str = "x-mcp-header";

/// An argument that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Annotation {
    /// What follows `Mcp-Param-` in the header's name, as the schema writes it.
    pub header: String,
    /// Where in the arguments the value is: names of members from the outside in; never empty.
    pub path: Vec<String>,
}

/// Why a schema's annotations are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Invalid {
    /// The schema is not JSON that a strict reader lets through.
    #[error("the input schema cannot be read")]
    Unreadable,
    /// An annotation is at the root, or behind an array, a composition, a condition or a definition.
    #[error("x-mcp-header on what is not reached from the root through `properties` alone")]
    Misplaced,
    /// The value is no string.
    #[error("x-mcp-header that is no string")]
    NotAString,
    /// The value is an empty string.
    #[error("x-mcp-header that is empty")]
    Empty,
    /// The value has characters that no header's name may have (RFC 9110, section 5.6.2).
    #[error("x-mcp-header with a character that no header name may have")]
    NotAToken,
    /// The value is longer than [`MAX_NAME_BYTES`].
    #[error("x-mcp-header of more than {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// The `type` beside it is not one of `string`, `integer`, `boolean`.
    #[error("x-mcp-header on what is no string, integer or boolean")]
    NotPrimitive,
    /// Two values differ by no more than case.
    #[error("x-mcp-header that comes twice")]
    Repeated,
    /// There are more than [`MAX_ANNOTATIONS`].
    #[error("more than {MAX_ANNOTATIONS} x-mcp-header")]
    TooMany,
}

/// The annotations of an input schema, in the order in which the schema writes them; most schemas have none.
///
/// # Errors
/// Why they are invalid: one reason, where there are several.
pub fn read(text: &str, input_schema: Span) -> Result<Vec<Annotation>, Invalid> {
    let schema = input_schema.of(text);
    // The keyword may be written with escapes; a schema without either is most likely.
    let spelled = |needle: &str| memmem::find(schema.as_bytes(), needle.as_bytes()).is_some();
    if !spelled(KEYWORD) && !spelled("\\u") {
        return Ok(Vec::new());
    }
    // What holds the schema was read within the bounds of its reader.
    let limits = Limits { max_bytes: usize::MAX, max_depth: u16::MAX, ..Limits::default() };
    let mut walk = Walk::new(schema);
    Scanner::new(schema, limits, &mut Scratch::default(), &mut walk).run().map_err(|_| Invalid::Unreadable)?;
    let mut annotations: Vec<Annotation> = Vec::new();
    for found in walk.found() {
        if annotations.len() >= MAX_ANNOTATIONS {
            return Err(Invalid::TooMany);
        }
        let header = valid_header(schema, found)?;
        if annotations.iter().any(|other| other.header.eq_ignore_ascii_case(&header)) {
            return Err(Invalid::Repeated);
        }
        let path = walk.path(found).ok_or(Invalid::Misplaced)?;
        annotations.push(Annotation { header, path });
    }
    Ok(annotations)
}

fn valid_header(schema: &str, found: &Found) -> Result<String, Invalid> {
    let header = string(schema, found.header).ok_or(Invalid::NotAString)?;
    if header.is_empty() {
        return Err(Invalid::Empty);
    }
    if !header.bytes().all(is_token) {
        return Err(Invalid::NotAToken);
    }
    if header.len() > MAX_NAME_BYTES {
        return Err(Invalid::TooLong);
    }
    let kind = found.kind.and_then(|kind| string(schema, kind));
    match kind.as_deref() {
        Some("string" | "integer" | "boolean") => Ok(header.into_owned()),
        _ => Err(Invalid::NotPrimitive),
    }
}

/// A `tchar` of RFC 9110, section 5.6.2.
const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

/// The value at a path in the arguments of a call, as JSON to the letter; `None` where there is none.
#[must_use]
pub fn argument_at<'t>(text: &'t str, arguments: Span, path: &[String]) -> Option<&'t str> {
    let value = path.iter().try_fold(arguments, |object, name| crate::json::member(text, object, name))?;
    Some(value.of(text))
}

/// The values that annotations speak of, each as [`argument_at`] finds it. The arguments are walked once for all of
/// them, and again only inside of objects that a path leads into.
#[must_use]
pub fn arguments_at<'t>(text: &'t str, arguments: Span, annotations: &[Annotation]) -> Vec<Option<&'t str>> {
    let mut values = vec![None; annotations.len()];
    // Those whose values lie deeper, and the object that their paths have come to.
    let mut open: Vec<(usize, &Annotation, Span)> =
        annotations.iter().enumerate().map(|(index, annotation)| (index, annotation, arguments)).collect();
    let mut depth = 0_usize;
    while !open.is_empty() {
        let mut deeper = Vec::new();
        for group in open.chunk_by(|one, other| one.2 == other.2) {
            let Some((_, _, object)) = group.first() else { continue };
            for member in members(text, *object) {
                let key = unescape(member.key.of(text));
                for (index, annotation, _) in group {
                    if annotation.path.get(depth).is_none_or(|name| *name != key) {
                        continue;
                    }
                    if depth.saturating_add(1) < annotation.path.len() {
                        deeper.push((*index, *annotation, member.value));
                    } else if let Some(value) = values.get_mut(*index) {
                        *value = Some(member.value.of(text));
                    }
                }
            }
        }
        // Members come in the order of the call, groups need not: the same object's side by side.
        deeper.sort_unstable_by_key(|(index, _, object)| (object.start, *index));
        open = deeper;
        depth = depth.saturating_add(1);
    }
    values
}

#[cfg(test)]
mod tests;
