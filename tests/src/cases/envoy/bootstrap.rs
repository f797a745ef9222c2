//! Envoy's configuration for the cases: the sidecar that we ship, once for each configuration and mode.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One listener: a configuration document of the module and whether headers are held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setup {
    pub(super) document: String,
    pub(super) hold: bool,
}

/// The listener's name.
pub(super) fn name(index: usize) -> String {
    format!("cases_{index}")
}

/// Puts the listeners together. All plugins share a VM, as they would in a sidecar.
pub(super) fn bootstrap(mut sidecar: Value, setups: &[Setup], upstream: SocketAddr, module: &Path) -> Result<Value> {
    let template = sidecar.pointer("/static_resources/listeners/0").context("no listener")?.clone();
    let listeners = setups
        .iter()
        .enumerate()
        .map(|(index, setup)| listener(template.clone(), &name(index), setup, module))
        .collect::<Result<Vec<_>>>()?;
    *sidecar.pointer_mut("/static_resources/listeners").context("no listeners")? = Value::Array(listeners);
    let address = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    *sidecar.pointer_mut(address).context("no upstream address")? =
        json!({"socket_address": {"address": upstream.ip().to_string(), "port_value": upstream.port()}});
    Ok(sidecar)
}

fn listener(mut listener: Value, name: &str, setup: &Setup, module: &Path) -> Result<Value> {
    let manager = "/filter_chains/0/filters/0/typed_config";
    let plugin = format!("{manager}/http_filters/0/typed_config/config");
    for (pointer, value) in [
        ("/name".to_owned(), json!(name)),
        ("/address/socket_address/port_value".to_owned(), json!(0)),
        (format!("{manager}/stat_prefix"), json!(name)),
        (format!("{plugin}/allow_on_headers_stop_iteration"), json!(setup.hold)),
        (format!("{plugin}/configuration/value"), json!(setup.document)),
        (format!("{plugin}/vm_config/code/local/filename"), json!(module)),
    ] {
        *listener.pointer_mut(&pointer).with_context(|| format!("the sidecar has no {pointer}"))? = value;
    }
    Ok(listener)
}
