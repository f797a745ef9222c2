//! The proxy between client and server: `meshward serve`, or a real Envoy. It ends with its owner.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use meshward_tests::cases::left::LOG_PREFIX;
use meshward_tests::envoy::{self, Envoy, sidecar_inbound};
use meshward_tests::page;
use meshward_tests::proxy::tool;
use meshward_tests::scrape::{Sample, samples};
use serde_json::Value;

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    inner: Inner,
    /// How much of the log was read.
    read: usize,
}

#[derive(Debug)]
enum Inner {
    Serve { child: Child, log: Arc<Mutex<String>>, metrics: SocketAddr, _folder: tempfile::TempDir },
    Envoy(Envoy),
}

impl Proxy {
    /// Starts `meshward serve`.
    pub(crate) fn serve(upstream: SocketAddr, policy: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("meshward.yaml");
        std::fs::write(&config, policy)?;
        let program = tool()?;
        let mut child = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--workers", "1", "--json"])
            .args(["--upstream", &format!("http://{upstream}"), "--config"])
            .arg(&config)
            .arg("--module")
            .arg(envoy::module()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Ok(mut log) = log.lock() {
                        log.push_str(&line);
                        log.push('\n');
                    }
                }
            });
        }
        let mut first = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut first)?;
        let Ok(ready) = serde_json::from_str::<Value>(&first) else {
            let _ended = child.wait();
            bail!("`meshward serve` did not start:\n{}", log.lock().map(|log| log.clone()).unwrap_or_default());
        };
        let address = |name: &str| -> Result<SocketAddr> {
            Ok(ready.get(name).and_then(Value::as_str).with_context(|| format!("no `{name}` in {first}"))?.parse()?)
        };
        let (listen, metrics) = (address("listen")?, address("metrics")?);
        Ok(Self { address: listen, inner: Inner::Serve { child, log, metrics, _folder: folder }, read: 0 })
    }

    /// Starts Envoy with the configuration that we ship, and the policy in it.
    pub(crate) fn envoy(upstream: SocketAddr, policy: &str) -> Result<Self> {
        let mut document: Value = serde_saphyr::from_str(policy)?;
        let mut bootstrap = sidecar_inbound()?;
        let at = |bootstrap: &mut Value, path: &str, value: Value| -> Result<()> {
            *bootstrap.pointer_mut(path).with_context(|| format!("no {path} in the shipped configuration"))? = value;
            Ok(())
        };
        let wasm =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
        let hold = bootstrap.pointer(&format!("{wasm}/allow_on_headers_stop_iteration")).cloned().unwrap_or_default();
        if let Value::Object(members) = &mut document {
            members.insert("header_hold".into(), hold);
        }
        at(&mut bootstrap, "/static_resources/listeners/0/address/socket_address/port_value", 0.into())?;
        at(&mut bootstrap, &format!("{wasm}/configuration/value"), document.to_string().into())?;
        let module = envoy::module()?.display().to_string();
        at(&mut bootstrap, &format!("{wasm}/vm_config/code/local/filename"), module.into())?;
        let cluster =
            "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        at(&mut bootstrap, &format!("{cluster}/port_value"), upstream.port().into())?;
        // Histograms are as of the last flush: every five seconds unless told otherwise.
        if let Value::Object(members) = &mut bootstrap {
            members.insert("stats_flush_interval".into(), "0.5s".into());
        }
        let envoy = Envoy::start(bootstrap, 1)?;
        let address = envoy.listeners()?.into_values().next().context("Envoy has no listener")?;
        Ok(Self { address, inner: Inner::Envoy(envoy), read: 0 })
    }

    /// What it is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.inner {
            Inner::Serve { .. } => "meshward serve",
            Inner::Envoy(_) => "a real Envoy",
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// What the module's log says decided the last refusal: a rule, or none. `None` when it says nothing, even after the
    /// moment that a log may be behind the answer.
    pub(crate) fn decided_by(&mut self) -> Option<Option<String>> {
        let until = Instant::now().checked_add(Duration::from_millis(500))?;
        loop {
            let log = self.log();
            let new = log.get(self.read..).unwrap_or_default();
            if let Some(at) = new.find("refused a message") {
                let line = new.get(at..).and_then(|new| new.split_once('\n')).map(|(line, _)| line);
                if let Some(line) = line {
                    self.read = log.len();
                    let rule = line.split_once("rule `").and_then(|(_, rule)| rule.split_once('`'));
                    return Some(rule.map(|(rule, _)| rule.to_owned()));
                }
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The audit records in the log, as soon as there are this many.
    pub(crate) fn audit_records(&self, at_least: usize) -> Result<Vec<Value>> {
        let until = Instant::now().checked_add(Duration::from_secs(10)).context("clock")?;
        loop {
            let log = self.log();
            let whole = log.rfind('\n').and_then(|end| log.get(..end)).unwrap_or_default();
            let records = whole.lines().filter_map(|line| line.get(line.find(LOG_PREFIX)?..)?.strip_prefix(LOG_PREFIX));
            let records: Vec<_> = records.filter_map(|record| serde_json::from_str(record).ok()).collect();
            if records.len() >= at_least {
                return Ok(records);
            }
            if Instant::now() > until {
                bail!("{} audit records, not {at_least}", records.len());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What Prometheus would scrape.
    pub(crate) fn scrape(&self) -> Result<Vec<Sample>> {
        match &self.inner {
            Inner::Envoy(envoy) => samples(&envoy.get("/stats/prometheus")?),
            Inner::Serve { metrics, .. } => samples(&page::get(*metrics, "/metrics")?),
        }
    }

    fn log(&self) -> String {
        match &self.inner {
            Inner::Serve { log, .. } => log.lock().map(|log| log.clone()).unwrap_or_default(),
            Inner::Envoy(envoy) => envoy.log(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Inner::Serve { child, .. } = &mut self.inner {
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }
}
