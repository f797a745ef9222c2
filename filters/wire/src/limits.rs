//! The bounds of reading one body.

/// Bounds of one body. A body at a bound reads; one beyond it is refused with the bound's own reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole body.
    pub max_bytes: usize,
    /// Nesting of objects and arrays, the message itself being 1.
    pub max_depth: u16,
    /// Messages of a batch.
    pub max_batch: usize,
    /// Bytes of an id as written.
    pub max_id_bytes: usize,
    /// Bytes of a method as written.
    pub max_method_bytes: usize,
    /// Bytes of a name or URI as written.
    pub max_name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 64,
            max_batch: 32,
            max_id_bytes: 1024,
            max_method_bytes: 256,
            max_name_bytes: 8192,
        }
    }
}
