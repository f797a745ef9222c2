//! The official conformance suite finds through Meshward exactly what it finds without.
//!
//! Check by check, skipped ones included, at two revisions, without exceptions.

#![expect(clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod dpop;
mod tasks;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use meshward_tests::conformance::{self, Verdicts, report};
use meshward_tests::mcp_server::McpServer;
use meshward_tests::proxy::{Host, Proxy};
use serde_json::{Value, json};

const SESSION: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

/// What the suite finds without a proxy, the same for all tests of a revision.
fn direct(revision: &str) -> Result<&'static Verdicts> {
    static SESSION_RUN: OnceLock<Result<Verdicts>> = OnceLock::new();
    static STATELESS_RUN: OnceLock<Result<Verdicts>> = OnceLock::new();
    let (run, scenarios) = if revision == SESSION { (&SESSION_RUN, 33) } else { (&STATELESS_RUN, 40) };
    let verdicts = run.get_or_init(|| {
        let server = McpServer::start()?;
        conformance::run(server.address(), revision)
    });
    let verdicts = verdicts.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    // Where a check fails already, there is nothing to compare.
    assert_eq!(verdicts.scenarios(), scenarios);
    assert_eq!((verdicts.count("FAILURE"), verdicts.count("WARNING")), (0, 0), "{verdicts:#?}");
    Ok(verdicts)
}

/// What the suite finds through a proxy, with a policy.
fn proxied(host: Host, header_hold: bool, revision: &str, policy: Value) -> Result<Verdicts> {
    proxied_with(host, revision, json!({"header_hold": header_hold, "policy": policy}))
}

/// What it finds through a proxy that is configured so.
fn proxied_with(host: Host, revision: &str, sections: Value) -> Result<Verdicts> {
    // The server tells all who listen of a change: each run needs its own.
    let server = McpServer::start()?;
    let mut document = json!({"apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}]});
    if let (Some(document), Value::Object(sections)) = (document.as_object_mut(), sections) {
        document.extend(sections);
    }
    let proxy = Proxy::start(host, &document, server.address())?;
    conformance::run(proxy.address(), revision)
}

fn finds_the_same(host: Host, header_hold: bool, revision: &str) -> Result<()> {
    // What the suite asks for, by name, and nothing else.
    let policy = json!({
        "mode": "enforce",
        "default": "deny",
        "rules": [
            {"name": "tools", "effect": "allow", "tools": ["test_*", "json_schema_2020_12_tool"]},
            {"name": "prompts", "effect": "allow", "prompts": ["test_*"]},
            {"name": "resources", "effect": "allow", "resources": ["test://*"]},
            {"name": "changes", "effect": "allow", "methods": ["subscriptions/listen"]},
            // The server is to refuse these itself, where it does not know them.
            {"name": "unknown", "effect": "allow", "methods": ["unknown/method", "resources/subscribe", "resources/unsubscribe"]},
        ],
    });
    let direct = direct(revision)?;
    let proxied = proxied(host, header_hold, revision, policy)?;
    let differences = direct.differences(&proxied);
    let hold = if header_hold { "with" } else { "without" };
    let report = report(&format!("{host:?} {hold} header hold, {revision}"), direct, &proxied, &differences);
    println!("{report}");
    assert!(differences.is_empty(), "{report}");
    Ok(())
}

#[test]
fn sessions_through_envoy() -> Result<()> {
    finds_the_same(Host::Envoy, true, SESSION)
}

#[test]
fn sessions_through_envoy_without_header_hold() -> Result<()> {
    finds_the_same(Host::Envoy, false, SESSION)
}

#[test]
fn sessions_through_serve() -> Result<()> {
    finds_the_same(Host::Serve, true, SESSION)
}

#[test]
fn stateless_requests_through_envoy() -> Result<()> {
    finds_the_same(Host::Envoy, true, STATELESS)
}

#[test]
fn stateless_requests_through_envoy_without_header_hold() -> Result<()> {
    finds_the_same(Host::Envoy, false, STATELESS)
}

#[test]
fn stateless_requests_through_serve() -> Result<()> {
    finds_the_same(Host::Serve, true, STATELESS)
}

/// What is to pass once passes once: the suite uses no id, no token and no state twice, and gets its own.
fn replay_checks(revision: &str) -> Result<()> {
    let keys = json!([{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]);
    let replay = json!({
        "sessions": {"keys": keys, "event_ids": true},
        "request_ids": {},
        "request_state": {"keys": keys},
        "tasks": {"keys": keys},
        "idempotency": {},
    });
    let direct = direct(revision)?;
    let proxied = proxied_with(Host::Envoy, revision, json!({"replay": replay}))?;
    let differences = direct.differences(&proxied);
    assert!(differences.is_empty(), "{}", report("replay checks", direct, &proxied, &differences));
    Ok(())
}

#[test]
fn sessions_with_replay_checks() -> Result<()> {
    replay_checks(SESSION)
}

#[test]
fn stateless_requests_with_replay_checks() -> Result<()> {
    replay_checks(STATELESS)
}

/// The comparison would notice: a policy that refuses prompts fails what is about prompts, and nothing else.
#[test]
fn a_policy_that_refuses_prompts_is_found() -> Result<()> {
    let policy = json!({
        "mode": "enforce",
        "default": "allow",
        "rules": [{"name": "no-prompts", "effect": "deny", "prompts": ["*"]}],
    });
    let proxied = proxied(Host::Serve, true, SESSION, policy)?;
    let differences = direct(SESSION)?.differences(&proxied);
    let failed = differences.iter().filter(|difference| difference.verdict.status == "FAILURE");
    let failed: BTreeSet<_> = failed.map(|difference| difference.verdict.scenario.as_str()).collect();
    let expected = [
        // It asks for completions of a prompt's argument.
        "completion-complete",
        "prompts-get-embedded-resource",
        "prompts-get-simple",
        "prompts-get-with-args",
        "prompts-get-with-image",
    ];
    assert_eq!(failed, BTreeSet::from(expected));
    Ok(())
}
