//! Envoy's configuration for the cases: the sidecar that we ship, once for each configuration and mode.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::access_log::{self, AccessLog};
use super::authority::Authority;
use crate::cases::case::{Build, Mode};
use crate::cases::observed::Run;
use crate::cases::{keys, service};
use crate::envoy::{key_set_service, rate_limit_service};

/// One listener: a configuration document of a module, whether headers are held, and what callers prove themselves with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setup {
    document: String,
    module: Build,
    hold: bool,
    tls: bool,
    verifies: bool,
    jwt: bool,
    dpop: bool,
    filter_state: BTreeMap<String, String>,
    logs: bool,
}

impl Setup {
    /// The sets of keys that it fetches.
    pub(super) fn key_sets(&self) -> BTreeSet<String> {
        keys::urls(&self.document)
    }

    /// What a run needs.
    pub(super) fn new(run: &Run<'_>) -> Self {
        let caller = &run.case.caller;
        Self {
            document: run.case.document(run.mode),
            module: run.case.module,
            hold: run.mode == Mode::Hold,
            tls: caller.uses_tls(),
            verifies: caller.peer.is_some(),
            jwt: caller.jwt.is_some() || caller.unverified_jwt.is_some(),
            dpop: caller.dpop.is_some(),
            filter_state: caller.filter_state.clone(),
            logs: access_log::is_of_interest(run.case),
        }
    }
}

/// How often Envoy brings its histograms up to date.
pub(super) const FLUSH: Duration = Duration::from_millis(100);

/// The listener's name.
pub(super) fn name(index: usize) -> String {
    format!("cases_{index}")
}

/// Puts the listeners together. All plugins share a VM, as they would in a sidecar.
pub(super) fn bootstrap(
    mut sidecar: Value,
    setups: &[Setup],
    upstream: SocketAddr,
    [limits, key_sets]: [SocketAddr; 2],
    authority: &Authority,
    access_log: &AccessLog,
) -> Result<Value> {
    let template = sidecar.pointer("/static_resources/listeners/0").context("no listener")?.clone();
    let listeners = setups
        .iter()
        .enumerate()
        .map(|(index, setup)| listener(template.clone(), &name(index), setup, authority, access_log))
        .collect::<Result<Vec<_>>>()?;
    *sidecar.pointer_mut("/static_resources/listeners").context("no listeners")? = Value::Array(listeners);
    let address = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    *sidecar.pointer_mut(address).context("no upstream address")? =
        json!({"socket_address": {"address": upstream.ip().to_string(), "port_value": upstream.port()}});
    let clusters = sidecar.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    clusters
        .context("no clusters")?
        .extend([rate_limit_service(service::CLUSTER, limits)?, key_set_service(keys::CLUSTER, key_sets)?]);
    let document = sidecar.as_object_mut().context("the sidecar is no object")?;
    document.insert("stats_flush_interval".to_owned(), json!(format!("{}s", FLUSH.as_secs_f32())));
    Ok(sidecar)
}

fn listener(
    mut listener: Value,
    name: &str,
    setup: &Setup,
    authority: &Authority,
    access_log: &AccessLog,
) -> Result<Value> {
    let manager = "/filter_chains/0/filters/0/typed_config";
    let plugin = format!("{manager}/http_filters/0/typed_config/config");
    for (pointer, value) in [
        ("/name".to_owned(), json!(name)),
        ("/address/socket_address/port_value".to_owned(), json!(0)),
        (format!("{manager}/stat_prefix"), json!(name)),
        (format!("{plugin}/allow_on_headers_stop_iteration"), json!(setup.hold)),
        (format!("{plugin}/configuration/value"), json!(setup.document)),
        (format!("{plugin}/vm_config/code/local/filename"), json!(setup.module.file()?)),
    ] {
        *listener.pointer_mut(&pointer).with_context(|| format!("the sidecar has no {pointer}"))? = value;
    }
    if setup.tls {
        let chain =
            listener.pointer_mut("/filter_chains/0").and_then(Value::as_object_mut).context("no filter chain")?;
        chain.insert("transport_socket".to_owned(), authority.transport_socket(setup.verifies));
    }
    let members = listener.pointer_mut(manager).and_then(Value::as_object_mut).context("no connection manager")?;
    members.insert("access_log".to_owned(), if setup.logs { access_log.loggers() } else { json!([]) });
    let filters = format!("{manager}/http_filters");
    let filters = listener.pointer_mut(&filters).and_then(Value::as_array_mut).context("no HTTP filters")?;
    if setup.jwt {
        filters.insert(0, authority.jwt_filter(setup.dpop)?);
    }
    if !setup.filter_state.is_empty() {
        filters.insert(0, filter_state(&setup.filter_state));
    }
    Ok(listener)
}

/// A filter that puts texts into the filter state.
fn filter_state(texts: &BTreeMap<String, String>) -> Value {
    let objects = texts.iter().map(|(key, text)| {
        json!({
            "object_key": key,
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": text}}
        })
    });
    json!({
        "name": "envoy.filters.http.set_filter_state",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": objects.collect::<Vec<_>>()
        }
    })
}
