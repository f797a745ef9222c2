//! What the module leaves with its host for the access log and the tracer: audit records, and how a span is named and
//! labelled.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use jsonschema::Validator;
use serde_json::Value;

use crate::envoy::workspace;

/// The name under which audit records are left, one a line.
pub const AUDIT: &str = "meshward.audit";
/// The names under which what a span is labelled with is left.
pub const SPAN_KEYS: [&str; 12] = [
    "meshward.span",
    "mcp.method.name",
    "mcp.protocol.version",
    "mcp.session.id",
    "mcp.resource.uri",
    "jsonrpc.request.id",
    "gen_ai.operation.name",
    "gen_ai.tool.name",
    "gen_ai.prompt.name",
    "rpc.response.status_code",
    "error.type",
    "mcp.outcome",
];
/// The name under which records of the host's log are kept here, likewise.
pub const LOG: &str = "log";
/// What a record in the host's log begins with.
pub const LOG_PREFIX: &str = "audit ";
/// What Envoy and the harness put before the names of what a module leaves.
pub const PREFIX: &str = "wasm.";

/// The texts that were left, by their names without the host's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left(pub BTreeMap<String, String>);

/// What a case says of them.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeftSpec {
    /// The audit records in order: of each, some fields. `null`: the field is not there. Absent: there is no audit in the
    /// configuration, or it is not looked at.
    pub audit: Option<Vec<Value>>,
    /// The same of the records in the host's log.
    pub log: Option<Vec<Value>>,
    /// Texts that are in no record.
    pub audit_hides: Vec<String>,
    /// What the span is named and labelled with: some texts. `null`: there is none.
    pub spans: BTreeMap<String, Option<String>>,
}

impl LeftSpec {
    /// Whether anything is to be looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.audit.is_none() && self.log.is_none() && self.audit_hides.is_empty() && self.spans.is_empty()
    }
}

impl Left {
    /// Everything that is not as the case says.
    #[must_use]
    pub fn judge(&self, spec: &LeftSpec) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = self.judge_records(spec, &mut problems) {
            problems.push(format!("audit: {error:#}"));
        }
        for (name, expected) in &spec.spans {
            if self.0.get(name) != expected.as_ref() {
                problems.push(format!("spans: {name}: {:?}, not {expected:?}", self.0.get(name)));
            }
        }
        problems
    }

    fn judge_records(&self, spec: &LeftSpec, problems: &mut Vec<String>) -> Result<()> {
        for (name, expected) in [(AUDIT, &spec.audit), (LOG, &spec.log)] {
            let records = self.records_in(name)?;
            let text = self.0.get(name).map(String::as_str).unwrap_or_default();
            for hidden in spec.audit_hides.iter().filter(|hidden| text.contains(hidden.as_str())) {
                problems.push(format!("{name}: `{hidden}` is in it: {text}"));
            }
            let Some(expected) = expected else { continue };
            let (seen, due) = (records.len(), expected.len());
            ensure!(seen == due, "{name}: {seen} records, not {due}: {text}");
            for (record, fields) in records.iter().zip(expected) {
                differences(name, record, fields, problems);
            }
        }
        Ok(())
    }

    /// Adds a line of the host's log, if it is a record.
    pub(super) fn add_log_line(&mut self, line: &str) {
        let Some(record) = line.strip_prefix(LOG_PREFIX) else { return };
        let lines = self.0.entry(LOG.to_owned()).or_default();
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(record);
    }

    /// The records; each is one line of visible ASCII and fits the published schema.
    ///
    /// # Errors
    /// When one does not.
    pub fn records(&self) -> Result<Vec<Value>> {
        self.records_in(AUDIT)
    }

    fn records_in(&self, name: &str) -> Result<Vec<Value>> {
        let Some(text) = self.0.get(name) else { return Ok(Vec::new()) };
        text.split('\n')
            .map(|line| {
                ensure!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "`{line}` is not visible ASCII");
                let record = serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON"))?;
                if let Err(error) = schema()?.validate(&record) {
                    anyhow::bail!("{record} does not fit the schema: {error}");
                }
                Ok(record)
            })
            .collect()
    }

    /// What must be the same on all hosts: all but times, and what depends on how a host shows bodies.
    #[must_use]
    pub fn essence(&self) -> (Vec<Value>, BTreeMap<String, String>) {
        let mut records: Vec<_> =
            [AUDIT, LOG].into_iter().flat_map(|name| self.records_in(name).unwrap_or_default()).collect();
        for record in records.iter_mut().filter_map(Value::as_object_mut) {
            for name in ["time", "request_id", "trace_id", "decided_us", "answered_us", "duration_us"] {
                record.remove(name);
            }
        }
        let rest = self.0.iter().filter(|(name, _)| ![AUDIT, LOG].contains(&name.as_str()));
        (records, rest.map(|(name, text)| (name.clone(), text.clone())).collect())
    }
}

/// Where a value has not what is expected: of an object the members that are named, of anything else all of it.
fn differences(path: &str, seen: &Value, expected: &Value, problems: &mut Vec<String>) {
    match (seen, expected) {
        (Value::Object(seen), Value::Object(expected)) => {
            for (name, expected) in expected {
                differences(&format!("{path}.{name}"), seen.get(name).unwrap_or(&Value::Null), expected, problems);
            }
        }
        (seen, expected) if seen == expected => {}
        (seen, expected) => problems.push(format!("{path}: {seen}, not {expected}")),
    }
}

/// The published schema of a record.
fn schema() -> Result<&'static Validator> {
    static SCHEMA: OnceLock<Result<Validator, String>> = OnceLock::new();
    let load = || -> Result<Validator> {
        let file = workspace().join("docs/audit-record.schema.json");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let schema = serde_json::from_str(&text)?;
        jsonschema::options().should_validate_formats(false).build(&schema).map_err(|error| anyhow::anyhow!("{error}"))
    };
    SCHEMA
        .get_or_init(|| load().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_members_are_compared_and_null_is_none() {
        let mut problems = Vec::new();
        let seen = json!({"a": 1, "b": {"c": [1, 2]}, "d": "x"});
        differences("r", &seen, &json!({"a": 1, "b": {"c": [1, 2], "e": null}}), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        differences("r", &seen, &json!({"a": 2, "b": {"c": [1]}, "d": null, "f": 1}), &mut problems);
        assert_eq!(problems, ["r.a: 1, not 2", "r.b.c: [1,2], not [1]", "r.d: \"x\", not null", "r.f: null, not 1"]);
    }
}
