//! The `replay.signatures` section of the configuration, as it is written.

use std::time::Duration;

use meshward_engine::{Mode, Period};
use meshward_signatures::{Algorithm, Component, Coverage};
use serde::Deserialize;

use super::{key_sets, keys};
use crate::key::Secret;

/// Signed requests (RFC 9421).
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SignaturesConfig {
    /// What comes must be signed. Absent: signatures pass unread.
    pub verify: Option<VerifyConfig>,
    /// What goes on is signed. It needs `header_hold: true`: the signature is known only when the body is.
    pub sign: Option<SignConfig>,
}

/// How requests that come must be signed.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyConfig {
    /// What becomes of a request without a signature that counts.
    #[serde(default)]
    pub mode: Mode,
    /// The keys, each of which counts: to rotate, add the new one, let the senders sign with it, and take the old one out.
    #[serde(default)]
    pub keys: Vec<SignatureKeyConfig>,
    /// Where more keys are, which are fetched. Of two with one name the first counts, those of `keys` before all.
    #[serde(default)]
    pub key_sets: Vec<KeySetConfig>,
    /// What a signature must cover where the request has it, besides the method, the authority, the path, the query, the digest of the
    /// body, `last-event-id` and every `mcp-*` field: names of header fields, or `@scheme`, `@target-uri`, `@request-target`.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Only signatures with this `tag` count. Absent: any.
    #[serde(default)]
    pub tag: Option<String>,
    /// How long after it was made a signature counts.
    #[serde(default = "usual_age")]
    pub max_age: Period,
    /// By how much the clocks of senders may differ from this one's.
    #[serde(default = "usual_skew")]
    pub clock_skew: Period,
    /// Whether a signature has a nonce, which counts once.
    #[serde(default)]
    pub nonce: NonceConfig,
}

/// A JWK Set (RFC 7517, section 5) at a URL, with public keys by their `kid`; those without one have their thumbprint (RFC 7638) for a name.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeySetConfig {
    /// The URL: `https://keys.example/.well-known/jwks.json`.
    pub uri: String,
    /// The host's name of the service that has it: an Envoy cluster, which brings the TLS.
    pub cluster: String,
    /// How long an answer may take.
    #[serde(default = "five_seconds")]
    pub timeout: Period,
    /// After which time it is fetched anew.
    #[serde(default = "ten_minutes")]
    pub cache_duration: Period,
    /// For how long after that the keys count, if it cannot be fetched anew.
    #[serde(default = "one_hour")]
    pub stale_if_error: Period,
    /// How long after it was fetched it may be fetched early, because a request names a key that is not known.
    #[serde(default = "usual_cooldown")]
    pub cooldown: Period,
}

/// How requests that go on are signed.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignConfig {
    /// The key.
    pub key: SigningKeyConfig,
    /// What a signature covers where the request has it, besides what it always covers. See `verify.covers`.
    #[serde(default)]
    pub covers: Vec<String>,
    /// The signature's name among several.
    #[serde(default = "usual_label")]
    pub label: String,
    /// Its `tag`.
    #[serde(default)]
    pub tag: Option<String>,
    /// How long it counts.
    #[serde(default = "usual_life")]
    pub expires: Period,
}

/// Whether a signature has a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NonceConfig {
    /// It has one, and what was signed counts once.
    #[default]
    Required,
    /// One that has a nonce counts once; one without counts as long as it lives.
    Optional,
    /// Nonces are not looked at: what was signed counts as long as it lives.
    Ignored,
}

/// An algorithm of signatures (RFC 9421, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AlgorithmConfig {
    /// HMAC with SHA-256: who verifies can sign.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// Ed25519.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// RSASSA-PSS with SHA-512. It is only verified.
    #[serde(rename = "rsa-pss-sha512")]
    RsaPssSha512,
}

impl From<AlgorithmConfig> for Algorithm {
    fn from(algorithm: AlgorithmConfig) -> Self {
        match algorithm {
            AlgorithmConfig::HmacSha256 => Self::HmacSha256,
            AlgorithmConfig::Ed25519 => Self::Ed25519,
            AlgorithmConfig::EcdsaP256Sha256 => Self::EcdsaP256Sha256,
            AlgorithmConfig::RsaPssSha512 => Self::RsaPssSha512,
        }
    }
}

/// A key that verifies: its name, what it is for, and either itself or where it is.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureKeyConfig {
    /// Its name, which signatures have as `keyid`: up to 128 characters of visible ASCII.
    pub id: String,
    /// What it is for. A signature that says otherwise does not count.
    pub algorithm: AlgorithmConfig,
    /// The public key in PEM, as `openssl pkey -pubout` writes it.
    #[serde(default)]
    pub public_key: Option<String>,
    /// Of `hmac-sha256`: the key, 32 to 1,024 unpredictable bytes in base64 (`openssl rand -base64 32`).
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The environment variable of the module's virtual machine that has either instead.
    #[serde(default)]
    pub env: Option<String>,
}

/// A key that signs: its name, what it is for, and either itself or where it is.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SigningKeyConfig {
    /// Its name, which signatures have as `keyid`: up to 128 characters of visible ASCII.
    pub id: String,
    /// What it is for: anything but `rsa-pss-sha512`.
    pub algorithm: AlgorithmConfig,
    /// The key: of `hmac-sha256` 32 to 1,024 unpredictable bytes in base64, of the others the private key in PEM, as `openssl
    /// genpkey` writes it.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The environment variable of the module's virtual machine that has it instead.
    #[serde(default)]
    pub env: Option<String>,
}

const fn usual_age() -> Period {
    Period::seconds(300)
}

const fn usual_skew() -> Period {
    Period::seconds(30)
}

const fn usual_life() -> Period {
    Period::seconds(60)
}

const fn five_seconds() -> Period {
    Period::seconds(5)
}

const fn ten_minutes() -> Period {
    Period::seconds(600)
}

const fn one_hour() -> Period {
    Period::seconds(3600)
}

const fn usual_cooldown() -> Period {
    Period::seconds(30)
}

fn usual_label() -> String {
    "meshward".to_owned()
}

/// The most that an operator may name of anything: each costs something in every request.
const MOST: usize = 16;

/// The most sets of keys.
const MOST_SETS: usize = 4;
/// The longest span of a set's times: seven days.
const LONGEST: Period = Period::seconds(7 * 24 * 3600);

/// Fields that are rewritten between who signs and who verifies.
const REWRITTEN: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "signature",
    "signature-input",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl SignaturesConfig {
    pub(crate) fn environment(&self) -> impl Iterator<Item = &str> {
        let verifying = self.verify.iter().flat_map(|verify| &verify.keys).filter_map(|key| key.env.as_deref());
        verifying.chain(self.sign.iter().filter_map(|sign| sign.key.env.as_deref()))
    }

    /// Each fault with its path below `replay.signatures`. `holds`: the head waits for the body.
    pub(crate) fn faults(&self, holds: bool) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |path: String, message: &str| faults.push((path, message.to_owned()));
        if let Some(verify) = &self.verify {
            if verify.keys.is_empty() && verify.key_sets.is_empty() {
                fault("verify.keys".to_owned(), "name a key: `{ id: client, algorithm: ed25519, public_key: … }`");
            }
            key_set_faults(&verify.key_sets, &mut fault);
            if verify.keys.len() > MOST {
                fault("verify.keys".to_owned(), "at most 16");
            }
            if verify.max_age < Period::seconds(1) {
                fault("verify.max_age".to_owned(), "at least `1s`");
            }
            for (index, key) in verify.keys.iter().enumerate() {
                let path = |below: &str| format!("verify.keys[{index}]{below}");
                if !keys::is_id(&key.id) {
                    fault(path(".id"), "a key's name is up to 128 characters of visible ASCII, without quotes");
                } else if verify.keys.iter().take(index).any(|earlier| earlier.id == key.id) {
                    fault(path(".id"), "two keys have this name");
                }
                if let Err((below, message)) = keys::check_verifying(key) {
                    fault(path(below), message);
                }
            }
            text_fault(verify.tag.as_deref(), "verify.tag", &mut fault);
            cover_faults(&verify.covers, "verify.covers", &mut fault);
        }
        if let Some(sign) = &self.sign {
            if !holds {
                fault(
                    "sign".to_owned(),
                    "signing needs the head to wait for the body: set `header_hold: true`, and the host's `allow_on_headers_stop_iteration`",
                );
            }
            if !keys::is_id(&sign.key.id) {
                fault(
                    "sign.key.id".to_owned(),
                    "a key's name is up to 128 characters of visible ASCII, without quotes",
                );
            }
            if let Err((below, message)) = keys::check_signing(&sign.key) {
                fault(format!("sign.key{below}"), message);
            }
            if !is_label(&sign.label) {
                fault(
                    "sign.label".to_owned(),
                    "a label is up to 32 of `a` to `z`, `0` to `9`, `_`, `-`, `.`, and begins with a letter",
                );
            }
            if sign.expires < Period::seconds(1) {
                fault("sign.expires".to_owned(), "at least `1s`");
            }
            text_fault(sign.tag.as_deref(), "sign.tag", &mut fault);
            cover_faults(&sign.covers, "sign.covers", &mut fault);
        }
        faults
    }
}

/// What is covered, with what an operator adds.
pub(super) fn coverage(covers: &[String]) -> Coverage {
    Coverage::with(covers.iter().filter_map(|name| Component::parse(name)))
}

fn key_set_faults(sets: &[KeySetConfig], fault: &mut impl FnMut(String, &str)) {
    if sets.len() > MOST_SETS {
        fault("verify.key_sets".to_owned(), "at most 4");
    }
    for (index, set) in sets.iter().enumerate() {
        let path = |below: &str| format!("verify.key_sets[{index}].{below}");
        if !key_sets::is_url(&set.uri) {
            fault(path("uri"), "a URL such as `https://keys.example/jwks.json`, without a user name or a fragment");
        } else if sets.iter().take(index).any(|earlier| (&earlier.uri, &earlier.cluster) == (&set.uri, &set.cluster)) {
            fault(path("uri"), "this set is named twice");
        }
        if !(1..=255).contains(&set.cluster.len()) {
            fault(path("cluster"), "name a cluster of the host's, in 1 to 255 bytes");
        }
        if !(Period(Duration::from_millis(1))..=Period::seconds(60)).contains(&set.timeout) {
            fault(path("timeout"), "between 1ms and 60s");
        }
        if !(Period::seconds(1)..=LONGEST).contains(&set.cache_duration) {
            fault(path("cache_duration"), "between 1s and 168h");
        }
        if set.stale_if_error > LONGEST {
            fault(path("stale_if_error"), "at most 168h");
        }
        if !(Period::seconds(1)..=LONGEST).contains(&set.cooldown) {
            fault(path("cooldown"), "between 1s and 168h");
        }
    }
}

fn text_fault(text: Option<&str>, path: &str, fault: &mut impl FnMut(String, &str)) {
    if text.is_some_and(|text| !keys::is_id(text)) {
        fault(path.to_owned(), "up to 128 characters of visible ASCII, without quotes");
    }
}

fn cover_faults(covers: &[String], path: &str, fault: &mut impl FnMut(String, &str)) {
    if covers.len() > MOST {
        fault(path.to_owned(), "at most 16");
    }
    for (index, name) in covers.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if Component::parse(name).is_none() {
            fault(path, "name a header field, `@scheme`, `@target-uri` or `@request-target`");
        } else if REWRITTEN.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            fault(path, "this field is rewritten on its way");
        }
    }
}

/// A key of a structured field (RFC 9651, section 3.1.2), short and plain.
fn is_label(label: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    label.len() <= 32 && label.bytes().all(is_plain) && label.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests;
