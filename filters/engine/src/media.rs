//! Media types and content codings of heads (RFC 9110, section 8.3 and 8.4).

/// What a `content-type` says the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`, in UTF-8.
    Json,
    /// `text/event-stream`.
    EventStream,
    /// Another type, or one in another charset.
    Other,
}

/// Reads a `content-type`. RFC 9110 allows any case of the type and of parameter names; MCP is UTF-8 only.
pub(crate) fn of(value: &[u8]) -> Media {
    match value {
        b"application/json" => Media::Json,
        b"text/event-stream" => Media::EventStream,
        _ => of_other(value),
    }
}

// Apart from what nearly all write.
#[inline(never)]
fn of_other(value: &[u8]) -> Media {
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
            assert_eq!(of(value.as_bytes()), Media::Json, "{value}");
        }
        assert_eq!(of(b"text/event-stream; charset=utf-8"), Media::EventStream);
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
            assert_eq!(of(value.as_bytes()), Media::Other, "{value}");
        }
    }

    #[test]
    fn any_coding_but_identity_is_a_coding() {
        for (value, identity) in
            [("", true), ("identity", true), ("Identity", true), ("gzip", false), ("identity, br", false)]
        {
            assert_eq!(names_identity(value.as_bytes()), identity, "{value}");
        }
    }
}
