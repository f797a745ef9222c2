//! The official conformance suite, `@modelcontextprotocol/conformance`: run it, read its verdicts, compare two runs.
//!
//! [`run`] lets it test a server, [`run_client`] a client.

mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::clients;

pub use client::{ClientRun, ClientUnderTest, run_client};

/// How long one scenario may take, and the whole suite. A scenario takes less than two seconds, all of them five.
const SCENARIO: Duration = Duration::from_secs(60);
const SUITE: Duration = Duration::from_secs(240);

/// One verdict of the suite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// The scenario, such as `tools-call-sampling`.
    pub scenario: String,
    /// The check in it. Many checks are made several times, under one id.
    pub check: String,
    /// `SUCCESS`, `FAILURE`, `WARNING`, `SKIPPED` or `INFO`.
    pub status: String,
}

/// How often each verdict was given, with an explanation of the suite's where it gave one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts(pub BTreeMap<Verdict, (usize, String)>);

/// A verdict that was not given as often in one run as in the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The verdict.
    pub verdict: Verdict,
    /// How often it was given by the server alone.
    pub direct: usize,
    /// How often it was given through a proxy.
    pub proxied: usize,
    /// What the suite says about it.
    pub explanation: String,
}

#[derive(Deserialize)]
struct Check {
    id: String,
    status: String,
    #[serde(default, rename = "errorMessage")]
    error_message: Option<String>,
}

/// Runs all scenarios of a revision against the endpoint `/mcp` at an address.
///
/// # Errors
/// When Node.js or the suite is missing, or the suite does not come to its end. A failed check is no error.
pub fn run(server: SocketAddr, revision: &str) -> Result<Verdicts> {
    let folder = tempfile::tempdir()?;
    suite(folder.path(), |suite, script| {
        suite.arg(script).args(["server", "--suite", "all", "--spec-version", revision]);
        suite.args(["--url", &format!("http://{server}/mcp")]);
    })?
    .wait(|| Ok(()))?;
    let mut verdicts = Verdicts::default();
    verdicts.read_all(folder.path())?;
    Ok(verdicts)
}

/// Runs some scenarios, be they of an extension and so of no revision, against the endpoint `/mcp` at an address.
///
/// # Errors
/// As [`run`].
pub fn run_scenarios(server: SocketAddr, revision: &str, scenarios: &[&str]) -> Result<Verdicts> {
    let mut verdicts = Verdicts::default();
    for scenario in scenarios {
        let folder = tempfile::tempdir()?;
        suite(folder.path(), |suite, script| {
            suite.arg(script).args(["server", "--scenario", scenario, "--spec-version", revision, "--force"]);
            suite.args(["--url", &format!("http://{server}/mcp")]);
        })?
        .wait(|| Ok(()))?;
        verdicts.read_all(folder.path())?;
    }
    Ok(verdicts)
}

/// Below the folder of a run.
const RESULTS: &str = "results";

/// The suite while it runs. It ends with this.
struct Suite {
    child: Child,
    folder: PathBuf,
}

/// Starts the suite with a folder of its own; it is told what to do by what is given its command line and the suite's script.
fn suite(folder: &Path, arguments: impl FnOnce(&mut Command, &Path)) -> Result<Suite> {
    let log = File::create(folder.join("log"))?;
    let script = clients::folder().join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let mut command = Command::new(clients::node()?);
    arguments(&mut command, &script);
    command.args(["--timeout", &SCENARIO.as_millis().to_string(), "--output-dir"]).arg(folder.join(RESULTS));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = command.spawn().context("start the conformance suite")?;
    Ok(Suite { child, folder: folder.to_owned() })
}

impl Suite {
    /// Waits for its end, and does something in the meantime, again and again.
    fn wait(mut self, mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
        let deadline = Instant::now().checked_add(SUITE).context("clock")?;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the conformance suite takes more than {SUITE:?}:\n{}", log_of(&self.folder));
            }
            meanwhile()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of(folder: &Path) -> String {
    std::fs::read(folder.join("log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
}

/// The scenario in `tools-list-2026-01-31T12-00-00-000Z`.
fn scenario(folder: &str) -> Option<&str> {
    const TIME: usize = "-2026-01-31T12-00-00-000Z".len();
    folder.get(..folder.len().checked_sub(TIME)?)
}

impl Verdicts {
    /// Takes over what a run of the suite against a server left in its folder.
    fn read_all(&mut self, run: &Path) -> Result<()> {
        let before = self.0.len();
        for folder in std::fs::read_dir(run.join(RESULTS)).context("the suite has left no results")? {
            let folder = folder?;
            let name = folder.file_name().to_string_lossy().into_owned();
            let scenario = scenario(&name).and_then(|name| name.strip_prefix("server-"));
            self.read(
                scenario.with_context(|| format!("{name} is not named after a scenario and a time"))?,
                &folder.path(),
            )?;
        }
        if self.0.len() == before {
            bail!("the conformance suite has checked nothing:\n{}", log_of(run));
        }
        Ok(())
    }

    /// Takes over the checks that a scenario left in its folder.
    fn read(&mut self, scenario: &str, folder: &Path) -> Result<()> {
        let file = folder.join("checks.json");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        for check in serde_json::from_str::<Vec<Check>>(&text).with_context(|| file.display().to_string())? {
            self.add(scenario, check);
        }
        Ok(())
    }

    fn add(&mut self, scenario: &str, check: Check) {
        let verdict = Verdict { scenario: scenario.to_owned(), check: check.id, status: check.status };
        let (times, explanation) = self.0.entry(verdict).or_default();
        *times = times.saturating_add(1);
        if let Some(message) = check.error_message.filter(|_| explanation.is_empty()) {
            *explanation = message;
        }
    }

    /// How many scenarios were run.
    #[must_use]
    pub fn scenarios(&self) -> usize {
        self.0.keys().map(|verdict| &verdict.scenario).collect::<BTreeSet<_>>().len()
    }

    /// How many checks ended with this status.
    #[must_use]
    pub fn count(&self, status: &str) -> usize {
        self.0.iter().filter(|(verdict, _)| verdict.status == status).map(|(_, (times, _))| times).sum()
    }

    /// What was found differently through a proxy.
    #[must_use]
    pub fn differences(&self, proxied: &Self) -> Vec<Difference> {
        let all: BTreeSet<_> = self.0.keys().chain(proxied.0.keys()).collect();
        let differences = all.into_iter().filter_map(|verdict| {
            let times = |run: &Self| run.0.get(verdict).map_or(0, |(times, _)| *times);
            let (direct, proxied_times) = (times(self), times(proxied));
            let explanation = [proxied, self].into_iter().find_map(|run| Some(run.0.get(verdict)?.1.clone()));
            let explanation = explanation.unwrap_or_default();
            let difference = Difference { verdict: verdict.clone(), direct, proxied: proxied_times, explanation };
            (direct != proxied_times).then_some(difference)
        });
        differences.collect()
    }
}

/// Two runs side by side, for people.
#[must_use]
pub fn report(title: &str, direct: &Verdicts, proxied: &Verdicts, differences: &[Difference]) -> String {
    let mut out = format!("{title}: {} scenarios\n", proxied.scenarios());
    for status in ["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"] {
        let (direct, proxied) = (direct.count(status), proxied.count(status));
        let _infallible = writeln!(out, "  {status:<8} {direct:>4} directly, {proxied:>4} through the proxy");
    }
    for difference in differences {
        let Difference { verdict: Verdict { scenario, check, status }, direct, proxied, explanation } = difference;
        let _infallible = writeln!(
            out,
            "  differs: {scenario} {check} {status}: {direct} directly, {proxied} through; {explanation}"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(checks: &[(&str, &str)]) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for (id, status) in checks {
            let check =
                Check { id: (*id).to_owned(), status: (*status).to_owned(), error_message: Some("why".to_owned()) };
            verdicts.add("tools-list", check);
        }
        verdicts
    }

    #[test]
    fn a_check_that_is_skipped_or_missing_differs() {
        let direct = verdicts(&[("a", "SUCCESS"), ("b", "SUCCESS"), ("b", "SUCCESS"), ("c", "SUCCESS")]);
        assert_eq!(direct.differences(&direct), []);
        let proxied = verdicts(&[("a", "SUCCESS"), ("b", "SUCCESS"), ("c", "SKIPPED")]);
        let differences = direct.differences(&proxied);
        let shown: Vec<_> = differences
            .iter()
            .map(|d| (d.verdict.check.as_str(), d.verdict.status.as_str(), d.direct, d.proxied))
            .collect();
        assert_eq!(shown, [("b", "SUCCESS", 2, 1), ("c", "SKIPPED", 0, 1), ("c", "SUCCESS", 1, 0)]);
        assert!(report("x", &direct, &proxied, &differences).contains("c SKIPPED: 0 directly, 1 through; why"));
    }

    #[test]
    fn scenarios_are_read_from_folders() {
        assert_eq!(scenario("server-tools-call-error-2026-11-21T10-13-45-291Z"), Some("server-tools-call-error"));
        assert_eq!(scenario("short"), None);
    }
}
