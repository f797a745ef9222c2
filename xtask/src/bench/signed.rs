//! A signed request (RFC 9421), and the configuration that has it verified: written out here, so that what is measured is what the
//! RFC says, not what our own signer does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::request::Request;

/// RFC 9421, appendix B.1.4.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----";
const SECRET: &[u8] = b"01234567890123456789012345678901";
/// The host that load and checks name.
pub(crate) const AUTHORITY: &str = "localhost";
const CREATED: u64 = 1_735_689_600;

/// An algorithm that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Algorithm {
    Hmac,
    Ed25519,
}

/// The `replay` section that demands a signature. One request is sent over and over: nonces are not looked at.
pub(crate) fn verified(algorithm: Algorithm) -> Value {
    let key = match algorithm {
        Algorithm::Hmac => json!({ "id": "hmac", "algorithm": "hmac-sha256", "secret": STANDARD.encode(SECRET) }),
        Algorithm::Ed25519 => json!({ "id": "ed25519", "algorithm": "ed25519", "public_key": PUBLIC }),
    };
    json!({ "signatures": { "verify": { "keys": [key], "nonce": "ignored", "max_age": "876000h" } } })
}

/// The fields that sign a request with both keys.
pub(crate) fn fields(request: &Request) -> Vec<(&'static str, String)> {
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&request.body)));
    let mut lines: Vec<(&str, &str)> = vec![("@method", "POST"), ("@authority", AUTHORITY), ("@path", &request.path)];
    lines.extend(request.headers().into_iter().filter(|(name, _)| name.starts_with("mcp-")));
    lines.push(("content-digest", &digest));
    let covered: Vec<_> = lines.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let text: String = lines.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
    let input = |id: &str| format!("({});created={CREATED};keyid=\"{id}\"", covered.join(" "));
    let base = |id: &str| format!("{text}\"@signature-params\": {}", input(id));
    let by_hmac = Hmac::<Sha256>::new_from_slice(SECRET).map(|mac| mac.chain_update(base("hmac")).finalize());
    let by_hmac = by_hmac.map(|tag| STANDARD.encode(tag.into_bytes())).unwrap_or_default();
    let by_ed25519 = ed25519_dalek::SigningKey::from_pkcs8_pem(PRIVATE);
    let by_ed25519 =
        by_ed25519.map(|key| STANDARD.encode(key.sign(base("ed25519").as_bytes()).to_bytes())).unwrap_or_default();
    vec![
        ("signature-input", format!("h={}, e={}", input("hmac"), input("ed25519"))),
        ("signature", format!("h=:{by_hmac}:, e=:{by_ed25519}:")),
        ("content-digest", digest),
    ]
}
