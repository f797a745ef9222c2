//! The suite's scenarios of the Tasks extension find the same where tasks are bound to their caller: its ids come back as it got them, and ids that it
//! makes up are unknown, as to the server.

use anyhow::Result;
use meshward_tests::clients::Server;
use meshward_tests::conformance::{report, run_scenarios};
use meshward_tests::proxy::{Host, Proxy};
use serde_json::json;

use super::STATELESS;

/// All that check something, but the one whose task begins with questions of another request.
const SCENARIOS: [&str; 8] = [
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
];

fn finds_the_same(host: Host, header_hold: bool) -> Result<()> {
    let server = Server::tasks()?;
    let direct = run_scenarios(server.address(), STATELESS, &SCENARIOS)?;
    assert_eq!(direct.scenarios(), SCENARIOS.len());
    assert_eq!((direct.count("FAILURE"), direct.count("WARNING")), (0, 0), "{direct:#?}");
    let document = json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": header_hold,
        "replay": {"tasks": {"keys": [{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}},
    });
    let proxy = Proxy::start(host, &document, server.address())?;
    let proxied = run_scenarios(proxy.address(), STATELESS, &SCENARIOS)?;
    let differences = direct.differences(&proxied);
    let found = differences.iter().map(|difference| (&*difference.verdict.check, &*difference.verdict.status));
    // Who makes up an id without having declared the extension is told so by the server, which here does not hear of it.
    let expected = ["FAILURE", "SUCCESS"].map(|status| ("sep-2663-tasks-methods-non-declaring", status));
    assert!(found.eq(expected), "{}", report("tasks", &direct, &proxied, &differences));
    Ok(())
}

#[test]
fn tasks_through_envoy() -> Result<()> {
    finds_the_same(Host::Envoy, true)
}

#[test]
fn tasks_through_envoy_without_header_hold() -> Result<()> {
    finds_the_same(Host::Envoy, false)
}
