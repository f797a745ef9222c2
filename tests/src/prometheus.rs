//! A real Prometheus for tests, and what it answers.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::envoy::workspace;
use crate::page;

/// How long it may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prometheus's binary: `MESHWARD_PROMETHEUS`, or what `cargo xtask test` unpacks.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    let unpacked = || workspace().join("target/tools/prometheus/usr/bin/prometheus");
    let path = std::env::var_os("MESHWARD_PROMETHEUS").map_or_else(unpacked, PathBuf::from);
    ensure!(path.is_file(), "{} is missing: `cargo xtask test` brings it", path.display());
    Ok(path)
}

/// Runs `promtool`, which is beside Prometheus.
///
/// # Errors
/// When it fails, with what it said.
pub fn promtool(arguments: &[&str], file: &Path) -> Result<()> {
    let output = Command::new(binary()?.with_file_name("promtool"))
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .context("start promtool")?;
    if !output.status.success() {
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("promtool {} {}:\n{stdout}{stderr}", arguments.join(" "), file.display());
    }
    Ok(())
}

/// One sample of a result: its labels, `__name__` among them, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// A running Prometheus, which asks its targets each second. It ends when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that asks each of `targets`, a job's name with the address and the page that has its metrics, and evaluates the
    /// rules of a file.
    ///
    /// # Errors
    /// When it does not start, with its log.
    pub fn start(targets: &[(&str, (SocketAddr, &str))], rules: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let jobs: Vec<_> = targets
            .iter()
            .map(|(job, (address, page))| {
                json!({
                    "job_name": job,
                    "metrics_path": page,
                    "static_configs": [{"targets": [address.to_string()], "labels": {"namespace": "mcp"}}],
                })
            })
            .collect();
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": jobs,
        });
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, config.to_string())?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(binary()?)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start Prometheus")?;
        let mut prometheus = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        let deadline = Instant::now().checked_add(PATIENCE).context("clock")?;
        while Instant::now() < deadline {
            if let Some(status) = prometheus.child.try_wait()? {
                bail!("Prometheus ended with {status}:\n{}", prometheus.log());
            }
            if let Some(address) = listening(&prometheus.log()) {
                prometheus.address = address;
                if prometheus.get("/-/ready", &[]).is_ok_and(|body| body.contains("Ready")) {
                    return Ok(prometheus);
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("Prometheus does not become ready:\n{}", prometheus.log())
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an expression comes to now.
    ///
    /// # Errors
    /// When Prometheus would not evaluate it, or when it is no vector.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let answer = self.api("/api/v1/query", &[("query", expression)])?;
        let kind = answer.get("resultType").and_then(Value::as_str).unwrap_or_default();
        ensure!(kind == "vector", "{expression}: a {kind}");
        let samples = answer.get("result").and_then(Value::as_array).context("no result")?;
        samples
            .iter()
            .map(|sample| {
                let labels = serde_json::from_value(sample.get("metric").cloned().unwrap_or_default())?;
                let value = sample.pointer("/value/1").and_then(Value::as_str).context("no value")?;
                Ok(Sample { labels, value: value.parse()? })
            })
            .collect()
    }

    /// The rules that it has, groups and all.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn rules(&self) -> Result<Value> {
        self.api("/api/v1/rules", &[])
    }

    fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let answer: Value = serde_json::from_str(&self.get(path, parameters)?)?;
        if answer.get("status").and_then(Value::as_str) != Some("success") {
            bail!("{path} {parameters:?}: {answer}");
        }
        answer.get("data").cloned().context("no data")
    }

    /// An answer's body, whatever its status, as the API says its errors in it.
    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let pairs =
            parameters.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        let query = pairs.collect::<Vec<_>>().join("&");
        Ok(page::get_any(self.address, &format!("{path}?{query}"))?.1)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it says that it listens: the port that was asked for is 0.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    line.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
}
