//! What the VMs of one proxy share: shared data and queues by VM id, metrics, log lines, the clock and randomness.

pub(crate) mod clock;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod random;
pub(crate) mod shared;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clock::{Clock, ClockSource};
use log::{LogLevel, LogLine, LogStore};
use metrics::{Metrics, MetricsSnapshot};
use random::{Random, RandomSource};
use shared::{SharedData, SharedQueues};

/// What to do with a log line besides keeping it.
pub(crate) type LogSink = dyn Fn(&LogLine) + Send + Sync;

/// The settings of a [`Host`].
#[derive(Clone)]
pub struct HostOptions {
    /// What the module's clocks show and what timers run by.
    pub clock: Clock,
    /// Where the module's random bytes come from.
    pub random: Random,
    /// Lines below this level are dropped; the module can ask for it.
    pub log_level: LogLevel,
    /// Called with every line that is kept, in the thread that logs.
    pub log_sink: Option<Arc<LogSink>>,
    /// How many of the newest lines [`Host::logs`] keeps.
    pub log_lines: usize,
    /// Upper bounds of the buckets of histograms whose names begin so, ascending; the first that fits holds. All others have those
    /// of Envoy.
    pub histogram_buckets: Vec<(String, Vec<f64>)>,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            random: Random::System,
            log_level: LogLevel::Info,
            log_sink: None,
            log_lines: 10_000,
            histogram_buckets: Vec::new(),
        }
    }
}

impl fmt::Debug for HostOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostOptions")
            .field("clock", &self.clock)
            .field("random", &self.random)
            .field("log_level", &self.log_level)
            .field("log_sink", &self.log_sink.is_some())
            .field("log_lines", &self.log_lines)
            .field("histogram_buckets", &self.histogram_buckets)
            .finish()
    }
}

/// One proxy process, as its VMs see it. Clones share the same state; workers on any thread may use it.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    clock: ClockSource,
    random: RandomSource,
    logs: LogStore,
    metrics: Metrics,
    data: SharedData,
    queues: SharedQueues,
    vm_starts: AtomicU64,
    vm_failures: AtomicU64,
    unimplemented_calls: AtomicU64,
}

/// How the VMs of a host fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostStats {
    /// VMs that were started and took their configuration, reloads included.
    pub vm_starts: u64,
    /// VMs that trapped.
    pub vm_failures: u64,
    /// Calls to a function that Envoy has and this host does not; each one traps.
    pub unimplemented_calls: u64,
}

impl Host {
    /// A host with nothing in its stores.
    #[must_use]
    pub fn new(options: HostOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock: ClockSource::new(options.clock),
                random: RandomSource::new(options.random),
                logs: LogStore::new(options.log_level, options.log_sink, options.log_lines),
                metrics: Metrics::new(options.histogram_buckets),
                data: SharedData::default(),
                queues: SharedQueues::default(),
                vm_starts: AtomicU64::new(0),
                vm_failures: AtomicU64::new(0),
                unimplemented_calls: AtomicU64::new(0),
            }),
        }
    }

    /// The newest log lines, oldest first.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.inner.logs.lines()
    }

    /// All metrics that modules have defined, by name.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.inner.metrics.snapshot()
    }

    /// How the VMs fared.
    #[must_use]
    pub fn stats(&self) -> HostStats {
        HostStats {
            vm_starts: self.inner.vm_starts.load(Ordering::Relaxed),
            vm_failures: self.inner.vm_failures.load(Ordering::Relaxed),
            unimplemented_calls: self.inner.unimplemented_calls.load(Ordering::Relaxed),
        }
    }

    /// A value of the shared data of a VM id, with its CAS number.
    #[must_use]
    pub fn shared_data(&self, vm_id: &str, key: &[u8]) -> Option<(bytes::Bytes, u32)> {
        self.inner.data.get(vm_id, key)
    }

    pub(crate) fn clock(&self) -> &ClockSource {
        &self.inner.clock
    }

    pub(crate) fn random(&self) -> &RandomSource {
        &self.inner.random
    }

    pub(crate) fn log_store(&self) -> &LogStore {
        &self.inner.logs
    }

    pub(crate) fn metric_store(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn data(&self) -> &SharedData {
        &self.inner.data
    }

    pub(crate) fn queues(&self) -> &SharedQueues {
        &self.inner.queues
    }

    pub(crate) fn count_vm_start(&self) {
        self.inner.vm_starts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_vm_failure(&self) {
        self.inner.vm_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unimplemented(&self) {
        self.inner.unimplemented_calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new(HostOptions::default())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
