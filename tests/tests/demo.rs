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
    let denied = document.pointer("/refusals/denied").and_then(Value::as_u64);
    ensure!(denied == Some(6), "the metrics count {denied:?} denied calls");
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
