//! The policy as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{
    Answer, Asked, Call, CalloutOutcome, Decision, HeaderDemand, Scope, Stage, StageExchange, Verdict,
};
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;

use crate::config::{Mode, PolicyConfig};
use crate::decide::{Policy, Ruling, is_upkeep};

/// Asks the policy about every message of the client.
#[derive(Debug)]
pub struct PolicyStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    policy: Policy,
    mode: Mode,
}

#[derive(Debug)]
struct PolicyExchange {
    shared: Rc<Shared>,
}

impl PolicyStage {
    /// A stage for a policy.
    #[must_use]
    pub fn new(config: &PolicyConfig) -> Self {
        Self { shared: Rc::new(Shared { policy: Policy::new(config), mode: config.mode }) }
    }
}

impl Stage for PolicyStage {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn edits_requests(&self) -> bool {
        false
    }

    fn reads_responses(&self) -> bool {
        false
    }

    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(PolicyExchange { shared: Rc::clone(&self.shared) })
    }
}

impl StageExchange for PolicyExchange {
    fn request(&mut self, call: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        // A response answers a request of the server's own: there is no operation of the client in it.
        if matches!(call.message.kind(), Kind::Response | Kind::Error) {
            return Verdict::Pass;
        }
        let method = call.message.method().unwrap_or_default();
        let upkeep = is_upkeep(&method, call.message.kind(), call.method);
        match self.shared.policy.decide(&method, upkeep, &call.target) {
            Ruling::Allow(_) => Verdict::Pass,
            Ruling::Deny(rule) => {
                let decision = Decision { rule: rule.map(Rc::from), ..Decision::new(Reason::Denied) };
                match self.shared.mode {
                    Mode::Enforce => Verdict::Refuse(decision),
                    Mode::Shadow => Verdict::Observe(decision),
                }
            }
        }
    }

    fn resumed(&mut self, call: &Call<'_>, _: &CalloutOutcome, scope: &mut Scope<'_>) -> Verdict {
        // Asks no service, so an answer cannot be its own: decide as at first.
        self.request(call, scope)
    }

    fn reads_response(&self) -> bool {
        false
    }

    fn response(&mut self, _: &Message<'_>, _: &Asked, _: &mut Scope<'_>) -> Answer {
        Answer::Pass
    }
}
