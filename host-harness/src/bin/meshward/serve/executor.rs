//! hyper's tasks on the thread that owns the VM.

use std::future::Future;

/// Spawns on the current `LocalSet`, so that futures may hold what stays on one thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
