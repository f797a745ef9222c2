//! The load: one request, over and over, by wrk on the second core. What no two requests have alike comes from a list, line by line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    fresh,
    proxies::{LOAD_CORE, Proxy, pinned},
    report::Sample,
    request::Request,
    signed::AUTHORITY,
};
use crate::command;

/// wrk, ready to send one request.
#[derive(Debug)]
pub(crate) struct Load {
    wrk: PathBuf,
    script: PathBuf,
    path: String,
    connections: u16,
}

/// What the script prints when wrk is done; times in microseconds.
#[derive(Debug, Deserialize)]
struct Done {
    requests: u32,
    duration: f64,
    p50: f64,
    p99: f64,
    errors: u32,
    /// How many lines of the list were taken.
    taken: usize,
}

impl Load {
    /// `seconds`: how long one proxy will be loaded in all.
    pub(crate) fn new(
        wrk: &Path,
        directory: &Path,
        request: &Request,
        connections: u16,
        seconds: usize,
    ) -> Result<Self> {
        let list = list(directory, request, seconds)?;
        let (file, script) = (directory.join("body.json"), directory.join("load.lua"));
        fs::write(&file, &request.body)?;
        let headers: String = request
            .headers()
            .into_iter()
            .chain([("Host", AUTHORITY)])
            .map(|(name, value)| format!("            wrk.headers[\"{name}\"] = [[{value}]]\n"))
            .collect();
        let text = format!(
            r#"
            local file = assert(io.open("{}", "rb"))
            wrk.method = "POST"
            wrk.body = file:read("*a")
            file:close()
{headers}
            local load
            function setup(thread)
                load = thread
            end
            taken = 0
{list}
            function done(summary, latency)
                local errors = summary.errors
                io.write(string.format(
                    '\n{{"requests":%d,"duration":%f,"p50":%f,"p99":%f,"errors":%d,"taken":%d}}\n',
                    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
                    errors.connect + errors.read + errors.write + errors.status + errors.timeout, load:get("taken")))
            end
            "#,
            file.display()
        );
        fs::write(&script, text)?;
        Ok(Self { wrk: wrk.to_path_buf(), script, path: request.path.clone(), connections })
    }

    /// Loads one proxy for a while, and says what it did and how much CPU it used.
    pub(crate) fn run(&self, proxy: &Proxy, time: Duration) -> Result<Sample> {
        let mut wrk: Command = pinned(LOAD_CORE, &self.wrk);
        // An Envoy that is counted instruction by instruction takes its time.
        wrk.args(["--threads", "1", "--timeout", "30s", "--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", time.as_secs()), "--script"]).arg(&self.script);
        wrk.arg(format!("http://127.0.0.1:{}{}", proxy.port(), self.path));
        wrk.args(["--", &proxy.taken().to_string()]);
        let before = proxy.cpu()?;
        let output = command::capture(&mut wrk)?;
        let used = proxy.cpu()?.saturating_sub(before);
        let line = output.lines().rev().find(|line| line.starts_with('{')).context("wrk's script printed nothing")?;
        let done: Done = serde_json::from_str(line)?;
        proxy.take(done.taken);
        // An error would be a request that was not measured as what it is.
        ensure!(done.errors == 0 && done.requests > 0, "{} requests failed of {}", done.errors, done.requests);
        let requests = f64::from(done.requests);
        Ok(Sample {
            requests,
            requests_per_second: requests * 1e6 / done.duration,
            p50_us: done.p50,
            p99_us: done.p99,
            cpu_us_per_request: used.as_secs_f64() * 1e6 / requests,
            busy: used.as_secs_f64() * 1e6 / done.duration,
        })
    }
}

/// Writes the list of what no two requests have alike, one line for each with a tab between fields, and says in Lua how it is read: from
/// where the last load of the proxy ended, and from the beginning where it is over. A proxy that looks at it refuses that.
fn list(directory: &Path, request: &Request, seconds: usize) -> Result<String> {
    let Some(fresh) = request.fresh else { return Ok(String::new()) };
    let lines = fresh::values(fresh, request, 0, seconds.saturating_mul(fresh.per_second()))?;
    let file = directory.join("fresh");
    fs::write(&file, lines.iter().map(|values| values.join("\t") + "\n").collect::<String>())?;
    let names: Vec<_> = fresh.names().iter().map(|name| format!("\"{name}\"")).collect();
    Ok(format!(
        r#"
            local names = {{ {} }}
            local list
            function init(args)
                list = assert(io.open("{}", "rb"))
                for _ = 1, tonumber(args[1]) do list:read("*l") end
            end
            function request()
                local line = list:read("*l")
                if not line then
                    list:seek("set")
                    line = list:read("*l")
                end
                taken = taken + 1
                local at = 1
                for value in line:gmatch("[^\t]+") do
                    wrk.headers[names[at]] = value
                    at = at + 1
                end
                return wrk.format()
            end
        "#,
        names.join(", "),
        file.display()
    ))
}
