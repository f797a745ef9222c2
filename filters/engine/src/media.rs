//! Media types and content codings of heads (RFC 9110, section 8.3 and 8.4).

use crate::headers::Headers;

/// What a `content-type` says the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`, in UTF-8.
    Json,
    /// `text/event-stream`.
    EventStream,
    /// Another type, none, one given twice, or one in another charset.
    Other,
}

/// Reads the one `content-type`.
pub(crate) fn media(headers: Headers<'_>) -> Media {
    let mut values = headers.all("content-type");
    let (Some(value), None) = (values.next(), values.next()) else { return Media::Other };
    of(value)
}

/// Reads a `content-type`. RFC 9110 allows any case of the type and of parameter names; MCP is UTF-8 only.
pub(crate) fn of(value: &[u8]) -> Media {
    let mut parts = value.split(|b| *b == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii();
    let media = if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Media::EventStream
    } else {
        return Media::Other;
    };
    for parameter in parts {
        // A comma would be a second media type, joined on the way.
        if parameter.contains(&b',') {
            return Media::Other;
        }
        let mut sides = parameter.splitn(2, |b| *b == b'=');
        let name = sides.next().unwrap_or_default().trim_ascii();
        let value = sides.next().unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        if name.eq_ignore_ascii_case(b"charset")
            && !value.eq_ignore_ascii_case(b"utf-8")
            && !value.eq_ignore_ascii_case(b"utf8")
        {
            return Media::Other;
        }
    }
    media
}

/// Whether the content is as it is: no `content-encoding`, or only `identity`.
pub(crate) fn is_identity(headers: Headers<'_>) -> bool {
    headers.all("content-encoding").all(names_identity)
}

/// Whether a `content-encoding` names nothing else.
pub(crate) fn names_identity(value: &[u8]) -> bool {
    value.split(|b| *b == b',').all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Media {
        let lines: Vec<_> = values.iter().map(|v| (&b"content-type"[..], v.as_bytes())).collect();
        media(Headers::new(&lines))
    }

    #[test]
    fn reads_media_types_as_rfc_9110_writes_them() {
        for value in [
            "application/json",
            "Application/JSON",
            " application/json ",
            "application/json;charset=utf-8",
            "application/json ; Charset=\"UTF-8\"",
            "application/json; profile=x",
        ] {
            assert_eq!(of(&[value]), Media::Json, "{value}");
        }
        assert_eq!(of(&["text/event-stream; charset=utf-8"]), Media::EventStream);
        for value in [
            "",
            "text/plain",
            "application/json-rpc",
            "application/jsonx",
            "application/json, text/plain",
            "application/json;a=b, text/plain",
            "application/json;charset=utf-16",
            "application/json;charset=utf-7",
        ] {
            assert_eq!(of(&[value]), Media::Other, "{value}");
        }
        assert_eq!(of(&[]), Media::Other);
        assert_eq!(of(&["application/json", "application/json"]), Media::Other);
    }

    #[test]
    fn any_coding_but_identity_is_a_coding() {
        for (value, identity) in
            [("", true), ("identity", true), ("Identity", true), ("gzip", false), ("identity, br", false)]
        {
            let lines = [(&b"content-encoding"[..], value.as_bytes())];
            assert_eq!(is_identity(Headers::new(&lines)), identity, "{value}");
        }
        assert!(is_identity(Headers::new(&[])));
    }
}
