//! Texts of a client's in a record: bounded, and written so that a line stays a line.

use std::borrow::Cow;

use crate::redact::REDACTED;

/// The longest text of a client's, in bytes: names, URIs, ids.
pub const MAX_TEXT_BYTES: usize = 256;

/// The beginning of a text, up to a bound, whole characters only; and whether that is not all of it.
#[must_use]
pub(crate) fn clipped(text: &str, max: usize) -> (&str, bool) {
    match text.get(..text.floor_char_boundary(max)) {
        Some(beginning) => (beginning, beginning.len() < text.len()),
        None => (text, false),
    }
}

/// A URI without what is often secret in it: the user information, and all from the query on (RFC 3986, sections 3.2.1 and
/// 3.4).
#[must_use]
pub(crate) fn shown_uri(uri: &str) -> Cow<'_, str> {
    let (front, query) = uri.split_once(['?', '#']).map_or((uri, ""), |(front, _)| (front, "?"));
    let authority = front.split_once("//").map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or_default()));
    let user = authority.and_then(|(scheme, authority)| Some((scheme, authority.rsplit_once('@')?.0)));
    match user {
        None if query.is_empty() => Cow::Borrowed(uri),
        None => Cow::Owned(format!("{front}{query}{REDACTED}")),
        Some((scheme, user)) => {
            let host = front.get(scheme.len().saturating_add(2).saturating_add(user.len())..).unwrap_or_default();
            let query = if query.is_empty() { String::new() } else { format!("{query}{REDACTED}") };
            Cow::Owned(format!("{scheme}//{REDACTED}{host}{query}"))
        }
    }
}

/// JSON in one line of visible ASCII. Everything else, which only strings can have, is written as `\u…`: what a log's reader
/// could take for the end of a line (U+2028), or a terminal for a command (U+009B).
#[must_use]
pub(crate) fn to_ascii(json: Vec<u8>) -> Vec<u8> {
    // It is looked at to its end, which many bytes at a time is quicker than to stop at the first that is not visible.
    if json.iter().fold(true, |visible, b| visible & matches!(b, b' '..=b'~')) {
        return json;
    }
    let mut out = Vec::with_capacity(json.len().saturating_mul(2));
    let json = String::from_utf8_lossy(&json);
    let mut rest = &*json;
    while let Some(at) = rest.find(|c| !matches!(c, ' '..='~')) {
        let (plain, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.extend_from_slice(plain.as_bytes());
        let mut chars = behind.chars();
        for unit in chars.next().map(|c| c.encode_utf16(&mut [0; 2]).to_vec()).unwrap_or_default() {
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, max, expected) in
            [("abc", 3, ("abc", false)), ("abcd", 3, ("abc", true)), ("aé", 2, ("a", true)), ("", 0, ("", false))]
        {
            assert_eq!(clipped(text, max), expected, "{text}");
        }
    }

    #[test]
    fn a_uri_is_shown_without_its_secrets() {
        for (uri, expected) in [
            ("file:///a/b", "file:///a/b"),
            ("https://h.example/a", "https://h.example/a"),
            ("https://h.example/a?token=s3cret&x=1#y", "https://h.example/a?[redacted]"),
            ("https://u:s3cret@h.example/a@b", "https://[redacted]@h.example/a@b"),
            ("https://u@v:s3cret@h.example?s3cret", "https://[redacted]@h.example?[redacted]"),
            ("mem:a?s3cret", "mem:a?[redacted]"),
            ("mem:a@b", "mem:a@b"),
            ("note#s3cret", "note?[redacted]"),
            ("?s3cret//u:p@h", "?[redacted]"),
            ("", ""),
        ] {
            assert_eq!(shown_uri(uri), expected, "{uri}");
        }
    }

    #[test]
    fn whatever_is_no_visible_ascii_is_escaped() {
        for (text, json) in [
            ("plain ~", r#""plain ~""#),
            ("a\nb\r\"\\", r#""a\nb\r\"\\""#),
            ("\u{7f}\u{9b}\u{2028}é", r#""\u007f\u009b\u2028\u00e9""#),
            ("\u{1f600}!", r#""\ud83d\ude00!""#),
            ("\0\u{1b}[31m", r#""\u0000\u001b[31m""#),
        ] {
            let written = to_ascii(serde_json::to_vec(text).unwrap());
            assert_eq!(written, json.as_bytes(), "{text:?}");
            assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
        }
    }
}
