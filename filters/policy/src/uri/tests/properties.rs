//! What holds of any URI.

use proptest::prelude::*;

use super::*;

/// Every spelling of the address that `inet_aton` reads.
fn spelling() -> impl Strategy<Value = (u32, String)> {
    let number = |value: u32, form: u8| match form {
        0 => format!("{value}"),
        1 => format!("0x{value:x}"),
        2 => format!("0X{value:08X}"),
        _ => format!("0{value:o}"),
    };
    let address = prop_oneof![Just(0x7f00_0001_u32), Just(0), Just(0xa9fe_a9fe), 0x7f00_0000..=0x7fff_ffff_u32];
    (address, prop::collection::vec(0..4_u8, 4), 1..5_usize).prop_map(move |(address, forms, parts)| {
        let mut text = Vec::new();
        for (octet, form) in address.to_be_bytes().into_iter().zip(&forms).take(parts.saturating_sub(1)) {
            text.push(number(octet.into(), *form));
        }
        let rest = [u32::MAX, 0xff_ffff, 0xffff, 0xff][parts.saturating_sub(1)];
        text.push(number(address & rest, forms[3]));
        (address, text.join("."))
    })
}

proptest! {
    #[test]
    fn nothing_panics(uri in "\\PC{0,40}", path in "[a./%25eEfFcC2;\\\\]{0,24}") {
        let _ = all().check(&uri);
        let _ = all().check(&format!("file:///{path}"));
        let _ = all().check(&format!("https://{path}"));
    }

    #[test]
    fn no_spelling_of_a_dangerous_address_passes((address, text) in spelling(), scheme in "https|file|memo|postgres") {
        prop_assert!(all().check(&format!("{scheme}://{text}/")).is_err(), "{address:x}");
        let [a, b] = [(address >> 16) as u16, address as u16];
        for embedded in [
            format!("::ffff:{a:x}:{b:x}"),
            format!("64:ff9b::{a:x}:{b:x}"),
            format!("2002:{a:x}:{b:x}::"),
            format!("2001:0:{a:x}:{b:x}::"),
        ] {
            let uri = format!("{scheme}://[{embedded}]/");
            prop_assert!(all().check(&uri).is_err(), "{uri}");
        }
    }

    /// Whatever decoding a server does, as often as it likes, the path of a URI that passes has no dot segment.
    #[test]
    fn what_passes_has_no_dots_however_it_is_decoded(
        path in prop::collection::vec("a|/|\\.|%2e|%2E|%252e|%2f|%2F|%5c|%255C|%25|2|%32|e|%65|%66|;|%20", 0..8),
    ) {
        let path = path.concat();
        let uri = format!("https://example.com/{path}");
        let passes = all().check(&uri).is_ok();
        let mut text = path;
        for _ in 0..9 {
            let dots = text.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."));
            prop_assert!(!(passes && dots), "{uri} -> {text}");
            text = naive_decode(&text);
        }
    }

    /// A path that matches still matches when it is decoded.
    #[test]
    fn what_matches_matches_when_decoded(path in prop::collection::vec("a|b|/|%2f|%61|%5C|%252f|%25", 0..8)) {
        let path = format!("/{}", path.concat());
        let rules = rules(r#"{"paths":["/a/*"]}"#);
        if rules.check(&format!("memo://x{path}")).is_ok() {
            prop_assert!(path.starts_with("/a/") || naive_decode(&path).starts_with("/a/"));
            prop_assert!(naive_decode(&naive_decode(&path)).starts_with("/a/"));
        }
    }

    /// Where a URI passes, a parser of the WHATWG standard finds the same host, port and path in it.
    #[test]
    fn what_passes_is_the_same_by_both_standards(
        scheme in "https|HTTP|ws|ftp|file|memo|postgres",
        slashes in "/{0,4}",
        pieces in prop::collection::vec(
            "a|B|1|08|0x7f|127|\\.|\\.|/|:|:80|@|%2e|%2F|%41|%00|-|_|~|!|;|\\?|#|\\[::1\\]|\\[2001:db8::A\\]|xn--|mnchen-3ya|\\\\| |é",
            0..7,
        ),
    ) {
        let uri = format!("{scheme}:{slashes}{}", pieces.concat());
        let everything = r#"{"allow":["loopback","link_local","metadata","userinfo"]}"#;
        if rules(everything).check(&uri).is_ok() {
            assert_agreed(&uri);
        }
    }
}

#[test]
fn the_standards_agree_on_plain_uris_and_not_on_ambiguous_ones() {
    for uri in
        ["https://Example.com:443/a%20b?c#d", "file:///C:/a", "memo://Team/a", "memo:a", "http://[2001:DB8::1]:/"]
    {
        assert_agreed(uri);
    }
    for uri in ["https:/a", "https://127.1/", "file://C:/a", "https://%61/", "https://a/b/%2e%2e"] {
        assert!(std::panic::catch_unwind(|| assert_agreed(uri)).is_err(), "{uri}");
    }
}

fn assert_agreed(text: &str) {
    let one = Uri::parse(text).unwrap();
    let other = match url::Url::parse(text) {
        Ok(url) => url,
        // What Punycode encodes, only the tables of Unicode tell: where that is no name, there is nobody to reach.
        Err(url::ParseError::IdnaError) if text.to_ascii_lowercase().contains("xn--") => return,
        Err(error) => panic!("{text}: {error}"),
    };
    let kind = Kind::of(one.scheme().as_str());
    assert!(one.scheme().as_str().eq_ignore_ascii_case(other.scheme()), "{text}");
    let host = one.authority().map(|authority| authority.host()).unwrap_or_default();
    let host = match host::bracketed(host) {
        Some(address) => format!("[{address}]"),
        None if kind == Kind::Other => host.to_owned(),
        None => host.to_ascii_lowercase(),
    };
    // WHATWG makes nothing of `localhost` in a URL of a file: the same machine.
    let local = kind == Kind::File && host == "localhost";
    assert!(other.host_str().unwrap_or_default() == host || local, "{text}: {:?}", other.host_str());
    let port = one.authority().and_then(|authority| authority.port_to_u16().unwrap());
    assert!(other.port_or_known_default() == port.or_else(|| other.port_or_known_default()), "{text}");
    let path = if kind == Kind::Network && one.path().is_empty() { "/" } else { one.path().as_str() };
    assert_eq!(other.path(), path, "{text}");
}

/// Decodes once, the obvious way.
fn naive_decode(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let code = rest
            .split_at_checked(3)
            .and_then(|(code, behind)| Some((u8::from_str_radix(code.strip_prefix('%')?, 16).ok()?, behind)));
        let (decoded, behind) = match code {
            Some((code, behind)) => (char::from(code), behind),
            None => (c, rest.strip_prefix(c).unwrap()),
        };
        out.push(decoded);
        rest = behind;
    }
    out
}
