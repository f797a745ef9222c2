//! The sidecar with Envoy's own OpenTelemetry tracer, which sends its spans to a receiver of ours.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::envoy::{self, Envoy};

/// Where the tracer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracer {
    /// In a connection manager of its own, behind that with the module: the configuration that we ship for it.
    Behind,
    /// In the connection manager with the module, to which a filter says the tracer's span.
    Beside,
}

/// Starts Envoy with the module, one configuration of it, and the tracer; says where clients connect. The tracer's spans
/// are those of the service `mcp-sidecar`.
///
/// # Errors
/// When the module or Envoy is missing, or does not start.
pub fn start(tracer: Tracer, document: &Value, upstream: SocketAddr, spans: SocketAddr) -> Result<(Envoy, SocketAddr)> {
    const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let mut sidecar = traced_sidecar()?;
    let plugin = format!("{MANAGER}/http_filters/0/typed_config/config");
    let hold = document.get("header_hold").and_then(Value::as_bool).unwrap_or_default();
    let port = |cluster: usize| {
        format!(
            "/static_resources/clusters/{cluster}/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value"
        )
    };
    for (pointer, value) in [
        ("/static_resources/listeners/0/address/socket_address/port_value".to_owned(), json!(0)),
        (format!("{plugin}/allow_on_headers_stop_iteration"), json!(hold)),
        (format!("{plugin}/configuration/value"), json!(document.to_string())),
        (format!("{plugin}/vm_config/code/local/filename"), json!(envoy::module()?)),
        (port(0), json!(upstream.port())),
        (port(2), json!(spans.port())),
    ] {
        *sidecar.pointer_mut(&pointer).with_context(|| format!("the sidecar has no {pointer}"))? = value;
    }
    if tracer == Tracer::Beside {
        let behind = sidecar.pointer(&MANAGER.replace("listeners/0", "listeners/1")).context("no second manager")?;
        let (tracing, route) = (behind.get("tracing").cloned(), behind.get("route_config").cloned());
        let manager = sidecar.pointer_mut(MANAGER).and_then(Value::as_object_mut).context("no manager")?;
        manager.insert("tracing".to_owned(), tracing.context("no tracer")?);
        manager.insert("route_config".to_owned(), route.context("no route")?);
        let filters = manager.get_mut("http_filters").and_then(Value::as_array_mut).context("no filters")?;
        filters.insert(0, says_its_span());
    }
    // One span at a time, not many at once.
    let layer = json!({"name": "tests", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}});
    let members = sidecar.as_object_mut().context("the sidecar is no object")?;
    members.insert("layered_runtime".to_owned(), json!({"layers": [layer]}));
    let envoy = Envoy::start(sidecar, 1)?;
    let listeners = envoy.listeners()?;
    let address = *listeners.get("mcp_inbound").context("Envoy has no listener")?;
    Ok((envoy, address))
}

fn traced_sidecar() -> Result<Value> {
    let file = envoy::workspace().join("envoy-config/envoy/sidecar-traced.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
}

/// The filter of docs/trace.md by which Envoy says the tracer's span to those behind it.
fn says_its_span() -> Value {
    json!({
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": [{"append": {
                "header": {"key": "x-meshward-span", "value": "00-%TRACE_ID%-%SPAN_ID%-01"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"
            }}]}
        }
    })
}
