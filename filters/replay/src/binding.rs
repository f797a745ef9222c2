//! Whose something is: what of a caller it belongs to.

use std::fmt;

use meshward_engine::{HeaderDemand, Host, KeptHeaders};
use meshward_identity::{Caller, Identity, Wanted};
use serde_json::Value;

use crate::key::{Environment, KeyConfig, seal_keys};
use crate::seal::SealKey;
use crate::stages::ReplayError;

/// Whose something is, and what seals it to them.
pub(crate) struct Binding {
    pub(crate) owners: Owners,
    /// The first of `keys`.
    pub(crate) sealing: SealKey,
    /// Those that open.
    pub(crate) keys: Vec<SealKey>,
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("owners", &self.owners).finish_non_exhaustive()
    }
}

impl Binding {
    /// Of the `bound_to` and `keys` of a section that has no faults.
    ///
    /// # Errors
    /// A key that the environment does not have.
    pub(crate) fn new(
        section: &str,
        bound_to: &[String],
        keys: &[KeyConfig],
        identity: Identity,
        environment: Environment<'_>,
    ) -> Result<Self, ReplayError> {
        let fault = |path: &str, message: String| ReplayError { path: format!("{section}.{path}"), message };
        let owners = Owners::new(bound_to, identity).map_err(|message| fault("bound_to", message.to_owned()))?;
        let keys =
            seal_keys(keys, environment).map_err(|(index, message)| fault(&format!("keys[{index}]"), message))?;
        let sealing = keys.first().cloned().ok_or_else(|| fault("keys", "name at least one key".to_owned()))?;
        Ok(Self { owners, sealing, keys })
    }
}

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

/// The most attributes: each costs something in every request.
pub(crate) const MOST_ATTRIBUTES: usize = 16;

/// The certificate, and the token by who issued it and whom it speaks of.
pub(crate) fn usual_attributes() -> Vec<String> {
    ["peer", "jwt.iss", "jwt.sub"].map(str::to_owned).to_vec()
}

/// Says who owns what a caller has.
#[derive(Debug, Clone)]
pub(crate) struct Owners {
    attributes: Vec<Attribute>,
    wanted: Wanted,
    identity: Identity,
}

impl Owners {
    /// Owners by these attributes.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(crate) fn new(names: &[String], identity: Identity) -> Result<Self, &'static str> {
        let attributes = names.iter().map(|name| Attribute::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let wanted = attributes.iter().fold(Wanted::default(), |wanted, attribute| attribute.want(wanted));
        Ok(Self { attributes, wanted, identity })
    }

    /// The header fields that tell them apart.
    pub(crate) fn headers(&self) -> Vec<String> {
        let headers = self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Header(name) => Some(name.clone()),
            _ => None,
        });
        headers.collect()
    }

    /// The caller, in bytes that no other caller's are.
    pub(crate) fn owner(&self, host: &dyn Host, headers: &KeptHeaders) -> Vec<u8> {
        bind(&self.attributes, &self.identity.caller(self.wanted, host), headers)
    }
}

/// The demand for these header fields, by their names in lower case.
pub(crate) fn demand(names: Vec<String>) -> HeaderDemand {
    if names.is_empty() { HeaderDemand::None } else { HeaderDemand::Named(names) }
}

/// What is wrong with the names of attributes, by paths below their list. `trusted`: the trusted headers.
pub(crate) fn faults(names: &[String], trusted: &[String]) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    if names.is_empty() {
        let message = "what belongs to nobody is not bound: name `peer`, or a claim such as `jwt.sub`";
        faults.push((String::new(), message.to_owned()));
    }
    if names.len() > MOST_ATTRIBUTES {
        faults.push((String::new(), format!("at most {MOST_ATTRIBUTES}")));
    }
    for (index, name) in names.iter().enumerate() {
        let path = format!("[{index}]");
        match Attribute::parse(name) {
            Err(message) => faults.push((path, message.to_owned())),
            Ok(Attribute::Header(name)) if !trusted.iter().any(|known| known.eq_ignore_ascii_case(&name)) => {
                let message = format!("`{name}` is no trusted header: add it to `identity.trusted_headers`");
                faults.push((path, message));
            }
            Ok(_) if names.iter().take(index).any(|earlier| earlier == name) => {
                faults.push((path, "this is named twice".to_owned()));
            }
            Ok(_) => {}
        }
    }
    faults
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
