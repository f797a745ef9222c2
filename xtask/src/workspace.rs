//! Where things are: the sources, what is built, what is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command;

/// The directories of one checkout.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// What `cargo metadata --no-deps` says of the workspace's own packages.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// Where cargo itself builds; `target/`, or what `CARGO_TARGET_DIR` says.
    pub(crate) target_directory: PathBuf,
}

/// One package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) targets: Vec<Target>,
}

/// One thing that cargo can build of a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Workspace {
    /// The checkout that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("xtask has no parent directory")?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// A path in the checkout.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A program to be run in the checkout's root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs us, so that a `+toolchain` holds for all that follows.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What cargo told us of our own package: the build scripts of some crates (`ring`) run again when it changes.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                cargo.env_remove(name);
            }
        }
        cargo
    }

    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let mut cargo = self.cargo();
        cargo.args(["metadata", "--format-version=1", "--no-deps", "--locked"]);
        serde_json::from_str(&command::capture(&mut cargo)?).context("reading cargo's metadata")
    }

    /// Reads a text file of the checkout.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        let path = self.path(relative);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }
}
