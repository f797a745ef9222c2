//! A token bucket in one number: the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371,
//! Annex A). All times in nanoseconds.

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The time in which one token comes back.
    interval: u64,
    /// The time in which an empty bucket fills.
    capacity: u64,
}

impl Rate {
    /// So many calls in a time, of which so many may come at once. Never more: a part of a nanosecond counts as a whole one.
    pub(crate) const fn new(calls: u32, period: u64, burst: u32) -> Self {
        let interval = if calls == 0 { u64::MAX } else { period.div_ceil(calls as u64) };
        Self { interval, capacity: interval.saturating_mul(burst as u64) }
    }

    /// When a bucket is full that was to be full at a time. No bucket can be emptier than empty: a time beyond that was
    /// written before the clock went back.
    pub(crate) fn as_of(self, full_at: u64, now: u64) -> u64 {
        full_at.min(now.saturating_add(self.capacity))
    }

    /// Takes a token: the time at which the bucket is full then, or the time until there is one.
    pub(crate) fn take(self, full_at: u64, now: u64) -> Result<u64, u64> {
        let then = self.as_of(full_at, now).max(now).saturating_add(self.interval);
        match then.saturating_sub(now).checked_sub(self.capacity) {
            None | Some(0) => Ok(then),
            Some(wait) => Err(wait),
        }
    }

    /// Puts a token back.
    pub(crate) const fn give_back(self, full_at: u64) -> u64 {
        full_at.saturating_sub(self.interval)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_700_000_000 * SECOND;

    /// How many of so many calls pass that come at these times.
    fn passes(rate: Rate, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut full_at = 0;
        let mut passed = Vec::new();
        for now in times {
            if let Ok(then) = rate.take(full_at, now) {
                full_at = then;
                passed.push(now);
            }
        }
        passed
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate::new(10, SECOND, 3);
        assert_eq!(passes(rate, [START; 10]).len(), 3);
        // Ten seconds of a call each millisecond: the burst, and what came back.
        assert_eq!(passes(rate, (0..10_000).map(|ms| START + ms * 1_000_000)).len(), 3 + 99);
        let minute = Rate::new(2, 60 * SECOND, 1);
        assert_eq!(passes(minute, [0, 29, 30, 59, 60].map(|s| START + s * SECOND)).len(), 3);
    }

    #[test]
    fn the_wait_is_until_the_next_token_and_not_longer() {
        let rate = Rate::new(4, SECOND, 1);
        let full_at = rate.take(0, START).unwrap();
        let wait = rate.take(full_at, START + 1).unwrap_err();
        assert_eq!(wait, SECOND / 4 - 1);
        assert!(rate.take(full_at, START + wait).is_err());
        assert!(rate.take(full_at, START + 1 + wait).is_ok());
    }

    #[test]
    fn a_clock_that_goes_back_holds_nobody_up_for_longer_than_the_bucket_takes_to_fill() {
        let rate = Rate::new(10, SECOND, 5);
        let full_at = rate.take(0, START + 3600 * SECOND).unwrap();
        assert_eq!(rate.take(full_at, START), Err(SECOND / 10), "as though it were empty");
        let full_at = rate.as_of(full_at, START);
        assert!(rate.take(full_at, START + SECOND / 10).is_ok());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rate = Rate::new(1, SECOND, 1);
        let full_at = rate.take(0, START).unwrap();
        assert!(rate.take(full_at, START).is_err());
        assert!(rate.take(rate.give_back(full_at), START).is_ok());
    }

    proptest! {
        #[test]
        fn in_any_stretch_of_time_no_more_than_the_burst_and_the_rate(
            calls in 1..2000_u32, per_minute: bool, burst in 1..50_u32,
            steps in prop::collection::vec(0..50_000_000_u64, 1..300),
        ) {
            let period = if per_minute { 60 * SECOND } else { SECOND };
            let rate = Rate::new(calls, period, burst);
            let times = steps.iter().scan(START, |now, step| { *now += step; Some(*now) });
            let passed = passes(rate, times);
            for (from, first) in passed.iter().enumerate() {
                for (to, last) in passed.iter().enumerate().skip(from) {
                    let came_back = u128::from(last - first) * u128::from(calls) / u128::from(period);
                    prop_assert!((to - from + 1) as u128 <= u128::from(burst) + came_back);
                }
            }
        }

        #[test]
        fn no_numbers_overflow(calls: u32, period: u64, burst: u32, full_at: u64, now: u64) {
            let rate = Rate::new(calls, period, burst);
            let _: Result<u64, u64> = rate.take(full_at, now);
            let _: u64 = rate.give_back(full_at);
        }
    }
}
