//! The server's side of each method.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceContents,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::catalog::Catalog;

/// What all sessions and requests have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) catalog: Catalog,
    pub(super) changes: broadcast::Sender<Change>,
    /// The states that went out with questions: who asked, and the round that comes next.
    pub(super) states: Mutex<HashMap<String, (String, usize)>>,
}

/// What those who listen may want to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Tools,
    Prompts,
}

impl Shared {
    pub(super) fn new() -> anyhow::Result<Self> {
        let (changes, _) = broadcast::channel(16);
        Ok(Self { catalog: Catalog::read()?, changes, states: Mutex::default() })
    }
}

/// Answers the requests of one session, or one request.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    pub(super) shared: Arc<Shared>,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }
}

/// A value of the SDK's model, from the JSON that the specification shows.
pub(super) fn model<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

#[expect(deprecated, reason = "what the newest revision deprecates is still part of the older ones")]
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(self.catalog().capabilities.clone())
            .with_server_info(Implementation::new("meshward-test-server", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.catalog().tools.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.catalog().tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.run_tool(call, &context).await
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(self.catalog().prompts.clone()))
    }

    async fn get_prompt(
        &self,
        prompt: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let messages = self.catalog().messages.get(&prompt.name);
        let messages = messages.ok_or_else(|| ErrorData::invalid_params("there is no such prompt", None))?;
        if let Some(rounds) = self.catalog().rounds.get(&prompt.name) {
            let answers = prompt.input_responses.unwrap_or_default();
            if let Some(questions) =
                self.ask(&prompt.name, rounds, &answers, prompt.request_state.as_deref(), &context)?
            {
                return Ok(questions.into());
            }
        }
        let messages = filled(messages, &prompt.arguments.unwrap_or_default());
        Ok(model::<GetPromptResult>(json!({"resultType": "complete", "messages": messages}))?.into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(self.catalog().resources.clone()))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(self.catalog().templates.clone()))
    }

    async fn read_resource(
        &self,
        resource: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = resource.uri;
        let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (self.catalog().contents.get(&uri), id) {
            (Some(contents), _) => contents.clone(),
            (None, Some(id)) => {
                let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                let text = data.to_string();
                model::<ResourceContents>(json!({"uri": uri, "mimeType": "application/json", "text": text}))?
            }
            (None, None) => return Err(ErrorData::resource_not_found("Resource not found", Some(json!({"uri": uri})))),
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn set_level(
        &self,
        _level: rmcp::model::SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _resource: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _resource: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.shared.changes.subscribe();
        loop {
            let change = tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // A filter that does not ask for a change makes the SDK refuse to send it: nothing to do about that.
            let _sent = match change {
                Ok(Change::Tools) => subscription.sink().notify_tool_list_changed().await,
                Ok(Change::Prompts) => subscription.sink().notify_prompt_list_changed().await,
                Err(_) => continue,
            };
        }
    }
}

/// A prompt's messages with its arguments in the places of their names.
fn filled(messages: &Value, arguments: &JsonObject) -> Value {
    match messages {
        Value::String(text) => {
            let text = arguments.iter().fold(Cow::from(text), |text, (name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text.replace(&format!("{{{name}}}"), &value).into()
            });
            Value::String(text.into_owned())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, arguments)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled(value, arguments))).collect()
        }
        other => other.clone(),
    }
}
