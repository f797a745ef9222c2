//! The demonstration: a real server and a real client of the official Rust SDK, in process, and between them a proxy with
//! the module. Shows what was sent, what was decided and why, what the client saw, and what an operator sees: audit records, metrics,
//! and the trace of a call.

mod attempts;
mod metrics;
mod proxy;
mod sdk;
mod trace;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use comfy_table::{ContentArrangement, Table};
use meshward_tests::mcp_server::McpServer;
use serde::Serialize;
use serde_json::{Value, json};

use crate::proxy::Proxy;

/// What the demonstration's proxy is told.
const POLICY: &str = "apiVersion: meshward/v1
endpoints: [{ path: /mcp }]
header_hold: true
catalogue: {}
trace: {}
metrics: {}
audit: { output: log }
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
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            anstream::eprintln!("error: not everything went as it ought to; see the rows that are marked");
            ExitCode::FAILURE
        }
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything went as it ought to.
fn run(args: &Args) -> Result<bool> {
    let server = McpServer::start()?;
    anstream::eprintln!("MCP server (official Rust SDK): {}", server.url());
    let mut proxy = match args.host {
        Host::Serve => Proxy::serve(server.address(), POLICY),
        Host::Envoy => Proxy::envoy(server.address(), POLICY),
    }?;
    anstream::eprintln!("proxy with meshward.wasm ({}): {}", proxy.kind(), proxy.url());
    anstream::eprintln!("its configuration:\n\n{POLICY}");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut rows = runtime.block_on(sdk::rows(&mut proxy)).context("the SDK's client")?;
    rows.extend(attempts::rows(&mut proxy)?);
    let traces = trace::rows(&proxy, &server).context("the trace of a call")?;
    let audit = proxy.audit_records(rows.len())?;
    let metrics = metrics::shown(&proxy)?;
    let expected = rows.iter().all(|row| row.expected) && traces.iter().all(|row| row.expected);
    if args.json {
        let document = json!({ "rows": rows, "traces": traces, "audit": audit, "metrics": metrics });
        println!("{document}");
        return Ok(expected);
    }
    anstream::println!("{}", table(&rows));
    anstream::println!(
        "\nThe traces of four calls, as `traceparent` in the head and in `params._meta`:\n{}",
        trace_table(&traces)
    );
    anstream::println!(
        "\nOf {} audit records one that is allowed, one that is denied, and one of what cannot be read:",
        audit.len()
    );
    for record in exemplary(&audit) {
        anstream::println!("{record}");
    }
    anstream::println!(
        "\nWhat Prometheus scrapes of tools/call, {} calls, {:.1} ms each:",
        metrics.durations,
        metrics.mean_ms
    );
    anstream::println!("{}", metrics_table(&metrics));
    let counts: Vec<_> = metrics.refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    anstream::println!("refusals: {}", counts.join(", "));
    Ok(expected)
}

/// A record of each kind.
fn exemplary(records: &[Value]) -> impl Iterator<Item = &Value> {
    let field = |record: &Value, name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    let kinds = [(Some("tools/call"), "allow"), (Some("tools/call"), "deny"), (None, "deny")];
    kinds.into_iter().filter_map(move |(method, decision)| {
        records.iter().find(|record| {
            field(record, "method").as_deref() == method && field(record, "decision").as_deref() == Some(decision)
        })
    })
}

fn trace_table(rows: &[trace::Row]) -> Table {
    let mut table = new_table();
    table.set_header(["the client sent", "the server got", "by the audit record"]);
    let shown = |[head, meta]: &[String; 2]| {
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        format!("head: {}\nmeta: {}", or_none(head), or_none(meta))
    };
    for row in rows {
        let marked = if row.expected { row.recorded.clone() } else { format!("{} (!)", row.recorded) };
        table.add_row([shown(&row.sent), shown(&row.got), marked]);
    }
    table
}

fn metrics_table(metrics: &metrics::Shown) -> Table {
    let mut table = new_table();
    table.set_header(["gen_ai_tool_name", "outcome", "meshward_requests_total"]);
    for calls in &metrics.calls {
        let tool = if calls.tool.is_empty() { "none" } else { &calls.tool };
        table.add_row([tool, &calls.outcome, &calls.count.to_string()]);
    }
    table
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(150);
    }
    table
}

fn table(rows: &[Row]) -> Table {
    let mut table = new_table();
    table.set_header(["sent", "decided", "why", "the client saw"]);
    for row in rows {
        let decided = if row.expected { row.decided.to_owned() } else { format!("{} (!)", row.decided) };
        table.add_row([&row.sent, &decided, &row.why, &row.seen]);
    }
    table
}
