//! Requests that are signed now (RFC 9421).

use meshward_signatures::{Coverage, Request, Signer, SigningKey, Stamp, content_digest};

use crate::support::{AUTHORITY, now};

/// The fields of a POST with a body and with further fields, signed by a key with a name.
pub(crate) fn signed(
    key: (&str, SigningKey),
    more: &[(&str, &str)],
    body: &str,
    nonce: Option<&str>,
) -> Vec<(String, String)> {
    let digest = content_digest(body.as_bytes());
    let more = [&[("content-digest", digest.as_str())], more].concat();
    signed_head(key, "POST", &more, nonce)
}

/// The fields of a request by its method, signed by a key with a name. Only a POST has a body, with its digest among the fields.
pub(crate) fn signed_head(
    (key_id, key): (&str, SigningKey),
    method: &str,
    fields: &[(&str, &str)],
    nonce: Option<&str>,
) -> Vec<(String, String)> {
    let mut lines: Vec<(&[u8], &[u8])> =
        vec![(b":method", method.as_bytes()), (b":authority", AUTHORITY.as_bytes()), (b":path", b"/mcp")];
    lines.extend(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let signer =
        Signer { label: "s".to_owned(), key_id: key_id.to_owned(), key, coverage: Coverage::with([]), tag: None };
    let stamp = Stamp { created: now() as u64, expires: None, nonce };
    let made = signer.sign(&Request::new(&lines), stamp, method == "POST").unwrap();
    let own = [("signature-input", made.input.as_str()), ("signature", &made.signature)];
    own.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
