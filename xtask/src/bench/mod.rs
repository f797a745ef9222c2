//! `cargo xtask bench`: what Meshward costs, in a real Envoy, beside a plain Envoy and Envoy's own MCP filter.
//!
//! Every proxy has one worker and the first core to itself; the load generator and the upstream share the second. The
//! proxies take turns in short rounds, forwards and backwards, so that what drifts on the machine drifts for all. The figure to
//! compare is CPU time per request of the whole proxy process: it does not depend on who saturates first.

mod load;
mod proxies;
mod report;

use std::{fs, io::IsTerminal as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};

use self::{
    load::{Body, Load},
    proxies::{Proxy, Upstream, Variant},
    report::{Report, Sample},
};
use crate::{command, module, tools, workspace::Workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer and shorter rounds: a first impression in a minute, with more noise
    #[arg(long)]
    quick: bool,
    /// How often each proxy gets its turn [default: 7, with --quick 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Measure another module as well, such as one built with other options; may be given more than once
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    module: Vec<(String, PathBuf)>,
    /// Measure only the cases whose name contains this, such as "direct"
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    case: String,
    /// Leave out the benchmarks of reading a body, outside of any proxy
    #[arg(long)]
    no_criterion: bool,
}

/// Shows what is going on in a line that the next one replaces; on a terminal only.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{text:40}\r");
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

/// One thing to measure: a route and a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    name: &'static str,
    path: &'static str,
    body: usize,
    connections: u16,
}

/// The upstream reads the whole body before it answers. `direct` is answered by the proxy itself: without the cost of a
/// hop, small differences show.
const CASES: &[Case] = &[
    Case { name: "400 B", path: "/mcp", body: 400, connections: 16 },
    Case { name: "400 B, direct", path: "/direct", body: 400, connections: 16 },
    Case { name: "64 KiB", path: "/mcp", body: 64 * 1024, connections: 8 },
    Case { name: "1 MiB", path: "/mcp", body: 1024 * 1024, connections: 4 },
];

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let (rounds, seconds) = if args.quick { (3, 1) } else { (7, 3) };
    let rounds = args.rounds.unwrap_or(rounds);
    ensure!(rounds > 0, "at least one round is needed");
    let (envoy, wrk) = (tools::envoy(workspace)?, tools::wrk(workspace)?);
    let mut variants = vec![Variant::plain(), Variant::native(), Variant::meshward(&module::build(workspace)?)];
    variants.extend(args.module.iter().map(|(name, file)| Variant::other(name, file)));

    let directory = tempfile::tempdir()?;
    let upstream = Upstream::start(&envoy, directory.path())?;
    let mut proxies = Vec::new();
    for variant in &variants {
        let proxy = Proxy::start(workspace, &envoy, variant, upstream.port(), directory.path())?;
        proxy.check().with_context(|| format!("{} does not do what is to be measured", variant.name()))?;
        proxies.push(proxy);
    }

    let names: Vec<_> = variants.iter().map(|variant| variant.name().to_owned()).collect();
    let mut report = Report::new(workspace, names, rounds, seconds);
    for case in CASES.iter().filter(|case| case.name.contains(&args.case)) {
        let body = Body::of(case.body);
        let load = Load::new(&wrk, directory.path(), &body, case.connections)?;
        for proxy in &proxies {
            load.run(proxy, case.path, Duration::from_secs(1))?;
        }
        for round in 0..rounds {
            progress(&format!("{}: round {} of {rounds}", case.name, round.saturating_add(1)));
            let mut order: Vec<usize> = (0..proxies.len()).collect();
            if !round.is_multiple_of(2) {
                order.reverse();
            }
            for index in order {
                let Some(proxy) = proxies.get(index) else { continue };
                let sample: Sample = load.run(proxy, case.path, Duration::from_secs(seconds))?;
                report.add(case, body.len(), index, sample);
            }
        }
        progress("");
    }

    println!("{}", report.table());
    let path = workspace.path("target/bench/envoy.json");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, serde_json::to_string_pretty(&report.json())?)
        .with_context(|| format!("writing {}", path.display()))?;
    println!("All figures of all rounds: target/bench/envoy.json");

    if !args.no_criterion {
        println!("\nReading alone, outside of any proxy:");
        let mut bench = workspace.cargo();
        bench.args(["bench", "--locked", "--package", "meshward-wire", "--benches"]);
        command::run(&mut bench)?;
    }
    Ok(())
}
