//! Which request targets are MCP endpoints, and which only look like one.
//!
//! An endpoint is matched byte for byte, without the query. What is not an endpoint passes; so a path that some server
//! would read as an endpoint (by decoding, resolving or folding it) must not count as "not an endpoint". Such a path is
//! neither served nor passed.

use std::rc::Rc;

/// The configured endpoints.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    paths: Vec<Rc<str>>,
    canonical: Vec<Vec<u8>>,
}

/// What a request target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// An endpoint, byte for byte.
    Endpoint,
    /// No endpoint, but a server could take it for one.
    LookAlike,
    /// Below an endpoint: a server that mounts its handler by prefix serves it there too.
    Below,
    /// Something else.
    Other,
}

impl Endpoints {
    /// Endpoints by their paths (`/mcp`).
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Self {
        let paths: Vec<Rc<str>> = paths.into_iter().map(|p| p.as_ref().into()).collect();
        let canonical = paths.iter().map(|p| canonical(p.as_bytes())).collect();
        Self { paths, canonical }
    }

    /// Sorts a request target (the `:path` with its query) into its kind.
    #[must_use]
    pub fn classify(&self, target: &[u8]) -> PathKind {
        if self.path(target).is_some() {
            return PathKind::Endpoint;
        }
        let path = without_query(target);
        let canonical = canonical(path);
        if self.canonical.contains(&canonical) {
            return PathKind::LookAlike;
        }
        let below = |endpoint: &Vec<u8>| {
            !endpoint.is_empty() && canonical.strip_prefix(&**endpoint).is_some_and(|rest| rest.starts_with(b"/"))
        };
        if self.canonical.iter().any(below) { PathKind::Below } else { PathKind::Other }
    }

    /// The path of the endpoint that a request target is.
    pub(crate) fn path(&self, target: &[u8]) -> Option<&Rc<str>> {
        let path = without_query(target);
        self.paths.iter().find(|endpoint| endpoint.as_bytes() == path)
    }
}

fn without_query(target: &[u8]) -> &[u8] {
    target.split(|b| *b == b'?').next().unwrap_or_default()
}

/// The path as the most obliging server could read it: every percent-encoding undone however often it was done, cut at
/// what then looks like a query, a fragment or a NUL, backslashes turned, path parameters and surrounding blanks
/// dropped, dot segments resolved, empty segments removed, in lower case.
fn canonical(path: &[u8]) -> Vec<u8> {
    let path = decode(without_origin(path));
    let end = path.iter().position(|b| matches!(b, b'?' | b'#' | 0)).unwrap_or(path.len());
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    // Where each kept segment begins in `out`, so that `..` can take it back.
    let mut starts: Vec<usize> = Vec::new();
    for segment in path.get(..end).unwrap_or_default().split(|b| matches!(b, b'/' | b'\\')) {
        let segment = segment.split(|b| *b == b';').next().unwrap_or_default();
        match trimmed(segment) {
            b"" | b"." => {}
            b".." => out.truncate(starts.pop().unwrap_or(0)),
            segment => {
                starts.push(out.len());
                out.push(b'/');
                out.extend(segment.to_ascii_lowercase());
            }
        }
    }
    out
}

/// An absolute-form target (RFC 9112, section 3.2.2) without its scheme and authority.
fn without_origin(path: &[u8]) -> &[u8] {
    if path.first() == Some(&b'/') {
        return path;
    }
    let Some(colon) = memchr_seq(path, b"://") else { return path };
    let rest = path.get(colon.saturating_add(3)..).unwrap_or_default();
    let slash = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    rest.get(slash..).unwrap_or_default()
}

fn memchr_seq(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Undoes percent-encoding until none is left, in one pass: a decoded `%` may begin another encoding.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    for &byte in path {
        out.push(byte);
        while let [.., b'%', high, low] = *out {
            let (Some(high), Some(low)) = (hex(high), hex(low)) else { break };
            out.truncate(out.len().saturating_sub(3));
            out.push(high << 4 | low);
        }
    }
    out
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// Without blanks and controls around it, and without the trailing dots that Windows drops; `.` and `..` stay.
fn trimmed(segment: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b <= b' ' || *b == 0x7f;
    let from = segment.iter().position(|b| !blank(b)).unwrap_or(segment.len());
    let to = segment.iter().rposition(|b| !blank(b)).map_or(from, |i| i.saturating_add(1));
    let segment = segment.get(from..to).unwrap_or_default();
    if matches!(segment, b"." | b"..") {
        return segment;
    }
    let to = segment.iter().rposition(|b| *b != b'.' && !blank(b)).map_or(0, |i| i.saturating_add(1));
    segment.get(..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_sorted_into_kinds() {
        let endpoints = Endpoints::new(["/mcp", "/team/a/mcp/"]);
        for (path, kind) in [
            ("/mcp", PathKind::Endpoint),
            ("/mcp?x=1", PathKind::Endpoint),
            ("/mcp?/../y", PathKind::Endpoint),
            ("/team/a/mcp/", PathKind::Endpoint),
            ("/mcp/", PathKind::LookAlike),
            ("/team/a/mcp", PathKind::LookAlike),
            ("//mcp", PathKind::LookAlike),
            ("/mcp;x", PathKind::LookAlike),
            ("/mcp;x=1?y", PathKind::LookAlike),
            ("/%6dcp", PathKind::LookAlike),
            ("/%6Dcp", PathKind::LookAlike),
            ("/%256dcp", PathKind::LookAlike),
            ("/%25%36%64cp", PathKind::LookAlike),
            ("/mcp%2f", PathKind::LookAlike),
            ("/mcp%00.html", PathKind::LookAlike),
            ("/mcp%3fx", PathKind::LookAlike),
            ("/mcp#x", PathKind::LookAlike),
            ("/mcp%20", PathKind::LookAlike),
            ("/mcp.", PathKind::LookAlike),
            ("/MCP", PathKind::LookAlike),
            ("/x/../mcp", PathKind::LookAlike),
            ("/x/..;/mcp", PathKind::LookAlike),
            ("/x/%2e%2e/mcp", PathKind::LookAlike),
            ("/../../mcp", PathKind::LookAlike),
            ("/./mcp", PathKind::LookAlike),
            ("\\mcp", PathKind::LookAlike),
            ("/x\\..\\mcp", PathKind::LookAlike),
            ("mcp", PathKind::LookAlike),
            ("http://host/mcp", PathKind::LookAlike),
            ("http://host//mcp", PathKind::LookAlike),
            ("/", PathKind::Other),
            ("", PathKind::Other),
            ("*", PathKind::Other),
            ("/mcp2", PathKind::Other),
            ("/mcp/x", PathKind::Below),
            ("/%6dcp//x/", PathKind::Below),
            ("/mcp/%2e%2e/mcp/x", PathKind::Below),
            ("/mcp/..", PathKind::Other),
            ("/healthz", PathKind::Other),
            ("/.well-known/oauth-protected-resource/mcp", PathKind::Other),
            ("/%zzmcp", PathKind::Other),
        ] {
            assert_eq!(endpoints.classify(path.as_bytes()), kind, "{path}");
        }
    }

    #[test]
    fn the_root_can_be_an_endpoint() {
        let endpoints = Endpoints::new(["/"]);
        assert_eq!(endpoints.classify(b"/"), PathKind::Endpoint);
        assert_eq!(endpoints.classify(b"//"), PathKind::LookAlike);
        assert_eq!(endpoints.classify(b"/x"), PathKind::Other);
    }

    #[test]
    fn nested_encoding_is_undone_in_linear_time() {
        let mut path = b"/%".to_vec();
        path.extend(b"25".repeat(200_000));
        path.extend(b"6dcp");
        assert_eq!(Endpoints::new(["/mcp"]).classify(&path), PathKind::LookAlike);
    }
}
