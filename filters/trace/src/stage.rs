//! Trace context as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{
    Answer, Asked, Call, CalloutOutcome, Glob, HeaderDemand, Headers, Reads, Scope, Stage, StageExchange, Verdict,
};
use meshward_wire::message::{Kind, Message};

use crate::baggage::Allowance;
use crate::carrier::Place;
use crate::config::{Rule, TraceConfig};
use crate::parent::Parent;
use crate::reconcile::{Around, reconcile};
use crate::start::{Sampling, start};

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
    allowance: Allowance,
    /// The key of the filter state under which the proxy's own span is.
    proxy_span: Option<String>,
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
                allowance: Allowance {
                    keys: baggage.keys.iter().map(|key| Glob::new(key)).collect(),
                    max_members: baggage.max_members,
                    max_bytes: baggage.max_bytes.0,
                },
                proxy_span: config.proxy_span.as_ref().map(|span| span.filter_state.clone()),
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

    fn reads_responses(&self) -> Reads {
        Reads::Nothing
    }

    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
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
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) {
        let shared = &*self.shared;
        self.head = Place::of_head(head, &shared.allowance);
        self.proxy_span = shared.proxy_span.as_deref().and_then(|key| proxy_span(key, &self.head, scope));
        if shared.rule == Rule::Restart {
            self.head.clear();
            // The proxy's span is in the head when it goes on.
            let parent = if self.proxy_span.is_some() {
                None
            } else {
                shared.start.and_then(|sampling| start(&*scope.host, sampling))
            };
            if let Some(parent) = parent {
                self.head.follow(parent, None);
            }
        }
        self.edit_head(scope);
        *scope.trace_id = self.proxy_span.or(self.head.parent.value).map(|parent| parent.trace_id);
    }

    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        if !matches!(call.message.kind(), Kind::Request | Kind::Notification) {
            return Verdict::Pass;
        }
        let shared = Rc::clone(&self.shared);
        let mut meta = Place::of_meta(call.message, &shared.allowance);
        let parent = if call.message.kind() == Kind::Request {
            let around = Around {
                proxy_span: self.proxy_span,
                can_edit_head: scope.can_edit_request_head() && !self.settled && self.proxy_span.is_none(),
                earlier: self.earlier,
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

    fn resumed(&mut self, _: &Call<'_>, _: &CalloutOutcome, _: &mut Scope<'_>) -> Verdict {
        // Asks no service.
        Verdict::Pass
    }

    fn reads_response(&self) -> Reads {
        Reads::Nothing
    }

    fn response_head(&mut self, _: Headers<'_>, _: &mut Scope<'_>) {}

    fn response(&mut self, _: &Message<'_>, _: &Asked, _: &mut Scope<'_>) -> Answer {
        Answer::Pass
    }
}

impl TraceExchange {
    fn edit_head(&mut self, scope: &mut Scope<'_>) {
        for edit in self.head.head_edits() {
            scope.edit_request_head(edit);
        }
    }
}

/// The span of the proxy's own tracer. Where it goes on with the client's trace, it is sampled as the client's is.
fn proxy_span(key: &str, head: &Place, scope: &Scope<'_>) -> Option<Parent> {
    let span = Parent::read(scope.host.property(&["filter_state", key])?.trim_ascii())?;
    let same = head.parent.value.filter(|parent| parent.trace_id == span.trace_id);
    Some(Parent { flags: same.map_or(span.flags, |parent| parent.flags), ..span })
}
