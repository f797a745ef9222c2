//! Limits as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{
    Call, CalloutOutcome, Decision, HeaderDemand, Host, Mode, Scope, Stage, StageExchange, TickScope, Ticker, Verdict,
};
use meshward_identity::{Caller, Identity};
use meshward_policy::Subject;
use meshward_ratelimit::{Outcome, outcome};
use meshward_wire::message::Kind;
use meshward_wire::refusal::Reason;

use crate::compile::Limits;
use crate::config::OnFailure;
use crate::limit::{Counted, Got, Limit, Own, Said};
use crate::slots::{RENEWAL_MS, Slots};

/// Holds every message of the client against the limits.
#[derive(Debug)]
pub struct LimitsStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    identity: Identity,
    own: Own,
}

/// The limits' part in one exchange.
#[derive(Debug)]
struct LimitsExchange {
    shared: Rc<Shared>,
    /// Read once, when it is first needed.
    caller: Option<Caller>,
    /// Slots that are held until the exchange is over, each with the place of its limit.
    slots: Vec<(usize, Got)>,
    /// The place of the limit about which the service was asked.
    asked: usize,
    /// The first refusal of the message at hand that is only observed.
    observed: Option<Decision>,
}

impl LimitsStage {
    /// A stage for limits, and for where identities come from.
    #[must_use]
    pub fn new(limits: Limits, identity: Identity) -> Self {
        Self { shared: Rc::new(Shared { limits, identity, own: Own::default() }) }
    }

    fn slots(&self) -> impl Iterator<Item = &Slots> {
        self.shared.limits.limits.iter().filter_map(|limit| match &limit.counted {
            Counted::Here { slots, .. } => slots.as_ref(),
            Counted::There(_) => None,
        })
    }
}

impl Stage for LimitsStage {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn headers(&self) -> HeaderDemand {
        self.shared.limits.headers.clone()
    }

    fn looks_into_arguments(&self) -> bool {
        self.shared.limits.looks_into_arguments
    }

    fn ticker(&self) -> Option<&dyn Ticker> {
        self.slots().next().map(|_| self as &dyn Ticker)
    }

    fn open(&self) -> Box<dyn StageExchange> {
        let shared = Rc::clone(&self.shared);
        Box::new(LimitsExchange { shared, caller: None, slots: Vec::new(), asked: 0, observed: None })
    }
}

impl Ticker for LimitsStage {
    fn period(&self) -> Option<u32> {
        self.slots().any(|slots| !slots.is_idle()).then_some(RENEWAL_MS)
    }

    fn tick(&self, scope: &mut TickScope<'_>) {
        let now = scope.host.now();
        for slots in self.slots() {
            slots.renew(&*scope.host, &self.shared.own.worker, now);
        }
    }
}

impl StageExchange for LimitsExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        // A response answers a request of the server's own.
        if matches!(call.message.kind(), Kind::Response | Kind::Error) {
            return Verdict::Pass;
        }
        self.observed = None;
        match self.count_here(call, scope) {
            Some(decision) => Verdict::Refuse(decision),
            None => self.ask_from(0, call, scope),
        }
    }

    fn resumed(&mut self, call: &Call<'_>, ended: &CalloutOutcome, scope: &mut Scope<'_>) -> Verdict {
        let said = match outcome(1, ended) {
            Outcome::Within => Said::Within,
            Outcome::Over { retry_after } => Said::Over { retry_after: retry_after.unwrap_or(1) },
            Outcome::Unknown(_) => Said::Unknown,
        };
        let shared = Rc::clone(&self.shared);
        let refusal = shared.limits.limits.get(self.asked).and_then(|limit| limit.decide(said, scope));
        match refusal {
            Some((decision, Mode::Enforce)) => return Verdict::Refuse(decision),
            Some((decision, Mode::Observe)) => {
                self.observed.get_or_insert(decision);
            }
            None => {}
        }
        self.ask_from(self.asked.saturating_add(1), call, scope)
    }

    fn ended(&mut self, scope: &mut Scope<'_>) {
        let now = if self.slots.is_empty() { 0 } else { scope.host.now() };
        for (place, got) in self.slots.drain(..) {
            if let Some(limit) = self.shared.limits.limits.get(place) {
                limit.give_back(&self.shared.own, &*scope.host, got, now);
            }
        }
    }
}

impl LimitsExchange {
    /// Counts the message by the limits of this proxy: the refusal by the first of them that is enforced. Then no other has counted it.
    fn count_here(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Option<Decision> {
        let shared = Rc::clone(&self.shared);
        let method = call.message.method().unwrap_or_default();
        let caller = caller(&mut self.caller, &shared, &*scope.host);
        let subject = Subject::of_call(call, &method, None, caller, scope.headers);
        let now = scope.host.now();
        let mut got: Vec<(usize, Got)> = Vec::new();
        let mut refusal = None;
        for (place, limit) in shared.limits.limits.iter().enumerate() {
            if matches!(limit.counted, Counted::There(_)) || !limit.selection.applies(&subject) {
                continue;
            }
            let (said, taken) = limit.count(&shared.own, &*scope.host, &subject, now);
            if taken != Got::default() {
                got.push((place, taken));
            }
            match limit.decide(said, scope) {
                Some((decision, Mode::Enforce)) => {
                    refusal = Some(decision);
                    break;
                }
                Some((decision, Mode::Observe)) => {
                    self.observed.get_or_insert(decision);
                }
                None => {}
            }
        }
        if refusal.is_some() {
            for (place, got) in got {
                if let Some(limit) = shared.limits.limits.get(place) {
                    limit.give_back(&shared.own, &*scope.host, got, now);
                }
            }
            return refusal;
        }
        let slots = got.into_iter().map(|(place, got)| (place, Got { rate: None, ..got }));
        self.slots.extend(slots.filter(|(_, got)| got.slot.is_some()));
        None
    }

    /// Asks the service about the message by the next of its limits, from a place on. After the last the message passes.
    fn ask_from(&mut self, from: usize, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        let shared = Rc::clone(&self.shared);
        if let Some(service) = &shared.limits.service {
            let method = call.message.method().unwrap_or_default();
            let caller = caller(&mut self.caller, &shared, &*scope.host);
            let subject = Subject::of_call(call, &method, None, caller, scope.headers);
            let mut limits = shared.limits.limits.iter().enumerate().skip(from);
            let next = limits
                .find(|(_, limit)| matches!(limit.counted, Counted::There(_)) && limit.selection.applies(&subject));
            if let Some((place, limit)) = next {
                self.asked = place;
                return Verdict::Ask(service.ask(&[limit.descriptor(&subject)]));
            }
        }
        self.observed.take().map_or(Verdict::Pass, Verdict::Observe)
    }
}

/// Who calls. Read once in an exchange.
fn caller<'c>(known: &'c mut Option<Caller>, shared: &Shared, host: &dyn Host) -> &'c Caller {
    known.get_or_insert_with(|| shared.identity.caller(shared.limits.wanted, host))
}

impl Limit {
    /// What comes of what the limit says, which is measured.
    fn decide(&self, said: Said, scope: &mut Scope<'_>) -> Option<(Decision, Mode)> {
        if let Some(series) = self.measured(said) {
            scope.measure(series, 1);
        }
        let (reason, retry_after) = match said {
            Said::Within => return None,
            Said::Unknown if self.on_failure == OnFailure::Allow => return None,
            Said::Over { retry_after } => (Reason::RateLimited, retry_after),
            Said::Full => (Reason::RateLimited, 1),
            Said::Busy => (Reason::TooManyConcurrent, 1),
            Said::Unknown => (Reason::RateLimitUnavailable, 1),
        };
        let decision =
            Decision { rule: Some(Rc::clone(&self.name)), retry_after: Some(retry_after), ..Decision::new(reason) };
        Some((decision, self.mode))
    }
}
