//! A file of policy tests, as it is written.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::rehearsal::{Ask, Caller};

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    /// The configuration: its path, from this file's folder, or itself.
    pub(super) config: Value,
    /// What all tests have in common.
    #[serde(default)]
    pub(super) defaults: Request,
    /// The tests.
    pub(super) tests: Vec<Test>,
}

/// One test, or several that have much in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// What it shows.
    pub(super) name: String,
    #[serde(default)]
    pub(super) caller: Option<Caller>,
    #[serde(default)]
    pub(super) client: Option<String>,
    #[serde(default)]
    pub(super) revision: Option<String>,
    #[serde(default)]
    pub(super) call: Option<Call>,
    #[serde(default)]
    pub(super) get: Option<Get>,
    #[serde(default)]
    pub(super) read: Option<Read>,
    #[serde(default)]
    pub(super) request: Option<Value>,
    #[serde(default)]
    pub(super) expect: Option<Expect>,
    /// Rows of a table: each is the test with these members in place of its own.
    #[serde(default)]
    pub(super) cases: Vec<Request>,
}

/// Who asks for what, and what is expected. What is left out is the test's own, and then the file's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request {
    pub(super) name: Option<String>,
    pub(super) caller: Option<Caller>,
    /// The client's own name.
    pub(super) client: Option<String>,
    /// The protocol revision.
    pub(super) revision: Option<String>,
    pub(super) call: Option<Call>,
    pub(super) get: Option<Get>,
    pub(super) read: Option<Read>,
    /// A whole JSON-RPC message.
    pub(super) request: Option<Value>,
    pub(super) expect: Option<Expect>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    tool: String,
    #[serde(default)]
    arguments: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    prompt: String,
    #[serde(default)]
    arguments: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    uri: String,
}

/// What is expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Expect {
    /// `allow` or `deny`.
    pub(super) decision: Option<&'static str>,
    /// How.
    pub(super) details: Details,
    /// Whether lists show what it is about.
    pub(super) shown: Option<bool>,
}

/// How something is allowed or denied.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Details {
    /// The rule that decides.
    pub(super) rule: Option<String>,
    /// The name of the reason (`denied`).
    pub(super) reason: Option<String>,
    /// `error`, `result` or `unknown`.
    #[serde(rename = "as")]
    pub(super) shape: Option<String>,
    /// The words that the caller gets.
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default)]
    allow: Option<Details>,
    #[serde(default)]
    deny: Option<Details>,
    #[serde(default)]
    shown: Option<bool>,
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpectVisitor)
    }
}

struct ExpectVisitor;

impl<'de> Visitor<'de> for ExpectVisitor {
    type Value = Expect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`allow`, `deny`, `shown`, `hidden`, or an object with `allow`, `deny` or `shown`")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Expect, E> {
        Ok(match word {
            "allow" => Expect { decision: Some("allow"), ..Expect::default() },
            "deny" => Expect { decision: Some("deny"), ..Expect::default() },
            "shown" => Expect { shown: Some(true), ..Expect::default() },
            "hidden" => Expect { shown: Some(false), ..Expect::default() },
            _ => return Err(E::unknown_variant(word, &["allow", "deny", "shown", "hidden"])),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expect, A::Error> {
        let Members { allow, deny, shown } = Members::deserialize(MapAccessDeserializer::new(map))?;
        let (decision, details) = match (allow, deny) {
            (Some(_), Some(_)) => {
                return Err(serde::de::Error::custom("expect `allow` or `deny`, not both"));
            }
            (Some(details), None) => (Some("allow"), details),
            (None, Some(details)) => (Some("deny"), details),
            (None, None) => (None, Details::default()),
        };
        Ok(Expect { decision, details, shown })
    }
}

impl Test {
    /// The requests that it stands for.
    pub(super) fn requests(&self, defaults: &Request) -> Vec<Request> {
        let own = Request {
            name: Some(self.name.clone()),
            caller: self.caller.clone(),
            client: self.client.clone(),
            revision: self.revision.clone(),
            call: self.call.clone(),
            get: self.get.clone(),
            read: self.read.clone(),
            request: self.request.clone(),
            expect: self.expect.clone(),
        }
        .or(defaults);
        if self.cases.is_empty() {
            return vec![own];
        }
        let cases = self.cases.iter().zip(1_usize..).map(|(case, number)| {
            let own_name = case.name.clone().unwrap_or_else(|| number.to_string());
            Request { name: Some(format!("{}: {own_name}", self.name)), ..case.clone().or(&own) }
        });
        cases.collect()
    }
}

impl Request {
    /// What is left out comes from another one.
    fn or(self, other: &Self) -> Self {
        let asks = self.call.is_some() || self.get.is_some() || self.read.is_some() || self.request.is_some();
        let theirs = if asks { Self::default() } else { other.clone() };
        Self {
            name: self.name.or_else(|| other.name.clone()),
            caller: self.caller.or_else(|| other.caller.clone()),
            client: self.client.or_else(|| other.client.clone()),
            revision: self.revision.or_else(|| other.revision.clone()),
            call: self.call.or(theirs.call),
            get: self.get.or(theirs.get),
            read: self.read.or(theirs.read),
            request: self.request.or(theirs.request),
            expect: self.expect.or_else(|| other.expect.clone()),
        }
    }

    /// What it asks for; `None`: nothing, or several things at once.
    pub(super) fn ask(&self) -> Option<Ask> {
        let call =
            self.call.as_ref().map(|call| Ask::Call { tool: call.tool.clone(), arguments: call.arguments.clone() });
        let get =
            self.get.as_ref().map(|get| Ask::Get { prompt: get.prompt.clone(), arguments: get.arguments.clone() });
        let read = self.read.as_ref().map(|read| Ask::Read { uri: read.uri.clone() });
        let request = self.request.as_ref().map(|request| Ask::Request(request.to_string()));
        let mut asks = [call, get, read, request].into_iter().flatten();
        asks.next().filter(|_| asks.next().is_none())
    }
}
