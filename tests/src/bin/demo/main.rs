//! The demonstration: a real server and a real client of the official Rust SDK, in process, and between them a proxy with
//! the module. Shows what was sent, what was decided and why, and what the client saw.

mod proxy;
mod raw;
mod sdk;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use comfy_table::{ContentArrangement, Table};
use meshward_tests::mcp_server::McpServer;
use serde::Serialize;

use crate::proxy::Proxy;

/// What the demonstration's proxy is told.
const POLICY: &str = "apiVersion: meshward/v1
endpoints: [{ path: /mcp }]
policy:
  default: deny
  rules:
    - { name: harmless, effect: allow, tools: [test_simple_text, \"test_tool_*\"] }
    - { name: known-people, effect: allow, tools: [json_schema_2020_12_tool], when: 'args.name in [\"Ada\", \"Grace\"]' }
    - { name: no-logging, effect: deny, tools: [\"*_logging\"] }
";

/// Show Meshward at work between a real MCP client and server.
#[derive(Debug, Parser)]
struct Args {
    /// The proxy that the module runs in
    #[arg(long, value_enum, default_value_t = Host::Serve)]
    host: Host,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Host {
    /// `meshward serve`
    Serve,
    /// A real Envoy
    Envoy,
}

/// One exchange, as the demonstration shows it.
#[derive(Debug, Serialize)]
struct Row {
    /// What was sent, and how.
    sent: String,
    /// `allowed` or `refused`.
    decided: &'static str,
    /// The reason of a refusal, and the rule where the module's log names one.
    why: String,
    /// What the client saw.
    seen: String,
    /// Whether that is what ought to happen.
    expected: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(rows) if rows.iter().all(|row| row.expected) => ExitCode::SUCCESS,
        Ok(_) => {
            anstream::eprintln!("error: not everything went as it ought to; see the rows that are marked");
            ExitCode::FAILURE
        }
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Vec<Row>> {
    let server = McpServer::start()?;
    anstream::eprintln!("MCP server (official Rust SDK): {}", server.url());
    let mut proxy = match args.host {
        Host::Serve => Proxy::serve(server.address(), POLICY),
        Host::Envoy => Proxy::envoy(server.address(), POLICY),
    }?;
    anstream::eprintln!("proxy with meshward.wasm ({}): {}", proxy.kind(), proxy.url());
    anstream::eprintln!("its policy:\n\n{POLICY}");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut rows = runtime.block_on(sdk::rows(&mut proxy)).context("the SDK's client")?;
    rows.extend(raw::rows(&mut proxy)?);
    let refusals = proxy.refusals()?;
    if args.json {
        println!("{}", serde_json::json!({ "rows": rows, "refusals": refusals }));
    } else {
        anstream::println!("{}", table(&rows));
        let counts: Vec<_> = refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        anstream::println!("refusals by the proxy's metrics: {}", counts.join(", "));
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(150);
    }
    table.set_header(["sent", "decided", "why", "the client saw"]);
    for row in rows {
        let decided = if row.expected { row.decided.to_owned() } else { format!("{} (!)", row.decided) };
        table.add_row([&row.sent, &decided, &row.why, &row.seen]);
    }
    table
}
