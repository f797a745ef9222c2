//! One limit, compiled, and what it says of a call.

use std::rc::Rc;

use meshward_engine::{Host, MetricKind, Mode, Series, StoreError};
use meshward_policy::{Selection, Subject};
use meshward_ratelimit::{Descriptor, Override};

use crate::config::{OnFailure, OnFull};
use crate::key::{self, KeyPart};
use crate::place::{Place, Secret};
use crate::rates::{Rates, Taken};
use crate::slots::{Slot, Slots, Worker};

/// A limit.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) name: Rc<str>,
    pub(crate) mode: Mode,
    pub(crate) selection: Selection,
    pub(crate) key: Vec<KeyPart>,
    pub(crate) on_failure: OnFailure,
    pub(crate) counted: Counted,
    pub(crate) series: [Rc<Series>; Said::NAMES.len()],
}

/// Who counts.
#[derive(Debug)]
pub(crate) enum Counted {
    /// This proxy.
    Here { rates: Option<Rates>, slots: Option<Slots>, on_full: OnFull },
    /// The service, by its own limit or by this one.
    There(Option<Override>),
}

/// What a limit says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is within.
    Within,
    /// There have been too many; there may be one more after so many seconds.
    Over { retry_after: u32 },
    /// Too many are under way.
    Busy,
    /// There is no room to count it.
    Full,
    /// It cannot be known.
    Unknown,
}

impl Said {
    /// What is measured, in the order of the variants.
    pub(crate) const NAMES: [&'static str; 5] = ["within", "over", "busy", "full", "unknown"];

    const fn number(self) -> usize {
        match self {
            Self::Within => 0,
            Self::Over { .. } => 1,
            Self::Busy => 2,
            Self::Full => 3,
            Self::Unknown => 4,
        }
    }
}

/// What a call has taken of a limit, to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Got {
    /// Tokens.
    pub(crate) rate: Option<Place>,
    /// A slot.
    pub(crate) slot: Option<Place>,
}

/// What all limits of a worker share.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) secret: Secret,
    pub(crate) worker: Worker,
}

impl Limit {
    /// The series of its decisions.
    pub(crate) fn series(name: &str) -> [Rc<Series>; Said::NAMES.len()] {
        Said::NAMES.map(|outcome| {
            let labels = [("limit", name), ("outcome", outcome)];
            Rc::new(Series::new(MetricKind::Counter, "meshward_limit_decisions", labels, "total"))
        })
    }

    /// The series in which a decision is counted.
    pub(crate) fn measured(&self, said: Said) -> Option<&Rc<Series>> {
        self.series.get(said.number())
    }

    /// Counts a call here, and takes what it needs: all of it, or nothing.
    pub(crate) fn count(&self, own: &Own, host: &dyn Host, subject: &Subject<'_>, now: u64) -> (Said, Got) {
        let Counted::Here { rates, slots, on_full } = &self.counted else { return (Said::Within, Got::default()) };
        let values: Vec<_> = self.key.iter().map(|part| part.of(subject)).collect();
        let Ok(place) = own.secret.place(host, &key::bytes(&self.name, &values)) else {
            return (Said::Unknown, Got::default());
        };
        let mut got = Got::default();
        if let Some(slots) = slots {
            match in_room(place, *on_full, |place| slots.take(host, &own.worker, place, now), Slot::NoRoom) {
                Ok((place, Slot::Taken)) => got.slot = Some(place),
                Ok((_, Slot::Busy)) => return (Said::Busy, got),
                Ok((_, Slot::NoRoom)) => return (Said::Full, got),
                Err(_) => return (Said::Unknown, got),
            }
        }
        let said = match rates
            .as_ref()
            .map(|rates| in_room(place, *on_full, |place| rates.take(host, place, now), Taken::NoRoom))
        {
            None => Said::Within,
            Some(Ok((place, Taken::Yes))) => {
                got.rate = Some(place);
                Said::Within
            }
            Some(Ok((_, Taken::Not { wait }))) => Said::Over { retry_after: whole_seconds(wait) },
            Some(Ok((_, Taken::NoRoom))) => Said::Full,
            Some(Err(_)) => Said::Unknown,
        };
        if said == Said::Within {
            return (said, got);
        }
        self.give_back(own, host, got, now);
        (said, Got::default())
    }

    /// Gives back what a call has taken.
    pub(crate) fn give_back(&self, own: &Own, host: &dyn Host, got: Got, now: u64) {
        let Counted::Here { rates, slots, .. } = &self.counted else { return };
        if let (Some(slots), Some(place)) = (slots, got.slot) {
            slots.give_back(host, &own.worker, &place, now);
        }
        if let (Some(rates), Some(place)) = (rates, got.rate) {
            rates.give_back(host, &place, now);
        }
    }

    /// What the service is asked about a call.
    pub(crate) fn descriptor(&self, subject: &Subject<'_>) -> Descriptor {
        let mut entries = vec![("limit".to_owned(), self.name.to_string())];
        let values = self.key.iter().map(|part| (part.name().to_owned(), part.of(subject).unwrap_or_default()));
        entries.extend(values);
        let limit = if let Counted::There(limit) = self.counted { limit } else { None };
        Descriptor { entries, limit }
    }
}

/// Takes in a key's own place, or, where that has no room, with all those that have none.
fn in_room<T: PartialEq>(
    place: Place,
    on_full: OnFull,
    take: impl Fn(&Place) -> Result<T, StoreError>,
    no_room: T,
) -> Result<(Place, T), StoreError> {
    let taken = take(&place)?;
    if taken == no_room && on_full == OnFull::Share {
        return Ok((Place::NONE, take(&Place::NONE)?));
    }
    Ok((place, taken))
}

/// Nanoseconds in seconds, rounded up: never 0.
fn whole_seconds(wait: u64) -> u32 {
    u32::try_from(wait.div_ceil(1_000_000_000).max(1)).unwrap_or(u32::MAX)
}
