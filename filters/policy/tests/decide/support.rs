//! Policies and subjects for the tests.

use meshward_engine::{KeptHeaders, Target};
use meshward_identity::Caller;
use meshward_policy::{Direction, Effect, Explanation, Known, Match, Policy, Ruling, Subject};
use meshward_wire::revision::Revision;
use serde_json::Value;

pub(crate) fn policy(config: Value) -> Policy {
    Policy::compile(&serde_json::from_value(config).unwrap(), &["x-user".to_owned()]).unwrap()
}

/// Every message, by its path.
pub(crate) fn faults(config: Value) -> Vec<(String, String)> {
    let faults = Policy::compile(&serde_json::from_value(config).unwrap(), &["x-user".to_owned()]).unwrap_err();
    faults.into_iter().map(|fault| (fault.path, fault.message)).collect()
}

/// What is decided on, owned.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) direction: Direction,
    pub(crate) upkeep: bool,
    pub(crate) target: Target<'static>,
    pub(crate) is_template: bool,
    pub(crate) client: Option<String>,
    pub(crate) revision: Option<Revision>,
    pub(crate) arguments: Option<Value>,
    pub(crate) peer: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) claims: Option<Value>,
    pub(crate) user: Option<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            method: "tools/call".to_owned(),
            direction: Direction::Client,
            upkeep: false,
            target: Target::None,
            is_template: false,
            client: None,
            revision: Some(Revision::V2025_11_25),
            arguments: None,
            peer: None,
            source: None,
            claims: None,
            user: None,
        }
    }
}

pub(crate) fn tool(name: &str) -> Asked {
    Asked { target: Target::Tool(name.to_owned().into()), ..Asked::default() }
}

pub(crate) fn resource(uri: &str) -> Asked {
    Asked { method: "resources/read".to_owned(), target: Target::Resource(uri.to_owned().into()), ..Asked::default() }
}

impl Asked {
    /// The ruling on a call, and what was tried.
    pub(crate) fn tried(&self, policy: &Policy) -> (Ruling, Vec<(String, Match)>) {
        let arguments = self.arguments.as_ref().map(Value::to_string);
        self.decided(policy, Known::of(arguments.as_deref()))
    }

    pub(crate) fn call(&self, policy: &Policy) -> Ruling {
        self.tried(policy).0
    }

    pub(crate) fn passes(&self, policy: &Policy) -> bool {
        self.call(policy).effect == Effect::Allow
    }

    /// Whether a list shows it.
    pub(crate) fn is_shown(&self, policy: &Policy) -> bool {
        self.decided(policy, Known::Unknown).0.effect == Effect::Allow
    }

    fn decided(&self, policy: &Policy, arguments: Known<'_>) -> (Ruling, Vec<(String, Match)>) {
        let mut tried = Vec::new();
        let ruling = self.with_subject(arguments, |subject| {
            policy.decide(subject, &mut |name, _, matched| tried.push((name.to_owned(), matched)))
        });
        (ruling, tried)
    }

    /// The ruling on a call, with every rule.
    pub(crate) fn explained(&self, policy: &Policy) -> Explanation {
        let arguments = self.arguments.as_ref().map(Value::to_string);
        self.with_subject(Known::of(arguments.as_deref()), |subject| policy.explain(subject))
    }

    fn with_subject<T>(&self, arguments: Known<'_>, decide: impl FnOnce(&Subject<'_>) -> T) -> T {
        let caller = Caller {
            peer: self.peer.clone(),
            source: self.source.as_ref().map(|source| source.parse().unwrap()),
            claims: self.claims.as_ref().map(|claims| claims.as_object().unwrap().clone()),
        };
        let headers: KeptHeaders = self.user.iter().map(|user| (&b"x-user"[..], user.as_bytes())).collect();
        let subject = Subject {
            method: &self.method,
            direction: self.direction,
            upkeep: self.upkeep,
            target: self.target.clone(),
            is_template: self.is_template,
            client: self.client.as_deref(),
            revision: self.revision,
            session: None,
            arguments,
            meta: if arguments == Known::Unknown { Known::Unknown } else { Known::Absent },
            caller: &caller,
            headers: &headers,
        };
        decide(&subject)
    }
}
