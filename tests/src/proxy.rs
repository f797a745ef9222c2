//! The module in front of a server, in a real Envoy or in `meshward serve`: a process that ends with its owner.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::page;

/// What the module runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// A real Envoy, with the sidecar configuration that we ship.
    Envoy,
    /// Our own reference proxy.
    Serve,
}

/// A proxy with the module, and with one configuration of it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Envoy(Envoy),
    Serve { child: Child, folder: tempfile::TempDir, metrics: SocketAddr },
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback interface. `document` is the configuration of the module; its
    /// `header_hold` holds for the host as well.
    ///
    /// # Errors
    /// When the module or the host is missing, or does not start.
    pub fn start(host: Host, document: &Value, upstream: SocketAddr) -> Result<Self> {
        let module = envoy::module()?;
        match host {
            Host::Envoy => Self::envoy(document, upstream, &module, 2, None),
            Host::Serve => Self::serve(document, upstream, &module, &[]),
        }
    }

    /// Starts an Envoy with so many workers, with a module of any build, and with a rate limit service, cluster `rls`.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn envoy(
        document: &Value,
        upstream: SocketAddr,
        module: &Path,
        workers: u32,
        rate_limits: Option<SocketAddr>,
    ) -> Result<Self> {
        let clusters = rate_limits.map(|address| envoy::rate_limit_service("rls", address)).transpose()?;
        Self::envoy_with(document, upstream, module, workers, clusters.into_iter().collect(), &[])
    }

    /// Starts a proxy with a rate limit service, cluster `rls`.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn counted(host: Host, document: &Value, upstream: SocketAddr, rate_limits: SocketAddr) -> Result<Self> {
        let module = envoy::module()?;
        match host {
            Host::Envoy => Self::envoy(document, upstream, &module, 2, Some(rate_limits)),
            Host::Serve => Self::serve(document, upstream, &module, &[format!("--cluster=rls=h2c://{rate_limits}")]),
        }
    }

    /// Starts an Envoy with filters in front of the module.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn behind(filters: &[Value], document: &Value, upstream: SocketAddr) -> Result<Self> {
        Self::envoy_with(document, upstream, &envoy::module()?, 2, Vec::new(), filters)
    }

    /// The same, with a rate limit service, cluster `rls`.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn behind_counted(
        filters: &[Value],
        document: &Value,
        upstream: SocketAddr,
        rate_limits: SocketAddr,
    ) -> Result<Self> {
        let cluster = envoy::rate_limit_service("rls", rate_limits)?;
        Self::envoy_with(document, upstream, &envoy::module()?, 2, vec![cluster], filters)
    }

    /// Starts a proxy with a service that has keys, cluster `keys`; Envoy with so many workers.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn with_key_sets(
        host: Host,
        document: &Value,
        upstream: SocketAddr,
        workers: u32,
        keys: SocketAddr,
    ) -> Result<Self> {
        let module = envoy::module()?;
        match host {
            Host::Envoy => {
                let cluster = envoy::key_set_service("keys", keys)?;
                Self::envoy_with(document, upstream, &module, workers, vec![cluster], &[])
            }
            Host::Serve => Self::serve(document, upstream, &module, &[format!("--cluster=keys=http://{keys}")]),
        }
    }

    fn envoy_with(
        document: &Value,
        upstream: SocketAddr,
        module: &Path,
        workers: u32,
        more_clusters: Vec<Value>,
        filters_in_front: &[Value],
    ) -> Result<Self> {
        const LISTENER: &str = "/static_resources/listeners/0";
        const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        let plugin = format!("{MANAGER}/http_filters/0/typed_config/config");
        let cluster = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
        let hold = document.get("header_hold").and_then(Value::as_bool).unwrap_or_default();
        let mut sidecar = envoy::sidecar_inbound()?;
        for (pointer, value) in [
            (format!("{LISTENER}/address/socket_address/port_value"), json!(0)),
            (format!("{plugin}/allow_on_headers_stop_iteration"), json!(hold)),
            (format!("{plugin}/configuration/value"), json!(document.to_string())),
            (format!("{plugin}/vm_config/code/local/filename"), json!(module)),
            (format!("{cluster}/socket_address/address"), json!(upstream.ip().to_string())),
            (format!("{cluster}/socket_address/port_value"), json!(upstream.port())),
        ] {
            *sidecar.pointer_mut(&pointer).with_context(|| format!("the sidecar has no {pointer}"))? = value;
        }
        let clusters = sidecar.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        clusters.context("no clusters")?.extend(more_clusters);
        let filters = sidecar.pointer_mut(&format!("{MANAGER}/http_filters")).and_then(Value::as_array_mut);
        filters.context("no filters")?.splice(0..0, filters_in_front.iter().cloned());
        let running = Envoy::start(sidecar, workers)?;
        let listeners = running.listeners()?;
        let address = *listeners.values().next().context("Envoy has no listener")?;
        Ok(Self { address, running: Running::Envoy(running) })
    }

    fn serve(document: &Value, upstream: SocketAddr, module: &Path, more: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("meshward.json");
        std::fs::write(&config, document.to_string())?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut child = Command::new(tool()?)
            .args([
                "serve",
                "--json",
                "--workers",
                "2",
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "127.0.0.1:0",
                "--upstream",
            ])
            .arg(format!("http://{upstream}"))
            .arg("--config")
            .arg(&config)
            .arg("--module")
            .arg(module)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("start meshward serve")?;
        let stdout = child.stdout.take();
        // From here on the process ends with this, whatever happens.
        let mut proxy = Self { address: upstream, running: Running::Serve { child, folder, metrics: upstream } };
        let mut line = String::new();
        BufReader::new(stdout.context("no stdout")?).read_line(&mut line)?;
        let ready: Value = match serde_json::from_str(&line) {
            Ok(ready) => ready,
            Err(error) => bail!("meshward serve said {line:?} ({error}) and logged:\n{}", proxy.log()),
        };
        let listen = ready.get("listen").and_then(Value::as_str).context("meshward serve names no address")?;
        proxy.address = listen.parse()?;
        if let Running::Serve { metrics, .. } = &mut proxy.running {
            let address = ready.get("metrics").and_then(Value::as_str).context("meshward serve names no metrics")?;
            *metrics = address.parse()?;
        }
        Ok(proxy)
    }

    /// What Prometheus scrapes, in its text format.
    ///
    /// # Errors
    /// When the host does not answer.
    pub fn scrape(&self) -> Result<String> {
        let (address, page) = self.metrics();
        page::get(address, page)
    }

    /// Where Prometheus scrapes it: an address, and a page there.
    #[must_use]
    pub const fn metrics(&self) -> (SocketAddr, &'static str) {
        match &self.running {
            Running::Envoy(envoy) => (envoy.admin(), "/stats/prometheus"),
            Running::Serve { metrics, .. } => (*metrics, "/metrics"),
        }
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The Envoy, if it is one.
    #[must_use]
    pub const fn as_envoy(&self) -> Option<&Envoy> {
        match &self.running {
            Running::Envoy(envoy) => Some(envoy),
            Running::Serve { .. } => None,
        }
    }

    /// Everything that the host has logged.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.running {
            Running::Envoy(envoy) => envoy.log(),
            Running::Serve { folder, .. } => std::fs::read(folder.path().join("log"))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Running::Serve { child, .. } = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The `meshward` tool: `MESHWARD_TOOL`, or the one that belongs to these tests, built if it is missing or old.
///
/// # Errors
/// When it does not compile.
pub fn tool() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MESHWARD_TOOL") {
        return Ok(PathBuf::from(path));
    }
    // Nothing makes cargo build another package's program for an integration test, but for one of its own: `serve`. No
    // `--package` and no `cargo build`, which would give the dependencies other features, and no word of the package of these
    // tests, for which build scripts run again: all of that would compile them anew.
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .current_dir(envoy::workspace())
        .args(["test", "--no-run", "--quiet", "--locked", "--test", "serve"])
        .args(["--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .context("start cargo")?;
    if !output.status.success() {
        bail!("building the meshward tool: {}", output.status);
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some("meshward"))
        .find_map(|message| message.get("executable").and_then(Value::as_str).map(PathBuf::from))
        .context("cargo built no meshward tool")
}
