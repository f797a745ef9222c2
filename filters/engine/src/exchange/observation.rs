//! The observers' side of an exchange: what is reported, and when they are told.

use std::rc::Rc;

use meshward_wire::json;
use meshward_wire::message::{Kind, Message};
use meshward_wire::method::Method;
use meshward_wire::refusal::Reason;

use super::request::Head;
use super::response::ResponseHead;
use super::{Exchange, Outcome, Pipeline};
use crate::effect::{Counter, Effect, Effects, Reply};
use crate::headers::KeptHeaders;
use crate::host::Host;
use crate::media::Media;
use crate::observer::{ExchangeObserver, Moment, View};
use crate::report::{
    AnswerKind, AnswerReport, Decided, HttpMethod, MessageReport, Phase, Report, ResponseReport, Ruling, RulingEffect,
};
use crate::stage::{Call, Decision};
use crate::trace::TraceId;

/// The name of what decides before any stage.
const ENGINE: &str = "engine";

/// For how many exchanges memory is kept.
const MOST_KEPT: usize = 64;
/// What was grown for more messages is not kept.
const MOST_KEPT_MESSAGES: usize = 4;

/// What is reported of an exchange that somebody observes.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) report: Report,
    is_decided: bool,
    reads_names: bool,
    observers: Vec<Box<dyn ExchangeObserver>>,
    /// Of the message that is being decided.
    pub(super) remarks: Remarks,
}

/// What is reported of an exchange that is over, for those that hear it late ([`Observer::hears_late`]): where many are told
/// together, what tells them is in the processor's caches, and it need not be while an exchange passes.
///
/// [`Observer::hears_late`]: crate::Observer::hears_late
#[derive(Debug)]
pub struct LateReport {
    observation: Box<Observation>,
    pipeline: Rc<Pipeline>,
}

impl LateReport {
    /// Tells it.
    pub fn tell(mut self, host: &mut dyn Host, effects: &mut Effects) {
        self.observation.ended(true, &self.pipeline, host, &self.pipeline.no_headers, effects);
        self.observation.give_back(&self.pipeline);
    }
}

impl PartialEq for LateReport {
    fn eq(&self, other: &Self) -> bool {
        self.observation.report == other.observation.report
    }
}

impl Eq for LateReport {}

/// What stages say of a message besides their verdict.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    rulings: Vec<Ruling>,
    /// The rule by which the stage at work lets the message pass.
    pub(crate) allowed_by: Option<Rc<str>>,
    pub(crate) notes: Vec<(&'static str, String)>,
    hidden: u64,
    would_hide: u64,
}

impl Remarks {
    /// Keeps what a stage said.
    pub(super) fn ruled(&mut self, stage: &'static str, on: Phase, refusal: Option<(&Decision, bool)>) {
        let allowed_by = self.allowed_by.take();
        let (effect, rule) = match refusal {
            Some((decision, true)) => (RulingEffect::WouldRefuse(decision.reason), decision.rule.clone()),
            Some((decision, false)) => (RulingEffect::Refuses(decision.reason), decision.rule.clone()),
            None if allowed_by.is_none() => return,
            None => (RulingEffect::Allows, allowed_by),
        };
        self.rulings.push(Ruling { stage, on, effect, rule });
    }

    /// What of the counters is reported too.
    pub(crate) const fn counted(&mut self, counter: Counter, by: u64) {
        match counter {
            Counter::Hidden { shadow: false, .. } => self.hidden = self.hidden.saturating_add(by),
            Counter::Hidden { shadow: true, .. } => self.would_hide = self.would_hide.saturating_add(by),
            Counter::ConditionFailed { .. } | Counter::ContextDropped { .. } | Counter::ToolFinding { .. } => {}
        }
    }

    /// Moves what was said to the report of its message.
    fn move_to(&mut self, report: &mut MessageReport) {
        move_all(&mut self.rulings, &mut report.rulings);
        move_all(&mut self.notes, &mut report.notes);
        report.hidden = report.hidden.saturating_add(std::mem::take(&mut self.hidden));
        report.would_hide = report.would_hide.saturating_add(std::mem::take(&mut self.would_hide));
        self.allowed_by = None;
    }
}

/// Moves everything behind what is there. Mostly nothing is, and the memory changes hands.
fn move_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if to.is_empty() { std::mem::swap(from, to) } else { to.append(from) }
}

/// What comes of rulings.
fn decided(rulings: &[Ruling]) -> Decided {
    let of = |ruling: &Ruling| match ruling.effect {
        RulingEffect::Allows => None,
        RulingEffect::WouldRefuse(reason) => Some(Decided::Observed(reason)),
        RulingEffect::Refuses(reason) => Some(denied(reason)),
    };
    let refused = rulings.iter().find(|ruling| matches!(ruling.effect, RulingEffect::Refuses(_)));
    refused.and_then(of).or_else(|| rulings.iter().find_map(of)).unwrap_or(Decided::Allowed)
}

/// A refusal; one that is our own fault is no decision.
fn denied(reason: Reason) -> Decided {
    if reason == Reason::InternalError { Decided::Failed } else { Decided::Denied(reason) }
}

impl MessageReport {
    /// It is refused in a reason's own words, unless it is known to be in others.
    fn answered_here(&mut self, reason: Reason, at: u64) {
        if matches!(self.kind, None | Some(Kind::Request)) {
            let usual = AnswerKind::Error { code: Some(reason.shown().code().into()) };
            self.answer = Some(AnswerReport { at, is: self.answer.map_or(usual, |answer| answer.is) });
        }
    }

    /// What a message says of itself.
    fn of(message: &Message<'_>) -> Self {
        let method = message.method().as_deref().and_then(Method::lookup);
        Self { client: client(message), ..Self::of_method(message, method) }
    }

    /// The same, where its method has been looked up.
    fn of_method(message: &Message<'_>, method: Option<&'static Method>) -> Self {
        let other_method = if method.is_none() { message.method().map(std::borrow::Cow::into_owned) } else { None };
        Self {
            kind: Some(message.kind()),
            method,
            other_method,
            id: message.id().map(|id| id.to_owned()),
            ..Self::default()
        }
    }
}

impl Observation {
    pub(super) fn begin(pipeline: &Pipeline, head: &Head<'_>, host: &dyn Host) -> Box<Self> {
        let used = pipeline.observations.borrow_mut().pop();
        let mut observation = used.unwrap_or_else(|| Self::empty(pipeline));
        let report = &mut observation.report;
        report.endpoint = pipeline.settings.endpoints.path(head.path).cloned();
        report.http_method = match head.method {
            b"POST" => HttpMethod::Post,
            b"GET" => HttpMethod::Get,
            b"DELETE" => HttpMethod::Delete,
            b"OPTIONS" => HttpMethod::Options,
            _ => HttpMethod::Other,
        };
        report.session = text(head.session);
        report.started = host.now();
        observation.observers.extend(pipeline.observers.iter().map(|observer| observer.open()));
        observation
    }

    #[cold]
    fn empty(pipeline: &Pipeline) -> Box<Self> {
        Box::new(Self {
            report: Report {
                direction: pipeline.settings.direction,
                endpoint: None,
                http_method: HttpMethod::Other,
                session: None,
                outcome: Outcome::Open,
                started: 0,
                decided: None,
                ended: None,
                request_bytes: 0,
                parsed_bytes: 0,
                // More than one is in few requests.
                messages: Vec::with_capacity(1),
                response: ResponseReport::default(),
            },
            is_decided: false,
            reads_names: pipeline.reads_names,
            observers: Vec::with_capacity(pipeline.observers.len()),
            remarks: Remarks::default(),
        })
    }

    /// Gives its memory to exchanges to come, with nothing of this one.
    fn give_back(mut self: Box<Self>, pipeline: &Pipeline) {
        // All of them, so that what is added is not forgotten here.
        let Self { report, is_decided, reads_names: _, observers, remarks } = &mut *self;
        let Report {
            direction: _,
            endpoint,
            http_method,
            session,
            outcome,
            started,
            decided,
            ended,
            request_bytes,
            parsed_bytes,
            messages,
            response,
        } = report;
        (*endpoint, *session, *http_method, *outcome) = (None, None, HttpMethod::Other, Outcome::Open);
        (*started, *decided, *ended, *request_bytes, *parsed_bytes) = (0, None, None, 0, 0);
        *response = ResponseReport::default();
        *is_decided = false;
        *remarks = Remarks::default();
        observers.clear();
        messages.clear();
        let is_small = messages.capacity() <= MOST_KEPT_MESSAGES;
        let mut kept = pipeline.observations.borrow_mut();
        if is_small && kept.len() < MOST_KEPT {
            kept.push(self);
        }
    }

    fn tell(&mut self, moment: &Moment<'_>, host: &mut dyn Host, headers: &KeptHeaders, effects: &mut Effects) {
        for observer in &mut self.observers {
            observer.see(moment, &self.report, &mut View::new(&mut *host, headers, effects));
        }
    }

    /// Tells those that hear it late that the exchange is over, or the others.
    fn ended(
        &mut self,
        late: bool,
        pipeline: &Pipeline,
        host: &mut dyn Host,
        headers: &KeptHeaders,
        effects: &mut Effects,
    ) {
        for (observer, kind) in self.observers.iter_mut().zip(&pipeline.observers) {
            if kind.hears_late() == late {
                observer.see(&Moment::Ended, &self.report, &mut View::new(&mut *host, headers, effects));
            }
        }
    }

    /// The stages have decided on a message.
    pub(super) fn decided(
        &mut self,
        call: &Call<'_>,
        trace_id: Option<TraceId>,
        host: &mut dyn Host,
        headers: &KeptHeaders,
        effects: &mut Effects,
    ) {
        let index = self.report.messages.len();
        self.report.messages.push(MessageReport::of_method(call.message, call.method));
        if let Some(message) = self.report.messages.last_mut() {
            message.revision = call.revision;
            message.trace_id = trace_id;
            if self.reads_names {
                message.target = Some(call.target.clone().into_owned());
                message.client = client(call.message);
            }
            self.remarks.move_to(message);
            message.decision = decided(&message.rulings);
        }
        self.tell(&Moment::Decided { index, call: Some(call) }, host, headers, effects);
    }

    /// A message is refused before any stage saw it.
    pub(super) fn condemned(
        &mut self,
        message: Option<&Message<'_>>,
        reason: Reason,
        host: &mut dyn Host,
        headers: &KeptHeaders,
        effects: &mut Effects,
    ) {
        let mut report = message.map(MessageReport::of).unwrap_or_default();
        self.remarks.move_to(&mut report);
        let effect = RulingEffect::Refuses(reason);
        // A stage may have condemned the head.
        if !report.rulings.iter().any(|ruling| ruling.effect == effect) {
            report.rulings.push(Ruling { stage: ENGINE, on: Phase::Request, effect, rule: None });
        }
        report.decision = denied(reason);
        if message.is_none() {
            report.answered_here(reason, host.now());
        }
        self.add(report, host, headers, effects);
    }

    /// Something that no stage saw.
    fn add(&mut self, message: MessageReport, host: &mut dyn Host, headers: &KeptHeaders, effects: &mut Effects) {
        let index = self.report.messages.len();
        self.report.messages.push(message);
        self.tell(&Moment::Decided { index, call: None }, host, headers, effects);
    }

    /// The shape in which a message is refused that is not the usual one.
    pub(super) fn refused_as(&mut self, index: usize, is: AnswerKind) {
        let at = self.report.started;
        if let Some(message) = self.report.messages.get_mut(index).filter(|message| message.is_request()) {
            message.answer = Some(AnswerReport { at, is });
        }
    }

    /// The server's message, after the stages have seen it.
    pub(super) fn heard(
        &mut self,
        message: &Message<'_>,
        host: &mut dyn Host,
        headers: &KeptHeaders,
        effects: &mut Effects,
    ) {
        match message.kind() {
            Kind::Response | Kind::Error => {
                let Some(index) = self.question(message) else { return self.remarks = Remarks::default() };
                let Some(asked) = self.report.messages.get_mut(index) else { return };
                asked.answer = Some(AnswerReport { at: host.now(), is: answer(message, asked.method) });
                self.remarks.move_to(asked);
                self.tell(&Moment::Answered { index, message }, host, headers, effects);
            }
            Kind::Request => {
                let response = &mut self.report.response;
                response.requests = response.requests.saturating_add(1);
                let mut report = MessageReport::of(message);
                self.remarks.move_to(&mut report);
                report.decision = decided(&report.rulings);
                self.tell(&Moment::ServerRequest { message, report: &report }, host, headers, effects);
            }
            Kind::Notification => {
                self.remarks = Remarks::default();
                let response = &mut self.report.response;
                let count = match message.method().as_deref() {
                    Some("notifications/progress") => &mut response.progress,
                    Some("notifications/cancelled") => &mut response.cancelled,
                    _ => return,
                };
                *count = count.saturating_add(1);
            }
        }
    }

    /// Which request a response answers: the first of its id that has no answer; the only one, for an error that says none.
    fn question(&self, response: &Message<'_>) -> Option<usize> {
        let mut open = self.report.messages.iter().enumerate().filter(|(_, m)| m.is_request() && m.answer.is_none());
        match response.id() {
            Some(id) => open.find(|(_, m)| m.id.as_ref().is_some_and(|asked| asked.raw() == id.raw())),
            None => open.next().filter(|_| open.next().is_none()),
        }
        .map(|(index, _)| index)
    }

    /// An event with data came.
    pub(super) fn event(&mut self, host: &dyn Host) {
        let response = &mut self.report.response;
        response.events = response.events.saturating_add(1);
        if response.first_event.is_none() {
            response.first_event = Some(host.now());
        }
    }

    pub(super) fn response_started(
        &mut self,
        head: &ResponseHead<'_>,
        end_of_stream: bool,
        host: &mut dyn Host,
        kept: &KeptHeaders,
        effects: &mut Effects,
    ) {
        let report = &mut self.report;
        report.response.status = status(head.status);
        report.response.has_started = true;
        report.response.is_stream = head.media == Media::EventStream;
        report.response.is_complete = end_of_stream;
        if let Some(session) = text(head.session) {
            report.session = Some(session);
            report.response.gives_session = true;
        }
        self.tell(&Moment::ResponseStarted, host, kept, effects);
    }

    pub(super) fn replied(&mut self, reply: &Reply) {
        self.report.response = ResponseReport {
            status: Some(reply.status),
            bytes: reply.body.len() as u64,
            is_complete: true,
            ..ResponseReport::default()
        };
    }
}

/// A status of three digits (RFC 9110, section 15).
fn status(digits: &[u8]) -> Option<u16> {
    let digit = |status: u16, digit: &u8| {
        digit.is_ascii_digit().then(|| status.wrapping_mul(10).wrapping_add(u16::from(digit.wrapping_sub(b'0'))))
    };
    digits.first_chunk::<3>().filter(|three| three.len() == digits.len())?.iter().try_fold(0, digit)
}

fn text(value: Option<&[u8]>) -> Option<String> {
    value.and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned)
}

fn client(message: &Message<'_>) -> Option<String> {
    message.client_name().map(std::borrow::Cow::into_owned)
}

fn answer(message: &Message<'_>, method: Option<&Method>) -> AnswerKind {
    if message.kind() == Kind::Error {
        return AnswerKind::Error { code: message.error_code().and_then(|code| code.parse().ok()) };
    }
    let is_call = method.is_some_and(|method| method.name == "tools/call");
    let text = message.text();
    let flag = message.result().filter(|_| is_call).and_then(|result| json::member(text, result, "isError"));
    AnswerKind::Result { is_error: flag.is_some_and(|flag| flag.of(text) == "true") }
}

impl Exchange {
    /// Brings the report up to date after an input.
    pub(super) fn settle(&mut self, over: Over, host: &mut dyn Host, effects: &mut Effects) {
        let Some(observation) = &mut self.observation else { return };
        let report = &mut observation.report;
        report.outcome = self.outcome;
        if !observation.is_decided && self.outcome != Outcome::Open {
            observation.is_decided = true;
            if self.pipeline.times_decisions || matches!(self.outcome, Outcome::Denied(_)) {
                report.decided = Some(host.now());
            }
            for message in &mut report.messages {
                match (self.outcome, message.decision) {
                    (
                        Outcome::Denied(Reason::InternalError) | Outcome::Failed,
                        Decided::Allowed | Decided::Observed(_),
                    ) => {
                        message.decision = Decided::Failed;
                    }
                    (Outcome::Denied(_), Decided::Allowed | Decided::Observed(_)) => {
                        message.decision = Decided::Denied(Reason::BatchRefused);
                    }
                    _ => {}
                }
                if let (Outcome::Denied(reason), Some(now)) = (self.outcome, report.decided) {
                    message.answered_here(if let Decided::Denied(own) = message.decision { own } else { reason }, now);
                }
            }
            let headers = &self.headers;
            match self.outcome {
                Outcome::Denied(reason) if observation.report.messages.is_empty() => {
                    observation.condemned(None, reason, host, headers, effects);
                }
                Outcome::Failed if observation.report.messages.is_empty() => {
                    let undecided = MessageReport { decision: Decided::Failed, ..MessageReport::default() };
                    observation.add(undecided, host, headers, effects);
                }
                _ => {}
            }
        }
        if over == Over::No {
            return;
        }
        if over == Over::Failed {
            for message in &mut observation.report.messages {
                message.decision = Decided::Failed;
            }
        }
        observation.report.ended = Some(host.now());
        if self.pipeline.reports_at_once {
            observation.ended(false, &self.pipeline, host, &self.headers, effects);
        }
        let Some(observation) = self.observation.take() else { return };
        if self.pipeline.reports_late {
            effects.push(Effect::Report(LateReport { observation, pipeline: Rc::clone(&self.pipeline) }));
        } else {
            observation.give_back(&self.pipeline);
        }
    }
}

/// Whether the exchange is over after an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    No,
    Ended,
    Failed,
}
