//! The dependency rule: `wire <- engine <- {policy, guards, replay, trace, metrics} <- meshward <- plugin`, and proxy-wasm below `plugin` alone.
//!
//! The crates of the filters are pure: no host, no clock, no random source, no log sink. What cargo resolves says so.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{command, workspace::Workspace};

/// What each crate of the workspace may depend on of the workspace; `None`: on whatever it likes but the plugin.
const ALLOWED: &[(&str, Option<&[&str]>)] = &[
    ("meshward-wire", Some(&[])),
    ("meshward-engine", Some(&["meshward-wire"])),
    ("meshward-identity", Some(&["meshward-engine", "meshward-wire"])),
    ("meshward-ratelimit", Some(&["meshward-engine", "meshward-wire"])),
    ("meshward-audit", Some(&["meshward-engine", "meshward-identity", "meshward-wire"])),
    ("meshward-catalogue", Some(&["meshward-engine", "meshward-wire"])),
    ("meshward-guards", Some(&["meshward-catalogue", "meshward-engine", "meshward-wire"])),
    ("meshward-policy", Some(&["meshward-engine", "meshward-identity", "meshward-wire"])),
    ("meshward-signatures", Some(&[])),
    (
        "meshward-replay",
        Some(&["meshward-engine", "meshward-identity", "meshward-ratelimit", "meshward-signatures", "meshward-wire"]),
    ),
    (
        "meshward-limits",
        Some(&["meshward-engine", "meshward-identity", "meshward-policy", "meshward-ratelimit", "meshward-wire"]),
    ),
    ("meshward-trace", Some(&["meshward-engine", "meshward-wire"])),
    ("meshward-metrics", Some(&["meshward-catalogue", "meshward-engine", "meshward-wire"])),
    (
        "meshward",
        Some(&[
            "meshward-engine",
            "meshward-identity",
            "meshward-audit",
            "meshward-catalogue",
            "meshward-guards",
            "meshward-limits",
            "meshward-metrics",
            "meshward-policy",
            "meshward-ratelimit",
            "meshward-replay",
            "meshward-signatures",
            "meshward-trace",
            "meshward-wire",
        ]),
    ),
    (
        "meshward-plugin",
        Some(&[
            "meshward",
            "meshward-engine",
            "meshward-identity",
            "meshward-audit",
            "meshward-catalogue",
            "meshward-guards",
            "meshward-limits",
            "meshward-metrics",
            "meshward-policy",
            "meshward-ratelimit",
            "meshward-replay",
            "meshward-signatures",
            "meshward-trace",
            "meshward-wire",
        ]),
    ),
    ("meshward-host-harness", None),
    ("meshward-tests", None),
    ("meshward-fuzz", None),
    ("xtask", Some(&[])),
];

/// The only crate that knows the host.
const PLUGIN: &str = "meshward-plugin";
const HOST_BINDINGS: &str = "proxy-wasm";
/// What would bring a clock, a random source or a log sink into a pure crate.
const IMPURE: &[&str] = &["log", "tracing", "chrono", "time", "getrandom", "rand", "tokio", "wasmtime"];

/// What is impure and may be there nevertheless: the hash tables of the library that reads input schemas (feature
/// `schema-validation`) have random seeds, as those of the standard library have. Nothing else comes of it.
const SEEDS: &str = "getrandom";
/// The crates that have that library.
const SEEDED: &[&str] = &["meshward-catalogue", "meshward-guards", "meshward-metrics", "meshward"];

/// Asks cargo for the tree of every crate and holds it to the rule.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let known: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let metadata = workspace.metadata()?;
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = known
            .get(name)
            .with_context(|| format!("{name} is new: say in xtask/src/dependencies.rs what it may depend on"))?;
        let mut cargo = workspace.cargo();
        // `all`: a dependency of another platform, such as the module's, counts like one of ours.
        cargo.args(["tree", "--locked", "--package", name, "--edges=normal,build", "--target=all"]);
        cargo.arg("--all-features");
        cargo.args(["--prefix=none", "--format={p}", "--no-dedupe"]);
        let tree = command::capture(&mut cargo)?;
        check_crate(name, *allowed, &names(&tree), &known.keys().copied().collect())?;
    }
    println!(
        "  {} crates keep to wire <- engine <- policy <- meshward <- plugin; {HOST_BINDINGS} below {PLUGIN} alone",
        metadata.packages.len()
    );
    Ok(())
}

/// The names in a tree without prefixes: the first word of each line. The first line is the crate itself.
fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

fn check_crate(
    name: &str,
    allowed: Option<&[&str]>,
    dependencies: &BTreeSet<&str>,
    ours: &BTreeSet<&str>,
) -> Result<()> {
    if name != PLUGIN {
        for forbidden in [PLUGIN, HOST_BINDINGS] {
            ensure!(
                !dependencies.contains(forbidden),
                "{name} depends on {forbidden}; only {PLUGIN} may know the host"
            );
        }
    }
    let Some(allowed) = allowed else { return Ok(()) };
    let wrong: Vec<_> =
        dependencies.iter().filter(|dependency| ours.contains(**dependency) && !allowed.contains(dependency)).collect();
    if !wrong.is_empty() {
        bail!("{name} depends on {wrong:?}, against wire <- engine <- policy <- meshward <- plugin");
    }
    if name != PLUGIN && name != "xtask" {
        let excepted = |impure: &str| impure == SEEDS && SEEDED.contains(&name);
        let impure: Vec<_> =
            IMPURE.iter().filter(|impure| dependencies.contains(**impure) && !excepted(impure)).collect();
        ensure!(
            impure.is_empty(),
            "{name} is a pure crate and depends on {impure:?}: time, randomness and logs come from the host"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [&str; 3] = ["meshward-wire", "meshward-engine", PLUGIN];

    fn check(name: &str, allowed: Option<&[&str]>, tree: &str) -> Result<()> {
        check_crate(name, allowed, &names(tree), &BTreeSet::from(OURS))
    }

    #[test]
    fn the_right_direction_passes() {
        let tree = "meshward-engine v0.1.0 (/x)\nmeshward-wire v0.1.0 (/y)\nbytes v1.0.0";
        check("meshward-engine", Some(&["meshward-wire"]), tree).unwrap();
        check(PLUGIN, Some(&["meshward-wire"]), "meshward-plugin v0\nproxy-wasm v0.2\nlog v0.4").unwrap();
    }

    #[test]
    fn the_wrong_direction_a_host_and_a_clock_do_not() {
        check("meshward-wire", Some(&[]), "meshward-wire v0\nmeshward-engine v0").unwrap_err();
        check("meshward-wire", Some(&[]), "meshward-wire v0\nproxy-wasm v0.2").unwrap_err();
        check("meshward-wire", Some(&[]), "meshward-wire v0\nchrono v0.4").unwrap_err();
        check("meshward-tests", None, "meshward-tests v0\nproxy-wasm v0.2").unwrap_err();
    }
}
