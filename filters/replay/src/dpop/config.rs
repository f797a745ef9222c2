//! The `replay.dpop` section of the configuration, as it is written.

use meshward_engine::{Mode, Period};
use meshward_signatures::{JwsAlgorithm, normal_target};
use serde::Deserialize;

use crate::config::Leniency;
use crate::key::{self, KeyConfig};

/// Access tokens that only count with a proof that who sends them has their key (RFC 9449). Who verifies tokens leaves their claims where
/// `identity.jwt` looks for them.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DpopConfig {
    /// What becomes of a request without a proof that counts.
    pub mode: Mode,
    /// The algorithms with which a proof may be signed.
    pub algorithms: Vec<DpopAlgorithm>,
    /// How clients begin the URI that they send requests to, in front of the path as it comes here: `https://mcp.example.com`. Several
    /// where it has several names. By default `x-forwarded-proto`, or the scheme, with the authority.
    pub base_urls: Vec<String>,
    /// How long after it was made a proof counts.
    pub max_age: Period,
    /// By how much the clocks of clients may differ from this one's.
    pub clock_skew: Period,
    /// What becomes of a request whose token is bound to no key, or that has none.
    pub unbound: Leniency,
    /// Proofs must have a nonce that was given out here. Absent: what they have of one is not looked at.
    pub nonce: Option<DpopNonceConfig>,
    /// Where the metadata of the protected resource is (RFC 9728): refusals say so.
    pub resource_metadata: Option<String>,
}

/// Nonces that are given out, and must come back in proofs.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DpopNonceConfig {
    /// The keys. The first makes nonces, all of them know theirs again: to rotate, put the new one first and leave the old one for `life`.
    pub keys: Vec<KeyConfig>,
    /// For how long one counts. When half of it is over, the client gets the next.
    #[serde(default = "five_minutes")]
    pub life: Period,
}

/// An algorithm of proofs (RFC 7518, section 3.1; RFC 8037; RFC 9864).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DpopAlgorithm {
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519, under its older name.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// Ed25519.
    Ed25519,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl From<DpopAlgorithm> for JwsAlgorithm {
    fn from(algorithm: DpopAlgorithm) -> Self {
        match algorithm {
            DpopAlgorithm::Es256 => Self::Es256,
            DpopAlgorithm::EdDsa => Self::EdDsa,
            DpopAlgorithm::Ed25519 => Self::Ed25519,
            DpopAlgorithm::Ps256 => Self::Ps256,
            DpopAlgorithm::Ps512 => Self::Ps512,
            DpopAlgorithm::Rs256 => Self::Rs256,
        }
    }
}

const fn five_minutes() -> Period {
    Period::seconds(300)
}

impl Default for DpopConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            algorithms: vec![DpopAlgorithm::Es256, DpopAlgorithm::EdDsa, DpopAlgorithm::Ed25519],
            base_urls: Vec::new(),
            max_age: Period::seconds(60),
            clock_skew: Period::seconds(10),
            unbound: Leniency::Refuse,
            nonce: None,
            resource_metadata: None,
        }
    }
}

/// The most names: each is compared in every request.
const MOST_NAMES: usize = 16;
/// The longest time for which a proof counts, or a nonce: what counts longer is no proof of anything recent.
const LONGEST: Period = Period::seconds(3600);

impl DpopConfig {
    pub(crate) fn environment(&self) -> impl Iterator<Item = &str> {
        self.nonce.iter().flat_map(|nonce| &nonce.keys).filter_map(|key| key.env.as_deref())
    }

    /// Each fault with its path below `replay.dpop`.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |path: String, message: &str| faults.push((path, message.to_owned()));
        if self.algorithms.is_empty() {
            fault("algorithms".to_owned(), "no proof can be signed: name `ES256`, or leave it out");
        }
        for (index, algorithm) in self.algorithms.iter().enumerate() {
            if self.algorithms.iter().take(index).any(|earlier| earlier == algorithm) {
                fault(format!("algorithms[{index}]"), "this is named twice");
            }
        }
        if self.base_urls.len() > MOST_NAMES {
            fault("base_urls".to_owned(), "at most 16");
        }
        for (index, url) in self.base_urls.iter().enumerate() {
            if normal_target(url).is_none() || url.contains(['?', '#']) {
                fault(format!("base_urls[{index}]"), "how clients begin their URI: `https://mcp.example.com`");
            }
        }
        if !(Period::seconds(1)..=LONGEST).contains(&self.max_age) {
            fault("max_age".to_owned(), "between 1s and 1h");
        }
        if self.clock_skew > LONGEST {
            fault("clock_skew".to_owned(), "at most 1h");
        }
        let is_url = |url: &String| normal_target(url).is_some();
        if !self.resource_metadata.as_ref().is_none_or(is_url) {
            let message = "a URL: `https://mcp.example.com/.well-known/oauth-protected-resource/mcp`";
            fault("resource_metadata".to_owned(), message);
        }
        if let Some(nonce) = &self.nonce {
            if !(Period::seconds(2)..=LONGEST).contains(&nonce.life) {
                fault("nonce.life".to_owned(), "between 2s and 1h");
            }
            let keys = key::faults(&nonce.keys).into_iter();
            faults.extend(keys.map(|(path, message)| (format!("nonce.keys{path}"), message)));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn paths(section: Value) -> Vec<String> {
        let config: DpopConfig = serde_json::from_value(section).unwrap();
        config.faults().into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn sound_sections_have_no_faults() {
        for sound in [
            json!({}),
            json!({
                "mode": "observe", "algorithms": ["ES256", "EdDSA", "Ed25519", "PS256", "PS512", "RS256"],
                "base_urls": ["https://mcp.example.com", "http://10.0.0.1:8080/tools/"], "max_age": "1h", "clock_skew": "0s",
                "unbound": "accept", "nonce": {"keys": [{"id": "1", "env": "A"}, {"id": "2", "secret": KEY}], "life": "2s"},
                "resource_metadata": "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
            }),
        ] {
            assert_eq!(paths(sound.clone()), [""; 0], "{sound}");
        }
    }

    #[test]
    fn faults_come_with_their_path() {
        for (section, expected) in [
            (json!({"algorithms": []}), "algorithms"),
            (json!({"algorithms": ["ES256", "ES256"]}), "algorithms[1]"),
            (json!({"base_urls": ["https://a.example", "a.example"]}), "base_urls[1]"),
            (json!({"base_urls": ["ftp://a.example"]}), "base_urls[0]"),
            (json!({"base_urls": ["https://a.example?x"]}), "base_urls[0]"),
            (json!({"base_urls": ["https://a.example#x"]}), "base_urls[0]"),
            (json!({"base_urls": vec!["https://a.example"; 17]}), "base_urls"),
            (json!({"max_age": "0s"}), "max_age"),
            (json!({"max_age": "3601s"}), "max_age"),
            (json!({"clock_skew": "3601s"}), "clock_skew"),
            (json!({"resource_metadata": "https://a.example/\"x"}), "resource_metadata"),
            (json!({"nonce": {"keys": []}}), "nonce.keys"),
            (json!({"nonce": {"keys": [{"id": "1", "secret": "c2hvcnQ="}]}}), "nonce.keys[0].secret"),
            (json!({"nonce": {"keys": [{"id": "1", "env": "A"}], "life": "1s"}}), "nonce.life"),
            (json!({"nonce": {"keys": [{"id": "1", "env": "A"}], "life": "3601s"}}), "nonce.life"),
        ] {
            assert_eq!(paths(section.clone()), [expected], "{section}");
        }
        for algorithm in ["none", "HS256", "es256", "ES384"] {
            let section = json!({"algorithms": [algorithm]});
            assert!(serde_json::from_value::<DpopConfig>(section).is_err(), "{algorithm}");
        }
    }
}
