//! Who counts and records exchanges: told what happened, without a say in it.

use std::fmt::Debug;
use std::rc::Rc;

use meshward_wire::message::Message;

use crate::effect::{Effect, Effects, Level};
#[cfg(doc)]
use crate::exchange::LateReport;
use crate::headers::{HeaderDemand, KeptHeaders};
use crate::host::Host;
use crate::report::{MessageReport, Report};
use crate::series::{Amounts, Series};
use crate::stage::Call;

/// Metrics, or the audit record. It is shared by all exchanges of a worker; what it keeps of one is in the
/// [`ExchangeObserver`] it opens.
///
/// Where there is an observer, every response is read at least as with [`crate::Reads::Observes`].
pub trait Observer {
    /// The request header fields it wants to see, besides `mcp-*`.
    fn headers(&self) -> HeaderDemand;

    /// Whether it reads [`Report::decided`]: a clock is read for it.
    fn times_decisions(&self) -> bool {
        false
    }

    /// Whether it reads [`MessageReport::target`] and [`MessageReport::client`]: texts are copied for them.
    fn reads_names(&self) -> bool {
        true
    }

    /// Whether it hears of [`Moment::Ended`] some time later ([`LateReport`]), and not at once. What the host knows of the
    /// exchange has gone by then, and so have the request's header fields.
    fn hears_late(&self) -> bool {
        false
    }

    /// Its part in one exchange.
    fn open(&self) -> Box<dyn ExchangeObserver>;
}

/// An observer's part in one exchange.
pub trait ExchangeObserver {
    /// Hears of a moment. The report says how the exchange stands after it.
    fn see(&mut self, moment: &Moment<'_>, report: &Report, view: &mut View<'_>);
}

impl Debug for dyn Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Debug for dyn ExchangeObserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExchangeObserver")
    }
}

/// What happens in an exchange. Of an exchange with something that passes unread because it is not MCP nothing is told.
#[derive(Debug, Clone, Copy)]
pub enum Moment<'a> {
    /// A message of the client was decided: `report.messages[index]`, the last one.
    Decided {
        /// Which.
        index: usize,
        /// The message. `None`: it could not be read.
        call: Option<&'a Call<'a>>,
    },
    /// The head of the response came. Not told of our own replies.
    ResponseStarted,
    /// An answer came, and is not edited yet: `report.messages[index].answer`.
    Answered {
        /// Which message it answers.
        index: usize,
        /// The answer.
        message: &'a Message<'a>,
    },
    /// A request of the server's own came, and was decided.
    ServerRequest {
        /// The request.
        message: &'a Message<'a>,
        /// What it is and what was decided. It has no answer: that comes in another exchange.
        report: &'a MessageReport,
    },
    /// The exchange is over. Told once, and last; to some at once, to others later ([`Observer::hears_late`]).
    Ended,
}

/// What an observer works with.
pub struct View<'a> {
    /// The world. At the end of an exchange some properties may have gone.
    pub host: &'a mut dyn Host,
    /// The request's header fields that are kept; none of a request that was refused by its head.
    pub headers: &'a KeptHeaders,
    effects: &'a mut Effects,
}

impl<'a> View<'a> {
    pub(crate) fn new(host: &'a mut dyn Host, headers: &'a KeptHeaders, effects: &'a mut Effects) -> Self {
        Self { host, headers, effects }
    }

    /// Measures.
    pub fn measure(&mut self, series: Rc<Series>, by: i64) {
        self.effects.push(Effect::Measure { series, by });
    }

    /// Measures several at once.
    pub fn measure_all(&mut self, series: Rc<[Rc<Series>]>, by: Amounts) {
        self.effects.push(Effect::MeasureAll { series, by });
    }

    /// Leaves a text with the host, under a name, for its access log and its tracer.
    pub fn filter_state(&mut self, key: &'static str, value: Vec<u8>) {
        self.effects.push(Effect::FilterState { key, value });
    }

    /// Writes a line to the host's log.
    pub fn log(&mut self, level: Level, line: String) {
        self.effects.push(Effect::Log(level, line));
    }
}

impl Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}
