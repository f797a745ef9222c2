//! Counters, gauges and histograms by name, as modules define them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Upper bounds of histogram buckets; those of Envoy's Prometheus output.
const BUCKETS: [f64; 19] =
    [0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6];

/// The kind of a metric; the numbers are those of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// All metrics at one moment, by the names the module gave them (Envoy shows them behind `wasmcustom.`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsSnapshot {
    /// Values that only grow.
    pub counters: BTreeMap<String, u64>,
    /// Values that go up and down.
    pub gauges: BTreeMap<String, u64>,
    /// Distributions.
    pub histograms: BTreeMap<String, HistogramSnapshot>,
}

impl MetricsSnapshot {
    /// The value of a counter; 0 if it was never defined.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or_default()
    }
}

/// A distribution at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramSnapshot {
    /// How many values were recorded.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// For each upper bound how many values were not above it.
    pub buckets: Vec<(f64, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: Mutex<MetricsSnapshot>,
    /// Buckets by the beginnings of histograms' names.
    buckets: Vec<(String, Vec<f64>)>,
}

impl Metrics {
    pub(crate) fn new(buckets: Vec<(String, Vec<f64>)>) -> Self {
        Self { values: Mutex::default(), buckets }
    }

    fn bounds(&self, name: &str) -> &[f64] {
        let given = self.buckets.iter().find(|(prefix, _)| name.starts_with(&**prefix));
        given.map_or(&BUCKETS, |(_, bounds)| bounds)
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        self.with(|values| values.clone())
    }

    /// Makes the metric appear, with nothing counted.
    pub(crate) fn define(&self, kind: MetricKind, name: &str) {
        self.with(|values| match kind {
            MetricKind::Counter => {
                values.counters.entry(name.to_owned()).or_default();
            }
            MetricKind::Gauge => {
                values.gauges.entry(name.to_owned()).or_default();
            }
            MetricKind::Histogram => {
                values.histograms.entry(name.to_owned()).or_insert_with(|| HistogramSnapshot {
                    count: 0,
                    sum: 0,
                    buckets: self.bounds(name).iter().map(|bound| (*bound, 0)).collect(),
                });
            }
        });
    }

    /// Adds to a counter or gauge; a negative offset wraps as an unsigned subtraction does in Envoy.
    pub(crate) fn add(&self, kind: MetricKind, name: &str, offset: i64) {
        self.with(|values| {
            let cell = match kind {
                MetricKind::Counter => values.counters.get_mut(name),
                MetricKind::Gauge => values.gauges.get_mut(name),
                MetricKind::Histogram => None,
            };
            if let Some(cell) = cell {
                *cell = cell.wrapping_add_signed(offset);
            }
        });
    }

    /// Adds to a counter, sets a gauge, records a value in a histogram.
    pub(crate) fn record(&self, kind: MetricKind, name: &str, value: u64) {
        self.with(|values| match kind {
            MetricKind::Counter => {
                if let Some(cell) = values.counters.get_mut(name) {
                    *cell = cell.wrapping_add(value);
                }
            }
            MetricKind::Gauge => {
                if let Some(cell) = values.gauges.get_mut(name) {
                    *cell = value;
                }
            }
            MetricKind::Histogram => {
                if let Some(histogram) = values.histograms.get_mut(name) {
                    histogram.count = histogram.count.wrapping_add(1);
                    histogram.sum = histogram.sum.wrapping_add(value);
                    #[expect(clippy::cast_precision_loss, reason = "bucket bounds are far below 2^53")]
                    let value = value as f64;
                    for (bound, count) in &mut histogram.buckets {
                        if value <= *bound {
                            *count = count.wrapping_add(1);
                        }
                    }
                }
            }
        });
    }

    pub(crate) fn value(&self, kind: MetricKind, name: &str) -> Option<u64> {
        self.with(|values| match kind {
            MetricKind::Counter => values.counters.get(name).copied(),
            MetricKind::Gauge => values.gauges.get(name).copied(),
            MetricKind::Histogram => None,
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut MetricsSnapshot) -> T) -> T {
        f(&mut self.values.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
