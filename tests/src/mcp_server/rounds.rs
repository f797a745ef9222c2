//! Questions in a result (2026-07-28): the call is refused for now, and comes again with the answers.

use std::sync::PoisonError;

use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use super::catalog::Rounds;
use super::handler::{Handler, model};

impl Handler {
    /// The questions of the round that is due, or none when all are answered.
    pub(super) fn ask(
        &self,
        asker: &str,
        rounds: &Rounds,
        answers: &InputResponses,
        state: Option<&str>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<InputRequiredResult>, ErrorData> {
        let round = match state {
            Some(state) => self.round_of(asker, state)?,
            None => 0,
        };
        let Some(keys) = rounds.rounds.get(round) else { return Ok(None) };
        let capabilities = context.client_capabilities().unwrap_or_default();
        let questions = self.questions(keys, &capabilities)?;
        let answered =
            questions.iter().all(|(key, question)| answers.get(key).is_some_and(|a| answers_to(question, a)));
        // Without a state to say so, answers are to the first round.
        let round = if answered && (state.is_some() || !rounds.state) { round.saturating_add(1) } else { round };
        let Some(keys) = rounds.rounds.get(round) else { return Ok(None) };
        let state = rounds.state.then(|| self.new_state(asker, round));
        Ok(Some(InputRequiredResult::new(Some(self.questions(keys, &capabilities)?), state)))
    }

    /// The questions that a client with these capabilities can answer.
    fn questions(&self, keys: &[String], capabilities: &ClientCapabilities) -> Result<InputRequests, ErrorData> {
        let catalog = &self.shared.catalog.questions;
        let all = keys.iter().filter_map(|key| Some((key.clone(), catalog.get(key)?.clone())));
        let questions: InputRequests = all.filter(|(_, question)| can_answer(question, capabilities)).collect();
        if questions.is_empty() {
            let needed = model(json!({"elicitation": {}, "sampling": {}, "roots": {}}))?;
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        Ok(questions)
    }

    fn new_state(&self, asker: &str, round: usize) -> String {
        let mut states = self.shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = format!("state-{}", states.len());
        states.insert(state.clone(), (asker.to_owned(), round));
        state
    }

    fn round_of(&self, asker: &str, state: &str) -> Result<usize, ErrorData> {
        let states = self.shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        match states.get(state) {
            Some((of, round)) if of == asker => Ok(*round),
            _ => Err(ErrorData::invalid_params("the request state is not one of ours", None)),
        }
    }
}

fn can_answer(question: &InputRequest, capabilities: &ClientCapabilities) -> bool {
    match question {
        InputRequest::CreateMessage(_) => capabilities.sampling.is_some(),
        InputRequest::Elicitation(_) => capabilities.elicitation.is_some(),
        InputRequest::ListRoots(_) => capabilities.roots.is_some(),
        _ => false,
    }
}

/// Whether an answer has the form that the question asks for.
fn answers_to(question: &InputRequest, answer: &Value) -> bool {
    match question {
        InputRequest::CreateMessage(_) => answer.get("content").is_some(),
        InputRequest::Elicitation(_) => {
            let accepted = answer.get("action").is_some_and(|action| action == "accept");
            !accepted && answer.get("action").is_some_and(Value::is_string)
                || accepted && answer.get("content").is_some_and(Value::is_object)
        }
        InputRequest::ListRoots(_) => answer.get("roots").is_some_and(Value::is_array),
        _ => false,
    }
}
