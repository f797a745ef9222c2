//! What is measured: a metric with one set of labels. Hosts know it by one name, which says its labels too.

use std::cell::Cell;

/// A kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of whole numbers.
    Histogram,
}

/// One series. It keeps the host's id for it, so that it is defined once, and what the host has not been told yet.
#[derive(Debug)]
pub struct Series {
    kind: MetricKind,
    name: String,
    host_id: Cell<Option<u32>>,
    untold: Cell<Option<i64>>,
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.name) == (other.kind, &other.name)
    }
}

impl Eq for Series {}

/// How much of each of several series that are measured together.
pub type Amounts = [i64; 8];

/// The longest value of a label, in bytes; what is longer is cut.
const MAX_VALUE_BYTES: usize = 128;

impl Series {
    /// A series of a metric, called `base` with its labels' values and `unit` behind them, in the form from which Istio's and
    /// our own tag extraction take the labels out again: `base.key=.=value;.;unit`.
    #[must_use]
    pub fn new<'l>(
        kind: MetricKind,
        base: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        unit: &str,
    ) -> Self {
        let mut name = String::with_capacity(96);
        name.push_str(base);
        name.push('.');
        for (key, value) in labels {
            name.push_str(key);
            name.push_str("=.=");
            let end = value.floor_char_boundary(MAX_VALUE_BYTES);
            // Envoy's names hold any of these; a value could end its label, and a name of Prometheus be no name.
            let safe = |c: char| if c.is_ascii_alphanumeric() || "_-./:".contains(c) { c } else { '_' };
            name.extend(value.get(..end).unwrap_or_default().chars().map(safe));
            name.push_str(";.;");
        }
        name.push_str(unit);
        Self { kind, name, host_id: Cell::new(None), untold: Cell::new(None) }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> MetricKind {
        self.kind
    }

    /// Its name with its labels.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's id for it. It is defined the first time; a host that refuses is asked again.
    pub fn host_id(&self, define: impl FnOnce(MetricKind, &str) -> Option<u32>) -> Option<u32> {
        if self.host_id.get().is_none() {
            self.host_id.set(define(self.kind, &self.name));
        }
        self.host_id.get()
    }
}

impl Series {
    /// Keeps what is to be added, of a counter or a gauge, until [`Series::take`]. Whether it is the first since then.
    pub fn keep(&self, by: i64) -> bool {
        let kept = self.untold.get();
        self.untold.set(Some(kept.unwrap_or_default().saturating_add(by)));
        kept.is_none()
    }

    /// All that was kept.
    pub fn take(&self) -> i64 {
        self.untold.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(value: &str) -> String {
        Series::new(MetricKind::Counter, "calls", [("tool", value), ("mode", "x")], "total").name().to_owned()
    }

    #[test]
    fn no_value_ends_its_label() {
        for (value, written) in [
            ("search", "search"),
            ("tools/list v1.0:a-b_*", "tools/list_v1.0:a-b__"),
            ("a;.;mode=.=b", "a_._mode_._b"),
            ("\"q\"\n\\", "_q___"),
            ("naïve", "na_ve"),
            ("", ""),
        ] {
            assert_eq!(name(value), format!("calls.tool=.={written};.;mode=.=x;.;total"), "{value:?}");
        }
        for (length, written) in [(127, 127), (128, 128), (129, 128)] {
            assert_eq!(name(&"x".repeat(length)), name(&"x".repeat(written)));
        }
        assert_eq!(name(&format!("{}é", "x".repeat(127))), name(&"x".repeat(127)), "cut between characters");
    }

    #[test]
    fn what_is_kept_is_taken_once() {
        let series = Series::new(MetricKind::Gauge, "open", [], "now");
        assert_eq!([series.keep(2), series.keep(-3), series.keep(1)], [true, false, false]);
        assert_eq!([series.take(), series.take()], [0, 0]);
        assert!(series.keep(5));
        assert_eq!(series.take(), 5);
    }

    #[test]
    fn it_is_defined_once() {
        let series = Series::new(MetricKind::Gauge, "open", [], "now");
        assert_eq!(series.name(), "open.now");
        assert_eq!(series.host_id(|_, _| None), None);
        assert_eq!(
            series.host_id(|kind, name| (kind == MetricKind::Gauge && name == "open.now").then_some(7)),
            Some(7)
        );
        assert_eq!(series.host_id(|_, _| Some(8)), Some(7));
    }
}
