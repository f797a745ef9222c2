//! The cases on three hosts: each as its file says, and all three alike.
//!
//! `CASES=bypass/path cargo test -p meshward-tests --test cases` plays those whose name contains the text.

use std::sync::OnceLock;

use anyhow::{Result, anyhow, ensure};
use meshward_tests::cases::case::{Case, Expect};
use meshward_tests::cases::cut::variations;
use meshward_tests::cases::envoy::EnvoyHost;
use meshward_tests::cases::harness::HarnessHost;
use meshward_tests::cases::load::{folder, load};
use meshward_tests::cases::native::NativeHost;
use meshward_tests::cases::report::{Host, Report, disagreements, examine};
use meshward_wire::refusal::Reason;

/// What is found out once, for all tests here.
type Once<T> = OnceLock<Result<T, String>>;

static CASES: Once<Vec<Case>> = OnceLock::new();
static NATIVE: Once<Report> = OnceLock::new();
static HARNESS: Once<Report> = OnceLock::new();
static ENVOY: Once<Report> = OnceLock::new();

fn once<T>(place: &'static Once<T>, find: impl FnOnce() -> Result<T>) -> Result<&'static T> {
    let found = place.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    found.as_ref().map_err(|error| anyhow!("{error}"))
}

fn cases() -> Result<&'static [Case]> {
    let cases = once(&CASES, || {
        let filter = std::env::var("CASES").unwrap_or_default();
        let mut cases = load(&folder())?;
        cases.retain(|case| case.name.contains(&filter));
        ensure!(!cases.is_empty(), "no case is called `{filter}`");
        Ok(cases)
    });
    cases.map(Vec::as_slice)
}

fn native() -> Result<&'static Report> {
    once(&NATIVE, || played(&NativeHost))
}

fn harness() -> Result<&'static Report> {
    once(&HARNESS, || played(&HarnessHost))
}

fn envoy() -> Result<&'static Report> {
    once(&ENVOY, || played(&EnvoyHost))
}

fn played(host: &dyn Host) -> Result<Report> {
    let report = examine(host, cases()?)?;
    eprintln!("{}", report.text());
    Ok(report)
}

#[test]
fn the_engine_does_what_the_cases_say() -> Result<()> {
    let failures = native()?.failures.len();
    ensure!(failures == 0, "{failures} failures, listed above");
    Ok(())
}

#[test]
fn the_module_in_the_harness_does_what_the_cases_say() -> Result<()> {
    let failures = harness()?.failures.len();
    ensure!(failures == 0, "{failures} failures, listed above");
    Ok(())
}

#[test]
fn the_module_in_envoy_does_what_the_cases_say() -> Result<()> {
    let failures = envoy()?.failures.len();
    ensure!(failures == 0, "{failures} failures, listed above");
    Ok(())
}

#[test]
fn however_bodies_are_cut_the_engine_does_the_same() -> Result<()> {
    // A refusal for what the length says comes with the head: only there the cut bodies, which say none, differ.
    let same_without_length = |case: &&Case| !matches!(&case.expect, Expect::Refused(refused) if refused.early);
    let mut played = 0_usize;
    for case in cases()?.iter().filter(same_without_length).filter(|case| case.sequence().is_none()) {
        let report = examine(&NativeHost, &variations(case))?;
        played = played.saturating_add(report.runs);
        let first = report.failures.first();
        ensure!(first.is_none(), "{} failures, the first: {}", report.failures.len(), first.map_or("", String::as_str));
    }
    eprintln!("native: {played} runs of bodies cut at every place");
    Ok(())
}

#[test]
fn every_reason_has_a_case() -> Result<()> {
    let cases = cases()?;
    let told = |reason: &str| {
        cases.iter().any(|case| match &case.expect {
            Expect::Refused(refused) => refused.counted.as_ref().unwrap_or(&refused.reason) == reason,
            Expect::Answered(answered) => answered.counted == reason,
            Expect::RefusedBatch(refused) => refused.errors.iter().any(|error| error.reason == reason),
            Expect::Replaced(replaced) => replaced.counted.iter().any(|counted| counted == reason),
            Expect::Passes | Expect::PassesWithout(_) | Expect::Edited(_) | Expect::BrokenOff => false,
        })
    };
    let untold: Vec<_> = Reason::ALL
        .iter()
        // Our own fault, or that of a memory without room: no one exchange brings it about. `tests/once/full.rs` fills memories.
        .filter(|reason| {
            use Reason::{IdempotencyUnavailable, InternalError, NoncesFull, RequestIdsUnavailable};
            let stores = matches!(reason, NoncesFull | IdempotencyUnavailable | RequestIdsUnavailable);
            !stores && **reason != InternalError
        })
        .map(|reason| reason.name())
        .filter(|name| !told(name))
        .collect();
    ensure!(untold.is_empty(), "no case for {}", untold.join(", "));
    Ok(())
}

#[test]
fn all_hosts_agree() -> Result<()> {
    let disagreements = disagreements(&[native()?, harness()?, envoy()?]);
    ensure!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
    Ok(())
}
