//! `cargo xtask bench`: what Meshward costs, in a real Envoy, beside a plain Envoy and Envoy's own MCP filter.
//!
//! Every proxy has one worker and the first core to itself; the load generator and the upstream share the second. The
//! proxies of a group take turns in short rounds, forwards and backwards, so that what drifts on the machine drifts for all.
//! The figure to compare is CPU time per request of the whole proxy process: it does not depend on who saturates first.
//!
//! Two processes with the same module and configuration differ by some microseconds for as long as they run, and it matters
//! which was started first. So where a difference of that size is looked for, each round has processes of its own, started
//! and measured in an order of its own.

mod fresh;
mod instructions;
mod load;
mod memory;
mod plan;
mod policies;
mod proxies;
mod report;
mod request;
mod signed;

use std::{fs, io::IsTerminal as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};

use self::{
    load::Load,
    plan::Group,
    proxies::{Envoy, Proxy, Upstream, Variant},
    report::{Report, Run, Sample},
};
use crate::{command, module, tools, workspace::Workspace};

/// How long a new proxy is loaded before it is measured.
const WARM_UP_SECONDS: u64 = 6;
/// Likewise where every round has new ones: some 60,000 calls.
const SHORT_WARM_UP_SECONDS: u64 = 4;
/// How often each proxy gets its turn in a round for which it was started.
const TURNS: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer and shorter rounds: a first impression, with more noise
    #[arg(long)]
    quick: bool,
    /// How many rounds each case gets [default: 3 to 9, with --quick 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Measure another module as well, such as one built with other options; may be given more than once
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    module: Vec<(String, PathBuf)>,
    /// Measure only the cases whose name contains this, such as "direct", "condition", "rules", "observed", "list", "pinned", "limited", "signed", "proof", "result" or "memory"
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    case: String,
    /// Leave out the proxies whose name does not contain this, but for those that others are compared with
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    proxy: String,
    /// Count instructions and cache misses under valgrind in place of time: the same from run to run, a minute for each proxy and case
    #[arg(long, conflicts_with_all = ["quick", "rounds"])]
    instructions: bool,
    /// Leave out the benchmarks of reading and deciding, outside of any proxy
    #[arg(long)]
    no_criterion: bool,
}

/// Shows what is going on in a line that the next one replaces; on a terminal only.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{text:60}\r");
    } else if !text.is_empty() {
        eprintln!("  {text}");
    }
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("should be NAME=FILE")?;
    if name.is_empty() || !PathBuf::from(file).is_file() {
        return Err(format!("there is no file {file}"));
    }
    Ok((name.to_owned(), PathBuf::from(file)))
}

/// The two programs, and a place for their files.
struct Bench<'w> {
    workspace: &'w Workspace,
    envoy: Envoy,
    wrk: PathBuf,
    upstream: Upstream,
    directory: tempfile::TempDir,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    ensure!(args.rounds != Some(0), "at least one round is needed");
    let (envoy, wrk) = (Envoy::new(&tools::envoy(workspace)?), tools::wrk(workspace)?);
    let module = module::build(workspace, module::Build::Plain)?;
    let directory = tempfile::tempdir()?;
    let upstream = Upstream::start(&envoy, directory.path())?;
    let bench = Bench { workspace, envoy, wrk, upstream, directory };

    let mut groups = plan::groups(&module, &args.module)?;
    for group in &mut groups {
        group.cases.retain(|case| case.name.contains(&args.case));
        group.keep(&args.proxy);
    }
    groups.retain(|group| !group.cases.is_empty());
    if args.instructions {
        return bench.count(&groups);
    }

    let mut report = Report::new(fs::metadata(&module)?.len());
    for group in groups {
        let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { group.rounds });
        let run = bench.group(&group, rounds, if args.quick { 1 } else { 2 })?;
        println!("{}\n", run.table());
        report.runs.push(run);
    }
    if "memory".contains(&args.case) {
        progress("memory");
        report.memory = memory::measure(workspace, &bench.envoy, &module, bench.directory.path())?;
        progress("");
        println!("Resident memory (anonymous pages, just configured):\n{}", memory::lines(&report.memory));
    }

    let path = workspace.path("target/bench/envoy.json");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, serde_json::to_string_pretty(&report.json())?)
        .with_context(|| format!("writing {}", path.display()))?;
    println!("All figures of all rounds: target/bench/envoy.json");

    if !args.no_criterion {
        println!("\nReading and deciding alone, outside of any proxy:");
        let mut bench = workspace.cargo();
        bench.args(["bench", "--locked", "--package", "meshward-wire", "--package", "meshward-policy", "--benches"]);
        bench.args(["--", "--warm-up-time", "0.5", "--measurement-time", "2"]);
        command::run(&mut bench)?;
    }
    Ok(())
}

impl Bench<'_> {
    fn group(&self, group: &Group, rounds: usize, seconds: u64) -> Result<Run> {
        let (starts, turns, warm_up, seconds) =
            if group.anew { (rounds, TURNS, SHORT_WARM_UP_SECONDS, 1) } else { (1, rounds, WARM_UP_SECONDS, seconds) };
        let mut run = Run::new(group, rounds, turns, seconds);
        for start in 0..starts {
            let proxies = self.start(group, start)?;
            for (number, case) in group.cases.iter().enumerate() {
                let at =
                    if group.anew { format!("round {} of {rounds}, ", start.saturating_add(1)) } else { String::new() };
                // A warm-up for each case at most, and something for what is under way at the end.
                let in_all = turns.saturating_mul(usize::try_from(seconds)?).saturating_add(usize::try_from(warm_up)?);
                let in_all = in_all.saturating_add(1);
                let load = Load::new(&self.wrk, self.directory.path(), &case.request, case.connections, in_all)?;
                // V8 compiles what is often used a second time, on a thread of the same core: some 10,000 calls later that is
                // done, and no part of what a call costs.
                let warm_up = Duration::from_secs(if number == 0 { warm_up } else { 1 });
                progress(&format!("{}: {at}warming up", case.name));
                for (_, proxy) in &proxies {
                    load.run(proxy, warm_up)?;
                }
                let mut samples = vec![Vec::new(); proxies.len()];
                for turn in 0..turns {
                    progress(&format!("{}: {at}turn {} of {turns}", case.name, turn.saturating_add(1)));
                    let mut order: Vec<_> = proxies.iter().zip(&mut samples).collect();
                    if !turn.is_multiple_of(2) {
                        order.reverse();
                    }
                    for ((_, proxy), samples) in order {
                        samples.push(load.run(proxy, Duration::from_secs(seconds))?);
                    }
                }
                for ((index, _), samples) in proxies.iter().zip(samples) {
                    let samples = if group.anew { Sample::middle(&samples).into_iter().collect() } else { samples };
                    run.add(case, *index, samples);
                }
                progress("");
            }
        }
        Ok(run)
    }

    /// Counts what requests take.
    fn count(&self, groups: &[Group]) -> Result<()> {
        let mut all = Vec::new();
        for group in groups {
            let counted = instructions::count(self, group)?;
            println!("{}\n{}\n", group.title, instructions::table(&counted));
            all.extend(counted);
        }
        println!("All counts: {}", instructions::write(self.workspace, &all)?);
        Ok(())
    }

    /// Starts every proxy of a group, and sees that each does what is to be measured; in the order of the round, each with
    /// its place in the group.
    fn start(&self, group: &Group, round: usize) -> Result<Vec<(usize, Proxy)>> {
        let start = |(index, variant): (usize, &Variant)| {
            let proxy =
                Proxy::start(self.workspace, &self.envoy, variant, 1, self.upstream.port(), self.directory.path())?;
            for case in &group.cases {
                proxy.check(case).with_context(|| format!("{} does not do what is to be measured", variant.name()))?;
            }
            Ok((index, proxy))
        };
        in_order(group.variants.iter().enumerate().collect(), round).into_iter().map(start).collect()
    }
}

/// The order of a round: each is at each place once before an order comes again, and half of the time before each other.
fn in_order<T>(mut all: Vec<T>, round: usize) -> Vec<T> {
    let first = (round / 2).checked_rem(all.len()).unwrap_or_default();
    all.rotate_left(first);
    if !round.is_multiple_of(2) {
        all.reverse();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_as_often_at_each_place() {
        let orders: Vec<_> = (0..6).map(|round| in_order(vec!["a", "b", "c"], round).concat()).collect();
        assert_eq!(orders, ["abc", "cba", "bca", "acb", "cab", "bac"]);
        assert_eq!(in_order(Vec::<u8>::new(), 3), Vec::<u8>::new());
    }
}
