//! From keys as they are written to keys that verify and sign.

use meshward_signatures::{Algorithm, KeyFault, SigningKey, VerifyingKey};

use super::config::{AlgorithmConfig, SignatureKeyConfig, SigningKeyConfig};
use crate::key::{Environment, NOT_A_KEY, Secret, is_variable};

/// The longest name of a key, and the longest tag.
const MOST_ID_BYTES: usize = 128;

/// Whether a text can be a parameter of a signature.
pub(super) fn is_id(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
    (1..=MOST_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain)
}

const NOT_PUBLIC: &str = "this is no public key of that algorithm: give it in PEM, as `openssl pkey -pubout` writes it";
const NOT_PRIVATE: &str = "this is no private key of that algorithm: give it in PEM, as `openssl genpkey` writes it";
const EITHER_PUBLIC: &str = "give either `public_key` or `env`; a key of `hmac-sha256` is a `secret`";
const EITHER_SECRET: &str = "give either `secret` or `env`";
const NOT_A_VARIABLE: &str = "this is no name of an environment variable";

/// What is wrong, by its path below the key.
type Fault = (&'static str, &'static str);

/// What is wrong with a key before the environment is known.
pub(super) fn check_verifying(key: &SignatureKeyConfig) -> Result<(), Fault> {
    let is_shared = key.algorithm == AlgorithmConfig::HmacSha256;
    match (&key.public_key, &key.secret, &key.env) {
        (None, Some(secret), None) if is_shared => {
            verifying(key.algorithm, secret.text()).map(drop).map_err(|message| (".secret", message))
        }
        (Some(pem), None, None) if !is_shared => {
            verifying(key.algorithm, pem).map(drop).map_err(|message| (".public_key", message))
        }
        (None, None, Some(name)) => is_variable(name).then_some(()).ok_or((".env", NOT_A_VARIABLE)),
        _ => Err(("", EITHER_PUBLIC)),
    }
}

/// Likewise.
pub(super) fn check_signing(key: &SigningKeyConfig) -> Result<(), Fault> {
    if key.algorithm == AlgorithmConfig::RsaPssSha512 {
        return Err((".algorithm", "RSA is only verified: sign with `ed25519`, `ecdsa-p256-sha256` or `hmac-sha256`"));
    }
    match (&key.secret, &key.env) {
        (Some(secret), None) => signing(key.algorithm, secret.text()).map(drop).map_err(|message| (".secret", message)),
        (None, Some(name)) => is_variable(name).then_some(()).ok_or((".env", NOT_A_VARIABLE)),
        _ => Err(("", EITHER_SECRET)),
    }
}

/// The key itself, or what is wrong, in words that do not say it.
pub(super) fn resolve_verifying(
    key: &SignatureKeyConfig,
    environment: Environment<'_>,
) -> Result<VerifyingKey, String> {
    let own = key.public_key.as_deref().or(key.secret.as_ref().map(Secret::text));
    resolve(own, key.env.as_deref(), environment, |text| verifying(key.algorithm, text))
}

/// Likewise.
pub(super) fn resolve_signing(key: &SigningKeyConfig, environment: Environment<'_>) -> Result<SigningKey, String> {
    let own = key.secret.as_ref().map(Secret::text);
    resolve(own, key.env.as_deref(), environment, |text| signing(key.algorithm, text))
}

fn resolve<K>(
    own: Option<&str>,
    variable: Option<&str>,
    environment: Environment<'_>,
    read: impl Fn(&str) -> Result<K, &'static str>,
) -> Result<K, String> {
    match (own, variable) {
        (Some(text), _) => read(text).map_err(str::to_owned),
        (None, Some(name)) => {
            let text = environment(name).ok_or_else(|| {
                format!("the module has no environment variable `{name}`: name it in the host's `vm_config.environment_variables`")
            })?;
            // A variable often holds its lines in one.
            read(&text.replace("\\n", "\n")).map_err(|message| format!("the environment variable `{name}`: {message}"))
        }
        (None, None) => Err(EITHER_SECRET.to_owned()),
    }
}

fn verifying(algorithm: AlgorithmConfig, text: &str) -> Result<VerifyingKey, &'static str> {
    let key = match algorithm {
        AlgorithmConfig::HmacSha256 => VerifyingKey::hmac(&shared(text)?),
        public => VerifyingKey::from_pem(Algorithm::from(public), text),
    };
    key.map_err(|fault| match fault {
        KeyFault::Length => "an RSA key has 2048 to 4096 bits",
        KeyFault::NotAKey | KeyFault::Algorithm => NOT_PUBLIC,
    })
}

fn signing(algorithm: AlgorithmConfig, text: &str) -> Result<SigningKey, &'static str> {
    let key = match algorithm {
        AlgorithmConfig::HmacSha256 => SigningKey::hmac(&shared(text)?),
        private => SigningKey::from_pem(Algorithm::from(private), text),
    };
    key.map_err(|_| NOT_PRIVATE)
}

fn shared(text: &str) -> Result<Vec<u8>, &'static str> {
    Secret::new(text).bytes().ok_or(NOT_A_KEY)
}
