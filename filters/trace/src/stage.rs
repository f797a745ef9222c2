//! Trace context as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{
    Call, Counter, Glob, HeadVerdict, HeaderEdit, Headers, Level, Scope, Stage, StageExchange, Verdict,
};
use meshward_wire::message::{Kind, Message};

use crate::baggage::Allowance;
use crate::carrier::{Place, begin_in_meta, begun_in_head};
use crate::config::{Rule, TraceConfig};
use crate::parent::{Parent, SAMPLED};
use crate::reconcile::{Around, reconcile};
use crate::start::{Sampling, start};

/// Where the proxy says its own span.
const PROXY_SPAN: &str = "x-meshward-span";

/// Puts requests into traces. What the server sends is not touched.
#[derive(Debug)]
pub struct TraceStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rule: Rule,
    /// `None`: no trace begins here.
    start: Option<Sampling>,
    /// The `tracestate` of those that are sampled.
    begun: Option<String>,
    allowance: Allowance,
    /// The proxy says its own span.
    proxy_span: bool,
}

/// The stage's part in one exchange.
#[derive(Debug)]
struct TraceExchange {
    shared: Rc<Shared>,
    head: Place,
    proxy_span: Option<Parent>,
    /// The first request's parent, and whether there was one: of several in a batch it settles what the head says.
    earlier: Option<Parent>,
    settled: bool,
}

impl TraceStage {
    /// A stage for a section of the configuration, which has no faults.
    #[must_use]
    pub fn new(config: &TraceConfig) -> Self {
        let baggage = &config.baggage;
        Self {
            shared: Rc::new(Shared {
                rule: config.rule,
                start: config.start.then(|| Sampling::of(config.sampling)),
                begun: Sampling::of(config.sampling).state(),
                allowance: Allowance {
                    keys: baggage.keys.iter().map(|key| Glob::new(key)).collect(),
                    max_members: baggage.max_members,
                    max_bytes: baggage.max_bytes.0,
                },
                proxy_span: config.proxy_span,
            }),
        }
    }
}

impl Stage for TraceStage {
    fn name(&self) -> &'static str {
        "trace"
    }

    fn edits_requests(&self) -> bool {
        true
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(TraceExchange {
            shared: Rc::clone(&self.shared),
            head: Place::default(),
            proxy_span: None,
            earlier: None,
            settled: false,
        })
    }
}

impl StageExchange for TraceExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        // Most requests say nothing.
        if self.shared.proxy_span || self.shared.rule == Rule::Restart || Place::is_in_head(head) {
            self.read_head(head, scope);
        }
        HeadVerdict::Pass
    }

    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        match call.message.kind() {
            Kind::Request if self.is_silent(call.message) => self.begin(call.message, scope),
            Kind::Request | Kind::Notification => self.reconcile(call.message, scope),
            Kind::Response | Kind::Error => {}
        }
        Verdict::Pass
    }
}

impl TraceExchange {
    fn read_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) {
        let shared = &*self.shared;
        self.head = Place::of_head(head, &shared.allowance);
        count_malformed("header", &self.head, scope);
        if shared.proxy_span && head.first(PROXY_SPAN).is_some() {
            self.proxy_span = proxy_span(head, self.head.parent.value);
            scope.edit_request_head(HeaderEdit::Remove(PROXY_SPAN));
        }
        if shared.rule == Rule::Restart {
            self.head.clear();
            // The proxy's span is in the head when it goes on.
            let parent = if self.proxy_span.is_some() {
                None
            } else {
                shared.start.and_then(|sampling| start(&*scope.host, sampling))
            };
            if let Some(parent) = parent {
                self.head.follow(parent, shared.begun.as_deref().filter(|_| parent.flags & SAMPLED != 0));
            }
        }
        self.edit_head(scope);
        *scope.trace_id = self.proxy_span.or(self.head.parent.value).map(|parent| parent.trace_id);
    }

    /// Whether nothing is known of a trace, neither from the request's head nor from its first message, and a trace that begins has no
    /// `tracestate`.
    fn is_silent(&self, message: &Message<'_>) -> bool {
        self.head.is_silent()
            && self.proxy_span.is_none()
            && !self.settled
            && self.shared.begun.is_none()
            && !Place::is_in_meta(message)
    }

    /// What comes of [`TraceExchange::reconcile`] where there is nothing to reconcile, without the detours.
    fn begin(&mut self, message: &Message<'_>, scope: &mut Scope<'_>) {
        self.settled = true;
        let Some(parent) = self.shared.start.and_then(|sampling| start(&*scope.host, sampling)) else { return };
        self.earlier = Some(parent);
        *scope.trace_id = Some(parent.trace_id);
        let quoted = parent.quoted();
        if scope.can_edit_request_head() {
            self.head = Place::written(parent);
            scope.edit_request_head(begun_in_head(&quoted));
        }
        begin_in_meta(&quoted, message, scope.splices);
    }

    fn reconcile(&mut self, message: &Message<'_>, scope: &mut Scope<'_>) {
        let shared = Rc::clone(&self.shared);
        let mut meta = Place::of_meta(message, &shared.allowance);
        count_malformed("meta", &meta, scope);
        let parent = if message.kind() == Kind::Request {
            let around = Around {
                proxy_span: self.proxy_span,
                can_edit_head: scope.can_edit_request_head() && !self.settled && self.proxy_span.is_none(),
                earlier: self.earlier,
                begun: shared.begun.as_deref(),
            };
            let begin = || shared.start.and_then(|sampling| start(&*scope.host, sampling));
            let parent = reconcile(shared.rule, &mut self.head, &mut meta, &around, begin);
            self.settled = true;
            self.earlier = self.earlier.or(parent);
            self.edit_head(scope);
            parent
        } else {
            // A notification is not answered, and is no operation of its own.
            if shared.rule == Rule::Restart {
                meta.clear();
            }
            meta.parent.value.or(self.proxy_span).or(self.head.parent.value)
        };
        meta.edit_meta(message, scope.splices);
        *scope.trace_id = parent.map(|parent| parent.trace_id);
    }

    fn edit_head(&mut self, scope: &mut Scope<'_>) {
        self.head.edit_head(|edit| scope.edit_request_head(edit));
    }
}

#[inline]
fn count_malformed(place: &'static str, found: &Place, scope: &mut Scope<'_>) {
    if found.malformed().next().is_some() {
        count_each(place, found, scope);
    }
}

#[cold]
fn count_each(place: &'static str, found: &Place, scope: &mut Scope<'_>) {
    for part in found.malformed() {
        scope.count(Counter::ContextDropped { place, part }, 1);
        scope.log(Level::Info, format!("trace: dropped a malformed {part} ({place})"));
    }
}

/// The span of the proxy's own tracer. Nothing tells whether it is sampled: it is not where its parent is not, nor where
/// Envoy has decided so, which it writes into the id it gives a request.
fn proxy_span(head: Headers<'_>, parent: Option<Parent>) -> Option<Parent> {
    let span = Parent::read(head.first(PROXY_SPAN)?.trim_ascii())?;
    let is_followed = parent.is_none_or(|parent| parent.trace_id != span.trace_id || parent.flags & SAMPLED != 0);
    // The version's digit of a UUID: 4 as it was made, another where the request is traced.
    let is_traced = head.first("x-request-id").and_then(|id| id.get(14)) != Some(&b'4');
    let flags = if is_followed && is_traced { span.flags } else { span.flags & !SAMPLED };
    Some(Parent { flags, ..span })
}
