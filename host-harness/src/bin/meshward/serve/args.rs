//! What `meshward serve` can be told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use host_harness::{FailurePolicy, LogLevel};

use super::upstream::Target;
use crate::units;

/// Arguments of `meshward serve`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Run a proxy with the module in front of an MCP server",
    long_about = "Run a proxy with the module in front of an MCP server.\n\n\
        Clients may speak HTTP/1.1 or HTTP/2 (prior knowledge) on the same port. Streams stay streams: an event goes on \
        as soon as the module lets it go. When the proxy accepts connections, it prints one line with its address on \
        stdout; the module's log goes to stderr. SIGINT or SIGTERM ends it when exchanges in flight have ended; a second \
        signal ends it at once.",
    after_help = "Examples:\n  \
        # In front of an MCP server on port 3000\n  \
        meshward serve --upstream http://127.0.0.1:3000 --config meshward.yaml\n\n  \
        # Any free port, machine-readable output, an access log and metrics\n  \
        meshward serve --upstream http://127.0.0.1:3000 --config meshward.yaml \\\n    \
        --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --access-log --json\n\n  \
        # An upstream that speaks HTTP/2, and a cluster for the module's own calls\n  \
        meshward serve --upstream h2c://server:8000 --config meshward.yaml --cluster auth=http://auth:8080"
)]
pub(crate) struct Args {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// The MCP server: http://HOST:PORT, or h2c://HOST:PORT for HTTP/2 without TLS.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Target,

    /// The configuration of the module, in YAML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The module; by default `target/meshward/meshward.wasm` of the build this tool is from.
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,

    /// Worker threads, each with its own VM; by default one per processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// Let request headers wait for the module's decision on the body (Envoy's `allow_on_headers_stop_iteration`);
    /// takes the place of `header_hold` in the configuration.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) header_hold: Option<bool>,

    /// What later requests get when the module has crashed.
    #[arg(long, value_enum, default_value_t = Policy::Closed)]
    pub(crate) failure_policy: Policy,

    /// The root context to run: `meshward` for all stages.
    #[arg(long, value_name = "ID", default_value = "meshward")]
    pub(crate) root_id: String,

    /// A cluster that the module may call, such as `auth=http://127.0.0.1:9000`; for gRPC `limits=h2c://127.0.0.1:8081`. May be given
    /// more than once.
    #[arg(long = "cluster", value_name = "NAME=URL", value_parser = cluster)]
    pub(crate) clusters: Vec<(String, Target)>,

    /// How much of a body the proxy holds back for the module: bytes, or with KiB or MiB.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = units::size)]
    pub(crate) buffer_limit: usize,

    /// How long connecting to an upstream may take. There is no time-out on answers: streams may last for ever.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub(crate) connect_timeout: Duration,

    /// How long exchanges in flight may go on after SIGINT or SIGTERM.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(crate) drain_timeout: Duration,

    /// Serve `/metrics` (Prometheus text) and `/ready` on this address.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) metrics: Option<SocketAddr>,

    /// Print a line per exchange on stdout.
    #[arg(long)]
    pub(crate) access_log: bool,

    /// The quietest lines of the module to print on stderr.
    #[arg(long, value_enum, default_value_t = Level::Info)]
    pub(crate) log_level: Level,

    /// Print JSON objects on stdout, one per line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What happens to requests that come after a crash of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// They are refused with 503, on the worker that crashed.
    Closed,
    /// They pass unchecked, on the worker that crashed.
    Open,
    /// The next one starts the module anew.
    Reload,
}

impl From<Policy> for FailurePolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Closed => Self::Closed,
            Policy::Open => Self::Open,
            Policy::Reload => Self::Reload,
        }
    }
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Everything.
    Trace,
    /// For developers.
    Debug,
    /// Normal operation.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
    /// The module crashed.
    Critical,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

fn cluster(text: &str) -> Result<(String, Target), String> {
    let (name, url) = text.split_once('=').ok_or("write NAME=URL, such as auth=http://127.0.0.1:9000")?;
    if name.is_empty() {
        return Err("the name is empty; write NAME=URL, such as auth=http://127.0.0.1:9000".to_owned());
    }
    Ok((name.to_owned(), url.parse()?))
}
