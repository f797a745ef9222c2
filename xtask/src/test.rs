//! `cargo xtask test`: everything that must pass, step by step, cheap steps first.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{command, dependencies, documents, envoy_config, module, tools, workspace::Workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run these steps only, in the order of the list; may be given more than once
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Show the steps and what each is for, and run none
    #[arg(long)]
    list: bool,
}

/// One thing that must pass.
struct Step {
    name: String,
    about: String,
    run: Box<Run>,
}

type Run = dyn Fn(&Workspace) -> Result<()>;

impl Step {
    fn new(name: &str, about: &str, run: impl Fn(&Workspace) -> Result<()> + 'static) -> Self {
        Self { name: name.to_owned(), about: about.to_owned(), run: Box::new(run) }
    }
}

/// The package whose test targets are steps of their own, as they take long and need Envoy, Python or Node.js.
const SLOW_TESTS: &str = "meshward-tests";
/// The one of them that needs Prometheus, and what draws a dashboard.
const DASHBOARDS: &str = "dashboards";
/// Those that need Redis, and a rate limit service that has its counters there.
const NEEDS_REDIS: [&str; 2] = ["limits", "once"];

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let steps = steps(workspace)?;
    if args.list {
        let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        for step in &steps {
            println!("{:width$}  {}", step.name, step.about);
        }
        return Ok(());
    }
    let chosen = choose(&steps, &args.only)?;

    let begin = Instant::now();
    let mut times = Vec::new();
    for (number, step) in (1_usize..).zip(&chosen) {
        println!("\n[{number}/{}] {}: {}", chosen.len(), step.name, step.about);
        let begin = Instant::now();
        if let Err(error) = (step.run)(workspace) {
            println!("\n{} failed after {}: {error:#}", step.name, shown(begin.elapsed()));
            println!("to repeat it: cargo xtask test --only {}", step.name);
            println!("\n{} passed, 1 failed", times.len());
            bail!("the step {} failed", step.name);
        }
        println!("  {} passed in {}", step.name, shown(begin.elapsed()));
        times.push((step.name.as_str(), begin.elapsed()));
    }

    println!("\nAll steps passed in {}:", shown(begin.elapsed()));
    for (name, time) in &times {
        println!("  {:>7}  {name}", shown(*time));
    }
    println!("\n{} passed, 0 failed", times.len());
    Ok(())
}

fn steps(workspace: &Workspace) -> Result<Vec<Step>> {
    let mut steps = vec![
        Step::new("tools", "install what the other steps need", |workspace| {
            tools::wasm_target(workspace)?;
            tools::envoy(workspace)?;
            tools::python(workspace)?;
            tools::node(workspace)?;
            tools::node_packages(workspace, envoy_config::NODE_PROJECT)?;
            tools::prometheus(workspace)?;
            tools::redis(workspace)?;
            tools::cargo_deny(workspace)?;
            println!("  everything is there");
            Ok(())
        }),
        Step::new("format", "rustfmt has nothing to change", |workspace| {
            command::run(workspace.cargo().args(["fmt", "--all", "--check"]))
        }),
        Step::new("dependencies", "no crate depends on what it should not know", dependencies::check),
        Step::new("licences", "licences, sources and known faults of all dependencies (cargo-deny)", deny),
        Step::new("lint", "clippy finds nothing, for the machine at hand and for the module", |workspace| {
            // Without a package named, cargo takes the default members: all that runs natively.
            command::run(workspace.cargo().args(["clippy", "--locked", "--all-targets", "--", "--deny=warnings"]))?;
            tools::wasm_target(workspace)?;
            let mut plugin = workspace.cargo();
            plugin.args(["clippy", "--locked", "--package=meshward-plugin", "--target", module::TARGET]);
            command::run(plugin.args(["--", "--deny=warnings"]))
        }),
        Step::new("api-docs", "rustdoc has no warnings", |workspace| {
            let mut doc = workspace.cargo();
            command::run(doc.args(["doc", "--locked", "--no-deps"]).env("RUSTDOCFLAGS", "--deny=warnings"))
        }),
        Step::new("module", "the modules build within their sizes and import only what is listed", module::build_all),
        Step::new("unit", "unit and property tests of every crate, and the tests of the host harness", unit),
        Step::new("examples", "the examples in the documentation of the crates run", |workspace| {
            command::run(workspace.cargo().args(["test", "--locked", "--doc"]))
        }),
        Step::new(
            "envoy-config",
            "a real Envoy loads every file, all files carry one policy, dashboards fit Grafana's types",
            envoy_config::check,
        ),
    ];
    for target in test_targets(workspace, |package| package == SLOW_TESTS)? {
        let about = format!("tests/tests/{target}.rs: {}", about_target(workspace, &target));
        steps.push(Step::new(&target.clone(), &about, move |workspace| {
            let mut test = cargo_test(workspace)?;
            if target == DASHBOARDS {
                tools::node_packages(workspace, envoy_config::NODE_PROJECT)?;
                test.env("MESHWARD_PROMETHEUS", tools::prometheus(workspace)?);
            }
            if NEEDS_REDIS.contains(&target.as_str()) {
                test.env("MESHWARD_REDIS", tools::redis(workspace)?);
                test.env("MESHWARD_LIMITADOR", tools::limitador(workspace)?);
            }
            // No `--package`: that would give the dependencies other features, and compile them again.
            test.args(["--test", &target]);
            command::run(&mut test)
        }));
    }
    steps.push(Step::new("documents", "what README.md and the other documents name exists", documents::check));
    Ok(steps)
}

/// The first sentence of a test target's own header.
fn about_target(workspace: &Workspace, target: &str) -> String {
    let source = [format!("tests/tests/{target}.rs"), format!("tests/tests/{target}/main.rs")];
    first_sentence(&source.iter().find_map(|path| workspace.read(path).ok()).unwrap_or_default())
}

fn first_sentence(source: &str) -> String {
    let header: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let header = header.join(" ");
    header.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// The names of the integration tests of some packages.
fn test_targets(workspace: &Workspace, of: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let packages = workspace.metadata()?.packages;
    let targets = packages.into_iter().filter(|package| of(&package.name)).flat_map(|package| package.targets);
    let mut names: Vec<String> =
        targets.filter(|target| target.kind.iter().any(|kind| kind == "test")).map(|target| target.name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// `cargo test`, told where the module, Envoy and the real clients are.
fn cargo_test(workspace: &Workspace) -> Result<Command> {
    // Built already when all steps run; with `--only` it may be missing or old.
    let module = module::build(workspace, module::Build::Plain)?;
    let schema_module = module::build(workspace, module::Build::Schema)?;
    let mut test = workspace.cargo();
    test.args(["test", "--locked"])
        .env("MESHWARD_WASM", module)
        .env("MESHWARD_SCHEMA_WASM", schema_module)
        .env("MESHWARD_ENVOY", tools::envoy(workspace)?)
        .env("MESHWARD_PYTHON", tools::python(workspace)?)
        .env("MESHWARD_NODE", tools::node(workspace)?);
    Ok(test)
}

fn unit(workspace: &Workspace) -> Result<()> {
    let mut test = cargo_test(workspace)?;
    test.args(["--lib", "--bins"]);
    for target in test_targets(workspace, |package| package != SLOW_TESTS)? {
        test.args(["--test", &target]);
    }
    command::run(&mut test)
}

/// Licences, sources and duplicates always; known faults where the database of them can be fetched.
fn deny(workspace: &Workspace) -> Result<()> {
    let deny = tools::cargo_deny(workspace)?;
    let cargo_deny = |options: &[&str]| {
        let mut command = workspace.command(&deny);
        command.args(["--locked", "--log-level=error"]).args(options);
        command
    };
    command::run(&mut cargo_deny(&["check", "bans", "licenses", "sources"]))?;
    if command::works(&mut cargo_deny(&["fetch", "db"])) {
        command::run(&mut cargo_deny(&["--offline", "check", "advisories"]))
    } else {
        println!("  known faults were NOT checked: the RustSec database cannot be fetched from here");
        Ok(())
    }
}

fn choose<'a>(steps: &'a [Step], only: &[String]) -> Result<Vec<&'a Step>> {
    if let Some(unknown) = only.iter().find(|name| steps.iter().all(|step| step.name != **name)) {
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        bail!("there is no step `{unknown}`; the steps are {}", names.join(", "));
    }
    Ok(steps.iter().filter(|step| only.is_empty() || only.contains(&step.name)).collect())
}

fn shown(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<Step> {
        names.iter().map(|name| Step::new(name, "", |_| Ok(()))).collect()
    }

    #[test]
    fn steps_are_chosen_by_name_in_the_order_of_the_list() {
        let steps = named(&["a", "b", "c"]);
        let names = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
            choose(&steps, &only).map(|steps| steps.iter().map(|step| step.name.clone()).collect::<String>())
        };
        assert_eq!(names(&[]).unwrap(), "abc");
        assert_eq!(names(&["c", "a"]).unwrap(), "ac");
        assert!(names(&["d"]).unwrap_err().to_string().contains("the steps are a, b, c"));
    }

    #[test]
    fn the_first_sentence_of_a_header_is_found() {
        let source = "//! One\n//! and two. And three.\n//!\n//! More.\nuse std;\n//! no";
        assert_eq!(first_sentence(source), "One and two");
        assert_eq!(first_sentence("use std;"), "");
    }

    #[test]
    fn times_are_short_to_read() {
        assert_eq!(shown(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(shown(Duration::from_secs(125)), "2 m 05 s");
    }
}
