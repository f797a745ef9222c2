//! `meshward test`: tests of a policy, and which of its rules they show.

mod coverage;
mod suite;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Style};
use meshward::Config;
use serde::Serialize;
use serde_json::Value;

use self::coverage::{Coverage, Covered};
use self::suite::{Expect, Suite};
use crate::check;
use crate::document::Document;
use crate::explain::{self, Verdict};
use crate::failure::Failure;
use crate::rehearsal::{Caller, Manner, Rehearsal};

const PASSED: Style = AnsiColor::Green.on_default().bold();
const FAILED: Style = AnsiColor::Red.on_default().bold();

/// Arguments of `meshward test`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Test a policy: what is it to allow, refuse, show and hide?",
    long_about = "Test a policy. Each test says who asks for what, and what is to come of it; it goes through the reader, the \
        engine and the policy of the module itself, and nothing is sent. The format is described in \
        docs/policy-tests.md.\n\n\
        Exit codes: 0 all passed, 1 a test failed or too few rules were covered, 2 wrong usage, tests or configuration.",
    after_help = "Examples:\n  \
        meshward test policy-tests.yaml\n  \
        meshward test --require-coverage policy-tests/*.yaml\n  \
        meshward test --json policy-tests.yaml | jq '.tests[] | select(.ok | not)'"
)]
pub(crate) struct Args {
    /// The files of tests.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Fail unless this share of the rules, in percent, has decided in some test.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_min: Option<u8>,

    /// Fail unless every rule has decided in some test.
    #[arg(long, conflicts_with = "coverage_min")]
    require_coverage: bool,

    /// Print one JSON object per file on stdout: `file`, `ok`, `tests` (`name`, `ok`, `failures`, `verdict` as of `meshward
    /// explain --json`) and `coverage`.
    #[arg(long)]
    json: bool,
}

/// What came of a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    ok: bool,
    tests: Vec<Outcome>,
    coverage: Covered,
}

/// What came of a test.
#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    ok: bool,
    /// What is otherwise than expected.
    failures: Vec<String>,
    verdict: Verdict,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let least = if args.require_coverage { 100 } else { args.coverage_min.map_or(0, usize::from) };
    let (mut failed, mut uncovered) = (0_usize, 0_usize);
    for file in &args.files {
        let mut report = play(file)?;
        failed = failed.saturating_add(report.tests.iter().filter(|test| !test.ok).count());
        let is_covered = report.coverage.percent >= least;
        uncovered = uncovered.saturating_add(usize::from(!is_covered));
        report.ok &= is_covered;
        Failure::on_stdout(if args.json {
            serde_json::to_string(&report)
                .map_err(io::Error::from)
                .and_then(|text| writeln!(io::stdout().lock(), "{text}"))
        } else {
            report.print(&mut anstream::stdout().lock())
        })?;
    }
    match (failed, uncovered) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::runtime(format!("less than {least} % of the rules have decided in a test"))),
        _ => Err(Failure::runtime(format!("{failed} {} failed", if failed == 1 { "test" } else { "tests" }))),
    }
}

fn play(file: &Path) -> Result<Report, Failure> {
    let document = Document::read(file).map_err(Failure::usage)?;
    let wrong = |path: &str, message: &str| {
        let place = document.places().find(path);
        Failure::usage(format!("{}:{}:{}: {path}: {message}", file.display(), place.line, place.column))
    };
    let suite: Suite = serde_path_to_error::deserialize(&document.value)
        .map_err(|error| wrong(&error.path().to_string(), &error.inner().to_string()))?;
    let rehearsal = Rehearsal::new(config(&suite.config, file, &wrong)?).map_err(Failure::usage)?;
    let (mut coverage, mut tests) = (Coverage::default(), Vec::new());
    for (index, test) in suite.tests.iter().enumerate() {
        let path = format!("tests[{index}]");
        for request in test.requests(&suite.defaults) {
            let ask = request
                .ask()
                .ok_or_else(|| wrong(&path, "a test asks for one thing: write `call`, `get`, `read` or `request`"))?;
            let expect = request
                .expect
                .as_ref()
                .ok_or_else(|| wrong(&path, "say what to `expect`: `allow`, `deny`, `shown` or `hidden`"))?;
            let manner = Manner { client: request.client.clone(), revision: request.revision.clone() };
            let caller = request.caller.clone().unwrap_or_else(Caller::default);
            let played = rehearsal.play(&ask, &manner, &caller).map_err(|message| wrong(&path, &message))?;
            let verdict = Verdict::new(&played, rehearsal.config());
            coverage.note(&verdict);
            let failures = failures(expect, &verdict);
            tests.push(Outcome { name: request.name.unwrap_or_default(), ok: failures.is_empty(), failures, verdict });
        }
    }
    let ok = tests.iter().all(|test| test.ok);
    let coverage = coverage.of(rehearsal.config().policy.as_ref());
    Ok(Report { file: file.display().to_string(), ok, tests, coverage })
}

/// The configuration under test.
fn config(given: &Value, file: &Path, wrong: &dyn Fn(&str, &str) -> Failure) -> Result<Config, Failure> {
    match given {
        Value::String(path) => {
            let path = file.parent().unwrap_or(Path::new("")).join(path);
            check::config(&Document::read(&path).map_err(Failure::usage)?)
        }
        Value::Object(_) => Config::from_value(given.clone()).map_err(|errors| match errors.0.first() {
            Some(error) => wrong(&format!("config.{}", error.path), &error.message),
            None => wrong("config", "not a configuration"),
        }),
        _ => Err(wrong("config", "write the path of a configuration, or the configuration itself")),
    }
}

/// What is otherwise than expected.
fn failures(expect: &Expect, verdict: &Verdict) -> Vec<String> {
    let mut failures = Vec::new();
    let mut hold = |what: &str, expected: Option<&str>, is: Option<&str>| {
        if let Some(expected) = expected.filter(|expected| Some(*expected) != is) {
            failures.push(format!(
                "{what}: expected `{expected}`, found {}",
                is.map_or("none".to_owned(), |is| format!("`{is}`"))
            ));
        }
    };
    let reply = verdict.reply.as_ref();
    let word = |shown: bool| if shown { "shown" } else { "hidden" };
    hold("decision", expect.decision, Some(verdict.decision));
    hold("rule", expect.details.rule.as_deref(), verdict.rule.as_deref());
    hold("reason", expect.details.reason.as_deref(), verdict.reason);
    hold("as", expect.details.shape.as_deref(), reply.map(|reply| reply.shape));
    hold("message", expect.details.message.as_deref(), reply.map(|reply| reply.message.as_str()));
    hold("in lists", expect.shown.map(word), verdict.shown.map(word));
    failures
}

impl Report {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for test in &self.tests {
            if test.ok {
                writeln!(out, "{PASSED}ok{PASSED:#}    {}", test.name)?;
                continue;
            }
            writeln!(out, "{FAILED}FAILED{FAILED:#} {}", test.name)?;
            for failure in &test.failures {
                writeln!(out, "  {failure}")?;
            }
            let mut trace = Vec::new();
            explain::print(&test.verdict, &mut trace)?;
            for line in String::from_utf8_lossy(&trace).lines() {
                writeln!(out, "    {line}")?;
            }
        }
        let failed = self.tests.iter().filter(|test| !test.ok).count();
        let Covered { rules, decided, percent, never_decided, never_matched } = &self.coverage;
        writeln!(
            out,
            "{}: {} tests, {failed} failed; {decided} of {rules} rules decided ({percent} %)",
            self.file,
            self.tests.len()
        )?;
        for (what, names) in [("matched, but never decided", never_decided), ("never matched", never_matched)] {
            if !names.is_empty() {
                writeln!(out, "  {what}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}
