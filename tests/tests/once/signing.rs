//! Requests that are signed now (RFC 9421).

use meshward_signatures::{Coverage, Request, Signer, SigningKey, Stamp, content_digest};

use crate::support::{AUTHORITY, now};

/// The fields of a POST with a body and with further fields, signed by a key with a name.
pub(crate) fn signed(
    (key_id, key): (&str, SigningKey),
    more: &[(&str, &str)],
    body: &str,
    nonce: Option<&str>,
) -> Vec<(String, String)> {
    let digest = content_digest(body.as_bytes());
    let mut lines: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":authority", AUTHORITY.as_bytes()),
        (b":path", b"/mcp"),
        (b"content-digest", digest.as_bytes()),
    ];
    lines.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let signer =
        Signer { label: "s".to_owned(), key_id: key_id.to_owned(), key, coverage: Coverage::with([]), tag: None };
    let stamp = Stamp { created: now() as u64, expires: None, nonce };
    let made = signer.sign(&Request::new(&lines), stamp, true).unwrap();
    let own = [("content-digest", digest.as_str()), ("signature-input", &made.input), ("signature", &made.signature)];
    own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
