//! What no two requests have alike: a nonce that is signed, or a proof of a key (DPoP, RFC 9449) for one request. It is made before the load
//! begins, and each request of a proxy takes the next.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use p256::ecdsa;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::request::Request;
use super::signed::{AUTHORITY, Base, PRIVATE};

/// The namespace in which Envoy's JWT filter leaves what it has verified.
const VERIFIED: &str = "envoy.filters.http.jwt_authn";
/// As long as tokens are.
const TOKEN_BYTES: usize = 600;

/// What changes from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// A signature (HMAC) with a nonce.
    Nonce,
    /// A proof signed with ECDSA over P-256.
    Es256,
    /// A proof signed with Ed25519.
    EdDsa,
}

impl Fresh {
    /// The header fields.
    pub(crate) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Nonce => &["signature-input", "signature"],
            Self::Es256 | Self::EdDsa => &["dpop"],
        }
    }

    /// More than what a proxy that looks at it can do in a second.
    pub(crate) const fn per_second(self) -> usize {
        match self {
            Self::Nonce => 14_000,
            Self::Es256 => 4_000,
            Self::EdDsa => 6_000,
        }
    }

    /// The fields that are the same in all requests.
    pub(crate) fn fixed(self, request: &Request) -> Vec<(&'static str, String)> {
        match self {
            Self::Nonce => vec![("content-digest", Base::of(request).digest)],
            Self::Es256 | Self::EdDsa => vec![("authorization", format!("DPoP {}", token()))],
        }
    }

    /// The `replay` section that demands a proof, and has room for all that are made.
    pub(crate) fn demanded() -> Value {
        json!({ "dpop": { "max_age": "1h" }, "nonces": { "restart": "accept", "capacity": 1_000_000 } })
    }

    /// Stands for the JWT filter: the token is bound to the key that signs. What verifying a token costs is not measured.
    pub(crate) fn verified_token(self) -> Result<Value> {
        let jkt = Maker::new(self)?.thumbprint;
        Ok(json!({
            "name": "envoy.filters.http.set_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
                "metadata": [{
                    "metadata_namespace": VERIFIED,
                    "value": { "payload": { "sub": "bench", "cnf": { "jkt": jkt } } },
                }],
            },
        }))
    }
}

fn token() -> String {
    "t".repeat(TOKEN_BYTES)
}

enum Key {
    P256(Box<ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

/// Makes proofs with one key.
struct Maker {
    key: Key,
    /// As it stands in front of the first dot.
    header: String,
    thumbprint: String,
}

impl Maker {
    fn new(fresh: Fresh) -> Result<Self> {
        let (key, algorithm, jwk) = if fresh == Fresh::Es256 {
            let key = ecdsa::SigningKey::from_slice(&[7; 32])?;
            let point = key.verifying_key().to_sec1_point(false);
            let part = |bytes: Option<_>| bytes.map(|bytes: &p256::FieldBytes| URL_SAFE_NO_PAD.encode(bytes));
            let (x, y) = (part(point.x()).context("no x")?, part(point.y()).context("no y")?);
            // In the order that a thumbprint has (RFC 7638, section 3).
            let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
            (Key::P256(Box::new(key)), "ES256", jwk)
        } else {
            let key = ed25519_dalek::SigningKey::from_pkcs8_pem(PRIVATE)?;
            let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
            let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
            (Key::Ed25519(Box::new(key)), "EdDSA", jwk)
        };
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"dpop+jwt","alg":"{algorithm}","jwk":{jwk}}}"#));
        Ok(Self { key, header, thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(jwk)) })
    }

    fn proof(&self, path: &str, iat: u64, number: usize) -> String {
        let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(token()));
        let claims = format!(
            r#"{{"jti":"bench-{number:012}","htm":"POST","htu":"http://{AUTHORITY}{path}","iat":{iat},"ath":"{ath}"}}"#
        );
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = match &self.key {
            Key::P256(key) => {
                let signature: ecdsa::Signature = key.sign(signed.as_bytes());
                URL_SAFE_NO_PAD.encode(signature.to_bytes())
            }
            Key::Ed25519(key) => URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes()),
        };
        format!("{signed}.{signature}")
    }
}

/// Values for so many requests, from a number on: each request's values of [`Fresh::names`].
pub(crate) fn values(fresh: Fresh, request: &Request, first: usize, count: usize) -> Result<Vec<Vec<String>>> {
    let numbers = first..first.saturating_add(count);
    if fresh == Fresh::Nonce {
        let base = Base::of(request);
        return Ok(numbers.map(|number| base.once(&format!("bench-{number:012}")).to_vec()).collect());
    }
    let maker = Maker::new(fresh)?;
    let iat = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(numbers.map(|number| vec![maker.proof(&request.path, iat, number)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        for fresh in [Fresh::Nonce, Fresh::Es256, Fresh::EdDsa] {
            let request = Request::of_size("/direct", 400).fresh(fresh);
            let made = values(fresh, &request, 0, 3).unwrap();
            assert!(made.iter().all(|values| values.len() == fresh.names().len()), "{fresh:?}");
            assert!(made.windows(2).all(|pair| pair[0] != pair[1]), "{fresh:?}");
            assert!(made.iter().flatten().all(|value| !value.contains(['\t', '\n', ']'])), "{fresh:?}");
        }
    }
}
