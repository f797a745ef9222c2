//! Shared data with compare-and-swap, and shared queues; both in the namespace of a VM id.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Key-value store of all VMs, by VM id. Nothing expires.
#[derive(Debug, Default)]
pub(crate) struct SharedData {
    inner: Mutex<DataInner>,
}

#[derive(Debug, Default)]
struct DataInner {
    values: BTreeMap<(String, Vec<u8>), (Bytes, u32)>,
    /// One sequence for all keys, as in Envoy; 0 means "whatever is there".
    last_cas: u32,
}

/// The value has another CAS number than the writer thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CasMismatch;

impl SharedData {
    pub(crate) fn get(&self, vm_id: &str, key: &[u8]) -> Option<(Bytes, u32)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.values.get(&(vm_id.to_owned(), key.to_vec())).cloned()
    }

    /// Writes if `cas` is 0, if there is no such key yet, or if `cas` is the number of the value that is there.
    pub(crate) fn set(&self, vm_id: &str, key: &[u8], value: Bytes, cas: u32) -> Result<(), CasMismatch> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (vm_id.to_owned(), key.to_vec());
        if let Some((_, current)) = inner.values.get(&key)
            && cas != 0
            && cas != *current
        {
            return Err(CasMismatch);
        }
        inner.last_cas = inner.last_cas.checked_add(1).unwrap_or(1);
        let number = inner.last_cas;
        inner.values.insert(key, (value, number));
        Ok(())
    }
}

/// Named queues; a token stands for a queue everywhere in the host.
#[derive(Debug, Default)]
pub(crate) struct SharedQueues {
    inner: Mutex<QueuesInner>,
}

#[derive(Debug, Default)]
struct QueuesInner {
    tokens: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    values: VecDeque<Bytes>,
    enqueued: u64,
}

impl SharedQueues {
    /// The token of a queue, which is made if there is none of that name.
    pub(crate) fn register(&self, vm_id: &str, name: &[u8]) -> u32 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (vm_id.to_owned(), name.to_vec());
        if let Some(token) = inner.tokens.get(&key) {
            return *token;
        }
        let token = u32::try_from(inner.tokens.len()).unwrap_or(u32::MAX).saturating_add(1);
        inner.tokens.insert(key, token);
        inner.queues.insert(token, Queue::default());
        token
    }

    pub(crate) fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tokens.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    /// False if there is no such queue.
    pub(crate) fn enqueue(&self, token: u32, value: Bytes) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = inner.queues.get_mut(&token) else { return false };
        queue.values.push_back(value);
        queue.enqueued = queue.enqueued.saturating_add(1);
        true
    }

    /// `None` if there is no such queue, `Some(None)` if it is empty.
    pub(crate) fn dequeue(&self, token: u32) -> Option<Option<Bytes>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.queues.get_mut(&token).map(|queue| queue.values.pop_front())
    }

    /// How many values were ever put into a queue.
    pub(crate) fn enqueued(&self, token: u32) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.queues.get(&token).map_or(0, |queue| queue.enqueued)
    }
}
