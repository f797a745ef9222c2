//! The `trace` section of the configuration, as it is written.

use meshward_engine::Size;
use serde::Deserialize;

/// How requests are put into traces.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TraceConfig {
    /// What becomes of the context in the header fields and of that in `params._meta` where a request has both, or one.
    pub rule: Rule,
    /// Give a context to a request that has none.
    pub start: bool,
    /// The part of the traces begun here that is sampled, from 0 to 1, decided by the trace id.
    pub sampling: f64,
    /// What of the baggage goes on.
    pub baggage: BaggageConfig,
    /// The proxy's own tracer is on, and says its span in the header field `x-meshward-span`, as a `traceparent`. That field
    /// goes no further.
    pub proxy_span: bool,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { rule: Rule::default(), start: true, sampling: 1.0, baggage: BaggageConfig::default(), proxy_span: false }
    }
}

/// What becomes of two contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// OpenTelemetry's for MCP: `_meta` has the parent, the header fields are the HTTP request's own, for the server to link to.
    /// Each stays as it is; only where one is missing it gets the other's.
    #[default]
    Convention,
    /// The context in `_meta` goes into the header fields too, in place of theirs.
    Meta,
    /// The context in the header fields goes into `_meta` too, in place of the client's.
    Header,
    /// Neither is believed: every request begins a new trace, without baggage.
    Restart,
}

/// What of the baggage goes on, in header fields and in `_meta` alike.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BaggageConfig {
    /// The keys, with `*` for any characters. An empty list lets none go on.
    pub keys: Vec<String>,
    /// The most members; of more, the first ones go on.
    pub max_members: usize,
    /// The longest list; of a longer one, the members for which there is room.
    pub max_bytes: Size,
}

impl Default for BaggageConfig {
    fn default() -> Self {
        Self { keys: vec!["*".to_owned()], max_members: MUST_MEMBERS, max_bytes: Size(MOST_BYTES) }
    }
}

/// Something that is wrong with the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, below `trace` (`baggage.keys[2]`).
    pub path: String,
    /// What, and what to write instead.
    pub message: String,
}

/// As many members as every platform must pass on (W3C Baggage, section 3.3.2).
const MUST_MEMBERS: usize = 64;
/// The most members, as earlier drafts had it.
const MOST_MEMBERS: usize = 180;
/// The longest list.
const MOST_BYTES: usize = 8192;
/// The most patterns: each key is held against all of them.
const MOST_KEYS: usize = 64;

impl TraceConfig {
    /// Everything that is wrong with the section and that the types cannot say.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut add = |path: String, message: String| faults.push(Fault { path, message });
        if !(0.0..=1.0).contains(&self.sampling) {
            add("sampling".into(), "between 0 (none) and 1 (all)".into());
        }
        let baggage = &self.baggage;
        if baggage.keys.len() > MOST_KEYS {
            add("baggage.keys".into(), format!("at most {MOST_KEYS} keys"));
        }
        for (index, key) in baggage.keys.iter().enumerate() {
            if key.is_empty() {
                add(format!("baggage.keys[{index}]"), "an empty pattern matches nothing; `*` matches all".into());
            }
        }
        if !(1..=MOST_MEMBERS).contains(&baggage.max_members) {
            let message = format!("between 1 and {MOST_MEMBERS}; `keys: []` lets no baggage go on");
            add("baggage.max_members".into(), message);
        }
        if !(1..=MOST_BYTES).contains(&baggage.max_bytes.0) {
            let message = format!("between 1 and {MOST_BYTES} bytes; `keys: []` lets no baggage go on");
            add("baggage.max_bytes".into(), message);
        }
        faults
    }
}
