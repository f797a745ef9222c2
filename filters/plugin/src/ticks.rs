//! The host's one timer, shared by who wants to be called from time to time.

use std::cell::Cell;

use meshward_engine::{Effects, Pipeline};

use crate::abi;
use crate::exchange::ProxyHost;

/// Who wants what of the timer; periods in milliseconds, 0 for none.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    metrics: Cell<u32>,
    stages: Cell<u32>,
    /// What the host was told.
    period: Cell<u32>,
    /// When the stages are to be called next, in nanoseconds.
    due: Cell<u64>,
}

impl Ticks {
    /// Has metrics called every so many milliseconds; 0: no more. `false`: the host refuses.
    pub(crate) fn for_metrics(&self, period: u32) -> bool {
        self.metrics.set(period);
        self.tell()
    }

    /// Has the stages called as they want to be. A host that refuses is asked again with the next input.
    pub(crate) fn for_stages(&self, pipeline: &Pipeline) {
        let period = pipeline.tick_period().unwrap_or_default();
        if period == self.stages.get() {
            return;
        }
        self.stages.set(period);
        self.due.set(abi::now().saturating_add(u64::from(period).saturating_mul(1_000_000)));
        if !self.tell() {
            self.stages.set(0);
        }
    }

    /// The host has called: calls the stages, if it is time. What they want is in the effects.
    pub(crate) fn call_stages(&self, pipeline: &Pipeline, effects: &mut Effects) {
        let period = self.stages.get();
        let now = abi::now();
        if period == 0 || now < self.due.get() {
            return;
        }
        self.due.set(now.saturating_add(u64::from(period).saturating_mul(1_000_000)));
        pipeline.tick(&mut ProxyHost, effects);
        self.for_stages(pipeline);
    }

    fn tell(&self) -> bool {
        let wanted = [self.metrics.get(), self.stages.get()].into_iter().filter(|period| *period > 0).min();
        let period = wanted.unwrap_or_default();
        let is_told = period == self.period.get() || abi::set_tick(period).is_ok();
        if is_told {
            self.period.set(period);
        }
        is_told
    }
}
