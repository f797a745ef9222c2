//! Content digests (RFC 9530): what a request says of its content, held against the content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha256, Sha512};

/// What is wrong with a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestFault {
    /// It cannot be read.
    #[error("the digest cannot be read")]
    Malformed,
    /// It is of no algorithm that is still good: `sha-256` and `sha-512` are (RFC 9530, section 5).
    #[error("the digest is of no algorithm that is known here")]
    UnknownAlgorithm,
    /// It is another content's.
    #[error("the digest is that of another content")]
    Mismatch,
}

/// The longest value of the field.
const MOST_BYTES: usize = 2048;

/// Checks a content against the combined value of its `Content-Digest`: every digest in it that is known here must fit, and
/// there must be one.
///
/// # Errors
/// What is wrong.
pub fn check_digest(field: &[u8], content: &[u8]) -> Result<(), DigestFault> {
    if field.len() > MOST_BYTES {
        return Err(DigestFault::Malformed);
    }
    let digests: Dictionary = Parser::new(field).parse().map_err(|_| DigestFault::Malformed)?;
    let mut checked = Err(DigestFault::UnknownAlgorithm);
    for (algorithm, digest) in &digests {
        let expected = match algorithm.as_str() {
            "sha-256" => Sha256::digest(content).to_vec(),
            "sha-512" => Sha512::digest(content).to_vec(),
            _ => continue,
        };
        let ListEntry::Item(digest) = digest else { return Err(DigestFault::Malformed) };
        let BareItem::ByteSequence(digest) = &digest.bare_item else { return Err(DigestFault::Malformed) };
        if *digest != expected {
            return Err(DigestFault::Mismatch);
        }
        checked = Ok(());
    }
    checked
}

/// The value of a content's `Content-Digest`.
#[must_use]
pub fn content_digest(content: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(content)))
}
