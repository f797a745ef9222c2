//! What an exchange asks of its host.

use std::rc::Rc;

use meshward_wire::refusal::Reason;

use crate::callout::Callout;
use crate::exchange::LateReport;
use crate::series::{Amounts, Series};

/// Whether what arrived may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Pass on what is held and what comes.
    #[default]
    Continue,
    /// Keep it: more is to come before the decision, or the exchange was answered by a [`Reply`].
    Hold,
}

/// The answer to one input.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Effects {
    /// Whether the input may go on.
    pub flow: Flow,
    /// What else is to be done, in order, before the flow is obeyed.
    pub list: Vec<Effect>,
    /// Header fields of the reply, if there is to be one.
    pub(crate) reply_headers: Vec<(&'static str, String)>,
}

impl Effects {
    /// Ready for the next input; keeps its memory.
    pub fn clear(&mut self) {
        self.flow = Flow::Continue;
        self.list.clear();
        self.reply_headers.clear();
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    pub(crate) fn hold(&mut self) {
        self.flow = Flow::Hold;
    }
}

/// One thing to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer the request here; the upstream gets no more of it. At most once in an exchange.
    Reply(Reply),
    /// Edit the request headers. Only ever asked for while they are at hand.
    RequestHeader(HeaderEdit),
    /// Edit the response headers. Only ever asked for while they are at hand.
    ResponseHeader(HeaderEdit),
    /// Put these bytes in the place of the whole body, or of the chunk, that the input showed.
    ReplaceBody(Vec<u8>),
    /// Call another service; its end comes back as `Input::CalloutResult`.
    Callout(Callout),
    /// Count a refusal of this reason, enforced or only observed.
    CountRefusal {
        /// Why.
        reason: Reason,
        /// Decided, but let pass (shadow mode).
        shadow: bool,
    },
    /// Add to a counter.
    Count {
        /// Which.
        counter: Counter,
        /// How much.
        by: u64,
    },
    /// Measure: add to a counter or a gauge, or record in a histogram.
    Measure {
        /// What.
        series: Rc<Series>,
        /// How much; only of a gauge below zero.
        by: i64,
    },
    /// Measure several at once.
    MeasureAll {
        /// What; no more than there are amounts.
        series: Rc<[Rc<Series>]>,
        /// How much of each, in their order.
        by: Amounts,
    },
    /// Tell observers that the exchange is over: now or some time later, when it is told of others too.
    Report(LateReport),
    /// Leave a text with the host, under a name, for its access log and its tracer. Envoy: filter state `wasm.<key>`.
    FilterState {
        /// The name.
        key: &'static str,
        /// The text.
        value: Vec<u8>,
    },
    /// A line for the host's log. Never holds arguments, results or header values.
    Log(Level, String),
}

/// What is counted besides refusals. The labels are closed lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// An entry of a list result that its caller may not use was taken out.
    Hidden {
        /// The list's method.
        list: &'static str,
        /// It was counted, but not taken out (shadow mode).
        shadow: bool,
    },
    /// The definition of a tool is not as it was approved, or the list of tools is not as it was.
    ToolFinding {
        /// What was found.
        finding: &'static str,
        /// It passes nevertheless (observe mode).
        shadow: bool,
    },
    /// A rule's condition could not be evaluated.
    ConditionFailed {
        /// The rule allows, and so did not match; otherwise it denies, and so did.
        allows: bool,
    },
    /// Some of a request's trace context was malformed, and taken out.
    ContextDropped {
        /// Where it was: `header` or `meta`.
        place: &'static str,
        /// What: `traceparent`, `tracestate` or `baggage`.
        part: &'static str,
    },
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For whoever follows single decisions.
    Info,
    /// For whoever runs the proxy: something is wrong.
    Warn,
}

/// A whole HTTP response.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header fields, without `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The content; empty for none.
    pub body: Vec<u8>,
}

/// A change of one header field.
#[derive(Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Remove every field line of this name.
    Remove(&'static str),
    /// Have exactly one field line of this name.
    Set(&'static str, Vec<u8>),
    /// Have one more field line of this name: for a head that has none of it, where a host need not look for one.
    Add(&'static str, Vec<u8>),
}

impl HeaderEdit {
    /// The field's name, in lower case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Remove(name) | Self::Set(name, _) | Self::Add(name, _) => name,
        }
    }
}
