//! The policy as a stage of the exchange.

use meshward_engine::{Answer, Asked, Call, CalloutOutcome, Decision, Host, Stage, Verdict};
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;
use meshward_wire::splice::Splices;

use crate::config::{Mode, PolicyConfig};
use crate::decide::{Policy, Ruling, is_upkeep};

/// Asks the policy about every message of the client.
#[derive(Debug)]
pub struct PolicyStage {
    policy: Policy,
    mode: Mode,
}

impl PolicyStage {
    /// A stage for a policy.
    #[must_use]
    pub fn new(config: &PolicyConfig) -> Self {
        Self { policy: Policy::new(config), mode: config.mode }
    }
}

impl Stage for PolicyStage {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn request(&self, call: &Call<'_>, _: &mut Splices, _: &mut dyn Host) -> Verdict {
        // A response answers a request of the server's own: there is no operation of the client in it.
        if matches!(call.message.kind(), Kind::Response | Kind::Error) {
            return Verdict::Pass;
        }
        let method = call.message.method().unwrap_or_default();
        let upkeep = is_upkeep(&method, call.message.kind(), call.method);
        match self.policy.decide(&method, upkeep, &call.target) {
            Ruling::Allow(_) => Verdict::Pass,
            Ruling::Deny(rule) => {
                let decision = Decision { reason: Reason::Denied, rule: rule.map(str::to_owned) };
                match self.mode {
                    Mode::Enforce => Verdict::Refuse(decision),
                    Mode::Shadow => Verdict::Observe(decision),
                }
            }
        }
    }

    fn resumed(&self, call: &Call<'_>, _: &CalloutOutcome, splices: &mut Splices, host: &mut dyn Host) -> Verdict {
        // Asks no service, so an answer cannot be its own: decide as at first.
        self.request(call, splices, host)
    }

    fn edits_requests(&self) -> bool {
        false
    }

    fn reads_responses(&self) -> bool {
        false
    }

    fn reads_responses_to(&self, _: &Call<'_>) -> bool {
        false
    }

    fn response(&self, _: &Message<'_>, _: &Asked, _: &mut dyn Host) -> Answer {
        Answer::Pass
    }
}
