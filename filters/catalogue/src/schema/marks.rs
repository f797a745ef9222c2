//! Which members or items of one value some schema has evaluated (`unevaluatedProperties`, `unevaluatedItems`).

use super::steps::{Steps, TooComplex};

/// A set of places among the children of a value.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    const fn split(place: usize) -> (usize, u64) {
        (place >> 6, 1 << (place & 63))
    }

    pub(super) fn set(&mut self, place: usize) {
        let (word, bit) = Self::split(place);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    pub(super) fn has(&self, place: usize) -> bool {
        let (word, bit) = Self::split(place);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn add(&mut self, other: &Self, steps: &mut Steps) -> Result<(), TooComplex> {
        steps.spend(other.0.len())?;
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
        Ok(())
    }
}
