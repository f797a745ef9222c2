//! Bodies: given as text, or put together from parts.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A body as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum BodySpec {
    /// Its text.
    Text(String),
    /// Its parts, one behind the other.
    Parts(Vec<Part>),
}

/// A part of a body.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Part {
    Text(String),
    Repeat(Repeat),
    Bytes(Bytes),
}

/// The same text again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeat {
    repeat: String,
    times: usize,
}

/// Bytes that are no text, in hexadecimal; white space between them is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bytes {
    hex: String,
}

impl BodySpec {
    /// The bytes.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let parts = match self {
            Self::Text(text) => return Ok(text.as_bytes().to_vec()),
            Self::Parts(parts) => parts,
        };
        let mut out = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Repeat(Repeat { repeat, times }) => out.extend(repeat.as_bytes().repeat(*times)),
                Part::Bytes(Bytes { hex }) => out.extend(from_hex(hex)?),
            }
        }
        Ok(out)
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).with_context(|| format!("`{c}` is not hex")))
        .collect::<Result<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        bail!("an odd number of hexadecimal digits");
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Cuts bytes at these offsets.
pub(super) fn cut(body: Vec<u8>, at: &[usize]) -> Result<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    let mut rest = body;
    let mut done = 0_usize;
    for &offset in at {
        let length = offset.checked_sub(done).filter(|length| *length <= rest.len());
        let length = length.with_context(|| format!("cut at {offset} is before the last one or behind the end"))?;
        let tail = rest.split_off(length);
        pieces.push(std::mem::replace(&mut rest, tail));
        done = offset;
    }
    pieces.push(rest);
    Ok(pieces)
}
