//! Values of HTTP header fields.

/// A value as text, without the optional white space around it; `None` where it has bytes that no MCP header may have:
/// only visible ASCII, space and tab are allowed (MCP 2026-07-28, Streamable HTTP, Value Encoding; RFC 9110, section 5.5).
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let allowed = value.iter().all(|&byte| matches!(byte, b'\t' | b' '..=b'~'));
    // Of what counts as white space in ASCII, nothing else is left.
    if allowed { std::str::from_utf8(value.trim_ascii()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_optional_white_space_goes() {
        assert_eq!(text(b" \t a\tb \t"), Some("a\tb"));
        assert_eq!(text(b""), Some(""));
        assert_eq!(text(b" "), Some(""));
        for bad in [&b"a\r"[..], b"a\n", b"\0", b"\x7f", b"\x0b", b"\x80", "é".as_bytes(), "\u{a0}".as_bytes()] {
            assert_eq!(text(bad), None, "{bad:?}");
        }
    }
}
