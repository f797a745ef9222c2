//! What both ends of the proxy write down, by run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::cases::case::{Answer, Side};
use crate::cases::observed::UpstreamSaw;

/// The header field by which the upstream knows which run a request belongs to. It means nothing to MCP.
pub(super) const MARK: &str = "x-run";

/// One run, as its two ends know it.
#[derive(Debug)]
pub(super) struct Entry {
    /// What the upstream answers.
    pub(super) answer: Answer,
    /// How many bytes of the answer's body the client has.
    pub(super) received: watch::Sender<usize>,
    seen: Mutex<Vec<UpstreamSaw>>,
    late: Mutex<Vec<usize>>,
}

/// All runs, and what belongs to none.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    strays: Mutex<Vec<String>>,
}

impl Entry {
    pub(super) fn new(answer: Answer) -> Self {
        let (received, _) = watch::channel(0);
        Self { answer, received, seen: Mutex::default(), late: Mutex::default() }
    }

    pub(super) fn saw(&self, request: UpstreamSaw) {
        locked(&self.seen).push(request);
    }

    pub(super) fn was_late(&self, piece: usize) {
        locked(&self.late).push(piece);
    }

    /// Comes when the client has got what it wanted, where it is to leave then.
    pub(super) async fn client_leaves(&self) {
        let all = self.answer.body().len();
        let mut received = self.received.subscribe();
        if self.answer.breaks_off != Some(Side::Client) || received.wait_for(|bytes| *bytes >= all).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn into_parts(self) -> (Vec<UpstreamSaw>, Vec<usize>) {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        (seen, self.late.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self { entries, strays: Mutex::default() }
    }

    /// Writes down a request that no run sent.
    pub(super) fn stray(&self, what: String) {
        locked(&self.strays).push(what);
    }

    pub(super) fn strays(&self) -> Vec<String> {
        locked(&self.strays).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
