//! Keys and what is done with them. Which algorithm a key is for belongs to the key: a message cannot choose (RFC 9421, section 7.3.6).

use std::fmt;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256, Sha512};

/// An algorithm of signatures (RFC 9421, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: who can verify can sign.
    HmacSha256,
    /// Ed25519.
    Ed25519,
    /// ECDSA over P-256 with SHA-256.
    EcdsaP256Sha256,
    /// RSASSA-PSS with SHA-512. It is only verified: RSA's private keys are not safe in a process that strangers can time
    /// (RUSTSEC-2023-0071).
    RsaPssSha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HmacSha256, Self::Ed25519, Self::EcdsaP256Sha256, Self::RsaPssSha512];

    /// Its name in the registry of RFC 9421, section 6.2.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
        }
    }
}

/// An algorithm of JSON Web Signatures (RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864): those by which whoever can verify
/// can sign are not among them, nor is `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwsAlgorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519, under the name that does not say so.
    EdDsa,
    /// Ed25519.
    Ed25519,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl JwsAlgorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Es256, Self::EdDsa, Self::Ed25519, Self::Ps256, Self::Ps512, Self::Rs256];

    /// Its name in the registry of RFC 7518, section 7.1.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Ps256 => "PS256",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
        }
    }
}

/// Why there is no key. It says nothing of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a key of this algorithm.
    #[error("this is no key of that algorithm")]
    NotAKey,
    /// RSA keys have 2048 to 4096 bits.
    #[error("an RSA key has 2048 to 4096 bits")]
    Length,
    /// The algorithm has no such keys.
    #[error("the algorithm has no such key")]
    Algorithm,
}

/// A key that verifies.
#[derive(Clone)]
pub struct VerifyingKey(Verifying);

#[derive(Clone)]
enum Verifying {
    Hmac(Box<Hmac<Sha256>>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    Rsa(Box<rsa::RsaPublicKey>),
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.algorithm()).finish()
    }
}

const LEAST_RSA_BITS: u32 = 2048;
const MOST_RSA_BITS: u32 = 4096;

impl VerifyingKey {
    /// A key of HMAC, of any length.
    ///
    /// # Errors
    /// None that is known; the library's.
    pub fn hmac(secret: &[u8]) -> Result<Self, KeyFault> {
        hmac_key(secret).map(|mac| Self(Verifying::Hmac(mac)))
    }

    /// A public key as `openssl pkey -pubout` writes it: PEM of a SubjectPublicKeyInfo (RFC 7468, section 13).
    ///
    /// # Errors
    /// The text is no such key.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyFault> {
        let pem = pem.trim_ascii();
        match algorithm {
            Algorithm::HmacSha256 => Err(KeyFault::Algorithm),
            Algorithm::Ed25519 => Self::ed25519(ed25519_dalek::VerifyingKey::from_public_key_pem(pem).ok()),
            Algorithm::EcdsaP256Sha256 => Self::p256(p256::ecdsa::VerifyingKey::from_public_key_pem(pem).ok()),
            Algorithm::RsaPssSha512 => Self::rsa(rsa::RsaPublicKey::from_public_key_pem(pem).ok()),
        }
    }

    pub(crate) fn ed25519(key: Option<ed25519_dalek::VerifyingKey>) -> Result<Self, KeyFault> {
        // A weak key has signatures that fit any text.
        let key = key.filter(|key| !key.is_weak()).ok_or(KeyFault::NotAKey)?;
        Ok(Self(Verifying::Ed25519(Box::new(key))))
    }

    pub(crate) fn p256(key: Option<p256::ecdsa::VerifyingKey>) -> Result<Self, KeyFault> {
        key.map(|key| Self(Verifying::P256(Box::new(key)))).ok_or(KeyFault::NotAKey)
    }

    pub(crate) fn rsa(key: Option<rsa::RsaPublicKey>) -> Result<Self, KeyFault> {
        let key = key.ok_or(KeyFault::NotAKey)?;
        let is_usual = (LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&key.n().bits());
        is_usual.then(|| Self(Verifying::Rsa(Box::new(key)))).ok_or(KeyFault::Length)
    }

    /// What it is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Verifying::Hmac(_) => Algorithm::HmacSha256,
            Verifying::Ed25519(_) => Algorithm::Ed25519,
            Verifying::P256(_) => Algorithm::EcdsaP256Sha256,
            Verifying::Rsa(_) => Algorithm::RsaPssSha512,
        }
    }

    /// Whether a signature is this key's over a text. A MAC is compared in constant time.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Verifying::Hmac(mac) => (**mac).clone().chain_update(text).verify_slice(signature).is_ok(),
            Verifying::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(text, &signature).is_ok()),
            Verifying::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
            Verifying::Rsa(key) => {
                // The salt is as long as the hash (RFC 9421, section 3.3.1).
                let padding = rsa::Pss::<Sha512>::new_with_salt(Sha512::output_size());
                key.verify(padding, &Sha512::digest(text), signature).is_ok()
            }
        }
    }

    /// Likewise by an algorithm of JWS, which must be one for this kind of key.
    #[must_use]
    pub fn verifies_jws(&self, algorithm: JwsAlgorithm, text: &[u8], signature: &[u8]) -> bool {
        match (&self.0, algorithm) {
            (Verifying::Ed25519(_), JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519)
            | (Verifying::P256(_), JwsAlgorithm::Es256)
            | (Verifying::Rsa(_), JwsAlgorithm::Ps512) => self.verifies(text, signature),
            (Verifying::Rsa(key), JwsAlgorithm::Ps256) => {
                // The salt is as long as the hash (RFC 7518, section 3.5).
                let padding = rsa::Pss::<Sha256>::new_with_salt(Sha256::output_size());
                key.verify(padding, &Sha256::digest(text), signature).is_ok()
            }
            (Verifying::Rsa(key), JwsAlgorithm::Rs256) => {
                key.verify(rsa::Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text), signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey(Signing);

#[derive(Clone)]
enum Signing {
    Hmac(Box<Hmac<Sha256>>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.algorithm()).finish()
    }
}

impl SigningKey {
    /// A key of HMAC, of any length.
    ///
    /// # Errors
    /// None that is known; the library's.
    pub fn hmac(secret: &[u8]) -> Result<Self, KeyFault> {
        hmac_key(secret).map(|mac| Self(Signing::Hmac(mac)))
    }

    /// A private key as `openssl genpkey` writes it: PEM of a PrivateKeyInfo (RFC 7468, section 10).
    ///
    /// # Errors
    /// The text is no such key, or the algorithm is not signed with.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyFault> {
        let pem = pem.trim_ascii();
        match algorithm {
            Algorithm::HmacSha256 | Algorithm::RsaPssSha512 => Err(KeyFault::Algorithm),
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyFault::NotAKey)?;
                Ok(Self(Signing::Ed25519(Box::new(key))))
            }
            Algorithm::EcdsaP256Sha256 => {
                let key = p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyFault::NotAKey)?;
                Ok(Self(Signing::P256(Box::new(key))))
            }
        }
    }

    /// What it is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Signing::Hmac(_) => Algorithm::HmacSha256,
            Signing::Ed25519(_) => Algorithm::Ed25519,
            Signing::P256(_) => Algorithm::EcdsaP256Sha256,
        }
    }

    /// Signs a text. ECDSA without chance (RFC 6979).
    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.0 {
            Signing::Hmac(mac) => (**mac).clone().chain_update(text).finalize().into_bytes().to_vec(),
            Signing::Ed25519(key) => key.sign(text).to_vec(),
            Signing::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(text);
                signature.to_bytes().to_vec()
            }
        }
    }
}

fn hmac_key(secret: &[u8]) -> Result<Box<Hmac<Sha256>>, KeyFault> {
    Hmac::new_from_slice(secret).map(Box::new).map_err(|_| KeyFault::NotAKey)
}
