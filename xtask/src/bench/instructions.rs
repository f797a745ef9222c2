//! `cargo xtask bench --instructions`: what a request takes in instructions, and how often they and their data are not in the
//! first cache, which is what a cold request waits for.
//!
//! valgrind's callgrind runs Envoy's workers on a processor of its own with caches of fixed sizes. What other programs do on the
//! machine does not count, so two runs differ by a few parts in a thousand; what the kernel does for Envoy does not count either.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::{
    Bench,
    load::Load,
    plan::{Case, Group},
    progress,
    proxies::{Envoy, Proxy, Variant},
};
use crate::{command, tools, workspace::Workspace};

/// The first caches of the processors that Envoy mostly runs on (size, ways, bytes of a line), and the second in the place of the
/// last, which callgrind has instead.
const CACHES: [&str; 3] = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"];
/// Some 40,000 calls of the smallest, until V8 has compiled a second time what is often used.
const WARM_UP: Duration = Duration::from_secs(25);
/// While everything is counted, which takes ten times as long.
const COUNTED: Duration = Duration::from_secs(12);
/// Until an Envoy is ready that runs so slowly.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a request takes in one proxy.
#[derive(Clone, Copy, Debug, Serialize)]
struct Count {
    instructions: f64,
    /// Lines of instructions that were not in the first cache.
    instruction_misses: f64,
    /// Likewise of data, read and written.
    data_misses: f64,
}

/// One case, counted: a proxy each.
#[derive(Debug, Serialize)]
pub(super) struct Counted {
    case: String,
    proxies: Vec<(String, Count)>,
}

/// Counts all cases of a group.
pub(super) fn count(bench: &Bench<'_>, group: &Group) -> Result<Vec<Counted>> {
    let valgrind = tools::valgrind(bench.workspace)?;
    group.cases.iter().map(|case| count_case(bench, &valgrind, case, &group.variants)).collect()
}

fn count_case(bench: &Bench<'_>, valgrind: &Path, case: &Case, variants: &[Variant]) -> Result<Counted> {
    let directory = bench.directory.path();
    let seconds = usize::try_from(WARM_UP.saturating_add(COUNTED).as_secs())?;
    let load = Load::new(&bench.wrk, directory, &case.request, case.connections, seconds)?;
    let mut counted = Counted { case: case.name.clone(), proxies: Vec::new() };
    for variant in variants {
        let at = |what: &str| progress(&format!("{}, {}: {what}", case.name, variant.name()));
        at("starting");
        let out = directory.join("callgrind");
        let envoy = under(valgrind, &out, &bench.envoy);
        let proxy = Proxy::start(bench.workspace, &envoy, variant, 1, bench.upstream.port(), directory)?;
        proxy.check(case).with_context(|| format!("{} does not do what is to be counted", variant.name()))?;
        at("warming up");
        load.run(&proxy, WARM_UP)?;
        at("counting");
        let control = |arguments: &[&str]| {
            let mut control = Command::new(valgrind.with_file_name("callgrind_control"));
            command::capture(control.args(arguments).arg(proxy.id().to_string()))
        };
        control(&["-i", "on"])?;
        let requests = load.run(&proxy, COUNTED)?.requests;
        control(&["-i", "off"])?;
        control(&["-d"])?;
        drop(proxy);
        let dump = out.with_extension("1");
        let text = fs::read_to_string(&dump).with_context(|| format!("reading {}", dump.display()))?;
        counted.proxies.push((variant.name().to_owned(), Count::read(&text, requests)?));
        fs::remove_file(&dump)?;
    }
    progress("");
    Ok(counted)
}

/// Envoy under callgrind, which counts nothing until it is told to.
fn under(valgrind: &Path, out: &Path, envoy: &Envoy) -> Envoy {
    let mut words: Vec<_> = vec![valgrind.into()];
    words.extend(["--quiet", "--tool=callgrind", "--instr-atstart=no", "--cache-sim=yes"].map(Into::into));
    // V8 writes code while it runs.
    words.push("--smc-check=all-non-file".into());
    words.extend(CACHES.map(Into::into));
    words.push(PathBuf::from(format!("--callgrind-out-file={}", out.display())).into());
    words.extend(envoy.words.iter().cloned());
    Envoy { words, patience: PATIENCE }
}

impl Count {
    /// Reads a dump of callgrind: the names of what is counted in one line, and how much that is in all in another.
    fn read(dump: &str, requests: f64) -> Result<Self> {
        let line = |begin: &str| dump.lines().find_map(|line| line.strip_prefix(begin));
        let names = line("events:").context("callgrind's file has no line `events:`")?.split_whitespace();
        let totals = line("totals:").context("callgrind's file has no line `totals:`")?.split_whitespace();
        let totals: Vec<_> = names.zip(totals).collect();
        let of = |name: &str| -> Result<f64> {
            let (_, total) = totals.iter().find(|(known, _)| *known == name).with_context(|| format!("no {name}"))?;
            Ok(total.parse::<f64>()? / requests)
        };
        let data_misses = of("D1mr")? + of("D1mw")?;
        Ok(Self { instructions: of("Ir")?, instruction_misses: of("I1mr")?, data_misses })
    }

    fn cells(self) -> [String; 3] {
        [self.instructions, self.instruction_misses, self.data_misses].map(|count| format!("{count:.0}"))
    }

    fn over(self, other: Self) -> Self {
        Self {
            instructions: self.instructions - other.instructions,
            instruction_misses: self.instruction_misses - other.instruction_misses,
            data_misses: self.data_misses - other.data_misses,
        }
    }
}

/// The counts of a request, and how much that is over the plain Envoy.
pub(super) fn table(counted: &[Counted]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let counts = ["instructions", "their misses", "misses of data"];
    table.set_header(["case", "proxy"].into_iter().chain(counts).chain(counts.map(|_| "added")));
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for case in counted {
        let Some((_, plain)) = case.proxies.first() else { continue };
        for (index, (name, count)) in case.proxies.iter().enumerate() {
            let first = if index == 0 { case.case.clone() } else { String::new() };
            let added = if index == 0 { [const { String::new() }; 3] } else { count.over(*plain).cells() };
            table.add_row([first, name.clone()].into_iter().chain(count.cells()).chain(added));
        }
    }
    format!(
        "{table}\n  For each request; the first caches are of 32 KiB. \"added\": over the plain Envoy, count by count."
    )
}

/// Writes all counts for machines, and says where.
pub(super) fn write(workspace: &Workspace, counted: &[Counted]) -> Result<&'static str> {
    let path = "target/bench/instructions.json";
    let file = workspace.path(path);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&file, serde_json::to_string_pretty(counted)?).with_context(|| format!("writing {path}"))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_one_request() {
        let dump = "version: 1\nevents: Ir Dr Dw I1mr D1mr D1mw\n\nfn=(1)\n0 5\ntotals: 1000 9 9 100 30 10\n";
        let count = Count::read(dump, 10.0).unwrap();
        assert_eq!((count.instructions, count.instruction_misses, count.data_misses), (100.0, 10.0, 4.0));
        assert!(Count::read("events: Ir\ntotals: 1\n", 1.0).is_err());
        assert!(Count::read("", 1.0).is_err());
    }
}
