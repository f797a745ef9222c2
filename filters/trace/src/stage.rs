//! Trace context as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{
    Call, Counter, Glob, HeadVerdict, HeaderEdit, Headers, Level, Scope, Stage, StageExchange, Verdict,
};
use meshward_wire::message::Kind;

use crate::baggage::Allowance;
use crate::carrier::Place;
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
        HeadVerdict::Pass
    }

    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        if !matches!(call.message.kind(), Kind::Request | Kind::Notification) {
            return Verdict::Pass;
        }
        let shared = Rc::clone(&self.shared);
        let mut meta = Place::of_meta(call.message, &shared.allowance);
        count_malformed("meta", &meta, scope);
        let parent = if call.message.kind() == Kind::Request {
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
        meta.edit_meta(call.message, scope.splices);
        *scope.trace_id = parent.map(|parent| parent.trace_id);
        Verdict::Pass
    }
}

fn count_malformed(place: &'static str, found: &Place, scope: &mut Scope<'_>) {
    for part in found.malformed() {
        scope.count(Counter::ContextDropped { place, part }, 1);
        scope.log(Level::Info, format!("trace: dropped a malformed {part} ({place})"));
    }
}

impl TraceExchange {
    fn edit_head(&mut self, scope: &mut Scope<'_>) {
        self.head.edit_head(|edit| scope.edit_request_head(edit));
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
