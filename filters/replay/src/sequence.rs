//! Numbers that grow from message to message of a sender: each is accepted once, in order or nearly so.
//!
//! Of each sender the highest number is remembered, and which of the numbers right below it have come (as RFC 4303, section 3.4.3,
//! has it for packets).

use std::rc::Rc;

use meshward_engine::store::Reader;
use meshward_engine::{Host, StoreError};

use crate::config::SequenceConfig;
use crate::memory::{Bucket, Entry, Full, Memory, room, seconds};

/// The widest window.
pub(crate) const WIDEST: u32 = 128;

/// What is remembered of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Come {
    highest: u64,
    /// Of the highest number and those below it, which have come; the lowest bit is the highest number's.
    bits: u128,
}

impl Entry for Come {
    const KIND: &'static str = "sequences";
    const TAG: [u8; 8] = *b"1sequen\0";
    const BYTES: usize = 24;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.highest.to_le_bytes());
        out.extend(self.bits.to_le_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { highest: reader.u64()?, bits: reader.u128()? })
    }
}

impl Come {
    /// With one more number. `None`: it has come, or is too far behind.
    fn with(self, number: u64, window: u32) -> Option<Self> {
        if let Some(ahead) = number.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            let shifted = u32::try_from(ahead).ok().and_then(|ahead| self.bits.checked_shl(ahead)).unwrap_or(0);
            return Some(Self { highest: number, bits: shifted | 1 });
        }
        let behind = u32::try_from(self.highest.checked_sub(number)?).ok().filter(|behind| *behind < window)?;
        let bit = 1_u128.checked_shl(behind)?;
        (self.bits & bit == 0).then_some(Self { bits: self.bits | bit, ..self })
    }
}

/// What is said of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbered {
    /// It has come for the first time.
    First,
    /// It has come before, or is too far behind to know.
    Again,
    /// Nothing is known of its sender, from whom something may have come before the memory began.
    BeforeMemory,
    /// There is no room to remember its sender.
    Full,
}

/// The numbers of all senders.
#[derive(Debug)]
pub(crate) struct Sequence {
    window: u32,
    /// In nanoseconds.
    life: u64,
    room: usize,
    memory: Rc<Memory>,
}

impl Sequence {
    pub(crate) fn new(config: &SequenceConfig, memory: Rc<Memory>) -> Self {
        let SequenceConfig { window, life, capacity, .. } = config;
        Self { window: *window, life: life.nanoseconds(), room: room(*capacity), memory }
    }

    /// A number comes. `from`: its message would not have been accepted earlier, in nanoseconds, if that is known.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn enter(
        &self,
        host: &dyn Host,
        sender: &[u8],
        number: u64,
        from: Option<u64>,
    ) -> Result<Numbered, StoreError> {
        let place = self.memory.place(host, &[b"sequence"], sender)?;
        let until = seconds(host.now().saturating_add(self.life)).saturating_add(1);
        self.memory.change(host, &place, |bucket: &mut Bucket<Come>, since| {
            let known = bucket.find(place.fingerprint, place.now);
            let is_before = known.is_none() && from.is_some_and(|from| seconds(from) <= since);
            let come = match known {
                None => Some(Come { highest: number, bits: 1 }),
                Some(come) => come.with(number, self.window),
            };
            let Some(come) = come else { return Numbered::Again };
            match bucket.insert(place.fingerprint, (place.now, until), come, self.room) {
                Err(Full) => Numbered::Full,
                Ok(()) if is_before => Numbered::BeforeMemory,
                Ok(()) => Numbered::First,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_comes_once_and_not_long_after_its_time() {
        for (window, numbers) in [
            (1, &[(5_u64, true), (5, false), (4, false), (6, true), (100, true), (99, false), (101, true)][..]),
            (
                4,
                &[(5, true), (3, true), (2, true), (1, false), (3, false), (4, true), (9, true), (5, false), (6, true)],
            ),
            (128, &[(1000, true), (873, true), (872, false), (873, false), (1128, true), (1000, false), (1001, true)]),
            (
                128,
                &[
                    (0, true),
                    (u64::MAX, true),
                    (0, false),
                    (u64::MAX, false),
                    (u64::MAX - 127, true),
                    (u64::MAX - 128, false),
                ],
            ),
        ] {
            let mut come: Option<Come> = None;
            for (number, is_first) in numbers {
                let next = match come {
                    None => Some(Come { highest: *number, bits: 1 }),
                    Some(come) => come.with(*number, window),
                };
                assert_eq!(next.is_some(), *is_first, "{number} with a window of {window}");
                come = next.or(come);
            }
        }
    }

    proptest! {
        #[test]
        fn no_number_comes_twice_and_none_within_the_window_is_lost(
            window in 1..=WIDEST,
            numbers in prop::collection::vec(0..300_u64, 1..200),
        ) {
            let mut come = Come { highest: numbers[0], bits: 1 };
            let mut seen = BTreeSet::from([numbers[0]]);
            for number in &numbers[1..] {
                let next = come.with(*number, window);
                let is_known = come.highest.checked_sub(*number).is_none_or(|behind| behind < u64::from(window));
                prop_assert_eq!(next.is_some(), is_known && !seen.contains(number), "{}", number);
                if let Some(next) = next {
                    seen.insert(*number);
                    come = next;
                }
            }
        }
    }
}
