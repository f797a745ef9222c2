//! The request side: the head, the body's arrival, and the replies.

use std::borrow::Cow;
use std::rc::Rc;

use meshward_wire::mirrored::{Header, Mirrored};
use meshward_wire::refusal::{self, Reason};

use super::observation::Observation;
use super::waiting::Waiting;
use super::{Exchange, Outcome};
use crate::effect::{Effect, Effects, HeaderEdit, Reply};
use crate::endpoint::PathKind;
use crate::headers::{Headers, KeptHeaders, is_called};
use crate::host::Host;
use crate::media::{self, Media};
use crate::stage::{Editable, HeadVerdict, Reads, Scope, StageExchange};

/// Where the request stands.
#[derive(Debug)]
pub(super) enum RequestState {
    /// Its head has not come.
    Start,
    /// Nothing is left to decide: what comes passes.
    Passing,
    /// The body arrives and will be decided whole.
    Body,
    /// The method has no body in MCP, but the end has not come: whatever comes must be empty.
    NoBody,
    /// Another service was asked: about a body that is complete, or about the head of what has none.
    Waiting(Box<Waiting>),
    /// Answered here, or over.
    Replied,
}

/// Headers that name another method than the request line's, for servers that believe them.
const METHOD_OVERRIDES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];

/// Likewise another target.
const REWRITES: [&[u8]; 2] = [b"x-original-url", b"x-rewrite-url"];

/// What of a request's head decides its way, gathered in one pass.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
    content_length: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    repeats_content_type: bool,
    /// Its content is coded in some way.
    is_encoded: bool,
    has_origin: bool,
    pub(super) session: Option<&'a [u8]>,
    authority: &'a [u8],
    accepts_encoding: bool,
    overrides_method: bool,
    upgrades: bool,
}

impl<'a> Head<'a> {
    fn gather(headers: Headers<'a>) -> Self {
        let mut head = Self::default();
        for (name, value) in headers.iter() {
            match name {
                b":method" => head.method = value,
                b":path" => head.path = value,
                b":authority" => head.authority = value,
                b"accept-encoding" => head.accepts_encoding = true,
                b"content-length" => head.content_length = Some(value),
                b"content-type" => head.repeats_content_type |= head.content_type.replace(value).is_some(),
                b"content-encoding" => head.is_encoded |= !media::names_identity(value),
                b"origin" => head.has_origin = true,
                b"mcp-session-id" => head.session = head.session.or(Some(value)),
                // What comes after a switch is no HTTP body, and nobody would read it.
                // An offer of HTTP/2 in the clear is the codec's to take or leave, and never goes on.
                b"upgrade" => head.upgrades |= !value.eq_ignore_ascii_case(b"h2c"),
                _ => head.overrides_method |= METHOD_OVERRIDES.iter().any(|known| is_called(name, known)),
            }
        }
        head
    }

    pub(super) fn declared_length(&self) -> Option<usize> {
        std::str::from_utf8(self.content_length?.trim_ascii()).ok()?.parse().ok()
    }
}

impl Exchange {
    pub(super) fn request_headers(
        &mut self,
        headers: Headers<'_>,
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        if !matches!(self.request, RequestState::Start) {
            return;
        }
        let head = Head::gather(headers);
        let pipeline = Rc::clone(&self.pipeline);
        let settings = &pipeline.settings;
        let kind = settings.endpoints.classify(head.path);
        let elsewhere = match kind {
            PathKind::Endpoint => None,
            PathKind::LookAlike => Some(Some(Reason::PathLookalike)),
            // Reading there is harmless (OAuth metadata may lie below an endpoint); a message is not.
            PathKind::Below if !matches!(head.method, b"GET" | b"HEAD" | b"OPTIONS") => {
                Some(Some(Reason::PathLookalike))
            }
            PathKind::Below | PathKind::Other => {
                // Some servers believe a header that says where the request really goes.
                let mut rewritten =
                    headers.iter().filter(|(name, _)| REWRITES.iter().any(|known| is_called(name, known)));
                let is_rewritten = rewritten.any(|(_, to)| settings.endpoints.classify(to) != PathKind::Other);
                Some(if is_rewritten {
                    Some(Reason::PathLookalike)
                } else {
                    settings.strict.then_some(Reason::PathNotFound)
                })
            }
        };
        if elsewhere == Some(None) {
            self.request = RequestState::Passing;
            self.response = super::ResponseState::Passing;
            self.outcome = Outcome::Passed;
            return;
        }
        if !pipeline.observers.is_empty() {
            self.observation = Some(Observation::begin(&pipeline, &head, host));
        }
        if let Some(Some(reason)) = elsewhere {
            return self.refuse(reason, effects);
        }
        if head.has_origin && headers.all("origin").any(|origin| !settings.permits_origin(origin)) {
            return self.refuse(Reason::OriginRefused, effects);
        }
        if head.overrides_method {
            return self.refuse(Reason::MethodOverride, effects);
        }
        if head.upgrades {
            return self.refuse(Reason::UpgradeNotAllowed, effects);
        }
        match head.method {
            b"POST" => self.post(headers, &head, end_of_stream, host, effects),
            b"GET" | b"DELETE" | b"OPTIONS" => self.without_message(headers, &head, end_of_stream, host, effects),
            _ => self.refuse(Reason::MethodNotAllowed, effects),
        }
    }

    fn post(
        &mut self,
        headers: Headers<'_>,
        head: &Head<'_>,
        end_of_stream: bool,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) {
        if head.repeats_content_type || head.content_type.map(media::of) != Some(Media::Json) {
            return self.refuse(Reason::UnsupportedMediaType, effects);
        }
        if head.is_encoded {
            return self.refuse(Reason::UnsupportedContentEncoding, effects);
        }
        let declared_length = head.declared_length();
        if declared_length.is_some_and(|length| length > self.pipeline.settings.limits.max_bytes) {
            return self.refuse(Reason::BodyTooLarge, effects);
        }
        self.keep(headers, head);
        if let Err(condemned) = Mirrored::read(self.headers.iter()) {
            return self.refuse(condemned.reason(), effects);
        }
        if end_of_stream || declared_length == Some(0) {
            return self.refuse(Reason::EmptyBody, effects);
        }
        self.declares_length = head.content_length.is_some();
        // With header hold the head waits until it is known whether, and to which length, the body is edited.
        if self.pipeline.edits_requests && self.declares_length && !self.pipeline.settings.header_hold {
            effects.push(Effect::RequestHeader(HeaderEdit::Remove("content-length")));
        }
        // Without header hold a server may answer before it has the body, and before it is decided.
        self.reads = self.pipeline.reads;
        self.ask_for_readable_response(head, effects);
        if let Err(reason) = self.open(headers, host, effects) {
            return self.refuse_head(reason, effects);
        }
        self.request = RequestState::Body;
        self.hold_headers(effects);
    }

    /// Keeps what the body phase, or the response's, wants of the head.
    pub(super) fn keep(&mut self, headers: Headers<'_>, head: &Head<'_>) {
        let mut kept = KeptHeaders::new();
        kept.push(b":path", head.path);
        kept.push(b":authority", head.authority);
        let demand = &self.pipeline.headers;
        for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
            if name.get(..4).is_some_and(|start| is_called(start, b"mcp-")) || demand.wants(name) {
                kept.push(name, value);
            }
        }
        self.headers = Rc::new(kept);
    }

    /// Begins the stages' parts, and asks them about the head.
    pub(super) fn open(
        &mut self,
        headers: Headers<'_>,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        self.parts = self.pipeline.open();
        self.edits_response_head = self.pipeline.edits_response_heads;
        let asked = |part: &mut dyn StageExchange, scope: &mut Scope<'_>| part.request_head(headers, scope);
        self.ask_parts(asked, Editable::RequestHead, host, effects)
    }

    /// Tells the stages that the request goes on, and with which body.
    pub(super) fn leave(&mut self, body: &[u8], editable: Editable, host: &mut dyn Host, effects: &mut Effects) {
        if self.pipeline.sees_bodies {
            let leaves = |part: &mut dyn StageExchange, scope: &mut Scope<'_>| {
                part.request_leaves(body, scope);
                HeadVerdict::Pass
            };
            // Nobody refuses any more.
            let _: Result<(), Reason> = self.ask_parts(leaves, editable, host, effects);
        }
        self.request = RequestState::Passing;
        self.outcome = Outcome::Allowed;
    }

    /// Whose header fields are at hand when the body has come.
    pub(super) fn editable_with_body(&self) -> Editable {
        if self.pipeline.settings.header_hold { Editable::RequestHead } else { Editable::Nothing }
    }

    /// What is kept of the head is what goes on.
    pub(super) fn keep_edit(&mut self, edit: &HeaderEdit) {
        if !self.headers.has(edit.name()) && !self.pipeline.headers.wants(edit.name().as_bytes()) {
            return;
        }
        let edited = Rc::new(self.headers.edited(edit));
        let as_sent = std::mem::replace(&mut self.headers, edited);
        if Header::of(edit.name().as_bytes()).is_some() {
            self.mirrored.get_or_insert(as_sent);
        }
        if let Some(observation) = &mut self.observation {
            observation.report.session = self.headers.text("mcp-session-id").map(Cow::into_owned);
        }
    }

    /// Answers for a stage that refuses what is no message.
    pub(super) fn refuse_head(&mut self, reason: Reason, effects: &mut Effects) {
        let body = refusal::error_body(reason.shown(), None, None, &[]);
        self.reply(reason, reason.http_status(), body, effects);
    }

    /// A response that may have to be read must not come compressed.
    pub(super) fn ask_for_readable_response(&self, head: &Head<'_>, effects: &mut Effects) {
        if self.reads != Reads::Nothing && head.accepts_encoding {
            effects.push(Effect::RequestHeader(HeaderEdit::Remove("accept-encoding")));
        }
    }

    /// Lets the head wait for the decision, where the host can.
    pub(super) fn hold_headers(&self, effects: &mut Effects) {
        if self.pipeline.settings.header_hold {
            effects.hold();
        }
    }

    /// The short way of [`Input::RequestBodyGrew`]: whether the body is held on, so that nothing else comes of that.
    ///
    /// [`Input::RequestBodyGrew`]: crate::Input::RequestBodyGrew
    pub fn holds_on(&mut self, buffered: usize) -> bool {
        if let Some(observation) = &mut self.observation {
            observation.report.request_bytes = buffered as u64;
        }
        matches!(self.request, RequestState::Body) && buffered <= self.pipeline.settings.limits.max_bytes
    }

    pub(super) fn request_body_grew(&mut self, buffered: usize, effects: &mut Effects) {
        if self.holds_on(buffered) {
            return effects.hold();
        }
        match self.request {
            RequestState::Body => self.refuse(Reason::BodyTooLarge, effects),
            RequestState::NoBody if buffered > 0 => self.refuse(Reason::BodyNotAllowed, effects),
            RequestState::Passing => {}
            RequestState::Waiting(_) => self.body_while_waiting(buffered, false, effects),
            _ => effects.hold(),
        }
    }

    pub(super) fn request_body_complete(&mut self, body: &[u8], host: &mut dyn Host, effects: &mut Effects) {
        if let Some(observation) = &mut self.observation {
            observation.report.request_bytes = body.len() as u64;
            observation.report.parsed_bytes = body.len() as u64;
        }
        match self.request {
            RequestState::Body => self.decide(body, host, effects),
            RequestState::NoBody if body.is_empty() => self.leave(&[], self.editable_with_body(), host, effects),
            RequestState::NoBody => self.refuse(Reason::BodyNotAllowed, effects),
            RequestState::Passing => {}
            RequestState::Waiting(_) => self.body_while_waiting(body.len(), true, effects),
            // A body without a head, or after a reply: nothing to let through.
            RequestState::Start | RequestState::Replied => effects.hold(),
        }
    }

    /// Refuses a request of which no message could be read.
    pub(super) fn refuse(&mut self, reason: Reason, effects: &mut Effects) {
        self.refuse_as(reason, reason.http_status(), refusal::error_body(reason, self.id(), None, &[]), effects);
    }

    /// Answers with a refusal.
    pub(super) fn refuse_as(&mut self, reason: Reason, status: u16, body: Vec<u8>, effects: &mut Effects) {
        Self::note_refusal(effects, "engine", reason, None, false);
        self.reply(reason, status, body, effects);
    }

    pub(super) fn reply(&mut self, reason: Reason, status: u16, body: Vec<u8>, effects: &mut Effects) {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.append(&mut effects.reply_headers);
        if reason == Reason::MethodNotAllowed {
            headers.push(("allow", "GET, POST, DELETE, OPTIONS".to_owned()));
        }
        let reply = Reply { status, headers, body };
        if let Some(observation) = &mut self.observation {
            observation.replied(&reply);
        }
        effects.push(Effect::Reply(reply));
        effects.hold();
        self.request = RequestState::Replied;
        // The host shows us our own reply as a response: it is not the server's.
        self.response = super::ResponseState::Passing;
        self.outcome = Outcome::Denied(reason);
    }
}
