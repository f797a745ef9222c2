//! From what is reported of an exchange to a record.

use meshward_engine::{
    AnswerKind, Decided, Direction as Side, MessageReport, Phase as Way, Report, Ruling as Said, RulingEffect, Target,
};
use meshward_wire::message::Kind as MessageKind;
use meshward_wire::refusal::Reason;

use crate::excerpt::Excerpt;
use crate::record::{Batch, Decision, Direction, Form, Kind, Note, Outcome, Phase, Principal, Record, Ruling, Sender};
use crate::text::{MAX_TEXT_BYTES, clipped, shown_uri};

/// The most resources of one message that are named.
const MAX_RESOURCES: usize = 8;

/// The most notes of one message.
const MAX_NOTES: usize = 16;

/// What all records of an exchange have in common.
#[derive(Debug)]
pub(crate) struct Composer<'a> {
    pub(crate) report: &'a Report,
    pub(crate) principal: &'a Principal,
    pub(crate) session: Option<String>,
    pub(crate) request_id: Option<&'a str>,
}

impl Composer<'_> {
    /// The record of one of the client's messages.
    pub(crate) fn message(&self, index: usize, message: &MessageReport, excerpt: Excerpt) -> Record {
        let Report { started, decided, ended, messages, response, .. } = self.report;
        let since = |at: Option<u64>| at.map(|at| micros(*started, at));
        let is_call = message.method.is_some_and(|method| method.name == "tools/call");
        let answer = message.answer.map(|answer| answer.is);
        Record {
            batch: (messages.len() > 1).then_some(Batch { index: index as u64, of: messages.len() as u64 }),
            is_error: match answer {
                Some(AnswerKind::Result { is_error }) if is_call => Some(is_error),
                _ => None,
            },
            jsonrpc_code: match answer {
                Some(AnswerKind::Error { code }) => code,
                _ => None,
            },
            http_status: response.status,
            request_bytes: self.report.request_bytes,
            response_bytes: response.bytes,
            decided_us: since(*decided),
            answered_us: since(message.answer.map(|answer| answer.at)),
            duration_us: since(*ended),
            outcome: outcome(message, ended.is_some()),
            ..self.record(Sender::Client, *started, message, excerpt)
        }
    }

    /// The record of a request of the server's own.
    pub(crate) fn server_request(&self, request: &MessageReport, excerpt: Excerpt, now: u64) -> Record {
        Record {
            outcome: if refused(request).is_some() { Outcome::Refused } else { Outcome::Delivered },
            ..self.record(Sender::Server, now, request, excerpt)
        }
    }

    fn record(&self, sender: Sender, time: u64, message: &MessageReport, excerpt: Excerpt) -> Record {
        let mut bounded = Bounded { cut: excerpt.cut };
        let decided = Decisive::of(message);
        let (mut tool, mut prompt, mut resources) = (None, None, Vec::new());
        match &message.target {
            Some(Target::Tool(name)) => tool = bounded.text("tool", Some(name)),
            Some(Target::Prompt(name)) => prompt = bounded.text("prompt", Some(name)),
            Some(Target::Resource(uri)) => resources.extend(bounded.text("resources", Some(&shown_uri(uri)))),
            Some(Target::Resources(uris)) => {
                bounded.note("resources", uris.len() > MAX_RESOURCES);
                let uris = uris.iter().take(MAX_RESOURCES);
                resources.extend(uris.filter_map(|uri| bounded.text("resources", Some(&shown_uri(uri)))));
            }
            Some(Target::None) | None => {}
        }
        let rulings =
            if message.rulings.len() > 1 { message.rulings.iter().map(Ruling::of).collect() } else { Vec::new() };
        bounded.note("notes", message.notes.len() > MAX_NOTES);
        let notes = message.notes.iter().take(MAX_NOTES);
        let mut note = |(name, value): &(&'static str, String)| {
            bounded.text("notes", Some(value)).map(|value| Note { name, value })
        };
        let notes = notes.filter_map(&mut note).collect();
        Record {
            audit: Form::V1,
            time: rfc3339(time),
            direction: match self.report.direction {
                Side::Inbound => Direction::Inbound,
                Side::Outbound => Direction::Outbound,
            },
            sender,
            endpoint: bounded.text("endpoint", self.report.endpoint.as_deref()),
            principal: self.principal.clone(),
            client: bounded.text("client", message.client.as_deref()),
            session: bounded.text("session", self.session.as_deref()),
            request_id: bounded.text("request_id", self.request_id),
            trace_id: message.trace_id.map(|id| id.to_string()),
            revision: message.revision.map(meshward_wire::revision::Revision::as_str),
            kind: message.kind.map(kind),
            method: bounded
                .text("method", message.method.map(|method| method.name).or(message.other_method.as_deref())),
            // Half an id is another one.
            id: bounded.whole("id", message.id.as_ref().map(meshward_wire::message::OwnedId::raw)),
            batch: None,
            tool,
            prompt,
            resources,
            decision: decided.decision,
            shadow: decided.shadow,
            phase: decided.phase,
            stage: decided.stage,
            rule: bounded.text("rule", decided.rule),
            reason: decided.reason.map(Reason::name),
            rulings,
            hidden: message.hidden,
            would_hide: message.would_hide,
            notes,
            outcome: Outcome::Failed,
            is_error: None,
            jsonrpc_code: None,
            http_status: None,
            message_bytes: excerpt.message_bytes,
            request_bytes: 0,
            response_bytes: 0,
            decided_us: None,
            answered_us: None,
            duration_us: None,
            arguments_bytes: excerpt.arguments_bytes,
            arguments_sha256: excerpt.arguments_sha256,
            arguments: excerpt.arguments,
            result: excerpt.result,
            cut: bounded.cut,
            missing: 0,
        }
    }
}

/// Keeps texts within their bound, and remembers which were not.
struct Bounded {
    cut: Vec<&'static str>,
}

impl Bounded {
    fn note(&mut self, field: &'static str, is_cut: bool) {
        if is_cut && !self.cut.contains(&field) {
            self.cut.push(field);
        }
    }

    fn text(&mut self, field: &'static str, text: Option<&str>) -> Option<String> {
        let (text, is_cut) = clipped(text?, MAX_TEXT_BYTES);
        self.note(field, is_cut);
        Some(text.to_owned())
    }

    fn whole(&mut self, field: &'static str, text: Option<&str>) -> Option<String> {
        let whole = text.filter(|text| text.len() <= MAX_TEXT_BYTES);
        self.note(field, whole.is_none() && text.is_some());
        whole.map(str::to_owned)
    }
}

impl Ruling {
    fn of(said: &Said) -> Self {
        let (decision, shadow, reason) = match said.effect {
            RulingEffect::Allows => (Decision::Allow, false, None),
            RulingEffect::WouldRefuse(reason) => (Decision::Deny, true, Some(reason)),
            RulingEffect::Refuses(reason) => (Decision::Deny, false, Some(reason)),
        };
        let rule = said.rule.as_deref().map(|rule| clipped(rule, MAX_TEXT_BYTES).0.to_owned());
        Self { stage: said.stage, phase: phase(said.on), decision, shadow, rule, reason: reason.map(Reason::name) }
    }
}

/// The decision that counts of all that was said of a message.
struct Decisive<'a> {
    decision: Decision,
    shadow: bool,
    phase: Phase,
    stage: Option<&'static str>,
    rule: Option<&'a str>,
    reason: Option<Reason>,
}

impl<'a> Decisive<'a> {
    /// A refusal wins over what is only observed, and that over what allows.
    fn of(message: &'a MessageReport) -> Self {
        let said = refused(message)
            .or_else(|| message.rulings.iter().find(|said| matches!(said.effect, RulingEffect::WouldRefuse(_))))
            .or_else(|| message.rulings.last());
        let nothing = Self {
            decision: Decision::Allow,
            shadow: false,
            phase: Phase::Request,
            stage: None,
            rule: None,
            reason: None,
        };
        let said = said.map_or(nothing, |said| {
            let Ruling { decision, shadow, phase, .. } = Ruling::of(said);
            let reason = match said.effect {
                RulingEffect::Allows => None,
                RulingEffect::WouldRefuse(reason) | RulingEffect::Refuses(reason) => Some(reason),
            };
            Self { decision, shadow, phase, stage: Some(said.stage), rule: said.rule.as_deref(), reason }
        });
        match message.decision {
            Decided::Open | Decided::Failed => Self { decision: Decision::None, shadow: false, ..said },
            // Refused with the batch that it came in.
            Decided::Denied(reason) if said.decision != Decision::Deny || said.shadow => Self {
                decision: Decision::Deny,
                shadow: false,
                phase: Phase::Request,
                stage: Some("engine"),
                rule: None,
                reason: Some(reason),
            },
            Decided::Allowed | Decided::Observed(_) | Decided::Denied(_) => said,
        }
    }
}

/// What refused a message, or its answer.
fn refused(message: &MessageReport) -> Option<&Said> {
    message.rulings.iter().find(|said| matches!(said.effect, RulingEffect::Refuses(_)))
}

fn outcome(message: &MessageReport, is_over: bool) -> Outcome {
    match message.decision {
        Decided::Denied(_) => Outcome::Refused,
        Decided::Failed => Outcome::Failed,
        Decided::Open if is_over => Outcome::Failed,
        Decided::Allowed | Decided::Observed(_) if refused(message).is_some() => Outcome::Refused,
        Decided::Allowed | Decided::Observed(_) if message.answer.is_some() => Outcome::Answered,
        Decided::Open | Decided::Allowed | Decided::Observed(_) if !is_over => Outcome::Pending,
        _ if message.is_request() => Outcome::Unanswered,
        _ => Outcome::Delivered,
    }
}

const fn phase(way: Way) -> Phase {
    match way {
        Way::Request => Phase::Request,
        Way::Response => Phase::Response,
    }
}

const fn kind(kind: MessageKind) -> Kind {
    match kind {
        MessageKind::Request => Kind::Request,
        MessageKind::Notification => Kind::Notification,
        MessageKind::Response => Kind::Response,
        MessageKind::Error => Kind::Error,
    }
}

/// A time of [`meshward_engine::Host::now`], in microseconds.
fn rfc3339(nanoseconds: u64) -> String {
    let microseconds = i64::try_from(nanoseconds / 1000).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_microsecond(microseconds).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.6}")
}

fn micros(from: u64, to: u64) -> u64 {
    to.saturating_sub(from) / 1000
}
