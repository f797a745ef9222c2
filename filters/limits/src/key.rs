//! What tells calls apart that are counted apart.

use meshward_engine::{HeaderDemand, Target};
use meshward_identity::{Caller, Wanted};
use meshward_policy::{Key, Subject};

/// A part of a limit's key.
#[derive(Debug)]
pub(crate) enum KeyPart {
    /// The tool, by its name.
    Tool,
    /// Who calls: by certificate and token, or, without either, by address.
    Principal,
    /// The session, by its id.
    Session,
    /// What an expression makes of the message.
    Value { source: String, key: Box<Key> },
}

impl KeyPart {
    /// Reads `tool`, `principal`, `session`, or an expression.
    ///
    /// # Errors
    /// All that is wrong with the expression.
    pub(crate) fn compile(source: &str) -> Result<Self, Vec<String>> {
        match source {
            "tool" => Ok(Self::Tool),
            "principal" => Ok(Self::Principal),
            "session" => Ok(Self::Session),
            _ => Ok(Self::Value { source: source.to_owned(), key: Box::new(Key::compile(source)?) }),
        }
    }

    /// As the configuration writes it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Tool => "tool",
            Self::Principal => "principal",
            Self::Session => "session",
            Self::Value { source, .. } => source,
        }
    }

    /// Its value for a message; `None`: it has none.
    pub(crate) fn of(&self, subject: &Subject<'_>) -> Option<String> {
        match self {
            Self::Tool => match &subject.target {
                Target::Tool(name) => Some(name.clone().into_owned()),
                _ => None,
            },
            Self::Principal => principal(subject.caller),
            Self::Session => subject.session.map(str::to_owned),
            Self::Value { key, .. } => key.of(subject),
        }
    }

    /// What it looks at of a caller, and whether it looks at the arguments and at the client's name.
    pub(crate) fn wants(&self) -> (Wanted, HeaderDemand, bool, bool) {
        match self {
            Self::Tool | Self::Session => (Wanted::default(), HeaderDemand::None, false, false),
            Self::Principal => (Wanted { peer: true, source: true, claims: true }, HeaderDemand::None, false, false),
            Self::Value { key, .. } => {
                let wants = key.wants();
                let wanted = Wanted { peer: wants.peer, source: wants.source, claims: wants.claims };
                (wanted, wants.headers.clone(), wants.arguments, wants.client)
            }
        }
    }
}

/// Who calls, as a list in JSON: the name in the certificate, and issuer and subject of the token; or the address alone.
fn principal(caller: &Caller) -> Option<String> {
    let claim = |name: &str| caller.claims.as_ref().and_then(|claims| claims.get(name)).cloned().unwrap_or_default();
    let (peer, issuer, subject) = (caller.peer.clone(), claim("iss"), claim("sub"));
    if peer.is_none() && subject.is_null() {
        return caller.source.map(|address| serde_json::json!(["address", address.to_string()]).to_string());
    }
    Some(serde_json::json!([peer, issuer, subject]).to_string())
}

/// The values of a key in bytes that no other values have: whether there is one, its length, itself.
pub(crate) fn bytes(limit: &str, values: &[Option<String>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    let mut add = |text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    add(limit);
    for value in values {
        add(if value.is_some() { "1" } else { "0" });
        add(value.as_deref().unwrap_or_default());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn who_calls_is_what_is_proved_of_it() {
        let claims = |claims: serde_json::Value| claims.as_object().cloned();
        let peer = Some("spiffe://a/b".to_owned());
        let source = Some([10, 0, 0, 1].into());
        for (caller, expected) in [
            (Caller::default(), None),
            (Caller { source, ..Caller::default() }, Some(r#"["address","10.0.0.1"]"#)),
            (Caller { peer: peer.clone(), source, claims: None }, Some(r#"["spiffe://a/b",null,null]"#)),
            (Caller { peer: None, source, claims: claims(json!({"iss": "i", "sub": "s"})) }, Some(r#"[null,"i","s"]"#)),
            (Caller { peer, source, claims: claims(json!({"sub": "s"})) }, Some(r#"["spiffe://a/b",null,"s"]"#)),
            // A token that says nobody's name is nobody's.
            (Caller { peer: None, source, claims: claims(json!({"iss": "i"})) }, Some(r#"["address","10.0.0.1"]"#)),
        ] {
            assert_eq!(principal(&caller).as_deref(), expected, "{caller:?}");
        }
    }

    #[test]
    fn no_two_keys_have_the_same_bytes() {
        let texts = [None, Some(""), Some("a"), Some("b"), Some("ab"), Some("\u{1}a")];
        let values = || texts.iter().map(|text| text.map(str::to_owned));
        let mut seen = BTreeSet::new();
        for limit in ["a", "ab"] {
            assert!(seen.insert(bytes(limit, &[])));
            for first in values() {
                assert!(seen.insert(bytes(limit, std::slice::from_ref(&first))));
                for second in values() {
                    assert!(seen.insert(bytes(limit, &[first.clone(), second])));
                }
            }
        }
    }
}
