//! The digests of RFC 9530: what of its fields is over content that it shows.

use crate::digest::{DigestFault, check_digest, content_digest};

const JSON: &[u8] = b"{\"hello\": \"world\"}\n";
/// In Brotli. Appendix B.6 prints the first bytes as `8B 08`, of which its digests are not.
const CODED: &[u8] = b"\x0b\x09\x80{\"hello\": \"world\"}\n\x03";
/// Sections 2 and 3.
const SHA512: &str =
    "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";

#[test]
fn digests_are_those_of_the_examples() {
    for (content, digest) in [
        // Appendix B.1.
        (JSON, "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),
        // Appendix B.2.
        (b"", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
        // Appendix B.3.
        (b"\"world\"}\n", "sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:"),
        // Appendix B.6.
        (CODED, "sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:"),
        // Appendices B.7 to B.9.
        (b"{\"title\": \"New Title\"}\n", "sha-256=:mEkdbO7Srd9LIOegftO0aBX+VPTVz7/CSHes2Z27gc4=:"),
        (
            b"{\n  \"id\": \"123\",\n  \"title\": \"New Title\"\n}\n",
            "sha-256=:uVSlinTTdQUwm2On4k8TJUikGN1bf/Ds8WPX4oe0h9I=:",
        ),
    ] {
        assert_eq!(content_digest(content), digest);
        assert_eq!(check_digest(digest.as_bytes(), content), Ok(()), "{digest}");
    }
}

#[test]
fn digests_are_checked() {
    let (json, coded) = (JSON, CODED);
    let sha256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    let both = "sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:, sha-512=:db7fdBbgZMgX1Wb2MjA8zZj+rSNgfmDCEEXM8qLWfpfoNY0sCpHAzZbj09X1/7HAb7Od5Qfto4QpuBsFbUO3dQ==:";
    for (field, content, expected) in [
        (sha256, json, Ok(())),
        (SHA512, json, Ok(())),
        (SHA512, coded, Err(DigestFault::Mismatch)),
        (both, coded, Ok(())),
        (both, json, Err(DigestFault::Mismatch)),
        (sha256, b"{\"hello\": \"world\"}", Err(DigestFault::Mismatch)),
        ("md5=:Sd/dVLAcvNLSq16eXua5uQ==:", json, Err(DigestFault::UnknownAlgorithm)),
        ("", json, Err(DigestFault::UnknownAlgorithm)),
        ("sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=", json, Err(DigestFault::Malformed)),
        ("sha-256=(:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:)", json, Err(DigestFault::Malformed)),
        ("sha-256=:RK/0:", json, Err(DigestFault::Mismatch)),
        // The good one does not save the bad one.
        ("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, sha-512=:AAAA:", json, Err(DigestFault::Mismatch)),
        ("md5=:AAAA:, sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", json, Ok(())),
        (&"a, ".repeat(700), json, Err(DigestFault::Malformed)),
    ] {
        assert_eq!(check_digest(field.as_bytes(), content), expected, "{field}");
    }
}
