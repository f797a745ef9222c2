//! What stages do from time to time, apart from any exchange.

use std::fmt::{self, Debug, Formatter};
use std::rc::Rc;

use crate::callout::{Callout, CalloutOutcome};
use crate::effect::{Effect, Effects, Level};
use crate::host::Host;
use crate::series::Series;

/// What a stage does from time to time, in the worker that it is in.
pub trait Ticker {
    /// After how many milliseconds it wants to do it next, and again and again; `None`: not for now.
    fn period(&self) -> Option<u32>;

    /// Does it.
    fn tick(&self, scope: &mut TickScope<'_>);

    /// A call that it began has ended. `call`: the number it gave it.
    fn called(&self, _call: u16, _: &CalloutOutcome, _: &mut TickScope<'_>) {}
}

/// What a [`Ticker`] works with.
pub struct TickScope<'a> {
    /// The world.
    pub host: &'a mut dyn Host,
    effects: &'a mut Effects,
    /// Which of the pipeline's tickers this is.
    place: u16,
}

impl Debug for TickScope<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("TickScope").field("place", &self.place).finish_non_exhaustive()
    }
}

impl<'a> TickScope<'a> {
    pub(crate) fn new(host: &'a mut dyn Host, effects: &'a mut Effects, place: u16) -> Self {
        Self { host, effects, place }
    }

    /// Calls another service, under a number of the stage's own; the callout's `id` is made from it.
    pub fn call(&mut self, number: u16, callout: Callout) {
        let id = callout_id(self.place, number);
        self.effects.push(Effect::Callout(Callout { id, ..callout }));
    }

    /// Adds to a series of the stage's own.
    pub fn measure(&mut self, series: &Rc<Series>, by: u64) {
        self.effects.push(Effect::Measure { series: Rc::clone(series), by: i64::try_from(by).unwrap_or(i64::MAX) });
    }

    /// Writes a line to the host's log.
    pub fn log(&mut self, level: Level, line: String) {
        self.effects.push(Effect::Log(level, line));
    }
}

/// The number of a call among those of all tickers.
fn callout_id(place: u16, number: u16) -> u32 {
    (u32::from(place) << 16) | u32::from(number)
}

/// Whose call it is, and the number he gave it.
pub(crate) fn parts(id: u32) -> (u16, u16) {
    let [p0, p1, n0, n1] = id.to_be_bytes();
    (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([n0, n1]))
}
