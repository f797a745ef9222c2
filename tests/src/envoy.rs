//! A real Envoy for tests: where its binary and the module are, and a process that ends with its owner.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::page;

/// How long Envoy may take to start; compiling a module with V8 is most of it.
const START: Duration = Duration::from_secs(60);

/// The workspace's root folder.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// The module to test: `MESHWARD_WASM`, or what `cargo xtask build` writes.
///
/// # Errors
/// When there is none.
pub fn module() -> Result<PathBuf> {
    built("MESHWARD_WASM", "meshward.wasm")
}

/// The module that checks arguments against input schemas: `MESHWARD_SCHEMA_WASM`, or what `cargo xtask build` writes.
///
/// # Errors
/// When there is none.
pub fn schema_module() -> Result<PathBuf> {
    built("MESHWARD_SCHEMA_WASM", "meshward-schema.wasm")
}

fn built(variable: &str, file: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => workspace().join("target/meshward").join(file),
    };
    if !path.is_file() {
        bail!("{} is missing: build it with `cargo xtask build`", path.display());
    }
    Ok(path)
}

/// Envoy's binary: `MESHWARD_ENVOY`, which `cargo xtask test` sets, or `envoy` on the path.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MESHWARD_ENVOY") {
        return Ok(PathBuf::from(path));
    }
    std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join("envoy")).find(|file| file.is_file()))
        .context("there is no Envoy: `cargo xtask test` installs one, or name it in MESHWARD_ENVOY")
}

/// The configuration that we ship for a sidecar, as a document to adapt.
///
/// # Errors
/// When it cannot be read.
pub fn sidecar_inbound() -> Result<Value> {
    let file = workspace().join("envoy-config/envoy/sidecar-inbound.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
}

/// The cluster of a rate limit service that we ship, by another name, and with its server elsewhere.
///
/// # Errors
/// When it cannot be read.
pub fn rate_limit_service(name: &str, address: SocketAddr) -> Result<Value> {
    shipped_cluster("rate-limit-service.yaml", name, address)
}

/// The cluster of a service with keys that we ship, by another name, with its server elsewhere, and in the clear.
///
/// # Errors
/// When it cannot be read.
pub fn key_set_service(name: &str, address: SocketAddr) -> Result<Value> {
    let mut cluster = shipped_cluster("key-set-service.yaml", name, address)?;
    cluster.as_object_mut().and_then(|cluster| cluster.remove("transport_socket")).context("the cluster has no TLS")?;
    Ok(cluster)
}

fn shipped_cluster(file: &str, name: &str, address: SocketAddr) -> Result<Value> {
    const SERVER: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let file = workspace().join("envoy-config/envoy").join(file);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut cluster: Value = serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
    for (pointer, value) in [
        ("/name", json!(name)),
        ("/load_assignment/cluster_name", json!(name)),
        (SERVER, json!({"address": address.ip().to_string(), "port_value": address.port()})),
    ] {
        *cluster.pointer_mut(pointer).with_context(|| format!("the cluster has no {pointer}"))? = value;
    }
    Ok(cluster)
}

/// A running Envoy. It ends when this is dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    admin: SocketAddr,
    folder: tempfile::TempDir,
}

impl Envoy {
    /// Starts Envoy and waits until it serves. Listeners may ask for port 0; its administration page always does.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn start(bootstrap: Value, concurrency: u32) -> Result<Self> {
        Self::start_with(bootstrap, concurrency, &[], "info")
    }

    /// The same, with more environment variables, and with its log of modules as loud as that (`trace`).
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub fn start_with(
        mut bootstrap: Value,
        concurrency: u32,
        environment: &[(&str, &str)],
        modules_log: &str,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let Value::Object(members) = &mut bootstrap else { bail!("the bootstrap is no object") };
        let admin = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}});
        members.insert("admin".to_owned(), admin);
        let config = folder.path().join("bootstrap.json");
        std::fs::write(&config, serde_json::to_vec(&bootstrap)?)?;
        let address = folder.path().join("admin");
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(binary()?)
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&address)
            .args(["--concurrency", &concurrency.to_string()])
            // Two Envoys of one machine share memory by this id unless told not to.
            .args(["--use-dynamic-base-id", "--log-level", "warning"])
            .args(["--component-log-level", &format!("wasm:{modules_log}")])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start Envoy")?;
        let mut envoy = Self { child, admin: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        let deadline = Instant::now().checked_add(START).context("clock")?;
        loop {
            if let Some(status) = envoy.child.try_wait()? {
                bail!("Envoy ended with {status}:\n{}", envoy.log_tail());
            }
            if let Some(admin) = std::fs::read_to_string(&address).ok().and_then(|text| text.trim().parse().ok()) {
                envoy.admin = admin;
                if envoy.get("/ready").is_ok_and(|body| body.starts_with("LIVE")) {
                    return Ok(envoy);
                }
            }
            if Instant::now() > deadline {
                bail!("Envoy does not become ready:\n{}", envoy.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where its administration interface listens.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// How much of the machine's memory it has, in bytes. `None` where the system does not say so in `/proc`.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
        kibibytes.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// A page of the administration interface.
    ///
    /// # Errors
    /// When it does not answer with 200.
    pub fn get(&self, path: &str) -> Result<String> {
        page::get(self.admin, path)
    }

    /// The addresses of the listeners, by name; not of those inside of Envoy, which have none.
    ///
    /// # Errors
    /// When the administration page cannot be read.
    pub fn listeners(&self) -> Result<BTreeMap<String, SocketAddr>> {
        let page: Value = serde_json::from_str(&self.get("/listeners?format=json")?)?;
        let statuses = page.get("listener_statuses").and_then(Value::as_array).context("no listeners")?;
        let is_inside = |status: &&Value| status.pointer("/local_address/envoy_internal_address").is_some();
        statuses
            .iter()
            .filter(|status| !is_inside(status))
            .map(|status| {
                let name = status.get("name").and_then(Value::as_str).context("a listener without a name")?;
                let address = status.pointer("/local_address/socket_address").context("no socket address")?;
                let ip = address.get("address").and_then(Value::as_str).context("no address")?;
                let port = address.get("port_value").and_then(Value::as_u64).context("no port")?;
                Ok((name.to_owned(), SocketAddr::new(ip.parse()?, u16::try_from(port)?)))
            })
            .collect()
    }

    /// Counters and gauges whose name matches a regular expression.
    ///
    /// # Errors
    /// When the administration page cannot be read.
    pub fn stats(&self, filter: &str) -> Result<BTreeMap<String, u64>> {
        let page: Value = serde_json::from_str(&self.get(&format!("/stats?format=json&filter={filter}"))?)?;
        let stats = page.get("stats").and_then(Value::as_array).context("no stats")?;
        let number = |stat: &Value| Some((stat.get("name")?.as_str()?.to_owned(), stat.get("value")?.as_u64()?));
        Ok(stats.iter().filter_map(number).collect())
    }

    /// The module's metrics by their names: values of counters and gauges, counts of histograms as of the last flush.
    ///
    /// # Errors
    /// When the administration page cannot be read.
    pub fn metrics(&self) -> Result<BTreeMap<String, u64>> {
        let page = self.get("/stats?format=json&filter=^wasmcustom&histogram_buckets=detailed")?;
        let page: Value = serde_json::from_str(&page)?;
        let stats = page.get("stats").and_then(Value::as_array).context("no stats")?;
        let mut metrics = BTreeMap::new();
        for stat in stats {
            let histograms = stat.pointer("/histograms/details").and_then(Value::as_array);
            for histogram in histograms.into_iter().flatten() {
                let name = histogram.get("name").and_then(Value::as_str).context("a histogram without a name")?;
                let buckets = histogram.get("totals").and_then(Value::as_array).context("no totals")?;
                let count = buckets.iter().filter_map(|bucket| bucket.get("count")?.as_u64()).sum();
                metrics.insert(name.to_owned(), count);
            }
            if let (Some(name), Some(value)) = (stat.get("name"), stat.get("value")) {
                metrics.insert(
                    name.as_str().context("a name that is no text")?.to_owned(),
                    value.as_u64().context("a value that is no number")?,
                );
            }
        }
        Ok(metrics)
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.folder.path().join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }

    /// Ends it, with all its connections, and returns its log.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn stop(mut self) -> Result<String> {
        self.end()?;
        Ok(self.log())
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
