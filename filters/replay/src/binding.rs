//! What of a caller a session belongs to.

use meshward_engine::KeptHeaders;
use meshward_identity::{Caller, Wanted};
use serde_json::Value;

/// Something about a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// The URI in the peer's certificate.
    Peer,
    /// The address it connects from.
    Source,
    /// A claim of its verified token, by the names that lead to it.
    Claim(Vec<String>),
    /// A trusted header, by its name in lower case.
    Header(String),
}

impl Attribute {
    /// Reads `peer`, `source`, `jwt.sub` or `headers.x-user`.
    pub(crate) fn parse(name: &str) -> Result<Self, &'static str> {
        match name.split_once('.') {
            None if name == "peer" => Ok(Self::Peer),
            None if name == "source" => Ok(Self::Source),
            Some(("jwt", path)) if path.split('.').all(|step| !step.is_empty()) => {
                Ok(Self::Claim(path.split('.').map(str::to_owned).collect()))
            }
            Some(("headers", header)) if !header.is_empty() => Ok(Self::Header(header.to_ascii_lowercase())),
            _ => Err("name `peer`, `source`, a claim such as `jwt.sub`, or a trusted header such as `headers.x-user`"),
        }
    }

    /// Adds what has to be read of a caller.
    pub(crate) const fn want(&self, wanted: Wanted) -> Wanted {
        match self {
            Self::Peer => Wanted { peer: true, ..wanted },
            Self::Source => Wanted { source: true, ..wanted },
            Self::Claim(_) => Wanted { claims: true, ..wanted },
            Self::Header(_) => wanted,
        }
    }

    /// What the caller has of it, as text.
    fn of(&self, caller: &Caller, headers: &KeptHeaders) -> Option<String> {
        match self {
            Self::Peer => caller.peer.clone(),
            Self::Source => caller.source.map(|address| address.to_string()),
            Self::Claim(path) => {
                let (first, rest) = path.split_first()?;
                let claim = caller.claims.as_ref()?.get(first)?;
                let claim = rest.iter().try_fold(claim, |claim, step| claim.get(step))?;
                (!claim.is_null()).then(|| match claim {
                    Value::String(text) => format!("s{text}"),
                    // The members of an object come in the order of their names.
                    other => format!("j{other}"),
                })
            }
            Self::Header(name) => headers.text(name).map(|value| value.into_owned()),
        }
    }
}

/// What a caller has of the attributes, in bytes that no other caller's are: each attribute with a byte that tells whether
/// there is one, its length and itself.
pub(crate) fn bind(attributes: &[Attribute], caller: &Caller, headers: &KeptHeaders) -> Vec<u8> {
    let mut bound = Vec::with_capacity(128);
    for attribute in attributes {
        let value = attribute.of(caller, headers);
        bound.push(u8::from(value.is_some()));
        let value = value.unwrap_or_default();
        bound.extend((value.len() as u64).to_be_bytes());
        bound.extend(value.into_bytes());
    }
    bound
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn attributes(names: &[&str]) -> Vec<Attribute> {
        names.iter().map(|name| Attribute::parse(name).unwrap()).collect()
    }

    #[test]
    fn no_two_callers_are_bound_alike() {
        let attributes = attributes(&["peer", "source", "jwt.sub", "jwt.act.sub", "headers.X-User"]);
        let caller = |peer: Option<&str>, claims: Value| Caller {
            peer: peer.map(str::to_owned),
            source: None,
            claims: claims.as_object().cloned(),
        };
        let mut seen = BTreeSet::new();
        for caller in [
            caller(None, json!(null)),
            caller(Some(""), json!(null)),
            caller(Some("a"), json!(null)),
            caller(Some("a"), json!({"sub": "b"})),
            caller(Some("a"), json!({"sub": null, "act": {"sub": "b"}})),
            caller(Some("ab"), json!({})),
            caller(None, json!({"sub": "ab"})),
            caller(None, json!({"sub": 1})),
            caller(None, json!({"sub": "1"})),
            caller(None, json!({"sub": ["1"]})),
            caller(None, json!({"sub": "[\"1\"]"})),
        ] {
            assert!(seen.insert(bind(&attributes, &caller, &KeptHeaders::default())), "{caller:?}");
        }
        let named = |name: &str| -> KeptHeaders { [(&b"x-user"[..], name.as_bytes())].into_iter().collect() };
        for headers in [named(""), named("a"), named("b")] {
            assert!(seen.insert(bind(&attributes, &Caller::default(), &headers)));
        }
    }

    #[test]
    fn only_what_is_bound_is_wanted() {
        let wanted = |names: &[&str]| {
            attributes(names).iter().fold(Wanted::default(), |wanted, attribute| attribute.want(wanted))
        };
        assert_eq!(wanted(&["headers.x"]), Wanted::default());
        assert_eq!(wanted(&["peer", "source", "jwt.a"]), Wanted { peer: true, source: true, claims: true });
    }
}
