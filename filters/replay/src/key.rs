//! Keys: where they come from, and that they are shown nowhere.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::seal::SealKey;

/// What the module finds in its environment by a name: Envoy's `vm_config.environment_variables`.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A key: its name, and either itself or where it is.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// Its name, which goes with what is sealed: up to 32 letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// The key: 32 to 1,024 unpredictable bytes in base64 (`openssl rand -base64 32`).
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The environment variable of the module's virtual machine that has it instead.
    #[serde(default)]
    pub env: Option<String>,
}

/// A secret as it is written. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent))]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(secret) => Ok(Self(secret)),
            // An error of serde's would say the value: YAML takes digits for a number.
            _ => Err(D::Error::custom("a secret is a text: put it in quotes")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The most keys: each is tried by its name.
const MOST_KEYS: usize = 16;
/// The longest name of a key.
const MOST_ID_BYTES: usize = 32;
/// As long as what SHA-256 gives (RFC 2104, section 3).
const LEAST_KEY_BYTES: usize = 32;
const MOST_KEY_BYTES: usize = 1024;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is wrong with a secret.
pub(crate) const NOT_A_KEY: &str = "a key is 32 to 1024 bytes in base64: make one with `openssl rand -base64 32`";

impl Secret {
    /// A secret that was found elsewhere.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The bytes that it says. `None`: that is no key.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(self.0.trim_ascii()).ok()?;
        (LEAST_KEY_BYTES..=MOST_KEY_BYTES).contains(&bytes.len()).then_some(bytes)
    }
}

impl KeyConfig {
    /// The key itself.
    ///
    /// # Errors
    /// What is wrong, in words that do not say the key.
    pub(crate) fn resolve(&self, environment: Environment<'_>) -> Result<Vec<u8>, String> {
        let from_environment = |name: &String| {
            let secret = environment(name).ok_or_else(|| {
                format!("the module has no environment variable `{name}`: name it in the host's `vm_config.environment_variables`")
            })?;
            Secret(secret).bytes().ok_or_else(|| format!("the environment variable `{name}` has no key: {NOT_A_KEY}"))
        };
        match (&self.secret, &self.env) {
            (Some(secret), _) => secret.bytes().ok_or_else(|| NOT_A_KEY.to_owned()),
            (None, Some(name)) => from_environment(name),
            (None, None) => Err(NOT_A_KEY.to_owned()),
        }
    }
}

/// Keys to seal with, in order.
///
/// # Errors
/// The place of the first that cannot be had, and why.
pub(crate) fn seal_keys(keys: &[KeyConfig], environment: Environment<'_>) -> Result<Vec<SealKey>, (usize, String)> {
    let seal_key = |(index, key): (usize, &KeyConfig)| {
        let bytes = key.resolve(environment).map_err(|message| (index, message))?;
        SealKey::new(key.id.clone(), &bytes).ok_or_else(|| (index, "this key cannot be used".to_owned()))
    };
    keys.iter().enumerate().map(seal_key).collect()
}

/// What is wrong with keys, by paths below their list.
pub(crate) fn faults(keys: &[KeyConfig]) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    if keys.len() > MOST_KEYS {
        faults.push((String::new(), format!("at most {MOST_KEYS}")));
    }
    if keys.is_empty() {
        faults.push((String::new(), "name a key: `{ id: \"1\", env: MESHWARD_KEY }`".to_owned()));
    }
    for (index, key) in keys.iter().enumerate() {
        let mut fault = |below: &str, message: &str| faults.push((format!("[{index}]{below}"), message.to_owned()));
        if !is_name(&key.id) {
            fault(".id", "a key's name is up to 32 letters, digits, `-`, `_` and `.`");
        } else if keys.iter().take(index).any(|earlier| earlier.id == key.id) {
            fault(".id", "two keys have this name");
        }
        match (&key.secret, &key.env) {
            (Some(secret), None) if secret.bytes().is_none() => fault(".secret", NOT_A_KEY),
            (None, Some(name)) if !is_variable(name) => {
                fault(".env", "this is no name of an environment variable");
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => fault("", "give either `secret` or `env`"),
        }
    }
    faults
}

/// Whether an environment variable can have this name.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn is_name(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MOST_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn key(secret: Option<&str>, env: Option<&str>) -> KeyConfig {
        KeyConfig { id: "k".to_owned(), secret: secret.map(|s| Secret(s.to_owned())), env: env.map(str::to_owned) }
    }

    #[test]
    fn a_key_is_itself_or_in_the_environment() {
        let environment: Environment<'_> = &|name| match name {
            "GOOD" => Some(format!("{KEY}\n")),
            "BAD" => Some("short".to_owned()),
            _ => None,
        };
        let bytes = b"01234567890123456789012345678901";
        assert_eq!(key(Some(KEY), None).resolve(environment).unwrap(), bytes);
        assert_eq!(key(Some(KEY.trim_end_matches('=')), None).resolve(environment).unwrap(), bytes);
        assert_eq!(key(None, Some("GOOD")).resolve(environment).unwrap(), bytes);
        for wrong in ["BAD", "NONE"] {
            let error = key(None, Some(wrong)).resolve(environment).unwrap_err();
            assert!(error.contains(wrong) && !error.contains("short"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", key(Some(KEY), None)).contains("MDEy"));
        let number = serde_json::json!({"id": "k", "secret": 12_345_678_901_u64});
        let error = serde_json::from_value::<KeyConfig>(number).unwrap_err().to_string();
        assert!(error.contains("quotes") && !error.contains("12345"), "{error}");
    }
}
