//! JSON Web Keys (RFC 7517): public keys of the algorithms that are known here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::BoxedUint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::key::{Algorithm, JwsAlgorithm, KeyFault, VerifyingKey};
use crate::verify::Keys;

/// A public key. What is private in one is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Jwk {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_ops: Option<Vec<String>>,
}

/// A set of them, in which those that are not known here are passed over (RFC 7517, section 5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwkSet(pub Vec<Jwk>);

#[derive(Deserialize)]
struct Written {
    keys: Vec<Value>,
}

#[derive(Serialize)]
struct Writing<'k> {
    keys: &'k [Jwk],
}

/// The longest name of a key, as long as a signature's `keyid`.
const MOST_NAME_BYTES: usize = 256;
/// The most keys of a set.
const MOST_KEYS: usize = 64;

impl JwkSet {
    /// Reads a set. `None`: this is none, or it is too large.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(text).ok()?;
        if written.keys.len() > MOST_KEYS {
            return None;
        }
        Some(Self(written.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect()))
    }

    /// Those with a name whose keys can be used.
    #[must_use]
    pub fn usable(&self) -> Self {
        let is_usable = |key: &&Jwk| key.verifying_key().is_ok() && key.name().is_some();
        Self(self.0.iter().filter(is_usable).cloned().collect())
    }

    /// The keys that can be used, by their names. Of two with one name the first counts.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        for jwk in &self.0 {
            if let (Some(name), Ok(key)) = (jwk.name(), jwk.verifying_key()) {
                keys.add(name, key);
            }
        }
        keys
    }

    /// The set as JSON, with what is read of it here and nothing else. `None`: the library cannot write it, which is not known to happen.
    #[must_use]
    pub fn to_json(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&Writing { keys: &self.0 }).ok()
    }
}

impl Jwk {
    /// What the key is for, by its type. `None`: nothing that is known here.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        let algorithm = self.kind()?;
        let names: &[&str] = match algorithm {
            Algorithm::Ed25519 => &["EdDSA", "Ed25519"],
            Algorithm::EcdsaP256Sha256 => &["ES256"],
            Algorithm::RsaPssSha512 => &["PS512"],
            Algorithm::HmacSha256 => &[],
        };
        let is_for = self.signs() && self.alg.as_deref().is_none_or(|alg| names.contains(&alg));
        is_for.then_some(algorithm)
    }

    /// What a key of its type does here, whatever it says that it is for.
    fn kind(&self) -> Option<Algorithm> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Some(Algorithm::Ed25519),
            ("EC", Some("P-256")) => Some(Algorithm::EcdsaP256Sha256),
            ("RSA", None) => Some(Algorithm::RsaPssSha512),
            _ => None,
        }
    }

    fn signs(&self) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|known| known == "verify"))
    }

    /// Whether nothing that it says of itself speaks against an algorithm of JWS.
    pub(crate) fn is_for(&self, algorithm: JwsAlgorithm) -> bool {
        self.signs() && self.alg.as_deref().is_none_or(|alg| alg == algorithm.name())
    }

    /// The key.
    ///
    /// # Errors
    /// It is none, or of no algorithm that is known here.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyFault> {
        self.algorithm().ok_or(KeyFault::Algorithm)?;
        self.public_key()
    }

    /// The key, whatever it says that it is for.
    pub(crate) fn public_key(&self) -> Result<VerifyingKey, KeyFault> {
        match self.kind().ok_or(KeyFault::Algorithm)? {
            Algorithm::Ed25519 => {
                let bytes = fixed(self.x.as_deref())?;
                VerifyingKey::ed25519(ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok())
            }
            Algorithm::EcdsaP256Sha256 => {
                let (x, y): ([u8; 32], [u8; 32]) = (fixed(self.x.as_deref())?, fixed(self.y.as_deref())?);
                // An uncompressed point (SEC 1, section 2.3.3).
                let point = [&[4][..], &x, &y].concat();
                VerifyingKey::p256(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok())
            }
            Algorithm::RsaPssSha512 => {
                let (n, e) = (bytes(self.n.as_deref())?, bytes(self.e.as_deref())?);
                if n.len() > 512 || e.len() > 8 {
                    return Err(KeyFault::Length);
                }
                VerifyingKey::rsa(rsa::RsaPublicKey::new(integer(&n), integer(&e)).ok())
            }
            Algorithm::HmacSha256 => Err(KeyFault::Algorithm),
        }
    }

    /// Its `kid`; without one its thumbprint. `None`: it is no key that is known here, or the name is too long for one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let name = self.kid.clone().or_else(|| self.thumbprint())?;
        (1..=MOST_NAME_BYTES).contains(&name.len()).then_some(name)
    }

    /// The SHA-256 thumbprint in base64url (RFC 7638). `None`: of no key that is known here.
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        // Members that are base64url need no escapes; those that are not are no key's.
        let member = |value: &Option<String>| value.clone().filter(|value| URL_SAFE_NO_PAD.decode(value).is_ok());
        let text = match self.kind()? {
            Algorithm::Ed25519 => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, member(&self.x)?),
            Algorithm::EcdsaP256Sha256 => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member(&self.x)?, member(&self.y)?)
            }
            Algorithm::RsaPssSha512 => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, member(&self.e)?, member(&self.n)?)
            }
            Algorithm::HmacSha256 => return None,
        };
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
    }
}

fn bytes(text: Option<&str>) -> Result<Vec<u8>, KeyFault> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyFault::NotAKey)
}

fn fixed(text: Option<&str>) -> Result<[u8; 32], KeyFault> {
    bytes(text)?.try_into().map_err(|_| KeyFault::NotAKey)
}

fn integer(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}
