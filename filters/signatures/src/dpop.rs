//! Proofs that who sends an access token has the key that it is bound to (DPoP, RFC 9449).
//!
//! A proof is a JWS in its compact form that brings its key along. The key is worth something only because the token, which somebody
//! else has verified, names it: so it is compared first, and nothing is computed with a key that a stranger chose.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fluent_uri::Uri;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::jwk::Jwk;
use crate::key::JwsAlgorithm;
use crate::strict_json;

/// The longest proof, in bytes: one with an RSA key of 4096 bits has less than half.
pub(crate) const MOST_PROOF_BYTES: usize = 8192;
/// The longest `jti`, and the longest `nonce`.
const MOST_TEXT_BYTES: usize = 256;
/// Members that a public key does not have (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What a proof must be to count.
#[derive(Debug, Clone)]
pub struct ProofVerifier {
    /// The algorithms with which it may be signed.
    pub algorithms: Vec<JwsAlgorithm>,
    /// How long after `iat` it counts, in seconds.
    pub max_age: u64,
    /// By how much clocks may differ, in seconds.
    pub clock_skew: u64,
}

/// The request that a proof is for.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// How clients may name what it is sent to, each as [`normal_target`] has it.
    pub targets: &'a [String],
    /// The access token.
    pub token: &'a [u8],
    /// The thumbprint of the key that the token is bound to, by the word of whoever verified the token (`cnf.jkt`).
    pub bound_to: &'a str,
}

// It has a token.
impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("bound_to", &self.bound_to).finish_non_exhaustive()
    }
}

/// A proof that counts, if it is the first with its `jti`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What no other proof by this key has.
    pub id: String,
    /// The `nonce`, if it has one.
    pub nonce: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Until when it counts, clocks that differ included.
    pub until: u64,
}

/// Why a proof does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// It is no JWS, not of this type, too long, has a member twice or a private key, or lacks a claim.
    #[error("the proof cannot be read")]
    Malformed,
    /// It is signed with an algorithm that is not accepted, or with none.
    #[error("the algorithm is not accepted")]
    Algorithm,
    /// Its key is not the one that the token is bound to.
    #[error("the token is bound to another key")]
    Key,
    /// It is not signed with its key.
    #[error("the proof is not signed with its key")]
    Forged,
    /// It is for another method or URI.
    #[error("the proof is for another request")]
    Target,
    /// It is for another token.
    #[error("the proof is for another token")]
    Token,
    /// It is too old.
    #[error("the proof is too old")]
    Expired,
    /// It is from the future.
    #[error("the proof is from the future")]
    Early,
}

impl ProofVerifier {
    /// Whether a proof counts for a request (RFC 9449, section 4.3). Whether its `nonce` is one, and whether its `jti` was there before,
    /// is for the caller to see. `now` in seconds since 1970.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(&self, proof: &[u8], request: Presented<'_>, now: u64) -> Result<Proof, ProofFault> {
        let jws = Jws::read(proof).ok_or(ProofFault::Malformed)?;
        let claims = Claims::read(&jws.payload).ok_or(ProofFault::Malformed)?;
        let algorithm = self.algorithms.iter().find(|known| known.name() == jws.algorithm);
        let algorithm = *algorithm.ok_or(ProofFault::Algorithm)?;
        if !jws.key.is_for(algorithm) {
            return Err(ProofFault::Algorithm);
        }
        let thumbprint = jws.key.thumbprint().ok_or(ProofFault::Algorithm)?;
        if thumbprint != request.bound_to {
            return Err(ProofFault::Key);
        }
        let key = jws.key.public_key().map_err(|_| ProofFault::Malformed)?;
        if !key.verifies_jws(algorithm, jws.signed, &jws.signature) {
            return Err(ProofFault::Forged);
        }
        let target = normal_target(&claims.htu).ok_or(ProofFault::Target)?;
        if claims.htm.as_bytes() != request.method || !request.targets.contains(&target) {
            return Err(ProofFault::Target);
        }
        if claims.ath != URL_SAFE_NO_PAD.encode(Sha256::digest(request.token)) {
            return Err(ProofFault::Token);
        }
        if claims.iat > now.saturating_add(self.clock_skew) {
            return Err(ProofFault::Early);
        }
        let until = claims.iat.saturating_add(self.max_age).saturating_add(self.clock_skew);
        if until < now {
            return Err(ProofFault::Expired);
        }
        Ok(Proof { id: claims.jti, nonce: claims.nonce, created: claims.iat, until })
    }
}

/// What a URI leads to, so that two that lead to the same are the same text: normalized by syntax and scheme, without query and
/// fragment (RFC 9449, section 4.3; RFC 3986, sections 6.2.2 and 6.2.3). `None`: it is no URI of HTTP.
#[must_use]
pub fn normal_target(uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).ok()?.normalize();
    let scheme = uri.scheme().as_str();
    let authority = uri.authority().filter(|authority| !authority.host().is_empty() && !authority.has_userinfo())?;
    let path = match uri.path().as_str() {
        "" => "/",
        path => path,
    };
    matches!(scheme, "http" | "https").then(|| format!("{scheme}://{}{path}", authority.as_str()))
}

/// A JWS in its compact form that brings its key along (RFC 7515, sections 3.1 and 4.1.3).
struct Jws<'a> {
    algorithm: String,
    key: Jwk,
    payload: Vec<u8>,
    /// What is signed.
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        if text.len() > MOST_PROOF_BYTES {
            return None;
        }
        let mut dots = text.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let (first, second) = (dots.next()?, dots.next()?);
        if dots.next().is_some() {
            return None;
        }
        let part = |from: usize, to: usize| URL_SAFE_NO_PAD.decode(text.get(from..to)?).ok();
        let mut header = strict_json::object(&part(0, first)?)?;
        let is_proof = header.get("typ")? == "dpop+jwt";
        // Extensions that have to be understood: none is (RFC 7515, section 4.1.11).
        if !is_proof || header.contains_key("crit") {
            return None;
        }
        let key = header.remove("jwk")?;
        if PRIVATE.iter().any(|name| key.get(name).is_some()) {
            return None;
        }
        Some(Self {
            algorithm: text_of(&mut header, "alg")?,
            key: serde_json::from_value(key).ok()?,
            payload: part(first.saturating_add(1), second)?,
            signed: text.get(..second)?,
            signature: part(second.saturating_add(1), text.len())?,
        })
    }
}

/// The claims of a proof (RFC 9449, section 4.2).
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: String,
    nonce: Option<String>,
}

impl Claims {
    fn read(payload: &[u8]) -> Option<Self> {
        let mut claims = strict_json::object(payload)?;
        let short = |text: &String| (1..=MOST_TEXT_BYTES).contains(&text.len());
        let nonce = match claims.contains_key("nonce") {
            true => Some(text_of(&mut claims, "nonce").filter(short)?),
            false => None,
        };
        Some(Self {
            jti: text_of(&mut claims, "jti").filter(short)?,
            htm: text_of(&mut claims, "htm")?,
            htu: text_of(&mut claims, "htu")?,
            iat: seconds(claims.get("iat")?)?,
            ath: text_of(&mut claims, "ath")?,
            nonce,
        })
    }
}

fn text_of(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A `NumericDate` (RFC 7519, section 2), which may have a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive, and what is too large becomes the largest"
)]
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
