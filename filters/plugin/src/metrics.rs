//! What is counted and measured, in the host's metrics. Each series is defined once in a worker.
//!
//! A call to the host costs little where many follow one another, and much where other work has had the processor's caches
//! in between. So under load what observers measure is told to the host together, at short intervals.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use meshward_engine::{Counter, Effect, Effects, LateReport, MetricKind, Series};
use meshward_wire::refusal::Reason;

use crate::abi;
use crate::exchange::ProxyHost;
use crate::ticks::Ticks;

/// The counters of refusals, and of what else the policy does. All labels come from closed lists.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    refusals: Known<(&'static str, bool)>,
    counters: Known<Counter>,
    waiting: RefCell<Waiting>,
    ticks: Ticks,
}

/// How long the host waits at most for what was measured, in milliseconds.
const INTERVAL_MS: u32 = 100;
/// How often within an interval it is told at once.
const AT_ONCE: u32 = 8;
/// How much waits at most.
const MOST_WAITING: usize = 64;

/// What the host has not been told yet.
#[derive(Debug, Default)]
struct Waiting {
    /// As it was measured.
    one_by_one: Vec<(Rc<Series>, i64)>,
    /// Of exchanges that are over.
    reports: Vec<LateReport>,
    /// What a report leads to, while it is told. It is memory, and empty otherwise.
    effects: Effects,
    /// Counters and gauges that keep their sums themselves, while the host is told. It is memory, and empty otherwise.
    sums: Vec<Rc<Series>>,
    /// How often there was something to tell in this interval.
    occasions: u32,
    /// The host calls at the end of the interval.
    is_timed: bool,
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

    /// The host's timer.
    pub(crate) const fn ticks(&self) -> &Ticks {
        &self.ticks
    }

    /// Measures; the host is told by [`Metrics::tell`].
    pub(crate) fn measure(&self, series: Rc<Series>, by: i64) {
        let Ok(mut waiting) = self.waiting.try_borrow_mut() else { return };
        waiting.one_by_one.push((series, by));
    }

    /// Likewise what is to be measured of an exchange that is over.
    pub(crate) fn report(&self, report: LateReport) {
        let Ok(mut waiting) = self.waiting.try_borrow_mut() else { return };
        waiting.reports.push(report);
    }

    /// Tells the host what was measured, at once or at the end of the interval.
    pub(crate) fn tell(&self) {
        let Ok(mut waiting) = self.waiting.try_borrow_mut() else { return };
        if waiting.is_empty() {
            return;
        }
        waiting.occasions = waiting.occasions.saturating_add(1);
        waiting.is_timed = waiting.is_timed || self.ticks.for_metrics(INTERVAL_MS);
        if !waiting.is_timed || waiting.occasions <= AT_ONCE || waiting.len() >= MOST_WAITING {
            waiting.tell();
        }
    }

    /// An interval is over.
    pub(crate) fn interval_ended(&self) {
        let Ok(mut waiting) = self.waiting.try_borrow_mut() else { return };
        waiting.tell();
        // Who is idle is not woken.
        if std::mem::take(&mut waiting.occasions) == 0 && self.ticks.for_metrics(0) {
            waiting.is_timed = false;
        }
    }
}

impl Waiting {
    const fn len(&self) -> usize {
        self.one_by_one.len().saturating_add(self.reports.len())
    }

    const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells the host each value of a histogram, and of a counter or a gauge the sum.
    fn tell(&mut self) {
        let Self { one_by_one, reports, effects, sums, .. } = self;
        let mut add = |series: &Rc<Series>, by: i64| {
            if series.kind() == MetricKind::Histogram {
                measure(series, by);
            } else if series.keep(by) {
                sums.push(Rc::clone(series));
            }
        };
        for (series, by) in one_by_one.drain(..) {
            add(&series, by);
        }
        for report in reports.drain(..) {
            report.tell(&mut ProxyHost, effects);
            for effect in effects.list.drain(..) {
                match effect {
                    Effect::Measure { series, by } => add(&series, by),
                    Effect::MeasureAll { series, by } => series.iter().zip(by).for_each(|(series, by)| add(series, by)),
                    // Who hears of an exchange late does nothing but measure.
                    _ => {}
                }
            }
        }
        for series in sums.drain(..) {
            measure(&series, series.take());
        }
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
fn measure(series: &Series, by: i64) {
    let Some(id) = series.host_id(|kind, name| abi::define_metric(kind, name).ok()) else { return };
    match series.kind() {
        MetricKind::Counter | MetricKind::Gauge => abi::increment(id, by),
        MetricKind::Histogram => abi::record(id, u64::try_from(by).unwrap_or_default()),
    }
}
