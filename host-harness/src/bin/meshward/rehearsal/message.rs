//! The message that is rehearsed, and the head that a client would send it with.

use meshward_wire::method::{Kind, Method};
use meshward_wire::mirrored;
use meshward_wire::revision::{Era, Revision};
use serde_json::{Map, Value, json};

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    /// A call of a tool.
    Call { tool: String, arguments: Option<Value> },
    /// A prompt.
    Get { prompt: String, arguments: Option<Value> },
    /// A resource.
    Read { uri: String },
    /// Any method.
    Method { method: String, params: Option<Value> },
    /// A whole message, byte for byte.
    Request(String),
}

/// How a message is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Manner {
    /// The client's own name.
    pub(crate) client: Option<String>,
    /// The protocol revision; without one, the newest that the configuration permits.
    pub(crate) revision: Option<String>,
}

/// A message and its head.
#[derive(Debug)]
pub(super) struct Spoken {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Ask {
    /// The message in the revision.
    pub(super) fn spoken(&self, manner: &Manner, revision: Revision) -> Spoken {
        let (method, params) = match self {
            Self::Call { tool, arguments } => ("tools/call", named("name", tool, arguments.as_ref())),
            Self::Get { prompt, arguments } => ("prompts/get", named("name", prompt, arguments.as_ref())),
            Self::Read { uri } => ("resources/read", named("uri", uri, None)),
            Self::Method { method, params } => (method.as_str(), params.clone().unwrap_or_else(|| json!({}))),
            Self::Request(body) => return raw(body, manner, revision),
        };
        let mut message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        if Method::lookup(method).is_some_and(|method| method.kind == Kind::Notification) {
            message.as_object_mut().and_then(|message| message.remove("id"));
        }
        introduce(&mut message, manner, revision);
        Spoken { headers: head(&message, revision), body: message.to_string() }
    }
}

fn named(member: &str, name: &str, arguments: Option<&Value>) -> Value {
    let mut params = Map::new();
    params.insert(member.to_owned(), name.into());
    if let Some(arguments) = arguments {
        params.insert("arguments".to_owned(), arguments.clone());
    }
    params.into()
}

/// Says in a message who sends it and in which revision, as far as the revision has messages say so.
fn introduce(message: &mut Value, manner: &Manner, revision: Revision) {
    let is_initialize = message.get("method").and_then(Value::as_str) == Some("initialize");
    let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) else { return };
    let client = manner.client.as_ref().map(|name| json!({"name": name, "version": "0"}));
    if is_initialize {
        params.entry("protocolVersion").or_insert_with(|| revision.as_str().into());
        if let Some(client) = client {
            params.entry("clientInfo").or_insert(client);
        }
    } else if revision.era() == Era::Stateless || client.is_some() {
        let meta = params.entry("_meta").or_insert_with(|| json!({}));
        let Some(meta) = meta.as_object_mut() else { return };
        if revision.era() == Era::Stateless {
            meta.entry("io.modelcontextprotocol/protocolVersion").or_insert_with(|| revision.as_str().into());
            meta.entry("io.modelcontextprotocol/clientCapabilities").or_insert_with(|| json!({}));
        }
        if let Some(client) = client {
            meta.entry("io.modelcontextprotocol/clientInfo").or_insert(client);
        }
    }
}

/// A message as it is; its head says what a client's would that had written it.
fn raw(body: &str, manner: &Manner, revision: Revision) -> Spoken {
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    let stated = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").and_then(Value::as_str);
    let stateless = stated.and_then(Revision::parse);
    // A message without a version of its own is one of a session.
    let revision = match (stateless, manner.revision.is_some()) {
        (Some(revision), _) => revision,
        (None, true) => revision,
        (None, false) if revision.era() == Era::Stateless => Revision::V2025_11_25,
        (None, false) => revision,
    };
    Spoken { headers: head(&message, revision), body: body.to_owned() }
}

/// The header fields that mirror the message.
fn head(message: &Value, revision: Revision) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut set = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    let method = message.get("method").and_then(Value::as_str);
    if revision.has_version_header() && method != Some("initialize") {
        set("mcp-protocol-version", revision.as_str());
    }
    if let Some(method) = method.filter(|_| revision.requires_mirrored_headers()) {
        set("mcp-method", method);
        let member = Method::lookup(method).and_then(|method| method.target.named_by());
        let name = member.and_then(|member| message.get("params")?.get(member)?.as_str());
        if let Some(name) = name {
            set("mcp-name", &mirrored::encoded(name));
        }
    }
    headers
}
