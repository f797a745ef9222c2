//! Random bytes for modules.

use std::sync::{Mutex, PoisonError};

/// Where random bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Random {
    /// The operating system.
    #[default]
    System,
    /// A sequence that is the same for the same seed. For tests only.
    Seeded(u64),
}

#[derive(Debug)]
pub(crate) struct RandomSource {
    seeded: Option<Mutex<u64>>,
}

impl RandomSource {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            seeded: match random {
                Random::System => None,
                Random::Seeded(seed) => Some(Mutex::new(seed)),
            },
        }
    }

    /// Fills the buffer; false if the system has no randomness to give.
    pub(crate) fn fill(&self, buffer: &mut [u8]) -> bool {
        let Some(state) = &self.seeded else {
            return getrandom::fill(buffer).is_ok();
        };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            let word = split_mix(&mut state).to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
        true
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to tell test values apart.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
