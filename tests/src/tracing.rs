//! The sidecar that shows its operator everything, as we ship it: its tracer sends spans to a receiver of ours, and its audit log
//! is a file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::cases::left::{AUDIT, Left};
use crate::envoy::{self, Envoy};

/// Where the tracer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracer {
    /// Behind what reads the message's context, in the connection manager that decides: the configuration that we ship.
    Behind,
    /// In the only connection manager, with a filter that says the tracer's span.
    Beside,
}

/// Where the file's connection managers are: the one that clients connect to, and the one that decides.
pub const MANAGERS: [&str; 2] = [
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config",
    "/static_resources/listeners/1/filter_chains/0/filters/0/typed_config",
];

/// The file, as a document to adapt.
///
/// # Errors
/// When it cannot be read.
pub fn sidecar() -> Result<Value> {
    let file = envoy::workspace().join("envoy-config/envoy/sidecar-observed.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
}

/// What Meshward is configured with in a connection manager.
///
/// # Errors
/// When there is none.
pub fn configuration(sidecar: &Value, manager: &str) -> Result<Value> {
    let place = format!("{manager}/http_filters");
    let filters = sidecar.pointer(&place).and_then(Value::as_array).context("no filters")?;
    let text = filters.iter().find_map(|filter| filter.pointer(CONFIGURATION)?.as_str()).context("no Meshward")?;
    Ok(serde_json::from_str(text)?)
}

const PLUGIN: &str = "/typed_config/config";
const CONFIGURATION: &str = "/typed_config/config/configuration/value";

/// A running sidecar. It ends when this is dropped.
#[derive(Debug)]
pub struct Sidecar {
    envoy: Envoy,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Sidecar {
    /// Starts Envoy with the module and the tracer. `edit` changes what decides; its `header_hold` holds for the host as well. The
    /// tracer's spans are those of the service `mcp-sidecar`.
    ///
    /// # Errors
    /// When the module or Envoy is missing, or does not start.
    pub fn start(tracer: Tracer, edit: impl Fn(&mut Value), upstream: SocketAddr, spans: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut sidecar = sidecar()?;
        if tracer == Tracer::Beside {
            let listeners = sidecar.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
            let listeners = listeners.context("no listeners")?;
            let front = listeners.remove(0);
            let decides = listeners.first_mut().and_then(Value::as_object_mut).context("one listener")?;
            decides.remove("internal_listener");
            for member in ["name", "address"] {
                decides.insert(member.to_owned(), front.get(member).cloned().context("no address")?);
            }
            let filters = sidecar.pointer_mut(&format!("{}/http_filters", MANAGERS[0])).and_then(Value::as_array_mut);
            filters.context("no filters")?.insert(0, says_its_span());
        }
        let decides = if tracer == Tracer::Beside { MANAGERS[0] } else { MANAGERS[1] };
        let mut document = configuration(&sidecar, decides)?;
        edit(&mut document);
        let log = folder.path().join("audit.log");
        for manager in MANAGERS {
            let Some(members) = sidecar.pointer_mut(manager) else { continue };
            *members.pointer_mut("/access_log/0/typed_config/path").context("no access log")? = json!(log);
            for filter in members.get_mut("http_filters").and_then(Value::as_array_mut).context("no filters")? {
                let Some(plugin) = filter.pointer_mut(PLUGIN) else { continue };
                *plugin.pointer_mut("/vm_config/code/local/filename").context("no code")? = json!(envoy::module()?);
                if manager == decides {
                    let hold = document.get("header_hold").and_then(Value::as_bool).unwrap_or_default();
                    *plugin.pointer_mut("/allow_on_headers_stop_iteration").context("no flag")? = json!(hold);
                    *plugin.pointer_mut("/configuration/value").context("no configuration")? =
                        json!(document.to_string());
                }
            }
        }
        let port = |cluster: usize| {
            let endpoint = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
            format!("/static_resources/clusters/{cluster}/{endpoint}")
        };
        for (pointer, value) in [
            ("/static_resources/listeners/0/address/socket_address/port_value".to_owned(), json!(0)),
            (port(0), json!(upstream.port())),
            (port(1), json!(spans.port())),
        ] {
            *sidecar.pointer_mut(&pointer).with_context(|| format!("the sidecar has no {pointer}"))? = value;
        }
        // One span at a time, not many at once.
        let layer = json!({"name": "tests", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}});
        let members = sidecar.as_object_mut().context("the sidecar is no object")?;
        members.insert("layered_runtime".to_owned(), json!({"layers": [layer]}));
        let envoy = Envoy::start(sidecar, 1)?;
        let listeners = envoy.listeners()?;
        let address = *listeners.get("mcp_inbound").context("Envoy has no listener")?;
        Ok(Self { envoy, address, folder })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What Prometheus scrapes.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub fn scrape(&self) -> Result<String> {
        self.envoy.get("/stats/prometheus")
    }

    /// Where the audit log is.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// The records of the audit log, as soon as there are this many.
    ///
    /// # Errors
    /// When there are fewer after some time, or one is no record.
    pub fn records(&self, at_least: usize) -> Result<Vec<Value>> {
        let deadline = Instant::now().checked_add(Duration::from_secs(20)).context("clock")?;
        loop {
            let text = std::fs::read_to_string(self.audit_log()).unwrap_or_default();
            let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
            if !whole.is_empty() && whole.split('\n').count() >= at_least {
                return Left([(AUDIT.to_owned(), whole.to_owned())].into()).records();
            }
            if Instant::now() > deadline {
                bail!("not {at_least} records: {text}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
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
