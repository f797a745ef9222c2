//! `meshward serve`: a proxy of its own with the module in it.
//!
//! One thread accepts connections and hands each to the worker that has the fewest; a connection stays with its worker.

mod access_log;
mod args;
mod body;
mod callout;
mod exchange;
mod executor;
mod headers;
mod locate;
mod metrics;
mod stats;
mod upstream;
mod vm;
mod worker;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use clap::builder::styling::{AnsiColor, Style};
use host_harness::{Host, HostOptions, LogLevel, LogLine, Module, Optimize, PluginConfig};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::check;
use crate::document::Document;
use crate::failure::Failure;
use access_log::AccessLog;
pub(crate) use args::Args;
use stats::Stats;
use worker::{Handle, Plan, WorkerError};

/// The setting that the proxy reads from the module's configuration.
const HEADER_HOLD: &str = "header_hold";

/// The line that says that connections are accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
struct Ready {
    event: &'static str,
    listen: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<SocketAddr>,
    upstream: String,
    workers: usize,
}

/// Runs the proxy until a signal ends it.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut document = Document::read(&args.config).map_err(Failure::usage)?;
    // The module would refuse it, too, but knows no lines.
    let faults = check::explain(&document);
    if !faults.is_empty() {
        return Err(Failure::usage(format!("the configuration is wrong\n{}", faults.join("\n"))));
    }
    // Proxy and module must be of one mind about it.
    if let Some(hold) = args.header_hold {
        document.set(HEADER_HOLD, hold.into());
    }
    let module = locate::module(args.module.as_deref()).map_err(Failure::usage)?;
    let module = Module::from_file(&module, Optimize::Run)
        .map_err(|error| Failure::usage(format!("{}: {error}", module.display())))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(format!("cannot start an event loop: {error}")))?;
    runtime.block_on(serve(args, &document, module))
}

async fn serve(args: Args, document: &Document, module: Module) -> Result<(), Failure> {
    let listener = bind(args.listen, "--listen").await?;
    let metrics = match args.metrics {
        Some(address) => Some(bind(address, "--metrics").await?),
        None => None,
    };
    let mut signals = Signals::new()?;
    let host = Host::new(HostOptions {
        log_level: args.log_level.into(),
        log_sink: Some(Arc::new(print_log)),
        log_lines: 0,
        histogram_buckets: metrics::buckets(),
        ..HostOptions::default()
    });
    let stats = Arc::new(Stats::default());
    let plan = Arc::new(plan(&args, document, module, host.clone(), Arc::clone(&stats)));
    let workers = start_workers(&args, &plan).map_err(|error| match error {
        WorkerError::Thread(_) => Failure::runtime(error),
        WorkerError::Vm(error) => {
            Failure::usage(format!("{}: {error}; the module's own words are in the log above", document.path.display()))
        }
    })?;

    let address = |listener: &TcpListener| listener.local_addr().map_err(Failure::runtime);
    let ready = Ready {
        event: "ready",
        listen: address(&listener)?,
        metrics: metrics.as_ref().map(address).transpose()?,
        upstream: args.upstream.to_string(),
        workers: workers.len(),
    };
    if let Some(listener) = metrics {
        tokio::spawn(metrics::serve(listener, host, Arc::clone(&stats)));
    }
    Failure::on_stdout(ready.print(args.json))?;

    accept(&listener, &workers, &stats, &mut signals).await;
    drop(listener);
    stats.draining.store(true, Ordering::Relaxed);
    let ending: Vec<_> = workers.into_iter().map(Handle::stop).collect();
    let drained = async {
        for worker in ending {
            // An error means that the worker has ended already.
            let _ = worker.await;
        }
    };
    tokio::select! {
        () = drained => Ok(()),
        () = signals.next() => Err(Failure::runtime("ended by a second signal, with exchanges in flight")),
    }
}

fn plan(args: &Args, document: &Document, module: Module, host: Host, stats: Arc<Stats>) -> Plan {
    let header_hold = document.value.get(HEADER_HOLD).and_then(serde_json::Value::as_bool).unwrap_or_default();
    let access_log = if args.json { AccessLog::Json } else { AccessLog::Text };
    Plan {
        module,
        plugin: PluginConfig {
            name: "meshward".to_owned(),
            root_id: args.root_id.clone(),
            configuration: Bytes::from(document.to_json()),
            environment: environment(document),
            allow_on_headers_stop_iteration: header_hold,
            failure_policy: args.failure_policy.into(),
            buffer_limit: args.buffer_limit,
            clusters: args.clusters.iter().map(|(name, _)| name.clone()).collect(),
            ..PluginConfig::default()
        },
        host,
        upstream: args.upstream.clone(),
        clusters: args.clusters.clone(),
        connect_timeout: args.connect_timeout,
        drain_timeout: args.drain_timeout,
        access_log: args.access_log.then_some(access_log),
        stats,
    }
}

/// What the configuration asks for of the tool's own environment, and nothing else of it. What is wrong with a
/// configuration the module says.
fn environment(document: &Document) -> BTreeMap<String, String> {
    let Ok(config) = meshward::Config::from_value(document.value.clone()) else { return BTreeMap::new() };
    config.environment().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect()
}

/// The first worker shows whether the module takes its configuration; only then the others start.
fn start_workers(args: &Args, plan: &Arc<Plan>) -> Result<Vec<Handle>, WorkerError> {
    let count = match args.workers {
        Some(workers) => usize::from(workers),
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    (0..count).map(|index| worker::start(plan, index)).collect()
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::runtime(format!("cannot listen on {address}: {error}; choose another {option}")))
}

/// Accepts connections until a signal comes.
async fn accept(listener: &TcpListener, workers: &[Handle], stats: &Stats, signals: &mut Signals) {
    loop {
        tokio::select! {
            () = signals.next() => return,
            accepted = listener.accept() => {
                let Ok((stream, client)) = accepted else {
                    // Out of file descriptors, for instance: that passes.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                stats.connections.fetch_add(1, Ordering::Relaxed);
                if let Some(worker) = workers.iter().min_by_key(|worker| worker.load())
                    && let Err(error) = worker.accept(stream, client)
                {
                    anstream::eprintln!("meshward: a connection was lost: {error}");
                }
            }
        }
    }
}

/// The signals that end the proxy.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|error| Failure::runtime(format!("cannot catch signals: {error}")));
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Ready {
    fn print(&self, json: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
        } else {
            write!(out, "listening on http://{}, upstream {}, workers {}", self.listen, self.upstream, self.workers)?;
            if let Some(metrics) = self.metrics {
                write!(out, ", metrics on http://{metrics}/metrics")?;
            }
            writeln!(out)?;
        }
        out.flush()
    }
}

/// A line of the module, in colour if stderr is a terminal.
fn print_log(line: &LogLine) {
    let style = match line.level {
        LogLevel::Error | LogLevel::Critical => AnsiColor::Red.on_default(),
        LogLevel::Warn => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    };
    anstream::eprintln!("{style}[{}]{style:#} {}: {}", line.level, line.plugin, line.message);
}
