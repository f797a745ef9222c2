//! What a host saw of all runs, and what is said about it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::{Case, Expect};
use super::judge::{forget_chance, judge, judge_answered_by_envoy};
use super::observed::{Observed, Run, runs};

/// What the module counted.
pub type Counts = BTreeMap<Counted, u64>;

/// A counter of the module, by its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Refusals for a reason; those that were only observed (shadow mode) apart.
    Refused(String, bool),
    /// Entries taken out of the list of a method; likewise.
    Hidden(String, bool),
    /// Something about the server's tools, by what it is, and whether it was only observed.
    ToolFinding(String, bool),
    /// Conditions that could not be evaluated, by the effect of their rule.
    FailedCondition(String),
    /// A series of the `metrics` section, as Prometheus writes it with its labels sorted: the value of a counter or a gauge,
    /// the count of a histogram.
    Measured(String),
}

/// A host: something that plays exchanges.
pub trait Host {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether it is a real proxy, which parses HTTP itself and answers some requests on its own.
    fn parses_http(&self) -> bool;

    /// Plays every run, and says what was seen of each, in order, and what was counted.
    ///
    /// # Errors
    /// When the host itself could not be run.
    fn play(&self, runs: &[Run<'_>]) -> anyhow::Result<Played>;
}

/// What a host saw.
#[derive(Debug, Default)]
pub struct Played {
    /// Of each run, in order.
    pub observed: Vec<Observed>,
    /// All that was counted.
    pub counts: Counts,
    /// What went wrong beside the single runs, such as a request nobody sent.
    pub problems: Vec<String>,
}

/// The judgement on one host.
#[derive(Debug)]
pub struct Report {
    /// The host's name.
    pub host: &'static str,
    /// How many runs were played.
    pub runs: usize,
    /// Every failure.
    pub failures: Vec<String>,
    /// What was seen, by the run's name, where it can be compared with another host.
    pub seen: BTreeMap<String, Observed>,
}

/// Plays all cases on a host and judges them.
///
/// # Errors
/// When the host itself could not be run.
pub fn examine(host: &dyn Host, cases: &[Case]) -> anyhow::Result<Report> {
    let runs: Vec<_> =
        runs(cases).into_iter().filter(|run| host.parses_http() || run.case.request.raw.is_none()).collect();
    let played = host.play(&runs)?;
    anyhow::ensure!(played.observed.len() == runs.len(), "{} did not play every run", host.name());
    let mut failures = Grouped::default();
    let mut expected = Counts::new();
    let mut seen = BTreeMap::new();
    for (run, mut observed) in runs.iter().zip(played.observed) {
        let by_envoy = run.case.envoy_answers.filter(|_| host.parses_http());
        let problems = match by_envoy {
            Some(status) => judge_answered_by_envoy(run, status, &observed),
            None => judge(run, &observed),
        };
        problems.into_iter().for_each(|problem| failures.add(run, problem));
        if by_envoy.is_none() {
            count(run.case, &mut expected);
            forget_chance(run, &mut observed);
            seen.insert(run.name(), observed);
        }
    }
    let mut failures: Vec<_> = played.problems.into_iter().chain(failures.lines()).collect();
    for key in expected.keys().chain(played.counts.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (counted, due) = (played.counts.get(key).unwrap_or(&0), expected.get(key).unwrap_or(&0));
        if counted != due {
            failures.push(format!("metrics: {counted} times {key:?}, not {due}"));
        }
    }
    Ok(Report { host: host.name(), runs: runs.len(), failures, seen })
}

/// Problems by case, so that what goes wrong in every mode is said once.
#[derive(Debug, Default)]
struct Grouped<'a> {
    problems: Vec<(&'a Case, String, Vec<String>)>,
}

impl<'a> Grouped<'a> {
    fn add(&mut self, run: &Run<'a>, problem: String) {
        let same = |(case, said, _): &&mut (&Case, String, _)| std::ptr::eq(*case, run.case) && *said == problem;
        match self.problems.iter_mut().rev().take(32).find(same) {
            Some((_, _, wheres)) => wheres.push(run.place()),
            None => self.problems.push((run.case, problem, vec![run.place()])),
        }
    }

    fn lines(self) -> impl Iterator<Item = String> {
        self.problems.into_iter().map(|(case, problem, places)| {
            let all = case.modes.len().saturating_mul(case.http.len()) == places.len();
            let places = if all { String::new() } else { format!(" [{}]", places.join("; ")) };
            format!("{}{places}: {problem}", case.name)
        })
    }
}

/// Adds what one run of a case must count.
fn count(case: &Case, counts: &mut Counts) {
    let mut add_some = |key: Counted, by: u64| {
        let counted = counts.entry(key).or_default();
        *counted = counted.saturating_add(by);
    };
    for (shadow, entries) in [(false, &case.hidden), (true, &case.would_hide)] {
        entries.iter().for_each(|(list, by)| add_some(Counted::Hidden(list.clone(), shadow), *by));
    }
    for (shadow, findings) in [(false, &case.findings), (true, &case.observed_findings)] {
        findings.iter().for_each(|(kind, by)| add_some(Counted::ToolFinding(kind.clone(), shadow), *by));
    }
    case.failed_conditions.iter().for_each(|(effect, by)| add_some(Counted::FailedCondition(effect.clone()), *by));
    case.metrics.iter().for_each(|(series, by)| add_some(Counted::Measured(series.clone()), *by));
    let mut add = |reason: &String, shadow| add_some(Counted::Refused(reason.clone(), shadow), 1);
    match &case.expect {
        Expect::Passes | Expect::PassesWithout(_) | Expect::Edited(_) | Expect::BrokenOff => {}
        Expect::Refused(refused) => add(refused.counted.as_ref().unwrap_or(&refused.reason), false),
        Expect::Answered(answered) => add(&answered.counted, false),
        Expect::RefusedBatch(refused) => add(&refused.counted, false),
        Expect::Replaced(replaced) => replaced.counted.iter().for_each(|reason| add(reason, false)),
    }
    case.shadow.iter().for_each(|reason| add(reason, true));
}

/// Where hosts disagree about a run.
#[must_use]
pub fn disagreements(reports: &[&Report]) -> Vec<String> {
    let mut out = Vec::new();
    let Some((first, others)) = reports.split_first() else { return out };
    for (name, seen) in &first.seen {
        let essence = seen.essence();
        for other in others {
            if let Some(theirs) = other.seen.get(name).map(Observed::essence).filter(|theirs| *theirs != essence) {
                out.push(format!("{name}: {} saw {essence:?}, {} saw {theirs:?}", first.host, other.host));
            }
        }
    }
    out
}

impl Report {
    /// The summary, and every failure on a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {} runs, {} failures\n", self.host, self.runs, self.failures.len());
        for failure in &self.failures {
            let _ = writeln!(text, "  {failure}");
        }
        text
    }
}
