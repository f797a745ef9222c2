//! The series there are, found by their labels' values without writing a name.

use std::collections::BTreeMap;
use std::rc::Rc;

use meshward_engine::{Amounts, Direction, Series};

use crate::config::MetricsConfig;
use crate::label::{Code, Key, Label, Labels, OTHER};
use crate::metric::Metric;
use crate::together::{Measurement, Sort, Together};
use crate::vocabulary::Vocabulary;

/// The most labels of one metric.
const MOST_LABELS: usize = 7;

/// The values of a metric's labels, in the order of [`Metric::keys`]; 0 where there is none.
type Codes = [Code; MOST_LABELS];

/// All series of one worker.
#[derive(Debug)]
pub(crate) struct Registry {
    direction: Direction,
    /// By [`Metric`]; `None`: it is not measured.
    families: Vec<Option<Family>>,
    has_endpoints: bool,
    max_series: usize,
    made: usize,
    together: BTreeMap<Sort, Together>,
    pub(crate) vocabulary: Vocabulary,
}

/// The series of one metric.
#[derive(Debug)]
struct Family {
    metric: Metric,
    /// Its labels, without those that the configuration leaves out.
    keys: Vec<Key>,
    series: BTreeMap<Codes, Rc<Series>>,
    /// For what is one too many.
    overflow: Option<Rc<Series>>,
}

impl Registry {
    pub(crate) fn new(config: &MetricsConfig, direction: Direction, vocabulary: Vocabulary) -> Self {
        let is_wanted = |key: &Key| key.optional().is_none_or(|label| config.labels.contains(&label));
        let family = |metric: Metric| Family {
            metric,
            keys: metric.keys().iter().copied().filter(is_wanted).collect(),
            series: BTreeMap::new(),
            overflow: None,
        };
        Self {
            direction,
            families: Metric::ALL
                .iter()
                .map(|metric| config.collect.contains(metric).then(|| family(*metric)))
                .collect(),
            has_endpoints: config.labels.contains(&Label::Endpoint),
            max_series: config.max_series,
            made: 0,
            together: BTreeMap::new(),
            vocabulary,
        }
    }

    /// Whether endpoints are values of labels.
    pub(crate) const fn has_endpoints(&self) -> bool {
        self.has_endpoints
    }

    /// The series of a metric for some labels, and whether it is one that stands for others. Values of labels that the metric
    /// does not have are left out. `None`: it is not measured.
    pub(crate) fn series(&mut self, metric: Metric, labels: &Labels) -> Option<(Rc<Series>, bool)> {
        let family = self.families.get_mut(metric as usize)?.as_mut()?;
        let mut codes: Codes = [0; MOST_LABELS];
        for (place, key) in codes.iter_mut().zip(&family.keys) {
            *place = labels.code(*key);
        }
        if let Some(known) = family.series.get(&codes) {
            return Some((Rc::clone(known), false));
        }
        let (direction, vocabulary) = (self.direction, &self.vocabulary);
        if self.made < self.max_series {
            self.made = self.made.saturating_add(1);
            let series = Rc::new(family.write(labels, direction, vocabulary));
            family.series.insert(codes, Rc::clone(&series));
            return Some((series, false));
        }
        let series = match &family.overflow {
            Some(known) => Rc::clone(known),
            None => {
                let has_value = |labels: Labels, key: &Key| labels.with(*key, labels.get(*key).map(|_| OTHER));
                let others = family.keys.iter().fold(*labels, has_value);
                let series = Rc::new(family.write(&others, direction, vocabulary));
                family.overflow = Some(Rc::clone(&series));
                series
            }
        };
        Some((series, true))
    }
}

impl Registry {
    /// The series of all that a measurement has amounts for, with the amounts. `None`: one of them stands for others, and is
    /// measured by [`Registry::series`].
    pub(crate) fn together(&mut self, measurement: &Measurement) -> Option<(Rc<[Rc<Series>]>, Amounts)> {
        let sort = measurement.sort();
        let amounts = |known: &Together| (Rc::clone(&known.series), measurement.amounts(known));
        if let Some(known) = self.together.get(&sort) {
            return Some(amounts(known));
        }
        let together = self.gather(measurement)?;
        let found = amounts(&together);
        // There are no more sorts than series, but for sorts of the same series.
        if self.together.len() < self.max_series {
            self.together.insert(sort, together);
        }
        Some(found)
    }

    // Apart from what every exchange does.
    #[cold]
    #[inline(never)]
    fn gather(&mut self, measurement: &Measurement) -> Option<Together> {
        let mut all = Vec::new();
        for (place, metric, labels, _) in measurement.one_by_one() {
            match self.series(metric, &labels) {
                Some((series, false)) => all.push((place, series)),
                Some((_, true)) => return None,
                None => {}
            }
        }
        Some(Together::new(all))
    }
}

impl Family {
    fn write(&self, labels: &Labels, direction: Direction, vocabulary: &Vocabulary) -> Series {
        let text = |key: &Key| Some((key.name(), vocabulary.with_text(labels.get(*key)?, str::to_owned)));
        let texts: Vec<(&str, String)> = self.keys.iter().filter_map(text).collect();
        let labels = texts.iter().map(|(name, text)| (*name, &**text));
        Series::new(self.metric.kind(), self.metric.base(direction), labels, self.metric.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Value, Word};
    use crate::together::Part;

    #[test]
    fn every_metric_has_room_for_its_labels() {
        for metric in Metric::ALL {
            assert!(metric.keys().len() <= MOST_LABELS, "{metric:?}");
        }
    }

    #[test]
    fn metrics_are_in_the_order_of_their_numbers() {
        for (number, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(*metric as usize, number);
        }
    }

    #[test]
    fn together_is_as_one_by_one() {
        let labels = |tool| {
            let about = Labels::default().with(Key::Tool, Some(Value::Name(tool)));
            about.with(Key::Outcome, Some(Value::Word(Word::Ok)))
        };
        let of = |labels, exchange, amounts: &[(Part, i64)]| {
            let mut measurement = Measurement::new(labels);
            measurement.exchange = exchange;
            amounts.iter().for_each(|(part, amount)| measurement.add(*part, *amount));
            measurement
        };
        let amounts = [
            (Part::Decisions, 1),
            (Part::Requests, 1),
            (Part::Exchanges, 1),
            (Part::Duration, 7),
            (Part::ParsedBytes, 900),
            (Part::RequestSize, 400),
            (Part::ResponseSize, 0),
        ];
        let (untimed, of_message) = ([amounts[0], amounts[1], amounts[2], amounts[5], amounts[6]], &amounts[..2]);
        let whole = |tool| of(labels(tool), Some(Word::Allowed), &amounts);
        let collect = Metric::ALL.iter().copied().filter(|metric| *metric != Metric::Requests).collect();
        let mut registry = Registry::new(
            &MetricsConfig { collect, max_series: 6 + 2, ..MetricsConfig::default() },
            Direction::Inbound,
            Vocabulary::default(),
        );
        for measurement in [
            whole(1),
            of(labels(1), Some(Word::Allowed), &untimed),
            of(labels(1), None, of_message),
            of(labels(2), Some(Word::Failed), &amounts[2..3]),
            whole(1),
        ] {
            let (series, amounts) = registry.together(&measurement).unwrap();
            let measured: Vec<_> = series.iter().zip(amounts).map(|(series, by)| (Rc::as_ptr(series), by)).collect();
            let one_by_one: Vec<_> = measurement
                .one_by_one()
                .filter_map(|(_, metric, labels, by)| Some((Rc::as_ptr(&registry.series(metric, &labels)?.0), by)))
                .collect();
            assert_eq!(measured, one_by_one);
        }
        assert_eq!(registry.made, 6 + 1);
        assert!(registry.together(&whole(2)).is_none(), "two more series, and room for one");
        assert!(registry.together(&whole(1)).is_some());
    }

    #[test]
    fn one_series_too_many_is_measured_with_the_others() {
        let config = MetricsConfig { max_series: 2, ..MetricsConfig::default() };
        let mut registry = Registry::new(&config, Direction::Outbound, Vocabulary::default());
        let mut name = |number| {
            let labels = Labels::default()
                .with(Key::ErrorType, Some(Value::Number(number)))
                .with(Key::Endpoint, Some(OTHER))
                .with(Key::Rule, None);
            let (series, overflows) = registry.series(Metric::SessionDuration, &labels).unwrap();
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
