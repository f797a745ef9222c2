//! What a stage may ask of the host while it decides.

/// The world outside an exchange: time, randomness, the connection's properties, the store shared by all workers. What a
/// host does not have it leaves out.
pub trait Host {
    /// Time since 1970-01-01 UTC in nanoseconds.
    fn now(&self) -> u64;
    /// Fills with bytes nobody can foresee; `false` when there is no source.
    fn random(&self, _into: &mut [u8]) -> bool {
        false
    }
    /// A property of the connection or request by its path, as the host serialises it.
    fn property(&self, _path: &[&str]) -> Option<Vec<u8>> {
        None
    }
    /// The value under a key of the shared store, and its version for [`Host::store_set`].
    fn store_get(&self, _key: &str) -> Option<(Vec<u8>, u32)> {
        None
    }
    /// Writes a value. Given a version, it replaces that one alone; where there is no value yet, it writes in any case, as
    /// Envoy does: a version that no value has makes a value that is not there, and replaces none.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when another worker wrote in between, [`StoreError::Refused`] when the host would not.
    fn store_set(&self, _key: &str, _value: &[u8], _version: Option<u32>) -> Result<(), StoreError> {
        Err(StoreError::Refused)
    }
}

/// Why the shared store was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another worker wrote since the version was read.
    #[error("the value was changed by another worker")]
    Changed,
    /// The host refused.
    #[error("the host refused the write")]
    Refused,
}
