//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, with the stable toolchain.
//!
//! What cargo-fuzz needs a nightly one for is the sanitizer, which finds faults of memory; code that has no `unsafe` is
//! fuzzed for panics, overflows, hangs and broken promises, and for these coverage is enough.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{command, workspace::Workspace};

const PACKAGE: &str = "meshward-fuzz";

/// Counters at every edge and the operands of comparisons, for libFuzzer to follow (LLVM, SanitizerCoverage).
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The targets, by the names of the files in fuzz/fuzz_targets; by default all, one after the other
    targets: Vec<String>,
    /// How long each runs, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let metadata = workspace.metadata()?;
    let package = metadata.packages.into_iter().find(|package| package.name == PACKAGE);
    let known: Vec<String> =
        package.context("there are no fuzz targets")?.targets.into_iter().map(|target| target.name).collect();
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no fuzz target {unknown}; there are {}", known.join(", "));
    }
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };

    let directory = metadata.target_directory.join("fuzz");
    let host = host(workspace)?;
    let mut build = workspace.cargo();
    // Named, so that the flags are not those of build scripts and macros too.
    build.args(["build", "--locked", "--release", "--package", PACKAGE, "--bins", "--target", &host]);
    command::run(build.env("CARGO_TARGET_DIR", &directory).env("RUSTFLAGS", FLAGS))?;

    for target in chosen {
        // What was found to be worth keeping is where the next run begins.
        let (corpus, artifacts) = (directory.join("corpus").join(target), directory.join("artifacts").join(target));
        for directory in [&corpus, &artifacts] {
            fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
        }
        let program: PathBuf =
            [directory.as_path(), host.as_ref(), "release".as_ref(), target.as_ref()].iter().collect();
        let mut fuzz = workspace.command(program);
        fuzz.arg(&corpus).arg(workspace.path("fuzz/seeds").join(target)).args([
            format!("-max_total_time={}", args.seconds),
            format!("-artifact_prefix={}/", artifacts.display()),
            "-max_len=16384".to_owned(),
            "-timeout=10".to_owned(),
            "-verbosity=0".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        command::run(&mut fuzz)
            .with_context(|| format!("{target} broke; what broke it is below {}", artifacts.display()))?;
    }
    println!("{} targets, {} s each: nothing broke", chosen.len(), args.seconds);
    Ok(())
}

/// The machine at hand, as rustc names it.
fn host(workspace: &Workspace) -> Result<String> {
    let version = command::capture(workspace.command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}
