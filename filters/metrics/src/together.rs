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
    /// How the exchange ended.
    pub(crate) exchange: Option<Word>,
    /// By [`Part`].
    amounts: [i64; COUNT],
    /// Which of the amounts are there, a bit for each.
    has: u8,
}

/// The metrics that every exchange measures, each with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Decisions,
    Requests,
    Duration,
    RequestSize,
    ResponseSize,
    ParsedBytes,
    Exchanges,
}

impl Part {
    const ALL: [(Self, Metric); COUNT] = [
        (Self::Decisions, Metric::Decisions),
        (Self::Requests, Metric::Requests),
        (Self::Duration, Metric::OperationDuration),
        (Self::RequestSize, Metric::RequestSize),
        (Self::ResponseSize, Metric::ResponseSize),
        (Self::ParsedBytes, Metric::ParsedBytes),
        (Self::Exchanges, Metric::Exchanges),
    ];
}

/// All that decides to which series a measurement goes.
pub(crate) type Sort = [Code; Key::COUNT + 1];

/// The series of one sort of measurements.
#[derive(Debug, Clone)]
pub(crate) struct Together {
    pub(crate) series: Rc<[Rc<Series>]>,
    /// The place of the amount that each takes, by [`Part`].
    places: [usize; COUNT],
}

impl Measurement {
    /// One of such labels, and with no amounts yet.
    pub(crate) fn new(labels: Labels) -> Self {
        Self { labels, ..Self::default() }
    }

    /// Has an amount.
    pub(crate) fn add(&mut self, part: Part, amount: i64) {
        if let Some(place) = self.amounts.get_mut(part as usize) {
            *place = amount;
            self.has |= 1 << part as u8;
        }
    }

    /// All there is to measure, one by one, each with the labels it has.
    pub(crate) fn one_by_one(&self) -> impl Iterator<Item = (usize, Metric, Labels, i64)> {
        let exchange = self.labels.with(Key::Outcome, self.exchange.map(Value::Word));
        let amounts = Part::ALL.into_iter().zip(self.amounts).enumerate();
        amounts.filter(|(place, _)| self.has & (1 << place) != 0).map(move |(place, ((part, metric), amount))| {
            let labels = if part == Part::Exchanges { exchange } else { self.labels };
            (place, metric, labels, amount)
        })
    }

    pub(crate) fn sort(&self) -> Sort {
        let mut sort = [0; Key::COUNT + 1];
        let (labels, rest) = sort.split_at_mut(Key::COUNT);
        labels.copy_from_slice(self.labels.codes());
        rest.fill(Code::from(self.has) << 8 | self.exchange.map_or(0, |word| word as Code));
        sort
    }

    /// The amounts in the order of some series.
    pub(crate) fn amounts(&self, of: &Together) -> Amounts {
        let mut amounts = Amounts::default();
        for (amount, place) in amounts.iter_mut().zip(of.places) {
            *amount = self.amounts.get(place).copied().unwrap_or_default();
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
