//! From a configuration to a pipeline: what the types cannot say is checked, then everything is compiled.

use std::collections::HashSet;
use std::rc::Rc;

use meshward_audit::{Audit, AuditConfig, Spans};
use meshward_catalogue::{Catalogue, CatalogueConfig, CatalogueStage};
use meshward_engine::{Batches, Direction, Endpoints, Glob, Pipeline, Responses, Settings, Stage};
use meshward_guards::{Guards, GuardsStage, Results, ResultsStage, Retries, RetriesStage};
use meshward_identity::Identity;
use meshward_limits::{Limits as CallLimits, LimitsStage};
use meshward_metrics::{Metrics, MetricsConfig};
use meshward_policy::{Explanation, Fault, Permitted, Policy, PolicyStage, RuleConfig, Subject, Warning, review};
use meshward_ratelimit::{RateLimitServiceConfig, Service};
use meshward_replay::{Environment, ReplayConfig, ReplayError, ReplayStages};
use meshward_trace::{TraceConfig, TraceStage};
use meshward_wire::limits::Limits;
use meshward_wire::revision::Revision;

use crate::config::{API_VERSION, BatchesConfig, Config, DirectionConfig, ResponsesConfig};
use crate::error::ConfigError;

/// The root ids the module answers to: all stages, or one.
pub const ROOT_IDS: [&str; 5] = ["meshward", POLICY, REPLAY, TRACE, METRICS];

/// What calls and their results are held against: the policy, the guards, the catalogue and the limits.
const POLICY: &str = "meshward.policy";
/// What belongs to whom.
const REPLAY: &str = "meshward.replay";
/// Metrics.
const METRICS: &str = "meshward.metrics";
/// Trace context.
const TRACE: &str = "meshward.trace";

/// Why there is no pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// A root id the module does not know.
    #[error(
        "unknown root id `{0}`: use `meshward` for all stages that are configured, or `{POLICY}`, `{REPLAY}`, `{TRACE}` or `{METRICS}` for one"
    )]
    UnknownRootId(String),
    /// A key that is not where the configuration says.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The configuration was changed after it was read, and is not valid any more.
    #[error("the configuration is not valid")]
    Invalid,
}

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
        for (path, message) in self.identity.faults() {
            errors.add(&format!("identity.{path}"), message);
        }
        if let Some(Err(faults)) = self.catalogue.as_ref().map(Catalogue::new) {
            for (path, message) in faults {
                errors.add(&path, message);
            }
        }
        if let Some(Err(faults)) = self.guards() {
            for (path, message) in faults {
                errors.add(&path, message);
            }
        }
        if let Some(Err(faults)) = self.retries.as_ref().map(|retries| Retries::new(retries, self.header_hold)) {
            for (path, message) in faults {
                errors.add(&format!("retries.{path}"), message);
            }
        }
        if let Some(Err(faults)) = self.results.as_ref().map(Results::new) {
            for (path, message) in faults {
                errors.add(&format!("results.{path}"), message);
            }
        }
        let trusted = &self.identity.trusted_headers;
        for (path, message) in self.replay.iter().flat_map(|replay| replay.faults(trusted, self.header_hold)) {
            errors.add(&format!("replay.{path}"), message);
        }
        if self.rate_limit_service.is_none() && self.replay.as_ref().is_some_and(|replay| replay.nonces.service) {
            errors.add("replay.nonces.service", "there is no service to ask: name its cluster in `rate_limit_service`");
        }
        for fault in self.trace.iter().flat_map(TraceConfig::faults) {
            errors.add(&format!("trace.{}", fault.path), fault.message);
        }
        for fault in self.metrics.iter().flat_map(MetricsConfig::faults) {
            errors.add(&format!("metrics.{}", fault.path), fault.message);
        }
        for (path, message) in self.audit.iter().flat_map(AuditConfig::faults) {
            errors.add(&format!("audit.{path}"), message);
        }
        for (path, message) in self.rate_limit_service.iter().flat_map(RateLimitServiceConfig::faults) {
            errors.add(&format!("rate_limit_service.{path}"), message);
        }
        if let Some(Err(faults)) = self.call_limits() {
            for (path, message) in faults {
                errors.add(&path, message);
            }
        }
        if let Err(faults) = self.policy().transpose() {
            for Fault { path, message } in faults {
                errors.add(&format!("policy.{path}"), message);
            }
        }
        errors.0
    }

    /// The policy, compiled, if there is one.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn policy(&self) -> Option<Result<Policy, Vec<Fault>>> {
        self.policy.as_ref().map(|policy| Policy::compile(policy, &self.identity.trusted_headers))
    }

    /// What is demanded of tools, compiled, if anything is.
    fn guards(&self) -> Option<Result<Guards, Vec<(String, String)>>> {
        let endpoints = self.endpoints.iter().map(|endpoint| endpoint.path.as_str());
        let is_on = self.pins.is_some() || self.definitions.is_some();
        is_on.then(|| Guards::new(self.pins.as_ref(), self.definitions.as_ref(), endpoints))
    }

    /// What is known of servers' tools, for all who learn or ask.
    ///
    /// # Errors
    /// The section is not valid.
    fn known_tools(&self, guards: Option<&Guards>) -> Result<Rc<Catalogue>, PipelineError> {
        let nothing = CatalogueConfig { learn: false, ..CatalogueConfig::default() };
        let catalogue = Catalogue::new(self.catalogue.as_ref().unwrap_or(&nothing));
        let catalogue = catalogue.map_err(|_| PipelineError::Invalid)?;
        Ok(Rc::new(match guards {
            Some(guards) => guards.remember_in(catalogue),
            None => catalogue,
        }))
    }

    /// The limits, compiled, if there are any.
    fn call_limits(&self) -> Option<Result<CallLimits, Vec<(String, String)>>> {
        let service = self.rate_limit_service.as_ref();
        let compile = || CallLimits::compile(&self.limits, service, &self.identity.trusted_headers);
        (!self.limits.is_empty()).then(compile)
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
        for (index, name) in protocol.revisions.iter().flatten().enumerate() {
            if Revision::parse(name).is_none() {
                let known: Vec<_> = Revision::ALL.iter().map(|known| format!("`{}`", known.as_str())).collect();
                errors.add(
                    &format!("protocol.revisions[{index}]"),
                    format!("unknown revision `{name}`; known are {}", known.join(", ")),
                );
            }
        }
        for (index, origin) in protocol.origins.iter().flatten().enumerate() {
            // RFC 6454, section 7: a scheme, a host, perhaps a port, and nothing behind them.
            let is_origin = origin == "null"
                || origin.split_once("://").is_some_and(|(scheme, host)| {
                    !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '?', '#', '@'])
                });
            if !is_origin || origin.bytes().any(|b| b.is_ascii_uppercase()) {
                errors.add(
                    &format!("protocol.origins[{index}]"),
                    "write an origin as browsers send it: `https://app.example`, in lower case, with a port only where it is \
                     not the scheme's own, without a path",
                );
            }
        }
        for (field, list) in [("revisions", &protocol.revisions), ("methods", &protocol.methods)] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                errors.add(
                    &format!("protocol.{field}"),
                    "an empty list permits nothing: name something, or leave it out",
                );
            }
        }
        if !(1..=1000).contains(&protocol.max_batch) {
            errors.add("protocol.max_batch", "between 1 and 1000");
        }
    }

    /// Compiles the stages that a root id asks for. Keys are looked up in the environment.
    ///
    /// # Errors
    /// The root id is unknown, or a key is not in the environment. (A configuration that was read was validated, and compiles.)
    pub fn pipeline(&self, root_id: &str, environment: Environment<'_>) -> Result<Pipeline, PipelineError> {
        let identity = Identity::new(&self.identity);
        let service = self.rate_limit_service.as_ref().map(Service::new);
        let replay =
            self.replay.as_ref().map(|replay| ReplayStages::new(replay, &identity, service.as_ref(), environment));
        let limits = self.call_limits().transpose().map_err(|_| PipelineError::Invalid)?;
        let limits = limits.map(|limits| LimitsStage::new(limits, identity));
        self.pipeline_of(root_id, replay.transpose()?.unwrap_or_default(), limits, |policy| policy)
    }

    /// The environment variables that have its keys, for whoever runs the module.
    pub fn environment(&self) -> impl Iterator<Item = &str> {
        self.replay.iter().flat_map(ReplayConfig::environment)
    }

    /// The pipeline of all stages but the limits and the replay checks, whose seals and signatures nobody writes by hand, with every
    /// decision of the policy explained to a listener.
    ///
    /// # Errors
    /// As [`Config::pipeline`].
    pub fn explained_pipeline(
        &self,
        listener: impl Fn(&Subject<'_>, Explanation) + 'static,
    ) -> Result<Pipeline, PipelineError> {
        let [all_stages, ..] = ROOT_IDS;
        self.pipeline_of(all_stages, ReplayStages::default(), None, |policy| policy.heard_by(listener))
    }

    fn pipeline_of(
        &self,
        root_id: &str,
        replay: ReplayStages,
        limits: Option<LimitsStage>,
        prepare: impl FnOnce(Policy) -> Policy,
    ) -> Result<Pipeline, PipelineError> {
        if !ROOT_IDS.contains(&root_id) {
            return Err(PipelineError::UnknownRootId(root_id.to_owned()));
        }
        let [all_stages, ..] = ROOT_IDS;
        let runs = |one: &str| root_id == all_stages || root_id == one;
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        // Before those that refuse: what is refused belongs to a trace too.
        if let Some(trace) = self.trace.as_ref().filter(|_| runs(TRACE)) {
            stages.push(Box::new(TraceStage::new(trace)));
        }
        let replay = if runs(REPLAY) { replay } else { ReplayStages::default() };
        stages.extend(replay.first);
        if let Some(policy) = self.policy().filter(|_| runs(POLICY)) {
            let policy = prepare(policy.map_err(|_| PipelineError::Invalid)?);
            stages.push(Box::new(PolicyStage::new(policy, Identity::new(&self.identity))));
        }
        // Behind the policy: whom that refuses learns nothing of what was approved.
        let guards = self.guards().transpose().map_err(|_| PipelineError::Invalid)?;
        let (catalogue, is_guarded) = (self.known_tools(guards.as_ref())?, guards.is_some());
        let mut approved = None;
        if let Some(guards) = guards.filter(|_| runs(POLICY)) {
            let stage = GuardsStage::new(guards, Rc::clone(&catalogue));
            approved = stage.approved();
            stages.push(Box::new(stage));
        }
        if let Some(retries) = self.retries.as_ref().filter(|_| runs(POLICY)) {
            let retries = Retries::new(retries, self.header_hold).map_err(|_| PipelineError::Invalid)?;
            stages.push(Box::new(RetriesStage::new(retries, approved)));
        }
        if let Some(results) = self.results.as_ref().filter(|_| runs(POLICY)) {
            stages.push(Box::new(ResultsStage::new(Results::new(results).map_err(|_| PipelineError::Invalid)?)));
        }
        if self.catalogue.is_some() && runs(POLICY) {
            // The guards read lists already.
            let stage = if is_guarded { CatalogueStage::taught_elsewhere } else { CatalogueStage::new };
            stages.push(Box::new(stage(Rc::clone(&catalogue))));
        }
        // Behind all that refuse for good, which then uses nothing up; before what remembers calls, which are none if there are too many.
        if let Some(limits) = limits.filter(|_| runs(POLICY)) {
            stages.push(Box::new(limits));
        }
        stages.extend(replay.last);
        let mut pipeline = Pipeline::new(self.settings(), stages);
        if let Some(metrics) = self.metrics.as_ref().filter(|_| runs(METRICS)) {
            let direction = self.settings().direction;
            let names = |of: fn(&RuleConfig) -> Option<&Vec<String>>| {
                let rules = self.policy.iter().flat_map(|policy| &policy.rules);
                rules.filter_map(of).flatten().map(String::as_str).filter(|name| !name.contains('*'))
            };
            let catalogue = self.catalogue.is_some().then_some(catalogue);
            let (tools, prompts) = (names(|rule| rule.tools.as_ref()), names(|rule| rule.prompts.as_ref()));
            pipeline = pipeline.observed_by(Box::new(Metrics::new(metrics, direction, tools, prompts, catalogue)));
        }
        if let Some(audit) = self.audit.as_ref().filter(|_| runs(POLICY)) {
            pipeline = pipeline.observed_by(Box::new(Audit::new(audit.clone(), Identity::new(&self.identity))));
        }
        if let Some(spans) = self.spans.filter(|_| runs(TRACE)) {
            pipeline = pipeline.observed_by(Box::new(Spans::new(spans)));
        }
        Ok(pipeline)
    }

    /// What is valid and surely not meant; paths from the top of the document.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let Some(policy) = &self.policy else { return Vec::new() };
        let Settings { revisions, methods, .. } = self.settings();
        let permitted = Permitted { revisions: revisions.as_deref(), methods: methods.as_deref() };
        let warnings = review(policy, permitted).into_iter();
        warnings.map(|warning| Warning { path: format!("policy.{}", warning.path), ..warning }).collect()
    }

    fn settings(&self) -> Settings {
        Settings {
            direction: match self.direction {
                DirectionConfig::Inbound => Direction::Inbound,
                DirectionConfig::Outbound => Direction::Outbound,
            },
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
            origins: globs(self.protocol.origins.as_ref()),
            revisions: self
                .protocol
                .revisions
                .as_ref()
                .map(|names| names.iter().filter_map(|name| Revision::parse(name)).collect()),
            methods: globs(self.protocol.methods.as_ref()),
            max_response_bytes: self.protocol.max_response_bytes.0,
        }
    }
}

fn globs(patterns: Option<&Vec<String>>) -> Option<Vec<Glob>> {
    Some(patterns?.iter().map(|pattern| Glob::new(pattern)).collect())
}

#[derive(Default)]
struct Errors(Vec<ConfigError>);

impl Errors {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(ConfigError { path: path.to_owned(), message: message.into() });
    }
}
