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
pub(crate) const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----";
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
    json!({ "signatures": signatures(algorithm, "ignored") })
}

/// The same with a key of HMAC, where each nonce counts once.
pub(crate) fn verified_once() -> Value {
    // What is signed here was signed before the proxy began, and there is room for all of it.
    let nonces = json!({ "restart": "accept", "capacity": 1_000_000 });
    json!({ "signatures": signatures(Algorithm::Hmac, "required"), "nonces": nonces })
}

fn signatures(algorithm: Algorithm, nonce: &str) -> Value {
    let key = match algorithm {
        Algorithm::Hmac => json!({ "id": "hmac", "algorithm": "hmac-sha256", "secret": STANDARD.encode(SECRET) }),
        Algorithm::Ed25519 => json!({ "id": "ed25519", "algorithm": "ed25519", "public_key": PUBLIC }),
    };
    json!({ "verify": { "keys": [key], "nonce": nonce, "max_age": "876000h" } })
}

/// What a signature is over: the same for all of a request's but for their parameters.
pub(crate) struct Base {
    lines: String,
    covered: String,
    pub(crate) digest: String,
}

impl Base {
    pub(crate) fn of(request: &Request) -> Self {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&request.body)));
        let mut lines: Vec<(&str, &str)> =
            vec![("@method", "POST"), ("@authority", AUTHORITY), ("@path", &request.path)];
        lines.extend(request.headers().into_iter().filter(|(name, _)| name.starts_with("mcp-")));
        lines.push(("content-digest", &digest));
        let covered: Vec<_> = lines.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let lines = lines.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
        Self { lines, covered: covered.join(" "), digest }
    }

    fn input(&self, id: &str, more: &str) -> String {
        format!("({});created={CREATED};keyid=\"{id}\"{more}", self.covered)
    }

    fn text(&self, id: &str, more: &str) -> String {
        format!("{}\"@signature-params\": {}", self.lines, self.input(id, more))
    }

    /// `Signature-Input` and `Signature` with the key of HMAC, and with a nonce.
    pub(crate) fn once(&self, nonce: &str) -> [String; 2] {
        let more = format!(";nonce=\"{nonce}\"");
        [format!("h={}", self.input("hmac", &more)), format!("h=:{}:", by_hmac(&self.text("hmac", &more)))]
    }
}

fn by_hmac(text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).map(|mac| mac.chain_update(text).finalize());
    mac.map(|tag| STANDARD.encode(tag.into_bytes())).unwrap_or_default()
}

/// The fields that sign a request with both keys.
pub(crate) fn fields(request: &Request) -> Vec<(&'static str, String)> {
    let base = Base::of(request);
    let by_ed25519 = ed25519_dalek::SigningKey::from_pkcs8_pem(PRIVATE);
    let by_ed25519 = by_ed25519
        .map(|key| STANDARD.encode(key.sign(base.text("ed25519", "").as_bytes()).to_bytes()))
        .unwrap_or_default();
    vec![
        ("signature-input", format!("h={}, e={}", base.input("hmac", ""), base.input("ed25519", ""))),
        ("signature", format!("h=:{}:, e=:{by_ed25519}:", by_hmac(&base.text("hmac", "")))),
        ("content-digest", base.digest),
    ]
}
