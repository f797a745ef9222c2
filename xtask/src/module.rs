//! Builds the modules and holds each to its budget of size and to the list of imports.

use std::{collections::BTreeSet, fs, panic, path::PathBuf, thread};

use anyhow::{Context as _, Result, bail, ensure};
use wasmparser::{Parser, Payload};

use crate::{command, tools, workspace::Workspace};

/// Bytes the modules must stay below, a line for each, committed beside the code that fills them.
const SIZE_BUDGET: &str = "filters/plugin/size-budget";
/// What a module may ask of its host, one `module function` a line.
const IMPORTS: &str = "filters/plugin/imports.txt";
/// What the build with a reader of JSON Schema may ask for besides.
const SCHEMA_IMPORTS: &str = "filters/plugin/imports-schema.txt";
/// The target of the Envoy world's modules; Envoy gives the few WASI calls that the standard library needs.
pub(crate) const TARGET: &str = "wasm32-wasip1";
/// A build of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// What most sidecars load.
    Plain,
    /// The one that checks arguments against input schemas: a reader of JSON Schema is larger than all the rest.
    Schema,
}

impl Build {
    /// Its line in the list of budgets.
    const fn line(self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Schema => 1,
        }
    }

    /// Where it is put, in the checkout.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Plain => "target/meshward/meshward.wasm",
            Self::Schema => "target/meshward/meshward-schema.wasm",
        }
    }

    /// Debug information stripped and names kept. Each has a directory of its own, so that neither is linked again
    /// because of the other.
    const fn profile(self) -> &'static str {
        match self {
            Self::Plain => "wasm-release",
            Self::Schema => "wasm-schema",
        }
    }

    const fn features(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Schema => &["--features", "schema-validation"],
        }
    }
}

/// Builds a module, checks it, and returns its path.
pub(crate) fn build(workspace: &Workspace, build: Build) -> Result<PathBuf> {
    tools::wasm_target(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "--package", "meshward-plugin", "--target", TARGET]);
    cargo.args(["--profile", build.profile()]).args(build.features());
    command::run(&mut cargo)?;

    let built = workspace.metadata()?.target_directory.join(TARGET).join(build.profile()).join("meshward_plugin.wasm");
    let module = workspace.path(build.file());
    if let Some(directory) = module.parent() {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    }
    // Written beside and renamed: an Envoy that is just loading it sees the old one or the new one.
    let unfinished = module.with_extension("wasm.new");
    fs::copy(&built, &unfinished).with_context(|| format!("copying {}", built.display()))?;
    fs::rename(&unfinished, &module).with_context(|| format!("writing {}", module.display()))?;

    check(workspace, build, &fs::read(&module)?)?;
    Ok(module)
}

/// Builds every module, at the same time: each has a directory of its own, and is linked on one core.
pub(crate) fn build_all(workspace: &Workspace) -> Result<()> {
    tools::wasm_target(workspace)?;
    thread::scope(|scope| {
        let builds = [Build::Plain, Build::Schema].map(|module| scope.spawn(move || build(workspace, module)));
        // All have ended before the first fault is told.
        let ended = builds.map(|build| build.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        ended.into_iter().try_for_each(|ended| ended.map(drop))
    })
}

fn check(workspace: &Workspace, build: Build, module: &[u8]) -> Result<()> {
    let shape = Shape::read(module)?;
    let budget = read_budget(&workspace.read(SIZE_BUDGET)?, build)?;
    let mut list = workspace.read(IMPORTS)?;
    if build == Build::Schema {
        list.push_str(&workspace.read(SCHEMA_IMPORTS)?);
    }
    let allowed = read_imports(&list)?;
    println!(
        "  {}: {} of {} KiB, {} imports of {} allowed",
        build.file(),
        kib(module.len()),
        kib(budget),
        shape.imports.len(),
        allowed.len()
    );
    ensure!(
        module.len() < budget,
        "{} has {} bytes, its budget is below {budget}: make it smaller, or change {SIZE_BUDGET} and say why",
        build.file(),
        module.len()
    );
    let foreign: Vec<&str> = shape.imports.difference(&allowed).map(String::as_str).collect();
    ensure!(
        foreign.is_empty(),
        "{} imports what {IMPORTS} does not list, and a host may not have: {}",
        build.file(),
        foreign.join(", ")
    );
    ensure!(shape.names, "the module has lost its names: a backtrace in Envoy's log could not be read");
    ensure!(
        shape.debug.is_empty(),
        "the module carries debug information, which only makes it large: {}",
        shape.debug.join(", ")
    );
    Ok(())
}

/// What a module shows to its host, and what it carries besides code.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    /// `module function`, as in the committed list.
    imports: BTreeSet<String>,
    names: bool,
    debug: Vec<String>,
}

impl Shape {
    fn read(module: &[u8]) -> Result<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.context("the module is not valid WebAssembly")? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        shape.imports.insert(format!("{} {}", import.module, import.name));
                    }
                }
                Payload::CustomSection(section) if section.name() == "name" => shape.names = true,
                Payload::CustomSection(section) if section.name().starts_with(".debug") => {
                    shape.debug.push(section.name().to_owned());
                }
                _ => {}
            }
        }
        Ok(shape)
    }
}

/// Lines without comments and blanks.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before).trim())
        .filter(|line| !line.is_empty())
}

fn read_budget(text: &str, build: Build) -> Result<usize> {
    let line = lines(text).nth(build.line()).with_context(|| format!("{SIZE_BUDGET} has no line for {build:?}"))?;
    line.parse().with_context(|| format!("{SIZE_BUDGET} should hold a number of bytes, it holds `{line}`"))
}

fn read_imports(text: &str) -> Result<BTreeSet<String>> {
    let mut imports = BTreeSet::new();
    for line in lines(text) {
        let [module, function] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("{IMPORTS}: `{line}` should be `module function`");
        };
        ensure!(imports.insert(format!("{module} {function}")), "{IMPORTS}: `{line}` is there twice");
    }
    Ok(imports)
}

/// Bytes as KiB with one digit.
#[expect(clippy::cast_precision_loss, reason = "a module is far below 2^52 bytes")]
fn kib(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that imports `env proxy_log` and has a `name` section.
    const SMALL: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x02\x11\x01\x03env\x09proxy_log\0\0\
        \0\x05\x04name\
        ";

    #[test]
    fn imports_and_names_are_found() {
        let shape = Shape::read(SMALL).unwrap();
        assert_eq!(shape.imports, BTreeSet::from(["env proxy_log".to_owned()]));
        assert!(shape.names);
        assert_eq!(shape.debug, Vec::<String>::new());
    }

    #[test]
    fn debug_information_is_found() {
        let module = b"\0asm\x01\0\0\0\0\x0c\x0b.debug_info";
        assert_eq!(Shape::read(module).unwrap().debug, [".debug_info"]);
    }

    #[test]
    fn the_lists_are_read_without_comments() {
        let budgets = "# why\n700 # bytes\n\n900\n";
        assert_eq!(read_budget(budgets, Build::Plain).unwrap(), 700);
        assert_eq!(read_budget(budgets, Build::Schema).unwrap(), 900);
        read_budget("700", Build::Schema).unwrap_err();
        read_budget("700 KiB", Build::Plain).unwrap_err();
        let imports = read_imports("# host\nenv proxy_log\n\nwasi_snapshot_preview1  fd_write # panics\n").unwrap();
        assert_eq!(imports.into_iter().collect::<Vec<_>>(), ["env proxy_log", "wasi_snapshot_preview1 fd_write"]);
        read_imports("proxy_log").unwrap_err();
        read_imports("env a\nenv a").unwrap_err();
    }
}
