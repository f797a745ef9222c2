//! The demonstration shows what it promises, through `meshward serve` and through a real Envoy. Its client is the official
//! Rust SDK, in session mode and stateless.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

fn demonstrate(host: &str) -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).args(["--json", "--host", host]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the demonstration failed:\n{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let rows = document.get("rows").and_then(Value::as_array).context("no rows")?;
    let row = |sent: &str, member: &str| {
        let row = rows.iter().find(|row| row.get("sent").and_then(Value::as_str) == Some(sent));
        row.and_then(|row| row.get(member)?.as_str()).with_context(|| format!("no row `{sent}`"))
    };
    for mode in ["session", "stateless"] {
        ensure!(row(&format!("{mode}: tools/call test_simple_text"), "decided")? == "allowed");
        ensure!(row(&format!("{mode}: tools/call test_tool_with_progress"), "seen")?.matches(" ms").count() >= 4);
        ensure!(row(&format!("{mode}: tools/call test_tool_with_logging"), "why")? == "denied by rule `no-logging`");
        ensure!(row(&format!("{mode}: tools/call test_sampling"), "why")? == "denied by default");
        let with_argument = |name| format!(r#"{mode}: tools/call json_schema_2020_12_tool {{"name":"{name}"}}"#);
        ensure!(row(&with_argument("Ada"), "decided")? == "allowed");
        ensure!(row(&with_argument("Mallory"), "why")? == "denied by default");
        let listed = row(&format!("{mode}: tools/list"), "seen")?;
        ensure!(listed.contains("json_schema_2020_12_tool") && !listed.contains("test_sampling"), "{listed}");
    }
    let denied = document.pointer("/metrics/refusals/denied").and_then(Value::as_u64);
    ensure!(denied == Some(6), "the metrics count {denied:?} denied calls");
    observed(&document)
}

/// What an operator sees: records, metrics and traces, which agree.
fn observed(document: &Value) -> Result<()> {
    let list = |name: &str| document.pointer(name).and_then(Value::as_array).with_context(|| format!("no {name}"));
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let audit = list("/audit")?;
    let records = |tool: &str, decision: &str, rule: &str| {
        let fits = |record: &&Value| {
            text(record, "tool") == tool && text(record, "decision") == decision && text(record, "rule") == rule
        };
        audit.iter().filter(fits).count()
    };
    // In session mode, stateless, and four times with a trace.
    ensure!(records("test_simple_text", "allow", "harmless") == 6, "{audit:#?}");
    ensure!(records("test_tool_with_logging", "deny", "no-logging") == 2, "{audit:#?}");
    ensure!(audit.iter().any(|record| text(record, "reason") == "duplicate_key"));
    let count = |tool: &str, outcome: &str| -> Result<Option<u64>> {
        let calls = list("/metrics/calls")?;
        let calls = calls.iter().find(|calls| text(calls, "tool") == tool && text(calls, "outcome") == outcome);
        Ok(calls.and_then(|calls| calls.get("count")?.as_u64()))
    };
    ensure!(count("test_simple_text", "ok")? == Some(6));
    ensure!(count("json_schema_2020_12_tool", "refused")? == Some(2));
    ensure!(list("/traces")?.len() == 4);
    Ok(())
}

#[test]
fn the_demonstration_through_serve() -> Result<()> {
    demonstrate("serve")
}

#[test]
fn the_demonstration_through_envoy() -> Result<()> {
    demonstrate("envoy")
}
