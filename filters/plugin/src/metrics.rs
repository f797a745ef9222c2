//! What is counted and measured, in the host's metrics. Each series is defined once in a worker.

use std::cell::RefCell;
use std::collections::BTreeMap;

use meshward_engine::{Counter, MetricKind, Series};
use meshward_wire::refusal::Reason;

use crate::abi;

/// The counters of refusals, and of what else the policy does. All labels come from closed lists.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    refusals: Known<(&'static str, bool)>,
    counters: Known<Counter>,
}

/// Series by what is counted.
type Known<K> = RefCell<BTreeMap<K, Series>>;

impl Metrics {
    /// Counts one refusal.
    pub(crate) fn refusal(&self, reason: Reason, shadow: bool) {
        add(&self.refusals, (reason.name(), shadow), 1, || {
            total("meshward_refusals", &[("reason", reason.name()), ("mode", mode(shadow))])
        });
    }

    /// Adds to another counter.
    pub(crate) fn count(&self, counter: Counter, by: u64) {
        add(&self.counters, counter, by, || match counter {
            Counter::Hidden { list, shadow } => total("meshward_hidden", &[("list", list), ("mode", mode(shadow))]),
            Counter::ToolFinding { finding, shadow } => {
                total("meshward_tool_findings", &[("finding", finding), ("mode", mode(shadow))])
            }
            Counter::ConditionFailed { allows } => {
                total("meshward_condition_failures", &[("effect", if allows { "allow" } else { "deny" })])
            }
            Counter::ContextDropped { place, part } => {
                total("meshward_trace_context_dropped", &[("place", place), ("part", part)])
            }
        });
    }
}

const fn mode(shadow: bool) -> &'static str {
    if shadow { "shadow" } else { "enforce" }
}

fn total(base: &str, labels: &[(&str, &str)]) -> Series {
    Series::new(MetricKind::Counter, base, labels.iter().copied(), "total")
}

/// Adds to a counter, which is made when it is needed first.
fn add<K: Ord>(known: &Known<K>, key: K, by: u64, make: impl FnOnce() -> Series) {
    if let Ok(mut known) = known.try_borrow_mut() {
        measure(known.entry(key).or_insert_with(make), i64::try_from(by).unwrap_or(i64::MAX));
    }
}

/// Adds to a counter or a gauge, or records in a histogram.
pub(crate) fn measure(series: &Series, by: i64) {
    let Some(id) = series.host_id(|kind, name| abi::define_metric(kind, name).ok()) else { return };
    match series.kind() {
        MetricKind::Counter | MetricKind::Gauge => abi::increment(id, by),
        MetricKind::Histogram => abi::record(id, u64::try_from(by).unwrap_or_default()),
    }
}
