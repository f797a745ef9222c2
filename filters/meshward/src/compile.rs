//! From a configuration to a pipeline: what the types cannot say is checked, then everything is compiled.

use std::collections::HashSet;

use meshward_engine::{Batches, Endpoints, Pipeline, Responses, Settings, Stage};
use meshward_policy::{PolicyConfig, PolicyStage};
use meshward_wire::limits::Limits;

use crate::config::{API_VERSION, BatchesConfig, Config, ResponsesConfig};
use crate::error::ConfigError;

/// The root ids the module answers to: all stages, or one.
pub const ROOT_IDS: [&str; 2] = ["meshward", "meshward.policy"];

/// A root id the module does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown root id `{0}`: use `meshward` for all stages that are configured, or `meshward.policy`")]
pub struct UnknownRootId(pub String);

/// The largest bound of a body: bodies are addressed with 32 bits, and held in a worker's memory.
const LARGEST_BODY: usize = 256 << 20;
/// The most endpoints: each request target is compared with all of them.
const MOST_ENDPOINTS: usize = 64;

impl Config {
    /// What the types cannot say.
    pub(crate) fn validate(&self) -> Vec<ConfigError> {
        let mut errors = Errors::default();
        if self.api_version != API_VERSION {
            errors.add(
                "apiVersion",
                format!("unknown version `{}`; this module reads `{API_VERSION}`", self.api_version),
            );
        }
        self.validate_endpoints(&mut errors);
        self.validate_protocol(&mut errors);
        if let Some(policy) = &self.policy {
            validate_policy(policy, &mut errors);
        }
        errors.0
    }

    fn validate_endpoints(&self, errors: &mut Errors) {
        if self.endpoints.is_empty() {
            errors.add("endpoints", "name at least one endpoint: `endpoints: [{ path: /mcp }]`");
        }
        if self.endpoints.len() > MOST_ENDPOINTS {
            errors.add("endpoints", format!("at most {MOST_ENDPOINTS} endpoints"));
        }
        let mut seen = HashSet::new();
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let path = format!("endpoints[{index}].path");
            if !endpoint.path.starts_with('/') {
                errors.add(&path, "an endpoint is a path: begin it with `/`");
            } else if endpoint.path.bytes().any(|b| b <= b' ' || b >= 0x7f || matches!(b, b'?' | b'#')) {
                errors.add(&path, "write the path as it is sent: ASCII, percent-encoded, without query or fragment");
            } else if !seen.insert(&endpoint.path) {
                errors.add(&path, "this endpoint is named twice");
            }
        }
    }

    fn validate_protocol(&self, errors: &mut Errors) {
        let protocol = &self.protocol;
        for (path, size) in [
            ("protocol.max_request_bytes", protocol.max_request_bytes),
            ("protocol.max_response_bytes", protocol.max_response_bytes),
        ] {
            if size.0 == 0 || size.0 > LARGEST_BODY {
                errors.add(path, "between 1 byte and 256MiB");
            }
        }
        if !(2..=1000).contains(&protocol.max_depth) {
            errors.add("protocol.max_depth", "between 2 (a message with params) and 1000");
        }
        if !(1..=1000).contains(&protocol.max_batch) {
            errors.add("protocol.max_batch", "between 1 and 1000");
        }
    }

    /// Compiles the stages that a root id asks for.
    ///
    /// # Errors
    /// The root id is unknown.
    pub fn pipeline(&self, root_id: &str) -> Result<Pipeline, UnknownRootId> {
        if !ROOT_IDS.contains(&root_id) {
            return Err(UnknownRootId(root_id.to_owned()));
        }
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        if let Some(policy) = &self.policy {
            stages.push(Box::new(PolicyStage::new(policy)));
        }
        Ok(Pipeline::new(self.settings(), stages))
    }

    fn settings(&self) -> Settings {
        Settings {
            endpoints: Endpoints::new(self.endpoints.iter().map(|endpoint| &endpoint.path)),
            strict: self.strict,
            header_hold: self.header_hold,
            limits: Limits {
                max_bytes: self.protocol.max_request_bytes.0,
                max_depth: self.protocol.max_depth,
                max_batch: self.protocol.max_batch,
                ..Limits::default()
            },
            batches: match self.protocol.batches {
                BatchesConfig::Refuse => Batches::Refuse,
                BatchesConfig::Inspect => Batches::Inspect,
            },
            responses: match self.protocol.responses {
                ResponsesConfig::Pass => Responses::Pass,
                ResponsesConfig::Strict => Responses::Strict,
            },
            origins: None,
            revisions: None,
            methods: None,
            max_response_bytes: self.protocol.max_response_bytes.0,
        }
    }
}

fn validate_policy(policy: &PolicyConfig, errors: &mut Errors) {
    let mut names = HashSet::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let path = format!("policy.rules[{index}]");
        if rule.name.is_empty() {
            errors.add(&format!("{path}.name"), "give the rule a name; it is shown in logs");
        } else if !names.insert(&rule.name) {
            errors.add(&format!("{path}.name"), format!("another rule is called `{}` too", rule.name));
        }
        for (field, patterns) in [
            ("methods", &rule.methods),
            ("tools", &rule.tools),
            ("prompts", &rule.prompts),
            ("resources", &rule.resources),
        ] {
            let Some(patterns) = patterns else { continue };
            if patterns.is_empty() {
                errors
                    .add(&format!("{path}.{field}"), "an empty list matches nothing: name something, or leave it out");
            }
            for (place, pattern) in patterns.iter().enumerate() {
                if pattern.is_empty() {
                    errors
                        .add(&format!("{path}.{field}[{place}]"), "an empty pattern matches nothing; `*` matches all");
                }
            }
        }
    }
}

#[derive(Default)]
struct Errors(Vec<ConfigError>);

impl Errors {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(ConfigError { path: path.to_owned(), message: message.into() });
    }
}
