//! Retries and time-outs as a stage of the exchange: header fields that Envoy's router goes by, and takes out again.
//!
//! Envoy's documentation says what each does (HTTP filters, Router, HTTP headers consumed from downstreams). A retry policy
//! of the route cannot be taken back by a header field, but none is carried out when `x-envoy-max-retries` is 0.

use std::rc::Rc;
use std::time::Duration;

use meshward_engine::{Call, HeadVerdict, HeaderEdit, Headers, Scope, Stage, StageExchange, Target, Verdict};
use meshward_wire::message::Kind;

use super::compile::{Plan, Retries, Times};
use crate::stage::Approved;

/// How often the router tries again.
const MAX_RETRIES: &str = "x-envoy-max-retries";
/// After what.
const RETRY_ON: &str = "x-envoy-retry-on";
/// How long all tries may take until the answer has come, in milliseconds; 0: as long as they take.
const TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
/// How long a try may take until its answer begins.
const TRY_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// What no client decides: all that the router goes by where it retries and waits.
const OURS: [&str; 11] = [
    MAX_RETRIES,
    RETRY_ON,
    TIMEOUT,
    TRY_TIMEOUT,
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-stream-duration-ms",
];

/// Says what may run twice.
#[derive(Debug)]
pub struct RetriesStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    retries: Retries,
    /// What is known of tools that are as they were approved.
    approved: Option<Approved>,
}

/// Its part in one exchange.
#[derive(Debug)]
struct RetriesExchange {
    shared: Rc<Shared>,
    /// What holds for the messages so far.
    plan: Option<Plan>,
    /// A bound of each try was set.
    bounds_tries: bool,
}

impl RetriesStage {
    /// A stage for what may be sent again. `approved`: who knows what approved tools say of themselves.
    #[must_use]
    pub fn new(retries: Retries, approved: Option<Approved>) -> Self {
        Self { shared: Rc::new(Shared { retries, approved }) }
    }
}

impl Stage for RetriesStage {
    fn name(&self) -> &'static str {
        "retries"
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(RetriesExchange { shared: Rc::clone(&self.shared), plan: None, bounds_tries: false })
    }
}

impl StageExchange for RetriesExchange {
    fn request_head(&mut self, headers: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        for name in OURS.into_iter().filter(|name| headers.first(name).is_some()) {
            scope.edit_request_head(HeaderEdit::Remove(name));
        }
        match headers.first(":method") {
            // A stream of the server's own ends when it ends.
            Some(b"GET") => set(scope, TIMEOUT, 0),
            // Without header hold it is not known yet what it is: it may not run twice, and its answer may be a stream.
            Some(b"POST") if !self.shared.retries.header_hold => {
                self.carry_out(Plan { retry: false, times: Times::default() }, scope);
            }
            _ => {}
        }
        HeadVerdict::Pass
    }

    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        if !scope.can_edit_request_head() {
            return Verdict::Pass;
        }
        let Shared { retries, approved } = &*self.shared;
        let plan = match (&call.target, call.method) {
            // What has no answer is not heard of again when it fails, and may have run.
            _ if call.message.kind() != Kind::Request => Plan { retry: false, times: Times::default() },
            (Target::Tool(name), _) => {
                let says_so = |approved: &Approved| approved.may_repeat(&*scope.host, scope.headers, name);
                retries.tool(name, || approved.as_ref().is_some_and(says_so))
            }
            (_, Some(method)) => retries.other(method.name),
            (_, None) => retries.other(""),
        };
        let plan = self.plan.map_or(plan, |before| before.join(plan));
        self.carry_out(plan, scope);
        Verdict::Pass
    }
}

impl RetriesExchange {
    /// Sets the header fields; those of an earlier message of the same request give way.
    fn carry_out(&mut self, plan: Plan, scope: &mut Scope<'_>) {
        let retries = &self.shared.retries;
        match (plan.retry, self.plan.is_some_and(|before| before.retry)) {
            (true, false) => {
                scope.edit_request_head(HeaderEdit::Set(RETRY_ON, retries.on.clone().into_bytes()));
                set(scope, MAX_RETRIES, u128::from(retries.max_retries));
            }
            (false, before) => {
                if before {
                    scope.edit_request_head(HeaderEdit::Remove(RETRY_ON));
                }
                set(scope, MAX_RETRIES, 0);
            }
            (true, true) => {}
        }
        set(scope, TIMEOUT, plan.times.total.as_ref().map_or(0, Duration::as_millis));
        match plan.times.per_try {
            Some(time) => {
                set(scope, TRY_TIMEOUT, time.as_millis());
                self.bounds_tries = true;
            }
            None if self.bounds_tries => {
                scope.edit_request_head(HeaderEdit::Remove(TRY_TIMEOUT));
                self.bounds_tries = false;
            }
            None => {}
        }
        self.plan = Some(plan);
    }
}

fn set(scope: &mut Scope<'_>, name: &'static str, value: u128) {
    scope.edit_request_head(HeaderEdit::Set(name, value.to_string().into_bytes()));
}
