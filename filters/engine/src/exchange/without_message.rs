//! Requests without a message: GET opens a stream, DELETE ends a session, OPTIONS asks for permission. What decides is the head, which
//! waits for that, with header hold and without: to a server it is the whole request, whatever follows.

use meshward_wire::refusal::Reason;
use meshward_wire::revision::{self, VersionHeader};

use super::Exchange;
use super::request::{Head, RequestState};
use super::waiting::Awaiting;
use crate::callout::CalloutOutcome;
use crate::effect::Effects;
use crate::headers::Headers;
use crate::host::Host;
use crate::stage::{Editable, Scope, StageExchange};

impl Exchange {
    pub(super) fn without_message(
        &mut self,
        headers: Headers<'_>,
        head: &Head<'_>,
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        if head.declared_length().is_some_and(|length| length > 0) {
            return self.refuse(Reason::BodyNotAllowed, effects);
        }
        if let VersionHeader::Known(revision) = VersionHeader::read(headers.all(revision::HEADER))
            && !self.pipeline.settings.permits_revision(revision)
        {
            return self.refuse(Reason::UnsupportedProtocolVersion, effects);
        }
        self.keep(headers, head);
        if let Err(reason) = self.open(headers, host, effects) {
            return self.refuse_head(reason, effects);
        }
        if head.method == b"GET" {
            self.opens_stream = true;
            self.reads = self.reads_now();
            self.ask_for_readable_response(head, effects);
        }
        self.decide_head(0, None, end_of_stream, host, effects);
    }

    /// Asks the stages about a request without a message, beginning with the one that a service has answered. `complete`: no body
    /// can follow; where one can, it must still come to its end, and be empty.
    pub(super) fn decide_head(
        &mut self,
        from: usize,
        mut answer: Option<CalloutOutcome>,
        complete: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        let asked = |part: &mut dyn StageExchange, scope: &mut Scope<'_>| {
            part.request_without_message(answer.take().as_ref(), scope)
        };
        match self.ask_parts_from(from, asked, Editable::RequestHead, host, effects) {
            Err(reason) => self.refuse_head(reason, effects),
            Ok(Some((stage, callout))) => self.wait(callout, Awaiting::Head { stage, complete }, host, effects),
            Ok(None) if complete => self.leave(&[], Editable::RequestHead, host, effects),
            Ok(None) => {
                self.request = RequestState::NoBody;
                self.hold_headers(effects);
            }
        }
    }
}
