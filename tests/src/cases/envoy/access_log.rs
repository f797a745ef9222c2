//! Envoy's access log, from which what the module leaves is read back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::ledger::MARK;
use crate::cases::case::Case;
use crate::cases::left::{AUDIT, LOG_PREFIX, Left, PREFIX, SPAN_KEYS};

/// How long Envoy may take to write down an exchange that is over.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where exchanges are written down, a line each.
#[derive(Debug)]
pub(super) struct AccessLog {
    folder: tempfile::TempDir,
}

/// What is written down of an exchange.
#[derive(Debug)]
pub(super) struct Entry {
    /// The id that Envoy has given it.
    request: String,
    left: Left,
}

/// Whether a case's configuration has anything left with the host.
pub(super) fn is_of_interest(case: &Case) -> bool {
    ["audit", "spans"].iter().any(|section| case.config.get(section).is_some())
}

/// What the access log prints of a text that the module left.
fn command(name: &str) -> String {
    format!("%FILTER_STATE({PREFIX}{name}:PLAIN)%")
}

impl AccessLog {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// The `access_log` of a connection manager.
    pub(super) fn loggers(&self) -> Value {
        let spans: Map<_, _> = SPAN_KEYS.iter().map(|key| ((*key).to_owned(), Value::from(command(key)))).collect();
        json!([{
            "name": "cases",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": self.file(),
                "log_format": {"json_format": {
                    "run": format!("%REQ({MARK})%"),
                    "request": "%REQ(X-REQUEST-ID)%",
                    "audit": command(AUDIT),
                    "spans": spans,
                }}
            }
        }])
    }

    /// What was left by these runs, as soon as all of them are written down.
    pub(super) async fn read(&self, runs: &[usize]) -> Result<BTreeMap<usize, Entry>> {
        let deadline = Instant::now().checked_add(PATIENCE).context("clock")?;
        loop {
            let left = if runs.is_empty() { BTreeMap::new() } else { parse(&self.file())? };
            let is_complete = runs.iter().all(|run| left.contains_key(run));
            if is_complete || Instant::now() > deadline {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Entry {
    /// What was left, with what Envoy has logged of it by itself.
    pub(super) fn left(mut self, log: &str) -> Left {
        let own = format!("\"request_id\":\"{}\"", self.request);
        for line in log.lines().filter(|line| line.contains(&own)) {
            // `[…] wasm log <plugin>: audit {…}`
            let record = line.find(LOG_PREFIX).and_then(|at| line.get(at..));
            record.into_iter().for_each(|record| self.left.add_log_line(record));
        }
        self.left
    }
}

/// The lines that are complete.
fn parse(file: &Path) -> Result<BTreeMap<usize, Entry>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let complete = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    complete.lines().filter(|line| !line.is_empty()).map(parse_line).filter_map(Result::transpose).collect()
}

fn parse_line(line: &str) -> Result<Option<(usize, Entry)>> {
    let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let Some(run) = text(line.get("run")).and_then(|run| run.parse().ok()) else { return Ok(None) };
    let audit = text(line.get("audit")).map(|records| (AUDIT.to_owned(), records));
    let spans = line.get("spans").and_then(Value::as_object).into_iter().flatten();
    let spans = spans.filter_map(|(key, value)| Some((key.clone(), text(Some(value))?)));
    let request = text(line.get("request")).unwrap_or_default();
    Ok(Some((run, Entry { request, left: Left(spans.chain(audit).collect()) })))
}
