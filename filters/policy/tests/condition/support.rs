//! Conditions evaluated on a call.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use meshward_engine::{KeptHeaders, Target};
use meshward_identity::Caller;
use meshward_policy::{Condition, Direction, Key, Known, Subject, Truth};
use meshward_wire::revision::Revision;

/// What a condition is evaluated on, with something in every place.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) target: Target<'static>,
    pub(crate) is_template: bool,
    pub(crate) arguments: Known<'static>,
    pub(crate) meta: Known<'static>,
    pub(crate) caller: Caller,
    pub(crate) headers: KeptHeaders,
}

impl Default for World {
    fn default() -> Self {
        let claims = r#"{"sub": "alice", "roles": ["support", "dev"], "level": 3, "nested": {"a": 1.5}, "big": 18446744073709551615}"#;
        let lines: [(&[u8], &[u8]); 6] = [
            (b":path", b"/mcp?x=1"),
            (b":authority", b"shop.example:8080"),
            (b"x-env", b"prod"),
            (b"x-team", b"a"),
            (b"x-team", b"b"),
            (b"x-bytes", b"\xff"),
        ];
        Self {
            target: Target::Tool("refund".into()),
            is_template: false,
            arguments: Known::Absent,
            meta: Known::Json(r#"{"progressToken": 7, "a/b": true}"#),
            caller: Caller {
                peer: Some("spiffe://cluster.local/ns/shop/sa/agent".to_owned()),
                source: Some([10, 0, 0, 7].into()),
                claims: serde_json::from_str(claims).unwrap(),
            },
            headers: lines.into_iter().collect(),
        }
    }
}

impl World {
    pub(crate) fn with_arguments(json: impl Into<String>) -> Self {
        Self { arguments: Known::Json(json.into().leak()), ..Self::default() }
    }

    pub(crate) fn evaluate(&self, condition: &Condition) -> Truth {
        self.evaluate_on(condition, self.arguments)
    }

    pub(crate) fn evaluate_on(&self, condition: &Condition, arguments: Known<'_>) -> Truth {
        condition.evaluate(&self.subject(arguments))
    }

    pub(crate) fn key(&self, key: &Key) -> Option<String> {
        key.of(&self.subject(self.arguments))
    }

    fn subject<'a>(&'a self, arguments: Known<'a>) -> Subject<'a> {
        Subject {
            method: "tools/call",
            direction: Direction::Client,
            upkeep: false,
            target: self.target.clone(),
            is_template: self.is_template,
            client: Some("claude-code"),
            revision: Some(Revision::V2025_06_18),
            session: None,
            arguments,
            meta: self.meta,
            caller: &self.caller,
            headers: &self.headers,
        }
    }

    pub(crate) fn truth(&self, source: &str) -> Truth {
        let condition = Condition::compile(source).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        self.evaluate(&condition)
    }
}

/// What a condition is of a call with these arguments.
pub(crate) fn truth(source: &str, arguments: &str) -> Truth {
    World::with_arguments(arguments).truth(source)
}

pub(crate) fn errors(source: &str) -> Vec<String> {
    match Condition::compile(source) {
        Ok(condition) => panic!("{source} compiles: {condition:?}"),
        Err(errors) => errors,
    }
}
