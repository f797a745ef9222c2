//! The inspection of results as a stage of the exchange.

use std::rc::Rc;

use meshward_engine::{Answer, Asked, Call, Decision, Reads, Scope, Stage, StageExchange, Target, Verdict};
use meshward_wire::json;
use meshward_wire::message::{Kind, Message, OwnedId};
use meshward_wire::method::Method;
use meshward_wire::refusal::Reason;

use super::compile::Results;
use super::config::ResultAction;
use super::inspect::Inspected;

/// Searches what the server gives out.
#[derive(Debug)]
pub struct ResultsStage {
    results: Rc<Results>,
}

/// Its part in one exchange.
#[derive(Debug)]
struct ResultsExchange {
    results: Rc<Results>,
    /// The client's messages have come.
    decided: bool,
    /// One asks for what is looked at.
    asks: bool,
    /// Calls of tools whose results are not looked at.
    excepted: Vec<OwnedId>,
}

impl ResultsStage {
    /// A stage for what results may hold.
    #[must_use]
    pub fn new(results: Results) -> Self {
        Self { results: Rc::new(results) }
    }
}

impl Results {
    /// How a response is read. Who only observes refuses nothing, not even what cannot be read.
    fn reads(&self) -> Reads {
        if self.enforces() { Reads::Judges } else { Reads::Observes }
    }
}

impl Stage for ResultsStage {
    fn name(&self) -> &'static str {
        "results"
    }

    fn reads_responses(&self) -> Reads {
        self.results.reads()
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(ResultsExchange {
            results: Rc::clone(&self.results),
            decided: false,
            asks: false,
            excepted: Vec::new(),
        })
    }
}

impl StageExchange for ResultsExchange {
    fn request(&mut self, call: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        self.decided = true;
        if call.message.kind() != Kind::Request {
            return Verdict::Pass;
        }
        let is_excepted = |name: &str| self.results.except_tools.iter().any(|pattern| pattern.matches(name));
        match (&call.target, call.message.id()) {
            (Target::Tool(name), Some(id)) if is_excepted(name) => self.excepted.push(id.to_owned()),
            // Of a method that MCP does not know nobody knows what its result is.
            _ => self.asks |= call.method.is_none_or(|method| self.results.methods.contains(&method.name)),
        }
        Verdict::Pass
    }

    fn reads_response(&self) -> Reads {
        // A stream opened by GET brings the server's messages, and results that were asked for before.
        let of_interest = self.asks || self.results.server_messages || !self.decided;
        if of_interest { self.results.reads() } else { Reads::Nothing }
    }

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        let text = message.text();
        let (value, result) = match message.kind() {
            Kind::Request | Kind::Notification if self.results.server_messages => (message.params(), None),
            Kind::Response if self.is_inspected(message, asked) => (message.result(), message.result()),
            Kind::Error if self.is_inspected(message, asked) => (message.error(), None),
            _ => return Answer::Pass,
        };
        let Some(value) = value else { return Answer::Pass };
        // The client sends it back, and the server knows it by its letters (2026-07-28, basic/patterns/mrtr).
        let kept = || json::member(text, result?, "requestState");
        let inspected = self.results.inspect(text, value, kept);
        self.carry_out(inspected, scope)
    }
}

impl ResultsExchange {
    /// Whether a response is looked at: what was asked for elsewhere is.
    fn is_inspected(&self, message: &Message<'_>, asked: &Asked) -> bool {
        let is_excepted =
            message.id().is_some_and(|id| self.excepted.iter().any(|excepted| excepted.raw() == id.raw()));
        let looks = |method: Option<&Method>| method.is_none_or(|method| self.results.methods.contains(&method.name));
        let (requests, looked_at) = asked
            .methods_of(message.id())
            .fold((0_usize, false), |(requests, any), method| (requests.saturating_add(1), any || looks(method)));
        match requests {
            0 => true,
            1 => looked_at && !is_excepted,
            // One id for several requests: it may be the answer to any.
            _ => looked_at,
        }
    }

    fn carry_out(&self, inspected: Inspected, scope: &mut Scope<'_>) -> Answer {
        let Inspected { counts, edits, has_more } = inspected;
        let mut refuses = None;
        for (pattern, count) in self.results.patterns.iter().zip(counts).filter(|(_, count)| *count > 0) {
            scope.measure(&pattern.series, count);
            scope.note(note(pattern.action), || pattern.name.as_ref().to_owned());
            if pattern.action == ResultAction::Refuse {
                refuses.get_or_insert_with(|| Rc::clone(&pattern.name));
            }
        }
        let decision = |rule| Answer::Refuse(Decision { rule, ..Decision::new(Reason::ResultRefused) });
        if refuses.is_some() {
            return decision(refuses);
        }
        if has_more && self.results.enforces() {
            return decision(None);
        }
        for (at, replacement) in edits {
            scope.splices.replace(at, replacement.into_bytes());
        }
        Answer::Pass
    }
}

/// What an audit record calls it.
const fn note(action: ResultAction) -> &'static str {
    match action {
        ResultAction::Observe => "result_observed",
        ResultAction::Redact => "result_redacted",
        ResultAction::Refuse => "result_refused",
    }
}
