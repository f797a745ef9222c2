//! What the proxy's own metrics say of the calls, as Prometheus scrapes them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use meshward_tests::scrape::{Sample, sum};
use serde::Serialize;

use crate::proxy::Proxy;

/// Calls of one tool that came to one outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Calls {
    /// The tool, by its label.
    pub(crate) tool: String,
    /// What they came to.
    pub(crate) outcome: String,
    /// How many.
    pub(crate) count: u64,
}

/// What is shown of the metrics.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// `meshward_requests_total` of `tools/call`.
    pub(crate) calls: Vec<Calls>,
    /// `mcp_server_operation_duration_milliseconds` of the same: how many, and how long one took.
    pub(crate) durations: u64,
    pub(crate) mean_ms: f64,
    /// `meshward_refusals_total`, by reason.
    pub(crate) refusals: BTreeMap<String, u64>,
}

const CALL: (&str, &str) = ("mcp_method_name", "tools/call");
const DURATION: &str = "mcp_server_operation_duration_milliseconds";

/// The metrics, once nothing is added to them any more, and the durations of all calls are among them.
pub(crate) fn shown(proxy: &Proxy) -> Result<Shown> {
    let until = Instant::now().checked_add(Duration::from_secs(10)).context("clock")?;
    let mut before = 0;
    loop {
        let shown = read(&proxy.scrape()?);
        let calls = shown.calls.iter().map(|calls| calls.count).sum::<u64>();
        if shown.durations >= calls && calls == before || Instant::now() > until {
            return Ok(shown);
        }
        before = calls;
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small whole numbers")]
fn read(samples: &[Sample]) -> Shown {
    let label = |sample: &Sample, name: &str| sample.labels.get(name).cloned().unwrap_or_default();
    let of = |name: &str| samples.iter().filter(move |sample| sample.name == name).collect::<Vec<_>>();
    let mut calls = BTreeMap::<_, u64>::new();
    for sample in of("meshward_requests_total").into_iter().filter(|sample| label(sample, CALL.0) == CALL.1) {
        let count = calls.entry((label(sample, "gen_ai_tool_name"), label(sample, "outcome"))).or_default();
        *count = count.saturating_add(sample.value as u64);
    }
    let calls = calls.into_iter().map(|((tool, outcome), count)| Calls { tool, outcome, count });
    let durations = sum(samples, &format!("{DURATION}_count"), &[CALL]);
    let refusals = of("meshward_refusals_total").into_iter();
    Shown {
        calls: calls.collect(),
        durations: durations as u64,
        mean_ms: sum(samples, &format!("{DURATION}_sum"), &[CALL]) / durations.max(1.0),
        refusals: refusals.map(|sample| (label(sample, "reason"), sample.value as u64)).collect(),
    }
}
