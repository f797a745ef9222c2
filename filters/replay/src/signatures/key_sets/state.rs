//! What the workers of a proxy know together of a key set: which one counts, and when it is fetched next, by one of them.

use meshward_engine::store::{Reader, open, seal};

const TAG: [u8; 8] = *b"1keyset\0";

const SECOND: u64 = 1_000_000_000;
/// How long after a failure a set is fetched again, and twice that after the next one.
const FIRST_WAIT: u64 = SECOND;
/// The longest of these waits.
const LONGEST_WAIT: u64 = 60 * SECOND;

/// Spans of time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// After which time a set is fetched anew.
    pub(super) refresh: u64,
    /// For how long after that it counts, if it cannot be.
    pub(super) stale: u64,
    /// How long after it was fetched it is fetched early at the earliest.
    pub(super) cooldown: u64,
    /// How long an answer may take.
    pub(super) timeout: u64,
}

/// Times are in nanoseconds since 1970; 0: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// The digest of the set that counts.
    pub(super) version: u64,
    /// When it came.
    pub(super) fetched: u64,
    /// When somebody last began to fetch it.
    begun: u64,
    /// When it is to be fetched next.
    due: u64,
    /// Until when nobody else fetches it.
    leased: u64,
    /// How often in a row it could not be fetched.
    pub(super) failures: u32,
}

impl State {
    /// What is in the store; what is none is the beginning.
    pub(super) fn read(value: Option<&[u8]>) -> Self {
        let read = || {
            let mut reader = Reader(open(TAG, value?)?);
            Some(Self {
                version: reader.u64()?,
                fetched: reader.u64()?,
                begun: reader.u64()?,
                due: reader.u64()?,
                leased: reader.u64()?,
                failures: reader.u32()?,
            })
        };
        read().unwrap_or_default()
    }

    /// The value to store.
    pub(super) fn value(self) -> Vec<u8> {
        let Self { version, fetched, begun, due, leased, failures } = self;
        let mut body = Vec::with_capacity(44);
        for number in [version, fetched, begun, due, leased] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&failures.to_le_bytes());
        seal(TAG, &body)
    }

    /// Whether the set may be used: there is one, and it is not too old.
    pub(super) const fn counts(self, now: u64, times: &Times) -> bool {
        self.fetched > 0 && now.saturating_sub(self.fetched) < times.refresh.saturating_add(times.stale)
    }

    /// Takes the fetching on, if it is due and nobody else is at it. A clock that was set back does not put it off.
    pub(super) const fn begin(self, now: u64, times: &Times) -> Option<Self> {
        let lease = times.timeout.saturating_add(SECOND);
        let is_leased = now < self.leased && self.leased <= now.saturating_add(lease);
        let longest = if times.refresh > LONGEST_WAIT { times.refresh } else { LONGEST_WAIT };
        let is_early = now < self.due && self.due <= now.saturating_add(longest);
        if is_leased || is_early {
            return None;
        }
        Some(Self { begun: now, leased: now.saturating_add(lease), ..self })
    }

    /// It was fetched. `part`: of the time until it is fetched again, so many parts of 256 less, so that proxies do not keep step.
    pub(super) fn succeeded(self, version: u64, now: u64, times: &Times, part: u8) -> Self {
        let due = now.saturating_add(less(times.refresh, part));
        Self { version, fetched: now, due, leased: 0, failures: 0, ..self }
    }

    /// It was not.
    pub(super) fn failed(self, now: u64, times: &Times, part: u8) -> Self {
        let wait = FIRST_WAIT.saturating_mul(1_u64.checked_shl(self.failures).unwrap_or(u64::MAX));
        let wait = wait.min(LONGEST_WAIT).min(times.refresh.max(FIRST_WAIT));
        let due = now.saturating_add(less(wait, part));
        Self { due, leased: 0, failures: self.failures.saturating_add(1), ..self }
    }

    /// A key was asked for that is not in it: it is fetched early, if that was not done of late and nothing is wrong with it.
    pub(super) const fn missed(self, now: u64, times: &Times) -> Option<Self> {
        let is_late = now >= self.begun.saturating_add(times.cooldown);
        if self.failures > 0 || now < self.leased || now >= self.due || !is_late {
            return None;
        }
        Some(Self { due: now, ..self })
    }
}

/// Up to a quarter less.
fn less(time: u64, part: u8) -> u64 {
    time.saturating_sub(time.div_euclid(1024).saturating_mul(u64::from(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times =
        Times { refresh: 600 * SECOND, stale: 3600 * SECOND, cooldown: 30 * SECOND, timeout: 5 * SECOND };
    const NOW: u64 = 1_000_000 * SECOND;

    fn fetched() -> State {
        State::default().begin(NOW, &TIMES).unwrap().succeeded(7, NOW, &TIMES, 0)
    }

    #[test]
    fn one_of_many_fetches_at_a_time() {
        let begun = State::default().begin(NOW, &TIMES).unwrap();
        assert_eq!(begun.begin(NOW, &TIMES), None);
        assert_eq!(begun.begin(NOW + 6 * SECOND - 1, &TIMES), None, "the answer may still come");
        assert!(begun.begin(NOW + 6 * SECOND, &TIMES).is_some(), "whoever began is gone");
        let fetched = begun.succeeded(7, NOW, &TIMES, 0);
        assert_eq!(fetched.begin(NOW + 600 * SECOND - 1, &TIMES), None);
        assert!(fetched.begin(NOW + 600 * SECOND, &TIMES).is_some());
        assert_eq!(begun.succeeded(7, NOW, &TIMES, 255).due, NOW + 600 * SECOND - 600 * SECOND / 1024 * 255);
        // A clock that was set back by years.
        assert!(begun.begin(NOW / 2, &TIMES).is_some());
        assert!(fetched.begin(NOW / 2, &TIMES).is_some());
    }

    #[test]
    fn a_set_counts_until_it_is_too_old() {
        assert!(!State::default().counts(NOW, &TIMES));
        let failed = fetched().failed(NOW + 1000 * SECOND, &TIMES, 0);
        for (state, after, counts) in [
            (fetched(), 0, true),
            (fetched(), 4200 * SECOND - 1, true),
            (fetched(), 4200 * SECOND, false),
            (failed, 4200 * SECOND - 1, true),
            (failed, 4200 * SECOND, false),
        ] {
            assert_eq!(state.counts(NOW + after, &TIMES), counts, "{after}");
        }
        assert!(fetched().counts(NOW - SECOND, &TIMES), "a clock that was set back");
    }

    #[test]
    fn after_failures_it_waits_longer_and_longer() {
        let mut state = State::default();
        let mut waits = Vec::new();
        for _ in 0..40 {
            state = state.begin(state.due.max(NOW), &TIMES).unwrap().failed(NOW, &TIMES, 0);
            waits.push((state.due - NOW) / SECOND);
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits[39], 60);
        let often = Times { refresh: 10 * SECOND, ..TIMES };
        assert_eq!(state.failed(NOW, &often, 0).due, NOW + 10 * SECOND, "no longer than when nothing is wrong");
        assert_eq!(state.succeeded(1, NOW, &TIMES, 0).failures, 0);
    }

    #[test]
    fn a_key_that_is_missed_is_looked_for_once_in_a_while() {
        let state = fetched();
        assert_eq!(state.missed(NOW + 30 * SECOND - 1, &TIMES), None, "it was just fetched");
        let wanted = state.missed(NOW + 30 * SECOND, &TIMES).unwrap();
        assert_eq!(wanted.missed(NOW + 30 * SECOND, &TIMES), None, "it is due anyway");
        let begun = wanted.begin(NOW + 30 * SECOND, &TIMES).unwrap();
        assert_eq!(begun.missed(NOW + 31 * SECOND, &TIMES), None, "it is being fetched");
        let again = begun.succeeded(7, NOW + 31 * SECOND, &TIMES, 0);
        assert_eq!(again.missed(NOW + 59 * SECOND, &TIMES), None);
        assert!(again.missed(NOW + 60 * SECOND, &TIMES).is_some());
        let failed = begun.failed(NOW + 31 * SECOND, &TIMES, 0);
        assert_eq!(failed.missed(NOW + 70 * SECOND, &TIMES), None, "a service that is down is left in peace");
    }

    #[test]
    fn a_state_comes_back_from_the_store() {
        let state = fetched().failed(NOW + 9, &TIMES, 3);
        assert_eq!(State::read(Some(&state.value())), state);
        let value = state.value();
        for other in [None, Some(&b""[..]), Some(&b"junk"[..]), value.get(..20)] {
            assert_eq!(State::read(other), State::default());
        }
    }
}
