//! The five protocol revisions, and which of them an exchange speaks.
//!
//! Until 2025-11-25 a revision is negotiated by `initialize` and, since 2025-06-18, repeated in a header; since
//! 2026-07-28 every request says its own, in `params._meta` and in the header. The decision is a function of one
//! request: no exchange is remembered.

use crate::message::Text;
use crate::refusal::Reason;

/// A protocol revision that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, and the only one with batches.
    V2025_03_26,
    /// 2025-06-18: the version header.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: stateless, with mirrored headers.
    V2026_07_28,
}

/// How a revision lays messages on HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// One stream by GET, answers to POST come on it (MCP 2024-11-05, basic/transports, HTTP with SSE).
    LegacySse,
    /// Streamable HTTP after an `initialize` (MCP 2025-03-26 to 2025-11-25, basic/transports).
    Session,
    /// Every request stands alone (MCP 2026-07-28, basic, Statelessness).
    Stateless,
}

/// The member of `params._meta` that holds a request's revision since 2026-07-28.
pub const META_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// The header that holds it since 2025-06-18, in lower case.
pub const HEADER: &str = "mcp-protocol-version";

/// Bound of what is read as a revision, in bytes; the known ones have 10.
pub const MAX_VERSION_BYTES: usize = 64;

impl Revision {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// Reads a revision, to the letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// How it lays messages on HTTP.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 => Era::LegacySse,
            Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Session,
            Self::V2026_07_28 => Era::Stateless,
        }
    }

    /// Whether it has JSON-RPC batches: 2025-03-26 alone. That revision brought them (changelog, "Added support for
    /// JSON-RPC batching"), 2025-06-18 removed them, and 2024-11-05 has no batch among its messages.
    #[must_use]
    pub const fn allows_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }

    /// Whether its clients say it in a header once they know it (2025-06-18, basic/transports, Protocol Version Header).
    #[must_use]
    pub fn has_version_header(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether its requests must carry mirrored headers (2026-07-28, Streamable HTTP, Standard Request Headers).
    #[must_use]
    pub fn requires_mirrored_headers(self) -> bool {
        self >= Self::V2026_07_28
    }
}

/// What the version header of one request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionHeader<'a> {
    /// It is not there.
    Absent,
    /// A revision that is known here.
    Known(Revision),
    /// Another one.
    Unknown(&'a str),
    /// It is there more than once.
    Repeated,
    /// No revision can look like this: empty, too long, or not visible ASCII.
    Malformed,
}

impl<'a> VersionHeader<'a> {
    /// Reads the header's values, without the optional white space around them (RFC 9110, section 5.5).
    #[must_use]
    pub fn read(mut values: impl Iterator<Item = &'a [u8]>) -> Self {
        let Some(value) = values.next() else { return Self::Absent };
        if values.next().is_some() {
            return Self::Repeated;
        }
        crate::field::text(value).map_or(Self::Malformed, Self::of)
    }

    /// Reads the one value.
    pub(crate) fn of(text: &'a str) -> Self {
        if text.is_empty() || text.len() > MAX_VERSION_BYTES {
            return Self::Malformed;
        }
        Revision::parse(text).map_or(Self::Unknown(text), Self::Known)
    }

    const fn text(self) -> Option<&'a str> {
        match self {
            Self::Known(revision) => Some(revision.as_str()),
            Self::Unknown(text) => Some(text),
            Self::Absent | Self::Repeated | Self::Malformed => None,
        }
    }
}

/// A revision where a message may hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Said<'a> {
    /// It does not.
    #[default]
    Nothing,
    /// A string.
    Text(&'a str),
    /// Something that is no string.
    NotText,
}

/// What a message says about its revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statement<'a> {
    /// Its method; none for a response.
    pub method: Option<&'a str>,
    /// Whether it is a request, that is: has a method and an id.
    pub is_request: bool,
    /// `params.protocolVersion`.
    pub params: Said<'a>,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`.
    pub meta: Said<'a>,
}

/// Which revision an exchange speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// This one.
    Known(Revision),
    /// Nothing says one: 2025-03-26, as 2025-06-18 and later have a server assume.
    Assumed(Revision),
    /// An `initialize` that asks for what is no session revision known here. The server names the revision it will
    /// speak, so nothing is known yet, and nothing is wrong.
    Negotiating,
}

impl<'a> From<&'a Text<'_>> for Said<'a> {
    fn from(text: &'a Text<'_>) -> Self {
        match text {
            Text::Missing => Self::Nothing,
            Text::NotAString => Self::NotText,
            Text::Is(text) => Self::Text(text),
        }
    }
}

impl Recognised {
    /// The revision, once there is one.
    #[must_use]
    pub const fn revision(self) -> Option<Revision> {
        match self {
            Self::Known(revision) | Self::Assumed(revision) => Some(revision),
            Self::Negotiating => None,
        }
    }
}

/// Why no revision can be established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised<'a> {
    /// To be answered -32022 with the list of known revisions, on which clients fall back.
    #[error("unsupported protocol version")]
    Unsupported {
        /// What was asked for.
        requested: &'a str,
    },
    /// Header and `_meta` differ (-32020).
    #[error("the version header differs from `_meta`")]
    Mismatch,
    /// A stateless request without the header (-32020).
    #[error("the version header is missing")]
    HeaderMissing,
    /// The header is there more than once (-32020).
    #[error("the version header is repeated")]
    HeaderRepeated,
    /// The header is no revision at all (-32020).
    #[error("the version header is malformed")]
    HeaderMalformed,
    /// The revision in `_meta` is not a string, or longer than [`MAX_VERSION_BYTES`] (-32602).
    #[error("the revision in `_meta` is no revision")]
    InvalidMeta,
}

impl Unrecognised<'_> {
    /// Its entry in the registry.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Unsupported { .. } => Reason::UnsupportedProtocolVersion,
            Self::Mismatch => Reason::HeaderMismatch,
            Self::HeaderMissing => Reason::HeaderMissing,
            Self::HeaderRepeated => Reason::HeaderRepeated,
            Self::HeaderMalformed => Reason::HeaderMalformed,
            Self::InvalidMeta => Reason::InvalidParams,
        }
    }
}

/// Establishes the revision of an exchange from its header and its body.
///
/// # Errors
///
/// Where they contradict each other, or say a revision that is not known here on anything but an `initialize`.
pub fn recognise<'a>(header: VersionHeader<'a>, message: &Statement<'a>) -> Result<Recognised, Unrecognised<'a>> {
    match header {
        VersionHeader::Repeated => return Err(Unrecognised::HeaderRepeated),
        VersionHeader::Malformed => return Err(Unrecognised::HeaderMalformed),
        VersionHeader::Absent | VersionHeader::Known(_) | VersionHeader::Unknown(_) => {}
    }
    match message.meta {
        Said::Text(said) => stated(header, said, message.is_request),
        Said::NotText => Err(Unrecognised::InvalidMeta),
        // A client that reconnects may still send the header of its last session: `initialize` starts anew.
        Said::Nothing if message.method == Some("initialize") => Ok(negotiated(message.params)),
        Said::Nothing => match header {
            VersionHeader::Known(revision) => Ok(Recognised::Known(revision)),
            VersionHeader::Unknown(requested) => Err(Unrecognised::Unsupported { requested }),
            _ => Ok(Recognised::Assumed(Revision::V2025_03_26)),
        },
    }
}

/// A message that states its revision itself: the header must say the same.
fn stated<'a>(header: VersionHeader<'a>, said: &'a str, is_request: bool) -> Result<Recognised, Unrecognised<'a>> {
    if said.len() > MAX_VERSION_BYTES {
        return Err(Unrecognised::InvalidMeta);
    }
    if header.text().is_some_and(|header| header != said) {
        return Err(Unrecognised::Mismatch);
    }
    let Some(revision) = Revision::parse(said) else {
        return Err(Unrecognised::Unsupported { requested: said });
    };
    // What headers a notification needs is not defined (2026-07-28, Streamable HTTP, Sending Messages).
    if header == VersionHeader::Absent && revision.requires_mirrored_headers() && is_request {
        return Err(Unrecognised::HeaderMissing);
    }
    Ok(Recognised::Known(revision))
}

/// What an `initialize` asks for. A stateless revision has no `initialize`: what comes of it is the server's to say.
fn negotiated(params: Said<'_>) -> Recognised {
    match params {
        Said::Text(text) => match Revision::parse(text) {
            Some(revision) if revision.era() != Era::Stateless => Recognised::Known(revision),
            _ => Recognised::Negotiating,
        },
        Said::Nothing | Said::NotText => Recognised::Negotiating,
    }
}

#[cfg(test)]
mod tests;
