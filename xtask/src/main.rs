//! The project's commands: `cargo xtask build | test | demo | bench | fuzz`.
//!
//! They need rustup, Python 3 and Node.js; everything else they install themselves, under `target/tools` and
//! `node_modules`, and say so.

mod bench;
mod command;
mod demo;
mod dependencies;
mod documents;
mod envoy_config;
mod fuzz;
mod module;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The commands of the Meshward project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the modules, target/meshward/meshward.wasm and meshward-schema.wasm; check their sizes and imports
    Build,
    /// Run everything that must pass, installing what it needs
    Test(test::Args),
    /// Show Meshward at work between a real MCP client and a real MCP server
    Demo(demo::Args),
    /// Measure plain Envoy, Envoy's own MCP filter and Meshward side by side
    Bench(bench::Args),
    /// Look for input that breaks the readers, led by coverage; needs a C++ compiler
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Build => module::build_all(&workspace),
        Command::Test(args) => test::run(&workspace, &args),
        Command::Demo(args) => demo::run(&workspace, &args),
        Command::Bench(args) => bench::run(&workspace, &args),
        Command::Fuzz(args) => fuzz::run(&workspace, &args),
    }
}
