//! `cargo xtask demo`: builds the module and runs the demonstration on it.

use anyhow::Result;
use clap::ValueEnum;

use crate::{command, module, tools, workspace::Workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The proxy that the module runs in
    #[arg(long, value_enum, default_value_t = Host::Serve)]
    host: Host,
    /// Print the calls and decisions as JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Host {
    /// The project's own reference proxy
    Serve,
    /// A real Envoy, installed into target/tools
    Envoy,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let module = module::build(workspace, module::Build::Plain)?;
    let mut demo = workspace.cargo();
    demo.args(["run", "--quiet", "--locked", "--package", "meshward-tests", "--bin", "demo", "--"]);
    demo.env("MESHWARD_WASM", module);
    match args.host {
        Host::Serve => demo.args(["--host", "serve"]),
        Host::Envoy => demo.args(["--host", "envoy"]).env("MESHWARD_ENVOY", tools::envoy(workspace)?),
    };
    if args.json {
        demo.arg("--json");
    }
    command::run(&mut demo)
}
