//! The load: one call of a tool, over and over, by wrk on the second core.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    proxies::{LOAD_CORE, Proxy, pinned},
    report::Sample,
};
use crate::command;

/// A `tools/call` as a client of revision 2026-07-28 sends it.
#[derive(Debug)]
pub(crate) struct Body {
    text: String,
}

impl Body {
    /// A call of `size` bytes: records of text, numbers and booleans, some text with escapes, as tools get them, and as much
    /// of a plain word as is left. Small sizes become the smallest call.
    pub(crate) fn of(size: usize) -> Self {
        let head =
            r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"get_user","arguments":{"records":["#;
        let middle = r#"],"user":""#;
        let tail = concat!(
            r#""},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
            r#""io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"#,
            r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#
        );
        let rest = middle.len().saturating_add(tail.len());
        let mut text = head.to_owned();
        for number in 0_u32.. {
            let comma = if number == 0 { "" } else { "," };
            let record = format!(
                r#"{comma}{{"id":{number},"path":"src/records/{number}.txt","ok":true,"text":"Line one of {number}.\nLine \"two\" with some more words, as people write them, and a price of 12.50 €."}}"#
            );
            if text.len().saturating_add(record.len()).saturating_add(rest) > size {
                break;
            }
            text.push_str(&record);
        }
        text.push_str(middle);
        text.push_str(&"u".repeat(size.saturating_sub(text.len()).saturating_sub(tail.len())));
        text.push_str(tail);
        Self { text }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

/// wrk, ready to send one body.
#[derive(Debug)]
pub(crate) struct Load {
    wrk: PathBuf,
    script: PathBuf,
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
}

impl Load {
    pub(crate) fn new(wrk: &Path, directory: &Path, body: &Body, connections: u16) -> Result<Self> {
        let (file, script) = (directory.join("body.json"), directory.join("load.lua"));
        fs::write(&file, &body.text)?;
        let text = format!(
            r#"
            local file = assert(io.open("{}", "rb"))
            wrk.method = "POST"
            wrk.body = file:read("*a")
            file:close()
            wrk.headers["content-type"] = "application/json"
            wrk.headers["accept"] = "application/json, text/event-stream"
            wrk.headers["mcp-protocol-version"] = "2026-07-28"
            wrk.headers["mcp-method"] = "tools/call"
            wrk.headers["mcp-name"] = "get_user"
            wrk.headers["user-agent"] = "bench"
            function done(summary, latency)
                local errors = summary.errors
                io.write(string.format(
                    '\n{{"requests":%d,"duration":%f,"p50":%f,"p99":%f,"errors":%d}}\n',
                    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
                    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
            end
            "#,
            file.display()
        );
        fs::write(&script, text)?;
        Ok(Self { wrk: wrk.to_path_buf(), script, connections })
    }

    /// Loads one proxy for a while, and says what it did and how much CPU it used.
    pub(crate) fn run(&self, proxy: &Proxy, path: &str, time: Duration) -> Result<Sample> {
        let mut wrk: Command = pinned(LOAD_CORE, &self.wrk);
        wrk.args(["--threads", "1", "--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", time.as_secs()), "--script"]).arg(&self.script);
        wrk.arg(format!("http://127.0.0.1:{}{path}", proxy.port()));
        let before = proxy.cpu()?;
        let output = command::capture(&mut wrk)?;
        let used = proxy.cpu()?.saturating_sub(before);
        let line = output.lines().rev().find(|line| line.starts_with('{')).context("wrk's script printed nothing")?;
        let done: Done = serde_json::from_str(line)?;
        // An error would be a request that was not measured as what it is.
        ensure!(done.errors == 0 && done.requests > 0, "{} requests failed of {}", done.errors, done.requests);
        let requests = f64::from(done.requests);
        Ok(Sample {
            requests_per_second: requests * 1e6 / done.duration,
            p50_us: done.p50,
            p99_us: done.p99,
            cpu_us_per_request: used.as_secs_f64() * 1e6 / requests,
            busy: used.as_secs_f64() * 1e6 / done.duration,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_and_as_long_as_asked() {
        for size in [400, 64 * 1024, 1024 * 1024] {
            let body = Body::of(size);
            serde_json::from_str::<serde_json::Value>(&body.text).unwrap();
            assert_eq!(body.len(), size);
        }
    }
}
