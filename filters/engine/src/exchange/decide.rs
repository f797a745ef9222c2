//! The decision on a complete request body: read once, establish what each message is, and ask the stages.

use std::rc::Rc;

use meshward_wire::message::{Body, Kind, Message, OwnedId};
use meshward_wire::mirrored::{Facts, Mirrored};
use meshward_wire::refusal::{self, Reason, Unknown};
use meshward_wire::revision::{Era, Revision, VersionHeader};
use meshward_wire::splice::Splices;

use super::establish::{Flaw, establish};
use super::observation::Observation;
use super::waiting::Awaiting;
use super::{Exchange, Pipeline};
use crate::callout::{Callout, CalloutOutcome};
use crate::effect::{Effect, Effects, HeaderEdit};
use crate::headers::KeptHeaders;
use crate::host::Host;
use crate::report::{AnswerKind, Phase};
use crate::settings::Batches;
use crate::stage::{Asked, Call, Decision, Editable, Lent, Refusal, Scope, StageExchange, Target, Verdict};
use crate::trace::TraceId;

/// The next stage to ask, and about which message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    message: usize,
    stage: usize,
}

impl Exchange {
    pub(super) fn decide(&mut self, body: &[u8], host: &mut dyn Host, effects: &mut Effects) {
        if self.pipeline.sees_bodies {
            let asked = |part: &mut dyn StageExchange, scope: &mut Scope<'_>| part.request_body(body, scope);
            if let Err(reason) = self.ask_parts(asked, self.editable_with_body(), host, effects) {
                return self.refuse_head(reason, effects);
            }
        }
        self.decide_from(body, Position::default(), None, Splices::default(), host, effects);
    }

    pub(super) fn decide_from(
        &mut self,
        body: &[u8],
        from: Position,
        outcome: Option<CalloutOutcome>,
        splices: Splices,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        let pipeline = Rc::clone(&self.pipeline);
        match pipeline.with_request_reader(|reader| reader.read(body)) {
            Ok(Body::One(message)) => {
                self.run(body, std::slice::from_ref(&message), false, from, outcome, splices, host, effects);
            }
            Ok(Body::Batch(messages)) => {
                if let Err(flaw) = self.batch_allowed() {
                    let body = refusal::error_body(flaw.reason, None, None, &flaw.data);
                    return self.refuse_as(flaw.reason, flaw.reason.http_status(), body, effects);
                }
                self.run(body, &messages, true, from, outcome, splices, host, effects);
            }
            Err(error) => {
                let body = refusal::error_body(error.reason, error.id.as_ref(), None, &[]);
                self.refuse_as(error.reason, error.reason.http_status(), body, effects);
            }
        }
    }

    /// Asks every stage about every message; the first refusal decides for all of them.
    #[expect(clippy::too_many_arguments, reason = "one step of `decide_from`, apart for its two callers")]
    fn run(
        &mut self,
        body: &[u8],
        messages: &[Message<'_>],
        batch: bool,
        from: Position,
        outcome: Option<CalloutOutcome>,
        mut splices: Splices,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        let pipeline = Rc::clone(&self.pipeline);
        let headers = Rc::clone(&self.headers);
        let mirrored = Rc::clone(self.mirrored.as_ref().unwrap_or(&headers));
        let mut parts = std::mem::take(&mut self.parts);
        let mut observation = self.observation.take();
        let asking = Asking { pipeline: &pipeline, headers: &headers, mirrored: &mirrored, messages, batch };
        let known = &mut Known {
            asked: &mut self.asked,
            trace_id: &mut self.trace_id,
            observation: observation.as_deref_mut(),
        };
        let asked = asking.ask(&mut parts, from, outcome, known, &mut splices, host, effects);
        self.parts = parts;
        self.observation = observation;
        self.reads = if matches!(asked, Reply::Wait(..)) { pipeline.reads } else { self.reads_now() };
        match asked {
            Reply::Allow => self.allow(body, &splices, host, effects),
            Reply::Refuse(refused) => self.refuse_messages(messages, &refused, batch, effects),
            Reply::Wait(at, callout) => {
                self.wait(callout, Awaiting::Messages { body: body.to_vec(), at, splices }, host, effects);
            }
        }
    }

    fn allow(&mut self, body: &[u8], splices: &Splices, host: &mut dyn Host, effects: &mut Effects) {
        let editable = self.editable_with_body();
        for effect in &effects.list {
            if let Effect::RequestHeader(edit) = effect {
                self.keep_edit(edit);
            }
        }
        if splices.is_empty() {
            return self.leave(body, editable, host, effects);
        }
        match splices.apply(body) {
            Ok(edited) => {
                if self.declares_length && self.pipeline.settings.header_hold {
                    let length = edited.len().to_string().into_bytes();
                    effects.push(Effect::RequestHeader(HeaderEdit::Set("content-length", length)));
                }
                self.leave(&edited, editable, host, effects);
                effects.push(Effect::ReplaceBody(edited));
            }
            // Two stages edited the same place: neither the one nor the other is what was decided.
            Err(_) => self.refuse(Reason::InternalError, effects),
        }
    }

    /// Whether a batch is decided at all: by the settings, the revision its header names, and its mirrored headers, of
    /// which none can speak for several messages.
    fn batch_allowed(&self) -> Result<(), Flaw> {
        let mirrored = Mirrored::read(self.mirrored.as_ref().unwrap_or(&self.headers).iter())?;
        let has_no_batches = matches!(mirrored.version(), VersionHeader::Known(revision) if !revision.allows_batches());
        if self.pipeline.settings.batches == Batches::Refuse || has_no_batches {
            return Err(Reason::BatchRefused.into());
        }
        Ok(mirrored.check(&Facts { is_batch: true, ..Facts::default() })?)
    }

    /// Refuses one message, and with it the batch it came in: each request of the batch gets an error of its own.
    fn refuse_messages(&mut self, messages: &[Message<'_>], refused: &Refused<'_>, batch: bool, effects: &mut Effects) {
        let Refused { message: this, flaw, revision, .. } = refused;
        if let Some(observation) = &mut self.observation
            && let Some(index) = messages.iter().position(|message| std::ptr::eq(message, *this))
            && let Some(shape) = refused.shape()
        {
            observation.refused_as(index, shape);
        }
        if !batch || messages.iter().all(|message| message.kind() != Kind::Request) {
            // Only the sender of a request waits for an error under its id; a response's id is not the sender's.
            let id = if this.kind() == Kind::Request { this.id().map(|id| id.to_owned()) } else { None };
            let status = if flaw.reason.is_decision() && id.is_some() { 200 } else { flaw.reason.http_status() };
            let body = refused.body(id.as_ref(), *revision);
            return self.reply(flaw.reason, status, body, effects);
        }
        let mut body = vec![b'['];
        for message in messages.iter().filter(|message| message.kind() == Kind::Request) {
            if body.len() > 1 {
                body.push(b',');
            }
            let id = message.id().map(|id| id.to_owned());
            body.extend(if std::ptr::eq(message, *this) {
                refused.body(id.as_ref(), *revision)
            } else {
                refusal::error_body(Reason::BatchRefused, id.as_ref(), None, &[])
            });
        }
        body.push(b']');
        self.reply(flaw.reason, 200, body, effects);
    }
}

/// What every question to the stages has in common.
struct Asking<'a, 'm> {
    pipeline: &'a Pipeline,
    headers: &'a KeptHeaders,
    /// Those that mirror the body as it was sent.
    mirrored: &'a KeptHeaders,
    messages: &'m [Message<'m>],
    batch: bool,
}

/// What the exchange knows of the request, and learns while its stages are asked.
struct Known<'a> {
    asked: &'a mut Asked,
    trace_id: &'a mut Option<TraceId>,
    observation: Option<&'a mut Observation>,
}

/// What comes of the questions.
enum Reply<'m> {
    Allow,
    Refuse(Refused<'m>),
    Wait(Position, Callout),
}

/// A message that is refused.
struct Refused<'m> {
    message: &'m Message<'m>,
    flaw: Flaw,
    refusal: Refusal,
    /// What it is about, for who refuses as though there were no such thing.
    target: Target<'m>,
    revision: Option<Revision>,
}

impl<'m> Asking<'_, 'm> {
    #[expect(clippy::too_many_arguments, reason = "what the exchange lends out while its stages are asked")]
    fn ask(
        &self,
        parts: &mut [Box<dyn StageExchange>],
        from: Position,
        mut outcome: Option<CalloutOutcome>,
        known: &mut Known<'_>,
        splices: &mut Splices,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) -> Reply<'m> {
        let mut at = from;
        for (index, message) in self.messages.iter().enumerate().skip(from.message) {
            let call = match establish(message, self.mirrored, self.batch, &self.pipeline.settings) {
                Ok(call) => call,
                Err(flaw) => {
                    Exchange::note_refusal(effects, "engine", flaw.reason, None, false);
                    if let Some(observation) = &mut known.observation {
                        observation.condemned(Some(message), flaw.reason, host, self.headers, effects);
                        self.report_rest(index, observation, host, effects);
                    }
                    let refusal = Refusal::Error { message: None };
                    return Reply::Refuse(Refused { message, flaw, refusal, target: Target::None, revision: None });
                }
            };
            for (number, (stage, part)) in self.pipeline.stages.iter().zip(&mut *parts).enumerate().skip(at.stage) {
                let lent = Lent {
                    host: &mut *host,
                    splices: &mut *splices,
                    headers: self.headers,
                    trace_id: &mut *known.trace_id,
                    editable: if self.pipeline.settings.header_hold {
                        Editable::RequestHead
                    } else {
                        Editable::Nothing
                    },
                    remarks: known.observation.as_deref_mut().map(|observation| &mut observation.remarks),
                };
                let scope = &mut Scope::new(lent, effects);
                let verdict = match outcome.take() {
                    Some(outcome) => part.resumed(&call, &outcome, scope),
                    None => part.request(&call, scope),
                };
                if let Some(observation) = &mut known.observation {
                    let refusal = match &verdict {
                        Verdict::Observe(decision) => Some((decision, true)),
                        Verdict::Refuse(decision) => Some((decision, false)),
                        Verdict::Pass | Verdict::Ask(_) => None,
                    };
                    observation.remarks.ruled(stage.name(), Phase::Request, refusal);
                }
                if !matches!(verdict, Verdict::Refuse(_)) {
                    effects.reply_headers.clear();
                }
                match verdict {
                    Verdict::Pass => {}
                    Verdict::Observe(decision) => Exchange::note_decision(effects, stage.name(), &decision, true),
                    Verdict::Refuse(decision) => {
                        Exchange::note_decision(effects, stage.name(), &decision, false);
                        if let Some(observation) = &mut known.observation {
                            observation.decided(&call, *known.trace_id, host, self.headers, effects);
                            self.report_rest(index, observation, host, effects);
                        }
                        let Call { target, revision, .. } = call;
                        let Decision { reason, refusal, retry_after, .. } = decision;
                        let mut flaw = Flaw::from(reason);
                        if let Some(seconds) = retry_after {
                            effects.reply_headers.push(("retry-after", seconds.to_string()));
                            flaw.data.push(("retryAfter", seconds.to_string()));
                        }
                        return Reply::Refuse(Refused { message, flaw, refusal, target, revision });
                    }
                    Verdict::Ask(callout) => {
                        return Reply::Wait(Position { message: index, stage: number }, callout);
                    }
                }
            }
            if let Some(observation) = &mut known.observation {
                observation.decided(&call, *known.trace_id, host, self.headers, effects);
            }
            at.stage = 0;
            if let (Kind::Request, Some(id)) = (message.kind(), message.id()) {
                known.asked.push(id.to_owned(), call.method);
            }
        }
        Reply::Allow
    }

    /// What comes in a batch behind the message that condemns it is refused without being looked at.
    fn report_rest(&self, behind: usize, observation: &mut Observation, host: &mut dyn Host, effects: &mut Effects) {
        for message in self.messages.iter().skip(behind.saturating_add(1)) {
            observation.condemned(Some(message), Reason::BatchRefused, host, self.headers, effects);
        }
    }
}

impl Refused<'_> {
    /// What the body says, where that is not an error of the reason's code.
    fn shape(&self) -> Option<AnswerKind> {
        let stateless = self.revision.is_some_and(|revision| revision.era() == Era::Stateless);
        match (&self.refusal, &self.target) {
            (Refusal::ToolResult { .. }, Target::Tool(_)) => Some(AnswerKind::Result { is_error: true }),
            (Refusal::Unknown, Target::Resource(_)) if !stateless => Some(AnswerKind::Error { code: Some(-32002) }),
            (Refusal::Unknown, Target::Tool(_) | Target::Prompt(_) | Target::Resource(_)) => {
                Some(AnswerKind::Error { code: Some(-32602) })
            }
            _ => None,
        }
    }

    /// The refusal of the message, in the shape that was decided.
    fn body(&self, id: Option<&OwnedId>, revision: Option<Revision>) -> Vec<u8> {
        let reason = self.flaw.reason.shown();
        let stateless = revision.is_some_and(|revision| revision.era() == Era::Stateless);
        match (&self.refusal, &self.target, id) {
            (Refusal::ToolResult { message }, Target::Tool(_), Some(id)) => {
                refusal::tool_result_body(id, message.as_deref().unwrap_or(reason.message()), stateless)
            }
            (Refusal::Unknown, Target::Tool(name), _) => refusal::unknown_body(id, Unknown::Tool(name)),
            (Refusal::Unknown, Target::Prompt(name), _) => refusal::unknown_body(id, Unknown::Prompt(name)),
            (Refusal::Unknown, Target::Resource(uri), _) => {
                refusal::unknown_body(id, Unknown::Resource { uri, stateless })
            }
            (Refusal::Error { message } | Refusal::ToolResult { message }, ..) => {
                refusal::error_body(reason, id, message.as_deref(), &self.flaw.data)
            }
            (Refusal::Unknown, ..) => refusal::error_body(reason, id, None, &self.flaw.data),
        }
    }
}
