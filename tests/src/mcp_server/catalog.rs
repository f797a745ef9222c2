//! What the server offers, as data: `catalog.json`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rmcp::model::{
    CallToolResult, InputRequest, JsonObject, Prompt, Resource, ResourceContents, ResourceTemplate, ServerCapabilities,
    Tool,
};
use serde::Deserialize;
use serde_json::{Value, json};

const CATALOG: &str = include_str!("catalog.json");

/// The tools, prompts and resources, with what they answer.
#[derive(Debug, Deserialize)]
pub(super) struct Catalog {
    pub(super) capabilities: ServerCapabilities,
    #[serde(deserialize_with = "tools")]
    pub(super) tools: Vec<Tool>,
    /// Tools that always give the same result.
    pub(super) results: BTreeMap<String, CallToolResult>,
    /// Tools that ask the user while the call is open, and what they ask.
    pub(super) requests: BTreeMap<String, JsonObject>,
    /// What tools and prompts may ask in a result of theirs, by key.
    pub(super) questions: BTreeMap<String, InputRequest>,
    /// Tools and prompts that ask in a result of theirs.
    pub(super) rounds: BTreeMap<String, Rounds>,
    pub(super) prompts: Vec<Prompt>,
    /// The messages of each prompt; `{name}` stands for an argument.
    pub(super) messages: BTreeMap<String, Value>,
    pub(super) resources: Vec<Resource>,
    pub(super) contents: BTreeMap<String, ResourceContents>,
    pub(super) templates: Vec<ResourceTemplate>,
}

/// The questions of one tool or prompt, round by round.
#[derive(Debug, Deserialize)]
pub(super) struct Rounds {
    pub(super) rounds: Vec<Vec<String>>,
    /// Whether a state goes out with the questions, and must come back with the answers.
    #[serde(default)]
    pub(super) state: bool,
}

impl Catalog {
    pub(super) fn read() -> Result<Self> {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(CATALOG)).context("catalog.json")
    }
}

/// Most tools take no arguments, and leave the schema out.
fn tools<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Tool>, D::Error> {
    let mut tools = Vec::<JsonObject>::deserialize(deserializer)?;
    for tool in &mut tools {
        tool.entry("inputSchema").or_insert_with(|| json!({"type": "object"}));
    }
    let tools = tools.into_iter().map(|tool| serde_json::from_value(Value::Object(tool)));
    tools.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_asked_is_there() {
        let catalog = Catalog::read().unwrap();
        for key in catalog.rounds.values().flat_map(|rounds| rounds.rounds.iter().flatten()) {
            assert!(catalog.questions.contains_key(key), "{key}");
        }
        let tools: Vec<_> = catalog.tools.iter().map(|tool| tool.name.as_ref()).collect();
        let prompts: Vec<_> = catalog.prompts.iter().map(|prompt| prompt.name.as_str()).collect();
        for name in catalog.rounds.keys() {
            assert!(tools.contains(&name.as_str()) || prompts.contains(&name.as_str()), "{name}");
        }
        for name in catalog.results.keys().chain(catalog.requests.keys()) {
            assert!(tools.contains(&name.as_str()), "{name}");
        }
        assert_eq!(catalog.messages.len(), prompts.len());
        assert_eq!(catalog.contents.len(), catalog.resources.len());
    }
}
