//! The series there are, found by their labels' values without writing a name.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use meshward_engine::{Direction, Series};

use crate::config::MetricsConfig;
use crate::label::{Key, Label, OTHER, Value};
use crate::metric::Metric;
use crate::vocabulary::Vocabulary;

/// The most labels of one metric.
const MOST_LABELS: usize = 7;

/// The values of a metric's labels, in the order of [`Metric::keys`].
type Values = [Option<Value>; MOST_LABELS];

/// All series of one worker.
#[derive(Debug)]
pub(crate) struct Registry {
    direction: Direction,
    collect: BTreeSet<Metric>,
    labels: BTreeSet<Label>,
    max_series: usize,
    pub(crate) vocabulary: Vocabulary,
    series: BTreeMap<(Metric, Values), Rc<Series>>,
    /// For what is one too many: one for each metric.
    overflow: BTreeMap<Metric, Rc<Series>>,
}

impl Registry {
    pub(crate) fn new(config: &MetricsConfig, direction: Direction, vocabulary: Vocabulary) -> Self {
        Self {
            direction,
            collect: config.collect.iter().copied().collect(),
            labels: config.labels.iter().copied().collect(),
            max_series: config.max_series,
            vocabulary,
            series: BTreeMap::new(),
            overflow: BTreeMap::new(),
        }
    }

    /// Whether a metric is measured.
    pub(crate) fn collects(&self, metric: Metric) -> bool {
        self.collect.contains(&metric)
    }

    /// The series of a metric for some labels, and whether it is one that stands for others. Values of labels that the metric
    /// does not have are left out.
    pub(crate) fn series(&mut self, metric: Metric, labels: &[(Key, Option<Value>)]) -> (Rc<Series>, bool) {
        let mut values: Values = [None; MOST_LABELS];
        for (place, key) in values.iter_mut().zip(metric.keys()) {
            if key.optional().is_none_or(|label| self.labels.contains(&label)) {
                *place = labels.iter().find(|(given, _)| given == key).and_then(|(_, value)| *value);
            }
        }
        if let Some(known) = self.series.get(&(metric, values)) {
            return (Rc::clone(known), false);
        }
        if self.series.len() < self.max_series {
            let series = Rc::new(self.write(metric, &values));
            self.series.insert((metric, values), Rc::clone(&series));
            return (series, false);
        }
        let others = values.map(|value| value.map(|_| OTHER));
        let series = match self.overflow.get(&metric) {
            Some(known) => Rc::clone(known),
            None => {
                let series = Rc::new(self.write(metric, &others));
                self.overflow.insert(metric, Rc::clone(&series));
                series
            }
        };
        (series, true)
    }

    fn write(&self, metric: Metric, values: &Values) -> Series {
        let texts: Vec<(&str, String)> = metric
            .keys()
            .iter()
            .zip(values)
            .filter_map(|(key, value)| Some((key.name(), self.vocabulary.with_text((*value)?, str::to_owned))))
            .collect();
        let labels = texts.iter().map(|(name, text)| (*name, &**text));
        Series::new(metric.kind(), metric.base(self.direction), labels, metric.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_room_for_its_labels() {
        for metric in Metric::ALL {
            assert!(metric.keys().len() <= MOST_LABELS, "{metric:?}");
        }
    }

    #[test]
    fn one_series_too_many_is_measured_with_the_others() {
        let config = MetricsConfig { max_series: 2, ..MetricsConfig::default() };
        let mut registry = Registry::new(&config, Direction::Outbound, Vocabulary::default());
        let mut name = |number| {
            let labels =
                [(Key::ErrorType, Some(Value::Number(number))), (Key::Endpoint, Some(OTHER)), (Key::Rule, None)];
            let (series, overflows) = registry.series(Metric::SessionDuration, &labels);
            (series.name().to_owned(), overflows)
        };
        let series = |value: &str| format!("mcp_client_session_duration.error_type=.={value};.;milliseconds");
        assert_eq!(name(1), (series("1"), false));
        assert_eq!(name(2), (series("2"), false));
        assert_eq!(name(3), (series("other"), true));
        assert_eq!(name(4), (series("other"), true));
        assert_eq!(name(2), (series("2"), false));
    }
}
