//! The `meshward` tool: one file per subcommand.
//!
//! Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.

mod check;
mod completions;
mod document;
mod explain;
mod failure;
mod pin;
mod places;
mod rehearsal;
mod schema;
mod serve;
mod test;
mod units;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// MCP-aware filtering for Envoy and Istio sidecars, outside of Envoy.
#[derive(Debug, Parser)]
#[command(
    name = "meshward",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.\n\n\
                  Examples:\n  \
                  meshward serve --upstream http://127.0.0.1:3000 --config meshward.yaml\n  \
                  meshward check meshward.yaml\n  \
                  meshward explain meshward.yaml --call search '{\"query\": \"mcp\"}'\n  \
                  meshward test policy-tests.yaml\n  \
                  meshward pin https://mcp.example/mcp > pins.yaml\n  \
                  meshward completions bash > ~/.local/share/bash-completion/completions/meshward"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Check(check::Args),
    Explain(Box<explain::Args>),
    Test(test::Args),
    Pin(Box<pin::Args>),
    /// Print the JSON Schema of the configuration, or of an audit record.
    Schema(schema::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Pin(args) => pin::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
