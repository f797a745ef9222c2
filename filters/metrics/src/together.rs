//! What is measured at the end of an exchange, each time of the same few metrics: one look-up finds all their series.

use std::rc::Rc;

use meshward_engine::{Amounts, Series};

use crate::label::{Code, Key, Labels, Value, Word};
use crate::metric::Metric;

/// How many metrics there are that every exchange measures.
const COUNT: usize = 7;

/// The measurement of a message, with that of its exchange or without.
#[derive(Debug, Default)]
pub(crate) struct Measurement {
    /// Of the message, and as far as they are of an exchange, of that.
    pub(crate) labels: Labels,
    pub(crate) decisions: Option<i64>,
    pub(crate) requests: Option<i64>,
    pub(crate) duration: Option<i64>,
    pub(crate) request_size: Option<i64>,
    pub(crate) response_size: Option<i64>,
    pub(crate) parsed_bytes: Option<i64>,
    /// How the exchange ended.
    pub(crate) exchange: Option<Word>,
}

/// All that decides to which series a measurement goes.
pub(crate) type Sort = [Code; Key::COUNT + 1];

/// The series of one sort of measurements.
#[derive(Debug, Clone)]
pub(crate) struct Together {
    pub(crate) series: Rc<[Rc<Series>]>,
    /// The place in [`Measurement::each`] of the amount that each takes.
    places: [usize; COUNT],
}

impl Measurement {
    /// Each metric with its amount, if there is one.
    fn each(&self) -> [(Metric, Option<i64>); COUNT] {
        [
            (Metric::Decisions, self.decisions),
            (Metric::Requests, self.requests),
            (Metric::OperationDuration, self.duration),
            (Metric::RequestSize, self.request_size),
            (Metric::ResponseSize, self.response_size),
            (Metric::ParsedBytes, self.parsed_bytes),
            (Metric::Exchanges, self.exchange.map(|_| 1)),
        ]
    }

    /// All there is to measure, one by one, each with the labels it has.
    pub(crate) fn one_by_one(&self) -> impl Iterator<Item = (usize, Metric, Labels, i64)> {
        let exchange = self.labels.with(Key::Outcome, self.exchange.map(Value::Word));
        let message = self.labels;
        self.each().into_iter().enumerate().filter_map(move |(place, (metric, amount))| {
            let labels = if metric == Metric::Exchanges { exchange } else { message };
            amount.map(|amount| (place, metric, labels, amount))
        })
    }

    pub(crate) fn sort(&self) -> Sort {
        let mut sort = [0; Key::COUNT + 1];
        let (labels, rest) = sort.split_at_mut(Key::COUNT);
        labels.copy_from_slice(&self.labels.codes());
        let has = |code, (_, amount): &(Metric, Option<i64>)| code << 1 | u64::from(amount.is_some());
        let amounts: Code = self.each().iter().fold(0, has);
        rest.fill(amounts << 8 | self.exchange.map_or(0, |word| word as Code));
        sort
    }

    /// The amounts in the order of some series.
    pub(crate) fn amounts(&self, of: &Together) -> Amounts {
        let mut amounts = Amounts::default();
        let each = self.each();
        for (amount, place) in amounts.iter_mut().zip(of.places) {
            *amount = each.get(place).and_then(|(_, amount)| *amount).unwrap_or_default();
        }
        amounts
    }
}

impl Together {
    /// Series, each with the place of its amount.
    pub(crate) fn new(series: Vec<(usize, Rc<Series>)>) -> Self {
        let mut places = [0; COUNT];
        for (place, (of, _)) in places.iter_mut().zip(&series) {
            *place = *of;
        }
        Self { series: series.into_iter().map(|(_, series)| series).collect(), places }
    }
}
