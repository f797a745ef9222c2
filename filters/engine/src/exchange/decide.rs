//! The decision on a complete request body: read once, establish what each message is, and ask the stages.

use std::rc::Rc;

use meshward_wire::message::{Body, Id, Kind, Message};
use meshward_wire::mirrored::{self, Facts};
use meshward_wire::refusal::{self, Reason};
use meshward_wire::revision::{self, VersionHeader};
use meshward_wire::splice::Splices;

use super::establish::{Flaw, establish};
use super::request::RequestState;
use super::{Exchange, Outcome, Pipeline};
use crate::callout::CalloutOutcome;
use crate::effect::{Effect, Effects};
use crate::host::Host;
use crate::settings::{Batches, Responses};
use crate::stage::{Asked, Call, Verdict};

/// A request that waits for another service.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The body, kept because the host's is only at hand while it is handed in. Read again when the answer is there.
    body: Vec<u8>,
    at: Position,
    splices: Splices,
    callout: u32,
    /// In nanoseconds of [`Host::now`].
    deadline: u64,
}

/// The next stage to ask, and about which message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Position {
    message: usize,
    stage: usize,
}

impl Exchange {
    pub(super) fn decide(&mut self, body: &[u8], host: &mut dyn Host, effects: &mut Effects) {
        self.decide_from(body, Position::default(), None, Splices::default(), host, effects);
    }

    pub(super) fn callout_result(
        &mut self,
        id: u32,
        outcome: CalloutOutcome,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        match std::mem::replace(&mut self.request, RequestState::Replied) {
            RequestState::Waiting(waiting) if waiting.callout == id => {
                let Waiting { body, at, splices, .. } = *waiting;
                self.decide_from(&body, at, Some(outcome), splices, host, effects);
            }
            // An answer that came too late, or to an exchange that is over: nothing goes on because of it.
            other => {
                self.request = other;
                effects.hold();
            }
        }
    }

    pub(super) fn tick(&mut self, host: &mut dyn Host, effects: &mut Effects) {
        match &self.request {
            RequestState::Waiting(waiting) if waiting.deadline <= host.now() => {
                let id = waiting.callout;
                self.callout_result(id, CalloutOutcome::Failed, host, effects);
            }
            _ => effects.hold(),
        }
    }

    fn decide_from(
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
                    Self::note_refusal(effects, "engine", flaw.reason, None, false);
                    return self.refuse_message(None, Kind::Notification, &flaw, effects);
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
        mut outcome: Option<CalloutOutcome>,
        mut splices: Splices,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        let pipeline = Rc::clone(&self.pipeline);
        let headers = Rc::clone(&self.headers);
        let mut at = from;
        self.reads_response &= from != Position::default();
        for (index, message) in messages.iter().enumerate().skip(from.message) {
            let call = match establish(message, &headers, batch) {
                Ok(call) => call,
                Err(flaw) => return self.refuse_one_of(messages, message, batch, &flaw, effects),
            };
            for (number, stage) in pipeline.stages.iter().enumerate().skip(at.stage) {
                let verdict = match outcome.take() {
                    Some(outcome) => stage.resumed(&call, &outcome, &mut splices, host),
                    None => stage.request(&call, &mut splices, host),
                };
                match verdict {
                    Verdict::Pass => {}
                    Verdict::Observe(decision) => {
                        Self::note_refusal(effects, stage.name(), decision.reason, decision.rule.as_deref(), true);
                    }
                    Verdict::Refuse(decision) => {
                        Self::note_refusal(effects, stage.name(), decision.reason, decision.rule.as_deref(), false);
                        return self.refuse_unnoted(messages, message, batch, &decision.reason.into(), effects);
                    }
                    Verdict::Ask(mut callout) => {
                        callout.id = self.next_callout;
                        self.next_callout = self.next_callout.wrapping_add(1);
                        let deadline =
                            host.now().saturating_add(u64::from(callout.timeout_ms).saturating_mul(1_000_000));
                        self.request = RequestState::Waiting(Box::new(Waiting {
                            body: body.to_vec(),
                            at: Position { message: index, stage: number },
                            splices,
                            callout: callout.id,
                            deadline,
                        }));
                        self.reads_response |= pipeline.may_read_responses();
                        effects.push(Effect::Callout(callout));
                        return effects.hold();
                    }
                }
            }
            at.stage = 0;
            self.remember(&call, &pipeline);
        }
        self.allow(body, &splices, effects);
    }

    /// What the response side has to know of a message that goes on.
    fn remember(&mut self, call: &Call<'_>, pipeline: &Pipeline) {
        self.reads_response |= pipeline.settings.responses == Responses::Strict
            || pipeline.stages.iter().any(|stage| stage.reads_responses_to(call));
        if self.asked.id.is_none() && call.message.kind() == Kind::Request {
            self.asked = Asked { id: call.message.id().map(|id| id.to_owned()), method: call.method };
        }
    }

    fn allow(&mut self, body: &[u8], splices: &Splices, effects: &mut Effects) {
        if !splices.is_empty() {
            match splices.apply(body) {
                Ok(edited) => effects.push(Effect::ReplaceBody(edited)),
                // Two stages edited the same place: neither the one nor the other is what was decided.
                Err(_) => return self.refuse(Reason::InternalError, effects),
            }
        }
        self.request = RequestState::Passing;
        self.outcome = Outcome::Allowed;
    }

    /// Whether a batch is decided at all: by the settings, the revision its header names, and its mirrored headers, of
    /// which none can speak for several messages.
    fn batch_allowed(&self) -> Result<(), Flaw> {
        let version = VersionHeader::read(self.headers.all(revision::HEADER));
        let has_no_batches = matches!(version, VersionHeader::Known(revision) if !revision.allows_batches());
        if self.pipeline.settings.batches == Batches::Refuse || has_no_batches {
            return Err(Reason::BatchRefused.into());
        }
        mirrored::check(self.headers.iter(), &Facts { is_batch: true, ..Facts::default() })?;
        Ok(())
    }

    fn refuse_one_of(
        &mut self,
        messages: &[Message<'_>],
        refused: &Message<'_>,
        batch: bool,
        flaw: &Flaw,
        effects: &mut Effects,
    ) {
        Self::note_refusal(effects, "engine", flaw.reason, None, false);
        self.refuse_unnoted(messages, refused, batch, flaw, effects);
    }

    /// Refuses one message, and with it the batch it came in: each request of the batch gets an error of its own.
    fn refuse_unnoted(
        &mut self,
        messages: &[Message<'_>],
        refused: &Message<'_>,
        batch: bool,
        flaw: &Flaw,
        effects: &mut Effects,
    ) {
        if !batch || messages.iter().all(|message| message.kind() != Kind::Request) {
            return self.refuse_message(refused.id(), refused.kind(), flaw, effects);
        }
        let mut body = vec![b'['];
        for message in messages.iter().filter(|message| message.kind() == Kind::Request) {
            if body.len() > 1 {
                body.push(b',');
            }
            let id = message.id().map(|id| id.to_owned());
            let this = std::ptr::eq(message, refused);
            let (reason, data) =
                if this { (flaw.reason, flaw.data.as_slice()) } else { (Reason::BatchRefused, Default::default()) };
            body.extend(refusal::error_body(reason, id.as_ref(), None, data));
        }
        body.push(b']');
        self.reply(flaw.reason, 200, body, effects);
    }

    fn refuse_message(&mut self, id: Option<Id<'_>>, kind: Kind, flaw: &Flaw, effects: &mut Effects) {
        // Only the sender of a request waits for an error under its id; a response's id is not the sender's.
        let id = if kind == Kind::Request { id.map(|id| id.to_owned()) } else { None };
        let status = match flaw.reason {
            // Clients show a JSON-RPC error as what it is only when the transport succeeded.
            Reason::Denied if id.is_some() => 200,
            reason => reason.http_status(),
        };
        self.reply(flaw.reason, status, refusal::error_body(flaw.reason, id.as_ref(), None, &flaw.data), effects);
    }
}
