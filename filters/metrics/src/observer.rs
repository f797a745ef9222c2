//! From reports to measurements.

use std::cell::RefCell;
use std::rc::Rc;

use meshward_catalogue::{Catalogue, ServerKey};
use meshward_engine::{
    Decided, Direction, ExchangeObserver, HeaderDemand, HttpMethod, MessageReport, Moment, Observer, Outcome, Report,
    RulingEffect, SessionTable, Target, View,
};

use crate::config::MetricsConfig;
use crate::label::{Key, Labels, OTHER, Value, Word};
use crate::metric::Metric;
use crate::outcome;
use crate::registry::Registry;
use crate::together::{Measurement, Part};
use crate::vocabulary::{NameKind, Vocabulary};

/// When sessions began.
const SESSIONS: SessionTable = SessionTable::new("meshward/session/");

/// Measures exchanges.
#[derive(Debug)]
pub struct Metrics {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: RefCell<Registry>,
    catalogue: Option<Rc<Catalogue>>,
    max_series: usize,
}

/// The measurement of one exchange.
#[derive(Debug)]
struct MetricsExchange {
    shared: Rc<Shared>,
    /// What the first message names, a value of a label.
    first: Named,
    /// What the others name.
    others: Vec<Named>,
    /// It has been counted among the open streams.
    is_open: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Named {
    tool: Option<Value>,
    prompt: Option<Value>,
}

impl Metrics {
    /// Measures by a valid section. `tools` and `prompts` are names that the rest of the configuration has; `catalogue`
    /// knows those that servers have listed.
    #[must_use]
    pub fn new<'n>(
        config: &'n MetricsConfig,
        direction: Direction,
        tools: impl IntoIterator<Item = &'n str>,
        prompts: impl IntoIterator<Item = &'n str>,
        catalogue: Option<Rc<Catalogue>>,
    ) -> Self {
        let mut vocabulary = Vocabulary::default();
        for name in tools.into_iter().chain(config.tools.iter().map(String::as_str)) {
            vocabulary.add(NameKind::Tool, name);
        }
        for name in prompts.into_iter().chain(config.prompts.iter().map(String::as_str)) {
            vocabulary.add(NameKind::Prompt, name);
        }
        let registry = RefCell::new(Registry::new(config, direction, vocabulary));
        Self { shared: Rc::new(Shared { registry, catalogue, max_series: config.max_series }) }
    }
}

impl Observer for Metrics {
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
    }

    fn reads_names(&self) -> bool {
        false
    }

    fn hears_late(&self) -> bool {
        true
    }

    fn open(&self) -> Box<dyn ExchangeObserver> {
        Box::new(MetricsExchange {
            shared: Rc::clone(&self.shared),
            first: Named::default(),
            others: Vec::new(),
            is_open: false,
        })
    }
}

impl ExchangeObserver for MetricsExchange {
    fn see(&mut self, moment: &Moment<'_>, report: &Report, view: &mut View<'_>) {
        match moment {
            Moment::Decided { index, call } => {
                let named = call.map(|call| self.shared.named(&call.target, view)).unwrap_or_default();
                match index {
                    0 => self.first = named,
                    _ => self.others.push(named),
                }
            }
            Moment::ResponseStarted => self.response_started(report, view),
            Moment::Answered { .. } => {}
            Moment::ServerRequest { report: message, .. } => {
                let mut labels = self.shared.endpoint(report).with(Key::Method, method(message));
                self.shared.decided(&mut labels, message);
                self.shared.measure(view, Metric::ServerRequests, &labels, 1);
            }
            Moment::Ended => self.ended(report, view),
        }
    }
}

impl MetricsExchange {
    fn response_started(&mut self, report: &Report, view: &mut View<'_>) {
        let response = &report.response;
        let is_success = response.status.is_some_and(|status| (200..300).contains(&status));
        if response.is_stream && is_success && !response.is_complete {
            self.is_open = true;
            self.shared.measure(view, Metric::OpenStreams, &Labels::default(), 1);
        }
        let initializes = |message: &MessageReport| message.method.is_some_and(|method| method.name == "initialize");
        // Only what a server gives out is remembered: an id that a client thought of takes no place.
        let begins = is_success && response.gives_session && report.messages.iter().any(initializes);
        if let Some(session) = report.session.as_ref().filter(|_| begins) {
            SESSIONS.remember(&*view.host, session.as_bytes(), &report.started.to_le_bytes());
        }
        // At once: what hears late could take the next session of that name for this one.
        if report.session.is_some() {
            self.shared.end_session(report, view);
        }
    }

    fn ended(&mut self, report: &Report, view: &mut View<'_>) {
        let shared = &*self.shared;
        let endpoint = shared.endpoint(report);
        let response = &report.response;
        let mut messages = report.messages.iter().zip(std::iter::once(&self.first).chain(&self.others));
        let mut first = shared.message(report, endpoint, messages.next());
        if report.request_bytes > 0 {
            first.add(Part::RequestSize, fits(report.request_bytes));
        }
        if response.status.is_some() {
            first.add(Part::ResponseSize, fits(response.bytes));
        }
        if report.parsed_bytes > 0 {
            first.add(Part::ParsedBytes, fits(report.parsed_bytes));
        }
        first.add(Part::Exchanges, 1);
        first.exchange = Some(match report.outcome {
            Outcome::Allowed | Outcome::Passed => Word::Allowed,
            Outcome::Denied(_) => Word::Denied,
            Outcome::Failed | Outcome::Open => Word::Failed,
        });
        shared.measure_all(view, &first);
        for message in messages {
            shared.measure_all(view, &shared.message(report, endpoint, Some(message)));
        }
        // Most exchanges are one request and its answer alone, without a stream or a session.
        let is_plain = !response.is_stream && response.progress == 0 && response.cancelled == 0;
        if !is_plain || self.is_open || !is_one_request(report) {
            self.rest_ended(report, endpoint, &first.labels, view);
        }
    }

    /// What only some exchanges have to be measured.
    #[inline(never)]
    fn rest_ended(&self, report: &Report, endpoint: Labels, first: &Labels, view: &mut View<'_>) {
        let shared = &*self.shared;
        let response = &report.response;
        if self.is_open {
            shared.measure(view, Metric::OpenStreams, &Labels::default(), -1);
        }
        if let Some(at) = response.first_event {
            shared.measure(view, Metric::TimeToFirstEvent, first, milliseconds(report.started, at));
        }
        let sent = |name: &str| {
            let is = |message: &&MessageReport| message.method.is_some_and(|method| method.name == name);
            report.messages.iter().filter(is).count() as u64
        };
        for (metric, sender, count) in [
            (Metric::Progress, Word::Client, sent("notifications/progress")),
            (Metric::Progress, Word::Server, response.progress),
            (Metric::Cancellations, Word::Client, sent("notifications/cancelled")),
            (Metric::Cancellations, Word::Server, response.cancelled),
        ] {
            shared.count(view, metric, &endpoint.with(Key::Sender, Some(Value::Word(sender))), count);
        }
        shared.count(view, Metric::Events, &endpoint, response.events);
    }
}

/// A notification may be of those that are counted.
fn is_one_request(report: &Report) -> bool {
    matches!(&*report.messages, [message] if message.is_request())
}

impl Shared {
    /// What there is to measure of one message; without one, what there is to measure all the same.
    fn message(&self, report: &Report, endpoint: Labels, message: Option<(&MessageReport, &Named)>) -> Measurement {
        let mut measurement = Measurement::new(endpoint);
        let Some((message, named)) = message else { return measurement };
        let labels = &mut measurement.labels;
        labels.set(Key::Method, method(message));
        labels.set(Key::Tool, named.tool);
        labels.set(Key::Prompt, named.prompt);
        self.decided(labels, message);
        measurement.add(Part::Decisions, 1);
        if message.is_request() {
            let outcome = outcome::of(report, message);
            let labels = &mut measurement.labels;
            labels.set(Key::ErrorType, outcome.error);
            labels.set(Key::StatusCode, outcome.code);
            labels.set(Key::Revision, message.revision.map(Value::Revision));
            labels.set(Key::Outcome, Some(Value::Word(outcome.is)));
            measurement.add(Part::Requests, 1);
            if let Some(at) = outcome.at {
                measurement.add(Part::Duration, milliseconds(report.started, at));
            }
        }
        measurement
    }

    /// What was decided on a message.
    fn decided(&self, labels: &mut Labels, message: &MessageReport) {
        labels.set(Key::Decision, Some(Value::Word(word(message.decision))));
        labels.set(Key::Reason, reason(message.decision));
        labels.set(Key::Rule, self.rule(message));
    }

    /// A session ends by its client's DELETE, or is said to be over (404; 2025-03-26, basic/transports, Session Management).
    fn end_session(&self, report: &Report, view: &mut View<'_>) {
        let Some(session) = &report.session else { return };
        let error = match (report.http_method, report.response.status) {
            (HttpMethod::Delete, Some(200..=299)) => None,
            (_, Some(404)) => Some(Value::Number(404)),
            _ => return,
        };
        let started = SESSIONS.recall(&*view.host, session.as_bytes()).and_then(|value| value.try_into().ok());
        let Some(started) = started.map(u64::from_le_bytes) else { return };
        SESSIONS.forget(&*view.host, session.as_bytes());
        let took = milliseconds(started, view.host.now());
        self.measure(view, Metric::SessionDuration, &self.endpoint(report).with(Key::ErrorType, error), took);
    }

    fn measure_all(&self, view: &mut View<'_>, measurement: &Measurement) {
        let together = self.registry.borrow_mut().together(measurement);
        match together {
            Some((series, amounts)) => view.measure_all(series, amounts),
            None => self.measure_one_by_one(view, measurement),
        }
    }

    #[cold]
    #[inline(never)]
    fn measure_one_by_one(&self, view: &mut View<'_>, measurement: &Measurement) {
        for (_, metric, labels, amount) in measurement.one_by_one() {
            self.measure(view, metric, &labels, amount);
        }
    }

    #[inline(never)]
    fn measure(&self, view: &mut View<'_>, metric: Metric, labels: &Labels, by: i64) {
        let mut registry = self.registry.borrow_mut();
        let Some((series, overflows)) = registry.series(metric, labels) else { return };
        view.measure(series, by);
        if overflows && let Some((series, _)) = registry.series(Metric::SeriesOverflow, &Labels::default()) {
            view.measure(series, 1);
        }
    }

    /// Adds to a counter, unless it is nothing.
    fn count(&self, view: &mut View<'_>, metric: Metric, labels: &Labels, by: u64) {
        if by > 0 {
            self.measure(view, metric, labels, fits(by));
        }
    }

    /// What all that is measured of an exchange has in common.
    fn endpoint(&self, report: &Report) -> Labels {
        let mut registry = self.registry.borrow_mut();
        if !registry.has_endpoints() {
            return Labels::default();
        }
        // A path that is an endpoint is one that is configured.
        let value = report.endpoint.as_deref().map(|path| registry.vocabulary.add(NameKind::Endpoint, path));
        Labels::default().with(Key::Endpoint, value)
    }

    fn rule(&self, message: &MessageReport) -> Option<Value> {
        let rulings = || message.rulings.iter();
        let refused = rulings().find(|ruling| matches!(ruling.effect, RulingEffect::Refuses(_)));
        let observed = || rulings().find(|ruling| matches!(ruling.effect, RulingEffect::WouldRefuse(_)));
        let ruling = refused.or_else(observed).or_else(|| rulings().find(|ruling| ruling.rule.is_some()))?;
        // Rules have their names from the configuration.
        Some(self.registry.borrow_mut().vocabulary.add(NameKind::Rule, ruling.rule.as_deref()?))
    }

    /// What a message is about, as far as its name is one of the configuration, or of a server's list.
    fn named(&self, target: &Target<'_>, view: &View<'_>) -> Named {
        match target {
            Target::Tool(name) => Named { tool: Some(self.tool(name, view)), prompt: None },
            Target::Prompt(name) => {
                let known = self.registry.borrow().vocabulary.find(NameKind::Prompt, name);
                Named { tool: None, prompt: Some(known.unwrap_or(OTHER)) }
            }
            Target::Resource(_) | Target::Resources(_) | Target::None => Named::default(),
        }
    }

    fn tool(&self, name: &str, view: &View<'_>) -> Value {
        if let Some(known) = self.registry.borrow().vocabulary.find(NameKind::Tool, name) {
            return known;
        }
        let Some(catalogue) = &self.catalogue else { return OTHER };
        let cluster = view.host.property(&["xds", "cluster_name"]).unwrap_or_default();
        let server = ServerKey::new(&cluster, view.headers.path());
        if catalogue.tool(&*view.host, &server, name).is_none() {
            return OTHER;
        }
        let mut registry = self.registry.borrow_mut();
        registry.vocabulary.learn(NameKind::Tool, name, self.max_series).unwrap_or(OTHER)
    }
}

fn method(message: &MessageReport) -> Option<Value> {
    message.method.map(Value::Method).or_else(|| message.other_method.is_some().then_some(OTHER))
}

const fn word(decision: Decided) -> Word {
    match decision {
        Decided::Allowed => Word::Allowed,
        Decided::Observed(_) => Word::Observed,
        Decided::Denied(_) => Word::Denied,
        Decided::Failed | Decided::Open => Word::Failed,
    }
}

const fn reason(decision: Decided) -> Option<Value> {
    match decision {
        Decided::Observed(reason) | Decided::Denied(reason) => Some(Value::Reason(reason)),
        Decided::Allowed | Decided::Failed | Decided::Open => None,
    }
}

/// From one time to another, to the nearest millisecond.
fn milliseconds(from: u64, to: u64) -> i64 {
    let nanoseconds = to.saturating_sub(from);
    fits(nanoseconds.saturating_add(500_000) / 1_000_000)
}

/// A number that fits.
fn fits(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
