//! The clock a module sees: the system's, or one that a test turns by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Which clock a host runs by.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's wall clock and monotonic clock.
    #[default]
    System,
    /// A clock that moves only when it is told to.
    Virtual(VirtualClock),
}

/// A clock that stands still until [`VirtualClock::advance`]. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    elapsed: Arc<AtomicU64>,
    start: Duration,
}

impl VirtualClock {
    /// A clock that shows `start` after the Unix epoch.
    #[must_use]
    pub fn new(start: Duration) -> Self {
        Self { elapsed: Arc::new(AtomicU64::new(0)), start }
    }

    /// Moves the clock forward. Timers that are due run when the worker is told to run them.
    pub fn advance(&self, by: Duration) {
        self.elapsed.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.elapsed.load(Ordering::SeqCst))
    }
}

/// A clock with the moment from which monotonic time is counted.
#[derive(Debug)]
pub(crate) struct ClockSource {
    clock: Clock,
    origin: Instant,
}

impl ClockSource {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, origin: Instant::now() }
    }

    /// Time since the Unix epoch.
    pub(crate) fn wall(&self) -> Duration {
        match &self.clock {
            Clock::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Clock::Virtual(clock) => clock.start.saturating_add(clock.monotonic()),
        }
    }

    /// Time since some fixed moment; never goes back.
    pub(crate) fn monotonic(&self) -> Duration {
        match &self.clock {
            Clock::System => self.origin.elapsed(),
            Clock::Virtual(clock) => clock.monotonic(),
        }
    }
}
