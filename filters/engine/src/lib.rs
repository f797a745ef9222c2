//! One HTTP exchange as a state machine.
//!
//! [`Exchange::handle`] takes one [`Input`] and writes [`Effects`]: what happened comes in, what is to be done goes
//! out, and nothing in between touches the world. Time, randomness, connection properties and the shared store come
//! in through [`Host`]. The work on a message itself is done by [`Stage`]s, in order, each with a [`StageExchange`] of its own for
//! every exchange.
//!
//! **The contract: every input is answered at once, by exactly one [`Flow`] and any number of effects, all of which the
//! caller carries out before it hands in the next input.** A `Hold` is only ever answered while something more is
//! sure to come: the rest of a body, or the end of a callout, which has a deadline.
//!
//! The machine works with and without header hold (`Settings::header_hold`). Without it the request's headers have
//! left before the body is decided: the upstream may see headers of a refused request, never its body.

#![forbid(unsafe_code)]

mod callout;
mod effect;
mod endpoint;
mod exchange;
mod glob;
mod headers;
mod host;
mod input;
mod media;
mod mode;
mod observer;
mod period;
mod report;
mod series;
mod sessions;
mod settings;
mod size;
mod stage;
pub mod store;
mod ticker;
mod trace;

pub use callout::{Callout, CalloutOutcome, CalloutRequest};
pub use effect::{Counter, Effect, Effects, Flow, HeaderEdit, Level, Reply};
pub use endpoint::{Endpoints, PathKind};
pub use exchange::{BodyDemand, Exchange, LateReport, Outcome, Pipeline};
pub use glob::Glob;
pub use headers::{HeaderDemand, Headers, KeptHeaders};
pub use host::{Host, StoreError};
pub use input::Input;
pub use mode::Mode;
pub use observer::{ExchangeObserver, Moment, Observer, View};
pub use period::Period;
pub use report::{
    AnswerKind, AnswerReport, Decided, HttpMethod, MessageReport, Phase, Report, ResponseReport, Ruling, RulingEffect,
    is_failure,
};
pub use series::{Amounts, MetricKind, Series};
pub use sessions::SessionTable;
pub use settings::{Batches, Direction, Responses, Settings};
pub use size::Size;
pub use stage::{
    Answer, Asked, Call, Decision, EventId, HeadVerdict, Reads, Refusal, Scope, Stage, StageExchange, Target, Verdict,
};
pub use ticker::{TickScope, Ticker};
pub use trace::TraceId;
