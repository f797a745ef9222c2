//! The `replay` section of the configuration, as it is written.

use meshward_engine::{Mode, Period};
use serde::Deserialize;

use crate::binding::{self, usual_attributes};
use crate::dpop::DpopConfig;
use crate::field::Field;
use crate::key::{self, KeyConfig};
use crate::nonces::LARGEST_CAPACITY;
use crate::sequence::WIDEST;
use crate::signatures::SignaturesConfig;
use crate::tasks::TasksConfig;

/// What keeps requests from being moved to another caller.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ReplayConfig {
    /// Sessions belong to who opened them. Absent: whoever has the id of a session is in it.
    pub sessions: Option<SessionsConfig>,
    /// Tasks belong to who got their ids. Absent: whoever has the id of a task may ask for its result, and cancel it.
    pub tasks: Option<TasksConfig>,
    /// Messages say when they were made, and by which nonce they are unlike all others. Absent: nobody asks.
    pub freshness: Option<FreshnessConfig>,
    /// Ids of requests and progress tokens are used once, and responses answer what was asked. Absent: nobody looks.
    pub request_ids: Option<RequestIdsConfig>,
    /// A `requestState` belongs to who got it, and is used once. Absent: whoever has one may use it.
    pub request_state: Option<RequestStateConfig>,
    /// A call is carried out once under its idempotency key. Absent: keys mean nothing here.
    pub idempotency: Option<IdempotencyConfig>,
    /// Requests that are signed. Absent: whoever can alter a request on its way can alter it.
    pub signatures: SignaturesConfig,
    /// Access tokens that only count with their key. Absent: whoever has a token may use it.
    pub dpop: Option<DpopConfig>,
    /// How what may be used once is remembered.
    pub nonces: NoncesConfig,
}

/// How calls with an idempotency key are carried out once (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct IdempotencyConfig {
    /// What becomes of a call whose key is another call's, or another's that runs or has run.
    pub mode: Mode,
    /// What of a caller tells whose keys they are, as in `sessions.bound_to`.
    pub bound_to: Vec<String>,
    /// Where the key is: up to 256 bytes. They are compared to the letter, quotes and all.
    pub key: Field,
    /// The tools that are looked at, with `*` for any letters. A key of one tool has nothing to do with the same key of another.
    pub tools: Vec<String>,
    /// Those that are not called without a key.
    pub required: Vec<String>,
    /// For how long a key is remembered.
    pub life: Period,
    /// What becomes of a call that was answered already. The answer is not kept.
    pub answered: Leniency,
    /// What becomes of a call that was sent on, and of which nobody knows whether it ran: no answer came, or the connection was lost.
    pub unknown: Leniency,
    /// For how many keys at a time there is room in the store that the workers of a proxy share, 29 bytes and more each.
    pub capacity: u32,
    /// What becomes of a call whose key cannot be remembered: there is no room, or the store does not answer.
    pub unsure: Leniency,
}

impl Default for IdempotencyConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            bound_to: usual_attributes(),
            key: Field::Header("idempotency-key".to_owned()),
            tools: vec!["*".to_owned()],
            required: Vec::new(),
            life: Period::seconds(24 * 3600),
            answered: Leniency::Refuse,
            unknown: Leniency::Refuse,
            capacity: 16_384,
            unsure: Leniency::Refuse,
        }
    }
}

impl IdempotencyConfig {
    fn faults(&self, trusted: &[String]) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut add = |path: &str, message: &str| faults.push((format!("idempotency.{path}"), message.to_owned()));
        if let Some(fault) = self.key.fault() {
            add("key", fault);
        }
        if self.tools.is_empty() {
            add("tools", "an empty list looks at nothing: name tools, or leave it out");
        }
        for (path, patterns) in [("tools", &self.tools), ("required", &self.required)] {
            if patterns.len() > MOST_PATTERNS {
                add(path, "at most 256");
            }
        }
        if !(Period::seconds(1)..=LONGEST).contains(&self.life) {
            add("life", "between 1s and 168h");
        }
        if !(1..=LARGEST_CAPACITY).contains(&self.capacity) {
            add("capacity", "between 1 and 4194304");
        }
        let owners = binding::faults(&self.bound_to, trusted).into_iter();
        faults.extend(owners.map(|(path, message)| (format!("idempotency.bound_to{path}"), message)));
        faults
    }
}

/// What is asked of the ids of requests, of progress tokens, and of responses.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RequestIdsConfig {
    /// What becomes of a request whose id was used before in its session, or whose progress token is in use. Where there is no
    /// session, an id is in use until its request is over, and that is only observed unless `client` tells clients apart.
    pub mode: Mode,
    /// Where a client says which of its principal's it is, for those without sessions.
    pub client: Option<Field>,
    /// What of a caller tells whose ids they are where there is no session, as in `sessions.bound_to`.
    pub bound_to: Vec<String>,
    /// What becomes of a response that answers nothing which was asked.
    pub responses: ResponsesConfig,
    /// For how long an id is remembered.
    pub life: Period,
    /// For how many ids and tokens at a time there is room in the store that the workers of a proxy share, 12 bytes and more each.
    pub capacity: u32,
    /// What becomes of a request whose id cannot be remembered: there is no room, or the store does not answer.
    pub unsure: Leniency,
}

/// What becomes of a response that answers nothing which was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResponsesConfig {
    /// It is refused, on the response and on the stream of the requests that were asked there. On a stream that a GET opens it is counted.
    #[default]
    Enforce,
    /// It is counted, recorded and logged, and passes.
    Observe,
    /// Nobody looks: responses are not read for this.
    Ignore,
}

impl Default for RequestIdsConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            client: None,
            bound_to: usual_attributes(),
            responses: ResponsesConfig::Enforce,
            life: Period::seconds(3600),
            capacity: 65_536,
            unsure: Leniency::Refuse,
        }
    }
}

impl RequestIdsConfig {
    fn faults(&self, trusted: &[String]) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut add = |path: &str, message: &str| faults.push((format!("request_ids.{path}"), message.to_owned()));
        if let Some(fault) = self.client.as_ref().and_then(Field::fault) {
            add("client", fault);
        }
        if !(Period::seconds(1)..=LONGEST).contains(&self.life) {
            add("life", "between 1s and 168h");
        }
        if !(1..=LARGEST_CAPACITY).contains(&self.capacity) {
            add("capacity", "between 1 and 4194304");
        }
        let owners = binding::faults(&self.bound_to, trusted).into_iter();
        faults.extend(owners.map(|(path, message)| (format!("request_ids.bound_to{path}"), message)));
        faults
    }
}

/// How a `requestState` (2026-07-28) is bound to who got it, and to the request it was given for.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestStateConfig {
    /// What becomes of a state that does not belong to its caller or its request, that was used, or that was not given out here.
    #[serde(default)]
    pub mode: Mode,
    /// What of a caller a state belongs to, as in `sessions.bound_to`.
    #[serde(default = "usual_attributes")]
    pub bound_to: Vec<String>,
    /// The keys, as in `sessions.keys`.
    pub keys: Vec<KeyConfig>,
    /// For how long a state is accepted after it was given.
    #[serde(default = "one_hour")]
    pub life: Period,
}

const fn one_hour() -> Period {
    Period::seconds(3600)
}

impl RequestStateConfig {
    fn faults(&self, trusted: &[String]) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if !(Period::seconds(1)..=LONGEST).contains(&self.life) {
            faults.push(("life".to_owned(), "between 1s and 168h".to_owned()));
        }
        for (list, below) in [("bound_to", binding::faults(&self.bound_to, trusted)), ("keys", key::faults(&self.keys))]
        {
            faults.extend(below.into_iter().map(|(path, message)| (format!("{list}{path}"), message)));
        }
        faults.into_iter().map(|(path, message)| (format!("request_state.{path}"), message)).collect()
    }
}

/// The most patterns of names: each is held against every call.
const MOST_PATTERNS: usize = 256;

/// What senders say of their messages, so that none passes twice or late. Only who else proves that it is theirs (mTLS between
/// sender and proxy) makes it worth something: whoever can write a message can write this too.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FreshnessConfig {
    /// What becomes of a message that was sent before, or long ago, or does not say.
    #[serde(default)]
    pub mode: Mode,
    /// What of a caller tells whose nonces they are, as in `sessions.bound_to`.
    #[serde(default = "usual_attributes")]
    pub bound_to: Vec<String>,
    /// Where the nonce is: up to 256 bytes.
    #[serde(default)]
    pub nonce: Option<Field>,
    /// Where the time is at which the message was made, in seconds since 1970, with or without a fraction.
    #[serde(default)]
    pub timestamp: Option<Field>,
    /// Numbers that grow from message to message.
    #[serde(default)]
    pub sequence: Option<SequenceConfig>,
    /// How long after its time a message is accepted; without a time, for how long its nonce is remembered.
    #[serde(default = "five_minutes")]
    pub max_age: Period,
    /// By how much the sender's clock may differ.
    #[serde(default = "five_seconds")]
    pub skew: Period,
}

/// Numbers that grow from message to message of a session; where there is none, of a caller.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SequenceConfig {
    /// Where the number is: a whole number of 64 bits.
    pub field: Field,
    /// How far behind the highest one a number may come that has not come yet: 1, each must be higher than all before.
    #[serde(default = "usual_window")]
    pub window: u32,
    /// For how long a session's numbers are remembered after its last one. Whoever comes later begins anew, with any number.
    #[serde(default = "one_day")]
    pub life: Period,
    /// For how many sessions at a time there is room in the store that the workers of a proxy share, 36 bytes and more each.
    #[serde(default = "usual_senders")]
    pub capacity: u32,
}

const fn usual_window() -> u32 {
    64
}

const fn usual_senders() -> u32 {
    16_384
}

const fn one_day() -> Period {
    Period::seconds(24 * 3600)
}

const fn five_minutes() -> Period {
    Period::seconds(300)
}

const fn five_seconds() -> Period {
    Period::seconds(5)
}

/// The longest time for which something is remembered: seven days.
const LONGEST: Period = Period::seconds(7 * 24 * 3600);

/// How what may be used once is remembered: nonces, and whatever else a message carries that no other message does.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NoncesConfig {
    /// For how many at a time there is room in the store that the workers of a proxy share, 12 bytes and more each: the most
    /// that come per second, times the seconds for which each is remembered.
    pub capacity: u32,
    /// What becomes of a message of which nobody can say whether it was sent before: there is no room, or no answer.
    pub unsure: Leniency,
    /// What becomes of a message that may have been accepted before the proxy began to remember.
    pub restart: Leniency,
    /// Whether the `rate_limit_service` is asked too, which counts for all proxies: one of each nonce, for as long as its limit
    /// says. What it does not answer is `unsure`.
    pub service: bool,
}

impl Default for NoncesConfig {
    fn default() -> Self {
        Self { capacity: 65_536, unsure: Leniency::Refuse, restart: Leniency::Refuse, service: false }
    }
}

/// What becomes of a message that cannot be told to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Leniency {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes.
    Accept,
}

/// How sessions are bound to who opened them.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionsConfig {
    /// What becomes of a session's id that does not belong to its caller.
    #[serde(default)]
    pub mode: Mode,
    /// What of a caller a session belongs to: `peer`, `source`, a claim such as `jwt.sub`, a trusted header such as
    /// `headers.x-user`. What a caller does not have is bound too: it must not have it later.
    #[serde(default = "usual_attributes")]
    pub bound_to: Vec<String>,
    /// Whether the ids of events are sealed too, to the caller and the session: who comes back to a stream with a `Last-Event-ID` gets only what was
    /// meant for it. Responses are then read as where a policy filters lists.
    #[serde(default)]
    pub event_ids: bool,
    /// The keys. The first seals, all of them open: to rotate, put the new one first and leave the old one until the last of its
    /// sessions is over.
    pub keys: Vec<KeyConfig>,
}

impl ReplayConfig {
    /// The environment variables that have its keys.
    pub fn environment(&self) -> impl Iterator<Item = &str> {
        let sessions = self.sessions.iter().flat_map(|sessions| &sessions.keys);
        let states = self.request_state.iter().flat_map(|state| &state.keys);
        let tasks = self.tasks.iter().flat_map(|tasks| &tasks.keys);
        let keys = sessions.chain(states).chain(tasks).filter_map(|key| key.env.as_deref());
        keys.chain(self.signatures.environment()).chain(self.dpop.iter().flat_map(DpopConfig::environment))
    }

    /// What the types cannot say: each fault with its path below `replay` and a remedy. `trusted`: the trusted headers. `holds`: the head
    /// of a request waits for its body.
    #[must_use]
    pub fn faults(&self, trusted: &[String], holds: bool) -> Vec<(String, String)> {
        let mut faults = self.nonces.faults();
        faults.extend(self.freshness.iter().flat_map(|freshness| freshness.faults(trusted)));
        faults.extend(self.request_ids.iter().flat_map(|request_ids| request_ids.faults(trusted)));
        faults.extend(self.request_state.iter().flat_map(|state| state.faults(trusted)));
        faults.extend(self.idempotency.iter().flat_map(|idempotency| idempotency.faults(trusted)));
        let signatures = self.signatures.faults(holds).into_iter();
        faults.extend(signatures.map(|(path, message)| (format!("signatures.{path}"), message)));
        let dpop = self.dpop.iter().flat_map(DpopConfig::faults);
        faults.extend(dpop.map(|(path, message)| (format!("dpop.{path}"), message)));
        faults.extend(self.sessions.iter().flat_map(|sessions| sessions.faults(trusted)));
        let tasks = self.tasks.iter().flat_map(|tasks| tasks.faults(trusted));
        faults.extend(tasks.map(|(path, message)| (format!("tasks.{path}"), message)));
        faults
    }
}

impl NoncesConfig {
    fn faults(&self) -> Vec<(String, String)> {
        let fits = (1..=LARGEST_CAPACITY).contains(&self.capacity);
        let fault = || ("nonces.capacity".to_owned(), format!("between 1 and {LARGEST_CAPACITY}"));
        if fits { Vec::new() } else { vec![fault()] }
    }
}

impl FreshnessConfig {
    fn faults(&self, trusted: &[String]) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if self.nonce.is_none() && self.timestamp.is_none() && self.sequence.is_none() {
            let message = "this asks for nothing: name `nonce`, `timestamp`, `sequence`, or several of them";
            faults.push(("freshness".to_owned(), message.to_owned()));
        }
        for (name, field) in [("nonce", &self.nonce), ("timestamp", &self.timestamp)] {
            let fault = field.as_ref().and_then(Field::fault);
            faults.extend(fault.map(|message| (format!("freshness.{name}"), message.to_owned())));
        }
        if let Some(SequenceConfig { field, window, life, capacity }) = &self.sequence {
            let mut add = |path: &str, message: &str| {
                faults.push((format!("freshness.sequence.{path}"), message.to_owned()));
            };
            if let Some(fault) = field.fault() {
                add("field", fault);
            }
            if !(1..=WIDEST).contains(window) {
                add("window", "between 1 and 128");
            }
            if !(Period::seconds(1)..=LONGEST).contains(life) {
                add("life", "between 1s and 168h");
            }
            if !(1..=LARGEST_CAPACITY).contains(capacity) {
                add("capacity", "between 1 and 4194304");
            }
        }
        if !(Period::seconds(1)..=LONGEST).contains(&self.max_age) {
            faults.push(("freshness.max_age".to_owned(), "between 1s and 168h".to_owned()));
        }
        if self.skew > LONGEST {
            faults.push(("freshness.skew".to_owned(), "at most 168h".to_owned()));
        }
        let owners = binding::faults(&self.bound_to, trusted).into_iter();
        faults.extend(owners.map(|(path, message)| (format!("freshness.bound_to{path}"), message)));
        faults
    }
}

impl SessionsConfig {
    fn faults(&self, trusted: &[String]) -> Vec<(String, String)> {
        let Self { bound_to, keys, .. } = self;
        let mut faults = Vec::new();
        let mut add = |list: &str, below: Vec<(String, String)>| {
            faults.extend(below.into_iter().map(|(path, message)| (format!("sessions.{list}{path}"), message)));
        };
        add("bound_to", binding::faults(bound_to, trusted));
        add("keys", key::faults(keys));
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(sessions: Value) -> Vec<(String, String)> {
        let config: ReplayConfig = serde_json::from_value(json!({ "sessions": sessions })).unwrap();
        config.faults(&["x-user".to_owned()], false)
    }

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    #[test]
    fn sound_sections_have_no_faults() {
        for sound in [
            json!({"keys": [{"id": "k1", "secret": KEY}]}),
            json!({"keys": [{"id": "k1", "env": "SESSION_KEY"}], "mode": "observe"}),
            json!({"keys": [{"id": "a", "env": "A"}, {"id": "b", "secret": KEY}], "bound_to": ["headers.X-User", "source", "jwt.act.sub"]}),
        ] {
            assert_eq!(faults(sound.clone()), [], "{sound}");
        }
        assert_eq!(ReplayConfig::default().faults(&[], false), []);
    }

    #[test]
    fn faults_come_with_their_path() {
        let paths = |sessions: Value| -> Vec<String> { faults(sessions).into_iter().map(|(path, _)| path).collect() };
        let key = json!({"id": "k1", "secret": KEY});
        for (sessions, expected) in [
            (json!({"keys": []}), vec!["sessions.keys"]),
            (json!({"keys": [key, key]}), vec!["sessions.keys[1].id"]),
            (json!({"keys": [{"id": "", "secret": KEY}]}), vec!["sessions.keys[0].id"]),
            (json!({"keys": [{"id": "a~b", "secret": KEY}]}), vec!["sessions.keys[0].id"]),
            (json!({"keys": [{"id": "k1"}]}), vec!["sessions.keys[0]"]),
            (json!({"keys": [{"id": "k1", "secret": KEY, "env": "A"}]}), vec!["sessions.keys[0]"]),
            (json!({"keys": [{"id": "k1", "env": ""}]}), vec!["sessions.keys[0].env"]),
            (json!({"keys": [{"id": "k1", "env": "A=B"}]}), vec!["sessions.keys[0].env"]),
            (json!({"keys": [{"id": "k1", "secret": "no base64"}]}), vec!["sessions.keys[0].secret"]),
            (json!({"keys": [{"id": "k1", "secret": "c2hvcnQ="}]}), vec!["sessions.keys[0].secret"]),
            (json!({"keys": [key], "bound_to": []}), vec!["sessions.bound_to"]),
            (
                json!({"keys": [key], "bound_to": ["peer", "jwt", "jwt.", "jwt..sub", "name", "headers.x-other", "headers.", "peer"]}),
                vec![
                    "sessions.bound_to[1]",
                    "sessions.bound_to[2]",
                    "sessions.bound_to[3]",
                    "sessions.bound_to[4]",
                    "sessions.bound_to[5]",
                    "sessions.bound_to[6]",
                    "sessions.bound_to[7]",
                ],
            ),
        ] {
            assert_eq!(paths(sessions.clone()), expected, "{sessions}");
        }
        let secret = faults(json!({"keys": [{"id": "k1", "secret": "c2hvcnQ="}]}));
        assert!(!format!("{secret:?}").contains("c2hvcnQ"), "a fault says no secret");
    }

    #[test]
    fn tasks_are_checked_as_sessions_are() {
        let faults = |tasks: Value| -> Vec<String> {
            let config: ReplayConfig = serde_json::from_value(json!({ "tasks": tasks })).unwrap();
            config.faults(&["x-user".to_owned()], false).into_iter().map(|(path, _)| path).collect()
        };
        let key = json!({"id": "k1", "secret": KEY});
        assert_eq!(faults(json!({"keys": [key]})), [""; 0]);
        assert_eq!(faults(json!({"keys": [key], "list": "seal", "bound_to": ["headers.X-User"]})), [""; 0]);
        assert_eq!(faults(json!({"keys": []})), ["tasks.keys"]);
        assert_eq!(faults(json!({"keys": [key, {"id": "k1", "env": "A"}]})), ["tasks.keys[1].id"]);
        assert_eq!(
            faults(json!({"keys": [key], "bound_to": ["peer", "headers.x-other", "name"]})),
            ["tasks.bound_to[1]", "tasks.bound_to[2]"]
        );
    }

    #[test]
    fn unknown_members_are_refused() {
        for faulty in [
            json!({"session": {}}),
            json!({"sessions": {}}),
            json!({"sessions": {"keys": [], "bind": []}}),
            json!({"sessions": {"keys": [{"id": "a", "file": "x"}]}}),
            json!({"sessions": {"keys": [], "mode": "warn"}}),
            json!({"tasks": {}}),
            json!({"tasks": {"keys": [], "list": "pass"}}),
            json!({"tasks": {"keys": [], "lists": "seal"}}),
        ] {
            assert!(serde_json::from_value::<ReplayConfig>(faulty.clone()).is_err(), "{faulty}");
        }
    }
}
