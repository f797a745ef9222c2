//! What the workers of a proxy remember together, in the store that they share: 4,096 buckets of each kind
//! (`meshward/nonces/0`, …), each one value, since values are copied whole.
//!
//! What is remembered is known by a mark of 64 bits. Marks and buckets come from HMAC-SHA256 under a key that only the store
//! knows: whoever sends what is remembered cannot aim. What another worker writes in between is never lost: a bucket is
//! written over the version that was read, or read again. And the memory knows since when it remembers.

mod bucket;
mod root;

use std::cell::RefCell;
use std::rc::Rc;

use meshward_engine::{Host, StoreError, store};

pub(crate) use self::bucket::{Bucket, Entry, Full};
use self::root::Root;

/// Into how many buckets a memory is split.
pub(crate) const BUCKETS: u32 = 4096;

const SECOND: u64 = 1_000_000_000;

/// A worker's access to what all remember.
#[derive(Default)]
pub(crate) struct Memory {
    root: RefCell<Option<Rc<Root>>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

/// Where a thing is remembered, at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    bucket: u32,
    pub(crate) fingerprint: u64,
    /// The second in which it was looked for.
    pub(crate) now: u32,
    /// Nothing is known from before, in seconds since 1970.
    since: u32,
}

impl Memory {
    /// Begins to remember: what came before is not known.
    pub(crate) fn start(&self, host: &dyn Host) {
        // A store that does not take it is asked again by the first message.
        let _: Result<Rc<Root>, _> = self.root(host, seconds(host.now()));
    }

    /// Where a thing of a scope belongs. The scope begins with what kind of thing it is.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn place(&self, host: &dyn Host, scope: &[&[u8]], thing: &[u8]) -> Result<Place, StoreError> {
        let now = seconds(host.now());
        let root = self.root(host, now)?;
        let (fingerprint, bucket) = root.mark(scope, thing).ok_or(StoreError::Refused)?;
        Ok(Place { bucket: bucket % BUCKETS, fingerprint, now, since: root.since })
    }

    /// Looks at the bucket of a place, and writes it if the function has changed it. The function also hears since when the
    /// bucket remembers, and is called again where another worker was first.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn change<E: Entry, T>(
        &self,
        host: &dyn Host,
        place: &Place,
        mut change: impl FnMut(&mut Bucket<E>, u32) -> T,
    ) -> Result<T, StoreError> {
        let mut said = Err(StoreError::Refused);
        store::update(host, &format!("meshward/{}/{}", E::KIND, place.bucket), |value| {
            let mut bucket = match value {
                None => Bucket::new(place.since),
                // Somebody else wrote there: what it remembered is gone.
                Some(value) => Bucket::decode(value).unwrap_or(Bucket::new(place.now)),
            };
            let since = place.since.max(bucket.since);
            said = Ok(change(&mut bucket, since));
            Ok(bucket.is_changed.then(|| bucket.encode()))
        })?;
        said
    }

    fn root(&self, host: &dyn Host, now: u32) -> Result<Rc<Root>, StoreError> {
        let mut known = self.root.borrow_mut();
        let root = Root::read(host, known.as_ref(), now)?;
        *known = Some(Rc::clone(&root));
        Ok(root)
    }
}

/// How many things a bucket has room for: its share of a capacity, and six standard deviations more (where each falls is
/// chance, so that the number in a bucket is a Poisson variable).
pub(crate) fn room(capacity: u32) -> usize {
    let share = capacity.div_ceil(BUCKETS);
    let deviation = share.isqrt().saturating_add(1);
    share.saturating_add(deviation.saturating_mul(6)).saturating_add(6) as usize
}

/// Whole seconds since 1970; the last one that fits is in 2106.
pub(crate) fn seconds(nanoseconds: u64) -> u32 {
    u32::try_from(nanoseconds.checked_div(SECOND).unwrap_or_default()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]
pub(crate) mod tests;
