//! What of an HTTP request can be signed.

use std::borrow::Cow;

/// A request without its content: pseudo fields apart, field lines in order as they came.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) scheme: &'a [u8],
    pub(crate) authority: &'a [u8],
    /// Path and query.
    pub(crate) target: &'a [u8],
    lines: &'a [(&'a [u8], &'a [u8])],
}

// Values may be credentials.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    /// A request by its field lines, HTTP/2's pseudo fields (`:method`, `:scheme`, `:authority`, `:path`) among them.
    #[must_use]
    pub fn new(lines: &'a [(&'a [u8], &'a [u8])]) -> Self {
        let pseudo = |name: &[u8]| lines.iter().find(|(known, _)| *known == name).map_or(&b""[..], |(_, value)| value);
        Self {
            method: pseudo(b":method"),
            scheme: pseudo(b":scheme"),
            authority: pseudo(b":authority"),
            target: pseudo(b":path"),
            lines,
        }
    }

    /// The names of its fields, pseudo fields apart, as often as they are there.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().map(|(name, _)| *name).filter(|name| !name.starts_with(b":"))
    }

    /// The values of one field, which is named in lower case, without white space around them.
    pub(crate) fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a, 'n> {
        let lines = self.lines.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        lines.map(|(_, value)| unfolded(value.trim_ascii()))
    }

    /// The same as one value (RFC 9421, section 2.1). `None`: there is no such field.
    #[must_use]
    pub fn combined(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.values(name);
        let mut combined = values.next()?.into_owned();
        for value in values {
            combined.extend_from_slice(b", ");
            combined.extend_from_slice(&value);
        }
        Some(combined)
    }

    /// The path, which is never empty (RFC 9110, section 4.2.3).
    pub(crate) fn path(&self) -> &'a [u8] {
        match self.target.split(|b| *b == b'?').next() {
            None | Some(b"") => b"/",
            Some(path) => path,
        }
    }

    /// What follows the first `?`. `None`: there is none.
    pub(crate) fn query(&self) -> Option<&'a [u8]> {
        let at = self.target.iter().position(|b| *b == b'?')?;
        self.target.get(at.saturating_add(1)..)
    }

    /// The authority in lower case, without the port that its scheme implies.
    pub(crate) fn normal_authority(&self) -> Vec<u8> {
        let authority = self.authority.to_ascii_lowercase();
        let port: &[u8] = match self.scheme.to_ascii_lowercase().as_slice() {
            b"http" => b":80",
            b"https" => b":443",
            _ => return authority,
        };
        authority.strip_suffix(port).map_or_else(|| authority.clone(), <[u8]>::to_vec)
    }
}

/// A value that some obsolete sender folded over several lines, in one line (RFC 9112, section 5.2).
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let lines = value.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    Cow::Owned(lines.collect::<Vec<_>>().join(&b' '))
}
