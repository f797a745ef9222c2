//! The response side: the head, JSON that is held until it is whole, and events that go on one by one.

use std::borrow::Cow;
use std::rc::Rc;

use meshward_wire::message::{Body, Kind, Message, OwnedId};
use meshward_wire::refusal::{self, Reason};
use meshward_wire::splice::Splices;
use meshward_wire::sse::{Block, Decoder};

use super::{Exchange, Observation};
use crate::effect::{Effect, Effects, HeaderEdit};
use crate::headers::Headers;
use crate::host::Host;
use crate::media::{self, Media};
use crate::report::Phase;
use crate::stage::{Answer, Editable, EventId, Lent, Reads, Scope};

/// Where the response stands.
#[derive(Debug)]
pub(super) enum ResponseState {
    /// Its head has not come.
    Start,
    /// Nothing is left to read: what comes passes.
    Passing,
    /// JSON, held until it is complete.
    Whole,
    /// JSON that goes on as it comes, and is read when it is complete.
    Collected {
        /// What came so far.
        bytes: Vec<u8>,
        /// An error of HTTP: of interest to observers alone.
        is_error: bool,
    },
    /// Server-sent events.
    Events(Box<Decoder>),
    /// Server-sent events that go on as they come.
    ObservedEvents(Box<Decoder>),
    /// What comes is thrown away; first these bytes go in its place.
    Substitute(Vec<u8>),
}

/// What of a response's head decides how it is read, gathered in one pass.
#[derive(Debug)]
pub(super) struct ResponseHead<'a> {
    pub(super) status: &'a [u8],
    /// None says nothing, and one that is given twice neither.
    pub(super) media: Media,
    pub(super) session: Option<&'a [u8]>,
    is_encoded: bool,
}

impl<'a> ResponseHead<'a> {
    fn gather(headers: Headers<'a>) -> Self {
        let mut head = Self { status: b"", media: Media::Other, session: None, is_encoded: false };
        let mut content_types = 0_usize;
        for (name, value) in headers.iter() {
            match name {
                b":status" => head.status = value,
                b"content-type" => {
                    content_types = content_types.saturating_add(1);
                    head.media = if content_types == 1 { media::of(value) } else { Media::Other };
                }
                b"content-encoding" => head.is_encoded |= !media::names_identity(value),
                b"mcp-session-id" => head.session = head.session.or(Some(value)),
                _ => {}
            }
        }
        head
    }
}

impl Exchange {
    pub(super) fn response_headers(
        &mut self,
        headers: Headers<'_>,
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        if !matches!(self.response, ResponseState::Start) {
            return;
        }
        self.response = ResponseState::Passing;
        let head = ResponseHead::gather(headers);
        let status = head.status;
        // No client reads a result out of an error, nor out of 202 and 204, which have no content in MCP.
        let has_message = status.starts_with(b"2") && !matches!(status, b"202" | b"204");
        if let Some(observation) = &mut self.observation {
            observation.response_started(&head, end_of_stream, host, &self.headers, effects);
        }
        if self.edits_response_head {
            self.edit_response_head(headers, host, effects);
        }
        let media = if head.is_encoded { Media::Other } else { head.media };
        // In some revisions an error comes with a status of its own, which only says less.
        if self.observation.is_some()
            && !end_of_stream
            && media == Media::Json
            && matches!(status.first(), Some(b'4' | b'5'))
        {
            self.response = ResponseState::Collected { bytes: Vec::new(), is_error: true };
            return;
        }
        if self.reads == Reads::Nothing || !has_message || end_of_stream {
            return;
        }
        let kept = Rc::clone(&self.headers);
        let mut no_edits = Splices::default();
        for part in self.parts.iter_mut().filter(|part| part.reads_response() != Reads::Nothing) {
            let lent = Lent {
                host: &mut *host,
                splices: &mut no_edits,
                headers: &kept,
                trace_id: &mut self.trace_id,
                editable: Editable::Nothing,
                remarks: None,
            };
            part.response_head(headers, &mut Scope::new(lent, effects));
        }
        let decoder = || Box::new(Decoder::new(self.pipeline.settings.max_response_bytes));
        self.response = match media {
            Media::Json if self.reads == Reads::Observes => {
                ResponseState::Collected { bytes: Vec::new(), is_error: false }
            }
            Media::Json => ResponseState::Whole,
            Media::EventStream if self.reads == Reads::Observes => ResponseState::ObservedEvents(decoder()),
            Media::EventStream => ResponseState::Events(decoder()),
            Media::Other if self.reads == Reads::Observes => {
                self.unread();
                return;
            }
            Media::Other => self.substitute_head(Reason::UnreadableResponse, effects),
        };
        if self.reads == Reads::Judges {
            effects.push(Effect::ResponseHeader(HeaderEdit::Remove("content-length")));
        }
    }

    /// Lets the stages edit the head.
    fn edit_response_head(&mut self, head: Headers<'_>, host: &mut dyn Host, effects: &mut Effects) {
        let mut no_edits = Splices::default();
        for part in &mut self.parts {
            let lent = Lent {
                host: &mut *host,
                splices: &mut no_edits,
                headers: &self.headers,
                trace_id: &mut self.trace_id,
                editable: Editable::ResponseHead,
                remarks: None,
            };
            part.edit_response_head(head, &mut Scope::new(lent, effects));
        }
    }

    /// Some of the response could not be read.
    fn unread(&mut self) {
        if let Some(observation) = &mut self.observation {
            observation.report.response.is_unread = true;
        }
    }

    fn substitute_head(&mut self, reason: Reason, effects: &mut Effects) -> ResponseState {
        Self::note_refusal(effects, "engine", reason, None, false);
        self.unread();
        effects.push(Effect::ResponseHeader(HeaderEdit::Set("content-type", b"application/json".to_vec())));
        effects.push(Effect::ResponseHeader(HeaderEdit::Remove("content-encoding")));
        ResponseState::Substitute(self.error(reason))
    }

    fn error(&self, reason: Reason) -> Vec<u8> {
        refusal::error_body(reason, self.id(), None, &[])
    }

    pub(super) fn response_body_grew(&mut self, buffered: usize, effects: &mut Effects) {
        if !matches!(self.response, ResponseState::Whole) {
            return;
        }
        if buffered > self.pipeline.settings.max_response_bytes {
            Self::note_refusal(effects, "engine", Reason::ResponseTooLarge, None, false);
            self.unread();
            self.received(buffered, false);
            effects.push(Effect::ReplaceBody(self.error(Reason::ResponseTooLarge)));
            self.response = ResponseState::Substitute(Vec::new());
        } else {
            effects.hold();
        }
    }

    pub(super) fn response_body_complete(&mut self, body: &[u8], host: &mut dyn Host, effects: &mut Effects) {
        if !matches!(self.response, ResponseState::Whole) {
            return;
        }
        self.response = ResponseState::Passing;
        self.received(body.len(), true);
        let replacement = match self.judge(body, false, host, effects) {
            Judged::Unchanged => return,
            Judged::Changed(bytes) => bytes,
            Judged::Dropped(reason) => self.error(reason),
        };
        effects.push(Effect::ReplaceBody(replacement));
    }

    pub(super) fn response_body_chunk(
        &mut self,
        chunk: &[u8],
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        self.received(chunk.len(), end_of_stream);
        match std::mem::replace(&mut self.response, ResponseState::Passing) {
            ResponseState::Collected { bytes, is_error } => {
                self.collect(bytes, is_error, chunk, end_of_stream, host, effects);
            }
            ResponseState::ObservedEvents(decoder) => self.observe_events(decoder, chunk, end_of_stream, host, effects),
            ResponseState::Events(decoder) => self.events(decoder, chunk, end_of_stream, host, effects),
            ResponseState::Substitute(bytes) => {
                effects.push(Effect::ReplaceBody(bytes));
                self.response = ResponseState::Substitute(Vec::new());
            }
            state => self.response = state,
        }
    }

    /// A piece of a response went on unread ([`BodyDemand::Lengths`]); `end_of_stream`: the last one, though trailers may follow.
    /// Nothing is to be done about it.
    ///
    /// [`BodyDemand::Lengths`]: crate::BodyDemand::Lengths
    pub const fn response_passed(&mut self, bytes: usize, end_of_stream: bool) {
        if matches!(self.response, ResponseState::Passing) {
            self.received(bytes, end_of_stream);
        }
    }

    /// What has come whole without a last piece of it.
    pub(super) fn response_trailers(&mut self, host: &mut dyn Host, effects: &mut Effects) {
        self.received(0, true);
        match std::mem::replace(&mut self.response, ResponseState::Passing) {
            ResponseState::Collected { bytes, is_error } => self.collect(bytes, is_error, &[], true, host, effects),
            ResponseState::ObservedEvents(decoder) => self.observe_events(decoder, &[], true, host, effects),
            state => self.response = state,
        }
    }

    /// More of the response came from the upstream.
    const fn received(&mut self, bytes: usize, end_of_stream: bool) {
        if let Some(observation) = &mut self.observation {
            let response = &mut observation.report.response;
            response.bytes = response.bytes.saturating_add(bytes as u64);
            response.is_complete |= end_of_stream;
        }
    }

    /// Keeps a piece of JSON that goes on, and reads all of it once it is there. Edits come too late.
    fn collect(
        &mut self,
        mut bytes: Vec<u8>,
        is_error: bool,
        chunk: &[u8],
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        if bytes.len().saturating_add(chunk.len()) > self.pipeline.settings.max_response_bytes {
            return self.unread();
        }
        let whole = if bytes.is_empty() && end_of_stream {
            chunk
        } else {
            bytes.extend_from_slice(chunk);
            &bytes
        };
        if end_of_stream {
            self.judge(whole, is_error, host, effects);
        } else {
            self.response = ResponseState::Collected { bytes, is_error };
        }
    }

    /// Reads the events that a piece completes, which goes on whatever they are.
    fn observe_events(
        &mut self,
        mut decoder: Box<Decoder>,
        chunk: &[u8],
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        let mut blocks = decoder.feed(chunk);
        loop {
            match blocks.next_block() {
                Ok(Some(block)) => self.observe_block(&block, host, effects),
                Ok(None) => break,
                Err(_) => return self.unread(),
            }
        }
        drop(blocks);
        if !end_of_stream {
            self.response = ResponseState::ObservedEvents(decoder);
        } else if let Some(block) = decoder.finish() {
            self.observe_block(&block, host, effects);
        }
    }

    fn observe_block(&mut self, block: &Block<'_>, host: &mut dyn Host, effects: &mut Effects) {
        if let Some(data) = self.message_in(block, host) {
            self.judge(&data, false, host, effects);
        }
    }

    /// Lets every complete event go on at once, and keeps the beginning of the next.
    fn events(
        &mut self,
        mut decoder: Box<Decoder>,
        chunk: &[u8],
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        let mut out = Vec::with_capacity(chunk.len());
        let mut blocks = decoder.feed(chunk);
        let has_failed = loop {
            match blocks.next_block() {
                Ok(Some(block)) => self.judge_block(&block, host, effects, &mut out),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        drop(blocks);
        if has_failed {
            Self::note_refusal(effects, "engine", Reason::ResponseTooLarge, None, false);
            self.unread();
            out.extend_from_slice(b"data: ");
            out.extend(self.error(Reason::ResponseTooLarge));
            out.extend_from_slice(b"\n\n");
            self.response = ResponseState::Substitute(Vec::new());
        } else if end_of_stream {
            // The standard has clients throw an unfinished event away, but not all of them do.
            if let Some(block) = decoder.finish() {
                self.judge_block(&block, host, effects, &mut out);
            }
        } else {
            self.response = ResponseState::Events(decoder);
        }
        if out != chunk {
            effects.push(Effect::ReplaceBody(out));
        }
    }

    /// Writes one block of a stream as it is, with other data, or not at all.
    fn judge_block(&mut self, block: &Block<'_>, host: &mut dyn Host, effects: &mut Effects, out: &mut Vec<u8>) {
        let judged = match self.message_in(block, host) {
            Some(data) => self.judge(&data, false, host, effects),
            None => Judged::Unchanged,
        };
        let begin = out.len();
        match judged {
            Judged::Unchanged => out.extend_from_slice(block.raw()),
            Judged::Changed(data) => block.write_with_data(&data, out),
            // The id stays, without data, so that the client resumes where the server is.
            Judged::Dropped(_) if block.id().is_some() => block.write_with_data(b"", out),
            Judged::Dropped(_) => return,
        }
        if let Some(id) = block.resumable_id().filter(|_| self.pipeline.edits_event_ids) {
            match self.edit_event_id(id, host, effects) {
                EventId::Keep => {}
                EventId::Set(id) => rewrite_id(out, begin, block, Some(&id)),
                EventId::Remove => rewrite_id(out, begin, block, None),
            }
        }
    }

    /// Lets the stages edit the id of an event: the last that does decides.
    fn edit_event_id(&mut self, id: &[u8], host: &mut dyn Host, effects: &mut Effects) -> EventId {
        let kept = Rc::clone(&self.headers);
        let mut no_edits = Splices::default();
        let mut edited = EventId::Keep;
        for part in &mut self.parts {
            let lent = Lent {
                host: &mut *host,
                splices: &mut no_edits,
                headers: &kept,
                trace_id: &mut self.trace_id,
                editable: Editable::Nothing,
                remarks: None,
            };
            match part.edit_event_id(id, &mut Scope::new(lent, effects)) {
                EventId::Keep => {}
                edit => edited = edit,
            }
        }
        edited
    }

    /// The message that a block carries, if it carries one.
    fn message_in<'b>(&mut self, block: &Block<'b>, host: &dyn Host) -> Option<Cow<'b, [u8]>> {
        let data = block.data().filter(|data| !data.is_empty())?;
        if let Some(observation) = &mut self.observation {
            observation.event(host);
        }
        (!self.is_endpoint_event(block, &data)).then_some(data)
    }

    /// The one event of MCP that carries no message (2024-11-05, HTTP with SSE): a path, on a stream opened by GET.
    fn is_endpoint_event(&self, block: &Block<'_>, data: &[u8]) -> bool {
        self.opens_stream
            && block.event_type() == Some(b"endpoint")
            && !data.trim_ascii_start().starts_with(b"{")
            && !data.trim_ascii_start().starts_with(b"[")
    }

    /// Reads what the server sent as messages and asks every stage about each; of an error of HTTP only observers are told.
    fn judge(&mut self, text: &[u8], is_error: bool, host: &mut dyn Host, effects: &mut Effects) -> Judged {
        let pipeline = Rc::clone(&self.pipeline);
        let body = match pipeline.with_response_reader(|reader| reader.read(text)) {
            Ok(body) => body,
            Err(_) if self.reads == Reads::Observes || is_error => {
                self.unread();
                return Judged::Unchanged;
            }
            Err(_) => {
                self.unread();
                Self::note_refusal(effects, "engine", Reason::UnreadableResponse, None, false);
                return match self.id() {
                    Some(_) => Judged::Changed(self.error(Reason::UnreadableResponse)),
                    None => Judged::Dropped(Reason::UnreadableResponse),
                };
            }
        };
        if let Some(observation) = &mut self.observation {
            let report = &mut observation.report;
            report.parsed_bytes = report.parsed_bytes.saturating_add(text.len() as u64);
        }
        let mut splices = Splices::default();
        let (messages, batch) = match &body {
            Body::One(message) => (std::slice::from_ref(message), false),
            Body::Batch(messages) => (messages.as_slice(), true),
        };
        for message in messages {
            let judged =
                if is_error { Judged::Unchanged } else { self.ask_stages(message, &mut splices, host, effects) };
            if let Some(observation) = &mut self.observation {
                observation.heard(message, host, &self.headers, effects);
            }
            match judged {
                Judged::Unchanged => {}
                Judged::Changed(bytes) if batch => splices.replace(message.span(), bytes),
                Judged::Dropped(_) if batch => splices.remove_element(message.span()),
                judged => return judged,
            }
        }
        if splices.is_empty() {
            return Judged::Unchanged;
        }
        match splices.apply(text) {
            Ok(edited) => Judged::Changed(edited),
            // Two stages edited the same place: neither the one nor the other is what was decided.
            Err(_) => {
                Self::note_refusal(effects, "engine", Reason::InternalError, None, false);
                let id = messages.iter().find_map(|message| answered(message)).or_else(|| self.id().cloned());
                id.map_or(Judged::Dropped(Reason::InternalError), |id| {
                    Judged::Changed(refusal::error_body(Reason::InternalError, Some(&id), None, &[]))
                })
            }
        }
    }

    /// The first stage that does not pass a message decides, and then nothing is left of earlier stages' edits.
    fn ask_stages(
        &mut self,
        message: &Message<'_>,
        splices: &mut Splices,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) -> Judged {
        let pipeline = Rc::clone(&self.pipeline);
        let headers = Rc::clone(&self.headers);
        let mut edits = Splices::default();
        let mut observation = self.observation.as_deref_mut();
        for (stage, part) in pipeline.stages.iter().zip(&mut self.parts) {
            if part.reads_response() == Reads::Nothing {
                continue;
            }
            let lent = Lent {
                host: &mut *host,
                splices: &mut edits,
                headers: &headers,
                trace_id: &mut self.trace_id,
                editable: Editable::Nothing,
                remarks: observation.as_deref_mut().map(|observation| &mut observation.remarks),
            };
            let answer = part.response(message, &self.asked, &mut Scope::new(lent, effects));
            if let Some(Observation { remarks, .. }) = observation.as_deref_mut() {
                let refusal = match &answer {
                    Answer::Observe(decision) => Some((decision, true)),
                    Answer::Refuse(decision) | Answer::Discard(decision) => Some((decision, false)),
                    Answer::Pass | Answer::Replace(_) | Answer::Drop => None,
                };
                remarks.ruled(stage.name(), Phase::Response, refusal);
            }
            match answer {
                Answer::Pass => {}
                Answer::Observe(decision) => Self::note_decision(effects, stage.name(), &decision, true),
                Answer::Replace(bytes) => return Judged::Changed(bytes),
                Answer::Refuse(decision) => {
                    Self::note_decision(effects, stage.name(), &decision, false);
                    return refused(message, decision.reason);
                }
                Answer::Discard(decision) => {
                    Self::note_decision(effects, stage.name(), &decision, false);
                    return Judged::Dropped(decision.reason.shown());
                }
                Answer::Drop => return Judged::Dropped(Reason::UnreadableResponse),
            }
        }
        splices.append(edits);
        Judged::Unchanged
    }
}

/// Writes what was written of a block from `begin` on with another id.
fn rewrite_id(out: &mut Vec<u8>, begin: usize, block: &Block<'_>, id: Option<&[u8]>) {
    let written = out.split_off(begin);
    block.like(&written).write_with_id(id, out);
}

/// The id a response answers, when it is one.
fn answered(message: &Message<'_>) -> Option<OwnedId> {
    matches!(message.kind(), Kind::Response | Kind::Error).then(|| message.id())?.map(|id| id.to_owned())
}

/// What goes on in the place of a message of the server that is refused.
fn refused(message: &Message<'_>, reason: Reason) -> Judged {
    match (message.kind(), message.id().map(|id| id.to_owned())) {
        (Kind::Request, Some(id)) => Judged::Changed(refusal::refused_request(&id, reason)),
        (Kind::Response | Kind::Error, Some(id)) => {
            Judged::Changed(refusal::error_body(reason.shown(), Some(&id), None, &[]))
        }
        _ => Judged::Dropped(reason.shown()),
    }
}

/// What became of a text.
enum Judged {
    Unchanged,
    Changed(Vec<u8>),
    /// Where something must come, an error with this reason.
    Dropped(Reason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_its_lines_say() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        for (lines, media, is_encoded, session) in [
            (&[][..], Media::Other, false, None),
            (&[JSON], Media::Json, false, None),
            (&[JSON, JSON], Media::Other, false, None),
            (&[JSON, JSON, JSON], Media::Other, false, None),
            (&[JSON, ("content-encoding", "identity")], Media::Json, false, None),
            (&[("content-encoding", "gzip"), ("content-encoding", "identity"), JSON], Media::Json, true, None),
            (&[("mcp-session-id", "a"), ("mcp-session-id", "b")], Media::Other, false, Some(&b"a"[..])),
        ] {
            let bytes: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let head = ResponseHead::gather(Headers::new(&bytes));
            assert_eq!((head.media, head.is_encoded, head.session), (media, is_encoded, session), "{lines:?}");
        }
    }
}
