//! What the tool counts beside the module's own metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters of one proxy, shared by its threads.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Connections that were accepted.
    pub(crate) connections: AtomicU64,
    /// Requests that were read, refused ones included.
    pub(crate) requests: AtomicU64,
    /// Exchanges that have not ended.
    pub(crate) active_requests: AtomicU64,
    /// The listener is closed.
    pub(crate) draining: AtomicBool,
}

/// Counts an exchange as active for as long as it lives.
#[derive(Debug)]
pub(crate) struct ActiveGuard(Arc<Stats>);

impl Stats {
    /// A request has been read.
    pub(crate) fn begin_request(self: &Arc<Self>) -> ActiveGuard {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.active_requests.fetch_add(1, Ordering::Relaxed);
        ActiveGuard(Arc::clone(self))
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.active_requests.fetch_sub(1, Ordering::Relaxed);
    }
}
