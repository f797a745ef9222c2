//! Worker threads: each has its own event loop, its own VM and its own connections, as Envoy's have.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use host_harness::{Host, Module, PluginConfig, Properties, StartError, Worker};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};

use super::access_log::{AccessLog, Record};
use super::exchange::{self, Shared};
use super::executor::LocalExecutor;
use super::stats::Stats;
use super::upstream::{Target, Upstream};
use super::vm::Vm;

/// How long a client may take for its first request, and for each header section.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often an HTTP/2 client is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The longest header section, in bytes: Envoy's.
const MAX_HEADERS: u32 = 60 * 1024;

/// What all workers have in common.
pub(crate) struct Plan {
    /// The filter's code.
    pub(crate) module: Module,
    /// How the filter is set up.
    pub(crate) plugin: PluginConfig,
    /// What VMs share.
    pub(crate) host: Host,
    /// Where requests go.
    pub(crate) upstream: Target,
    /// Where the module's calls go, by name.
    pub(crate) clusters: Vec<(String, Target)>,
    /// How long connecting may take.
    pub(crate) connect_timeout: Duration,
    /// How long exchanges may go on after the stop.
    pub(crate) drain_timeout: Duration,
    /// Where a line per exchange goes, if anywhere.
    pub(crate) access_log: Option<AccessLog>,
    /// What is counted.
    pub(crate) stats: Arc<Stats>,
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// No thread, or no event loop.
    #[error("cannot start a worker thread: {0}")]
    Thread(#[from] io::Error),
    /// The module does not start or does not take its configuration.
    #[error(transparent)]
    Vm(#[from] StartError),
}

/// A connection for a worker.
struct Accepted {
    stream: std::net::TcpStream,
    client: SocketAddr,
    local: SocketAddr,
}

/// A running worker. Dropping the handle's sender stops it.
pub(crate) struct Handle {
    connections: mpsc::UnboundedSender<Accepted>,
    open: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

impl Handle {
    /// How many connections it has.
    pub(crate) fn load(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Hands a connection over.
    pub(crate) fn accept(&self, stream: TcpStream, client: SocketAddr) -> io::Result<()> {
        let local = stream.local_addr()?;
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        self.open.fetch_add(1, Ordering::Relaxed);
        self.connections.send(Accepted { stream, client, local }).map_err(|_| io::Error::other("the worker has ended"))
    }

    /// Lets exchanges in flight end, up to the drain time-out; the receiver hears when the worker is done.
    pub(crate) fn stop(self) -> oneshot::Receiver<()> {
        self.ended
    }
}

/// Starts a worker; returns when its VM is ready.
pub(crate) fn start(plan: &Arc<Plan>, index: usize) -> Result<Handle, WorkerError> {
    let (connections, accepted) = mpsc::unbounded_channel();
    let (report, started) = std::sync::mpsc::sync_channel(1);
    let (ending, ended) = oneshot::channel();
    let open = Arc::new(AtomicUsize::new(0));
    let thread = Thread { plan: Arc::clone(plan), accepted, open: Arc::clone(&open) };
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        thread.run(&report);
        // Nobody listens when the process is ending anyway.
        let _ = ending.send(());
    })?;
    match started.recv() {
        Ok(Ok(())) => Ok(Handle { connections, open, ended }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(WorkerError::Thread(io::Error::other("the thread ended at once"))),
    }
}

struct Thread {
    plan: Arc<Plan>,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    open: Arc<AtomicUsize>,
}

impl Thread {
    fn run(self, report: &std::sync::mpsc::SyncSender<Result<(), WorkerError>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(report.send(Err(error.into()))),
        };
        let plan = Arc::clone(&self.plan);
        let worker = match Worker::start(&plan.module, &plan.plugin, &plan.host) {
            Ok(worker) => worker,
            Err(error) => return drop(report.send(Err(error.into()))),
        };
        let clusters: HashMap<_, _> = plan
            .clusters
            .iter()
            .map(|(name, target)| (name.clone(), Rc::new(Upstream::new(target.clone(), plan.connect_timeout))))
            .collect();
        let shared = Rc::new(Shared {
            vm: Vm::new(worker, clusters),
            upstream: Rc::new(Upstream::new(plan.upstream.clone(), plan.connect_timeout)),
            access_log: plan.access_log,
            stats: Arc::clone(&plan.stats),
        });
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async move {
            tokio::task::spawn_local(Rc::clone(&shared.vm).run_timers());
            if report.send(Ok(())).is_ok() {
                self.serve(shared).await;
            }
        });
    }

    async fn serve(mut self, shared: Rc<Shared>) {
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.accepted.recv() => match accepted {
                    Some(accepted) => {
                        let open = Open(Arc::clone(&self.open));
                        let task = connection(Rc::clone(&shared), accepted, stopping.clone());
                        connections.spawn_local(async move {
                            let _open = open;
                            task.await;
                        });
                    }
                    None => break,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        stop.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        // Beyond the time-out the connections are cut, as the operator has said.
        let _ = tokio::time::timeout(self.plan.drain_timeout, drained).await;
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(shared: Rc<Shared>, accepted: Accepted, mut stop: watch::Receiver<bool>) {
    let Accepted { stream, client, local } = accepted;
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    let begun = Rc::new(Cell::new(false));
    let service = service_fn({
        let begun = Rc::clone(&begun);
        move |request: http::Request<hyper::body::Incoming>| {
            begun.set(true);
            let record = Record::new(client, request.method(), request.uri(), request.version());
            let properties = properties(client, local, request.version());
            exchange::handle(Rc::clone(&shared), properties, record, request)
        }
    });
    let mut builder = auto::Builder::new(LocalExecutor);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).max_header_list_size(MAX_HEADERS);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let first_request = tokio::time::sleep(HEADER_TIMEOUT);
    tokio::pin!(serving, first_request);
    let (mut draining, mut waiting) = (false, true);
    loop {
        tokio::select! {
            // What went wrong with a connection its exchanges have heard themselves.
            _ = serving.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
            () = first_request.as_mut(), if waiting => {
                waiting = false;
                if !begun.get() {
                    return;
                }
            }
        }
    }
}

/// Envoy's attributes of the connection.
fn properties(client: SocketAddr, local: SocketAddr, version: http::Version) -> Properties {
    let protocol = if version == http::Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" };
    Properties::new()
        .with(&["source", "address"], client.to_string())
        .with(&["source", "port"], i64::from(client.port()))
        .with(&["destination", "address"], local.to_string())
        .with(&["destination", "port"], i64::from(local.port()))
        .with(&["request", "protocol"], protocol)
        .with(&["connection", "mtls"], false)
}
