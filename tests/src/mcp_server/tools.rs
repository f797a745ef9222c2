//! What the tools do.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InputResponses, ServerNotification,
    ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use super::handler::{Change, Handler, model};

/// Between two notifications, so that a client can see them arrive one by one.
const STEP: Duration = Duration::from_millis(50);

impl Handler {
    pub(super) async fn run_tool(
        &self,
        call: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let catalog = &self.shared.catalog;
        let name = call.name.as_ref();
        if let Some(result) = catalog.results.get(name) {
            return Ok(result.clone().into());
        }
        if let Some(rounds) = catalog.rounds.get(name) {
            let answers = call.input_responses.unwrap_or_default();
            return Ok(match self.ask(name, rounds, &answers, call.request_state.as_deref(), context)? {
                Some(questions) => questions.into(),
                None => text(&answered(&answers, rounds.state)).into(),
            });
        }
        if let Some(request) = catalog.requests.get(name) {
            let answer = request_of_client(context, "elicitation/create", json!(request)).await?;
            return Ok(text(&format!("Elicitation completed: {}", action(&answer))).into());
        }
        let argument = |name: &str| call.arguments.as_ref().and_then(|arguments| arguments.get(name)?.as_str());
        let result = match name {
            "test_tool_with_logging" => {
                for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    log(context, message).await?;
                    tokio::time::sleep(STEP).await;
                }
                text("Logged three messages")
            }
            "test_logging_tool" => {
                if context.meta.log_level().is_some() {
                    log(context, "Tool execution started").await?;
                }
                text("Logged what was asked for")
            }
            "test_tool_with_progress" => {
                report_progress(context).await?;
                text("Progress test completed")
            }
            "test_reconnection" => {
                tokio::time::sleep(STEP).await;
                text("Reconnection test completed")
            }
            "test_sampling" => {
                let content = json!({"type": "text", "text": argument("prompt")});
                let request = json!({"messages": [{"role": "user", "content": content}], "maxTokens": 100});
                let answer = request_of_client(context, "sampling/createMessage", request).await?;
                text(&format!("LLM response: {}", sampled(&answer)))
            }
            "test_elicitation" => {
                let field = |description: &str| json!({"type": "string", "description": description});
                let schema = json!({
                    "type": "object",
                    "properties": {"username": field("User's response"), "email": field("User's email address")},
                    "required": ["username", "email"],
                });
                let request = json!({"message": argument("message"), "requestedSchema": schema});
                let answer = request_of_client(context, "elicitation/create", request).await?;
                text(&format!("User response: {}", action(&answer)))
            }
            "test_missing_capability" => {
                if context.client_capabilities().and_then(|capabilities| capabilities.sampling).is_none() {
                    return Err(ErrorData::missing_required_client_capability(model(json!({"sampling": {}}))?));
                }
                text("The client can sample")
            }
            "test_trigger_tool_change" => self.announce(Change::Tools),
            "test_trigger_prompt_change" => self.announce(Change::Prompts),
            "test_header_parameter" | "json_schema_2020_12_tool" => text("Called"),
            _ => return Err(ErrorData::invalid_params("there is no such tool", None)),
        };
        Ok(result.into())
    }

    fn announce(&self, change: Change) -> CallToolResult {
        // There may be no one who listens.
        let _listeners = self.shared.changes.send(change);
        text("Announced")
    }
}

fn text(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

async fn log(context: &RequestContext<RoleServer>, message: &str) -> Result<(), ErrorData> {
    notify(context, "notifications/message", json!({"level": "info", "logger": "test", "data": message})).await
}

async fn report_progress(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let Some(token) = context.meta.get_progress_token() else { return Ok(()) };
    for progress in [0, 50, 100] {
        let message = format!("Completed step {progress} of 100");
        let params = json!({"progressToken": token, "progress": progress, "total": 100, "message": message});
        notify(context, "notifications/progress", params).await?;
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

async fn notify(context: &RequestContext<RoleServer>, method: &str, params: Value) -> Result<(), ErrorData> {
    let notification = model::<ServerNotification>(json!({"method": method, "params": params}))?;
    context.peer.send_notification(notification).await.map_err(not_sent)
}

/// Asks the client while the call is open (session mode), and waits for the answer.
async fn request_of_client(
    context: &RequestContext<RoleServer>,
    method: &str,
    params: Value,
) -> Result<Value, ErrorData> {
    let request = model::<ServerRequest>(json!({"method": method, "params": params}))?;
    let answer = context.peer.send_request(request).await.map_err(not_sent)?;
    serde_json::to_value(answer).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn not_sent(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn action(answer: &Value) -> String {
    let content = answer.get("content").cloned().unwrap_or_else(|| json!({}));
    format!("action={}, content={content}", answer.get("action").and_then(Value::as_str).unwrap_or_default())
}

/// The text of a sampled message, whose content may be one block or a list of them.
fn sampled(answer: &Value) -> &str {
    let text = answer.pointer("/content/text").or_else(|| answer.pointer("/content/0/text"));
    text.and_then(Value::as_str).unwrap_or_default()
}

fn answered(answers: &InputResponses, state: bool) -> String {
    let name = answers.get("user_name").and_then(|answer| answer.pointer("/content/name")?.as_str());
    match (name, state) {
        (Some(name), false) => format!("Hello, {name}!"),
        (_, true) => format!("state-ok, with {}", json!(answers)),
        (None, false) => answers
            .values()
            .map(|answer| match sampled(answer) {
                "" => answer.to_string(),
                text => text.to_owned(),
            })
            .collect::<Vec<_>>()
            .join(", "),
    }
}
