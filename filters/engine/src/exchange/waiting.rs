//! A request that waits for another service: nothing of it goes on before the service has answered, or is taken to have failed.

use meshward_wire::refusal::Reason;
use meshward_wire::splice::Splices;

use super::Exchange;
use super::decide::Position;
use super::request::RequestState;
use crate::callout::{Callout, CalloutOutcome};
use crate::effect::{Effect, Effects};
use crate::host::Host;

/// What waits, and for which call.
#[derive(Debug)]
pub(super) struct Waiting {
    awaiting: Awaiting,
    callout: u32,
    /// In nanoseconds of [`Host::now`].
    deadline: u64,
}

/// What waits.
#[derive(Debug)]
pub(super) enum Awaiting {
    /// A complete body.
    Messages {
        /// Kept because the host's is only at hand while it is handed in. Read again when the answer is there.
        body: Vec<u8>,
        at: Position,
        splices: Splices,
    },
    /// The head of a request without a message.
    Head {
        /// The stage that asked.
        stage: usize,
        /// No body can follow any more.
        complete: bool,
    },
}

impl Exchange {
    /// Calls another service, and waits for its answer.
    pub(super) fn wait(
        &mut self,
        mut callout: Callout,
        awaiting: Awaiting,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        callout.id = self.next_callout;
        self.next_callout = self.next_callout.wrapping_add(1);
        let deadline = host.now().saturating_add(u64::from(callout.timeout_ms).saturating_mul(1_000_000));
        self.request = RequestState::Waiting(Box::new(Waiting { awaiting, callout: callout.id, deadline }));
        effects.push(Effect::Callout(callout));
        effects.hold();
    }

    pub(super) fn callout_result(
        &mut self,
        id: u32,
        outcome: CalloutOutcome,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        match std::mem::replace(&mut self.request, RequestState::Replied) {
            RequestState::Waiting(waiting) if waiting.callout == id => match waiting.awaiting {
                Awaiting::Messages { body, at, splices } => {
                    self.decide_from(&body, at, Some(outcome), splices, host, effects);
                }
                Awaiting::Head { stage, complete } => {
                    self.decide_head(stage, Some(outcome), complete, host, effects);
                }
            },
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

    /// More of a request comes that waits: so many bytes of its body by now, and perhaps no more.
    pub(super) fn body_while_waiting(&mut self, bytes: usize, ends: bool, effects: &mut Effects) {
        effects.hold();
        if let RequestState::Waiting(waiting) = &mut self.request
            && let Awaiting::Head { complete, .. } = &mut waiting.awaiting
        {
            *complete |= ends;
            if bytes > 0 {
                self.refuse(Reason::BodyNotAllowed, effects);
            }
        }
    }
}
