//! Who a rule speaks of: patterns over what is proved of the caller.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use meshward_engine::{Glob, KeptHeaders};
use meshward_identity::Caller;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::truth::Truth;

/// One principal: a pattern on the peer's URI, or an object of which all members must match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrincipalConfig {
    /// The first URI of the peer's certificate, such as a SPIFFE id.
    pub peer: Option<String>,
    /// Claims of the verified token: each a pattern, a list of patterns, or an object for a claim that is one.
    pub jwt: Option<Map<String, Value>>,
    /// Trusted header fields, each by a pattern.
    pub headers: Option<BTreeMap<String, String>>,
    /// Networks of source addresses (`10.0.0.0/8`), or single addresses.
    pub sources: Option<Vec<String>>,
}

/// The object form.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Principal"))]
#[serde(deny_unknown_fields)]
struct Members {
    /// The first URI of the peer's certificate, such as a SPIFFE id.
    #[serde(default)]
    peer: Option<String>,
    /// Claims of the verified token: each a pattern, a list of patterns, or an object for a claim that is one.
    #[serde(default)]
    jwt: Option<Map<String, Value>>,
    /// Trusted header fields, each by a pattern.
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    /// Networks of source addresses (`10.0.0.0/8`), or single addresses.
    #[serde(default)]
    sources: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for PrincipalConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrincipalVisitor)
    }
}

struct PrincipalVisitor;

impl<'de> Visitor<'de> for PrincipalVisitor {
    type Value = PrincipalConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a pattern such as `spiffe://*/ns/agents/*`, or an object with `peer`, `jwt`, `headers` or `sources`",
        )
    }

    fn visit_str<E>(self, peer: &str) -> Result<PrincipalConfig, E> {
        Ok(PrincipalConfig { peer: Some(peer.to_owned()), ..PrincipalConfig::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PrincipalConfig, A::Error> {
        let Members { peer, jwt, headers, sources } = Members::deserialize(MapAccessDeserializer::new(map))?;
        Ok(PrincipalConfig { peer, jwt, headers, sources })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for PrincipalConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PrincipalConfig".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "One principal: a pattern on the peer's URI (its SPIFFE id), or an object of which all members must match.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<Members>()]
        })
    }
}

/// A compiled principal.
#[derive(Debug)]
pub(crate) struct Principal {
    peer: Option<Glob>,
    jwt: Option<Claims>,
    headers: Vec<(String, Glob)>,
    sources: Option<Vec<IpNet>>,
}

impl Principal {
    /// Compiles a principal; `fault` hears of everything that is wrong, by its path below the principal.
    pub(crate) fn new(config: &PrincipalConfig, trusted: &[String], fault: &mut dyn FnMut(&str, String)) -> Self {
        let PrincipalConfig { peer, jwt, headers, sources } = config;
        if peer.is_none() && jwt.is_none() && headers.is_none() && sources.is_none() {
            fault("", "an empty principal would be anybody: name `peer`, `jwt`, `headers` or `sources`".into());
        }
        for name in headers.iter().flat_map(BTreeMap::keys) {
            if !trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(name)) {
                fault(
                    &format!(".headers.{name}"),
                    format!("`{name}` is no trusted header: add it to `identity.trusted_headers`"),
                );
            }
        }
        Self {
            peer: peer.as_deref().map(Glob::new),
            jwt: jwt.as_ref().map(|claims| Claims::new(claims, ".jwt", fault)),
            headers: headers.iter().flatten().map(|(name, value)| (name.clone(), Glob::new(value))).collect(),
            sources: sources.as_ref().map(|sources| networks(sources, fault)),
        }
    }

    /// Whether it needs the peer, the claims, or the source address to be read.
    pub(crate) const fn wants_peer(&self) -> bool {
        self.peer.is_some()
    }

    pub(crate) const fn wants_claims(&self) -> bool {
        self.jwt.is_some()
    }

    pub(crate) const fn wants_source(&self) -> bool {
        self.sources.is_some()
    }

    /// The header fields it looks at.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// Whether the caller is this one. What is not proved matches nothing; but an address that is not known may be any, since
    /// callers can bring it about that it is not (`x-forwarded-for`).
    pub(crate) fn matches(&self, caller: &Caller, headers: &KeptHeaders) -> Truth {
        let peer = |glob: &Glob| caller.peer.as_ref().is_some_and(|peer| glob.matches(peer));
        let claims = |claims: &Claims| caller.claims.as_ref().is_some_and(|given| claims.match_all(given));
        let header = |(name, glob): &(String, Glob)| headers.text(name).is_some_and(|value| glob.matches(&value));
        if !self.peer.as_ref().is_none_or(peer)
            || !self.jwt.as_ref().is_none_or(claims)
            || !self.headers.iter().all(header)
        {
            return Truth::FALSE;
        }
        match (&self.sources, caller.source) {
            (None, _) => Truth::TRUE,
            (Some(_), None) => Truth::ERROR,
            (Some(networks), Some(source)) => {
                networks.iter().any(|network| network.contains(&source.to_canonical())).into()
            }
        }
    }
}

fn networks(sources: &[String], fault: &mut dyn FnMut(&str, String)) -> Vec<IpNet> {
    if sources.is_empty() {
        fault(".sources", "an empty list matches nothing: name a network, or leave it out".into());
    }
    let mut networks = Vec::new();
    for (index, text) in sources.iter().enumerate() {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        match text.parse::<IpNet>().ok().or_else(address) {
            Some(network) => networks.push(network),
            None => fault(
                &format!(".sources[{index}]"),
                "write a network as `10.0.0.0/8` or `fd00::/8`, or an address".into(),
            ),
        }
    }
    networks
}

/// Patterns over claims, all of which must match.
#[derive(Debug)]
struct Claims(Vec<(String, Claim)>);

#[derive(Debug)]
enum Claim {
    /// Any one of these.
    Patterns(Vec<Glob>),
    /// An object of claims.
    Object(Claims),
}

impl Claims {
    fn new(config: &Map<String, Value>, path: &str, fault: &mut dyn FnMut(&str, String)) -> Self {
        if config.is_empty() {
            fault(path, "an empty object matches every token: name a claim".into());
        }
        Self(
            config
                .iter()
                .map(|(name, value)| (name.clone(), Claim::new(value, &format!("{path}.{name}"), fault)))
                .collect(),
        )
    }

    fn match_all(&self, given: &Map<String, Value>) -> bool {
        self.0.iter().all(|(name, claim)| given.get(name).is_some_and(|value| claim.matches(value)))
    }
}

impl Claim {
    fn new(config: &Value, path: &str, fault: &mut dyn FnMut(&str, String)) -> Self {
        match config {
            Value::Object(members) => Self::Object(Claims::new(members, path, fault)),
            Value::Array(patterns) => {
                if patterns.is_empty() {
                    fault(path, "an empty list matches nothing: name a value".into());
                }
                let texts = patterns.iter().map(text);
                if texts.clone().any(|text| text.is_none()) {
                    fault(path, "a list of patterns holds texts, numbers or booleans".into());
                }
                Self::Patterns(texts.flatten().map(|text| Glob::new(&text)).collect())
            }
            value => {
                let text = text(value);
                if text.is_none() {
                    fault(path, "write a pattern, a list of patterns, or an object of claims".into());
                }
                Self::Patterns(text.iter().map(|text| Glob::new(text)).collect())
            }
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Object(claims), Value::Object(given)) => claims.match_all(given),
            (Self::Object(_), _) => false,
            // A claim that is a list holds if one of its values does, as roles and audiences are read.
            (Self::Patterns(globs), Value::Array(values)) => {
                values.iter().filter_map(text).any(|value| globs.iter().any(|glob| glob.matches(&value)))
            }
            (Self::Patterns(globs), value) => {
                text(value).is_some_and(|value| globs.iter().any(|glob| glob.matches(&value)))
            }
        }
    }
}

/// A simple value as patterns see it: a string's text, a number or boolean as JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
