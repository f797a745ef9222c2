//! One bucket of a memory: a value of the shared store, with what is remembered there and until when.

use meshward_engine::store::{Reader, open, seal};

/// What is remembered of one thing.
pub(crate) trait Entry: Copy + PartialEq {
    /// The kind, in the keys of the store.
    const KIND: &'static str;
    /// Marks a bucket of the kind, and its format.
    const TAG: [u8; 8];
    /// The bytes of what follows the mark and the time.
    const BYTES: usize;

    fn encode(&self, out: &mut Vec<u8>);
    fn decode(reader: &mut Reader<'_>) -> Option<Self>;
}

/// A bucket that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bucket<E> {
    /// It knows all that was entered since then, in seconds since 1970.
    pub(super) since: u32,
    slots: Vec<Slot<E>>,
    /// It is not as it was read.
    pub(super) is_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot<E> {
    fingerprint: u64,
    /// The last second in which it is remembered.
    until: u32,
    entry: E,
}

/// There is no room for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl<E: Entry> Bucket<E> {
    /// A bucket that knows nothing from before a time.
    pub(super) const fn new(since: u32) -> Self {
        Self { since, slots: Vec::new(), is_changed: false }
    }

    /// `None`: these bytes are no bucket of the kind.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(E::TAG, value)?);
        let since = reader.u32()?;
        let bytes = E::BYTES.saturating_add(12);
        let mut slots = Vec::with_capacity(reader.0.len().checked_div(bytes).unwrap_or_default().saturating_add(1));
        while !reader.0.is_empty() {
            slots.push(Slot { fingerprint: reader.u64()?, until: reader.u32()?, entry: E::decode(&mut reader)? });
        }
        Some(Self { since, slots, is_changed: false })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let bytes = E::BYTES.saturating_add(12);
        let mut body = Vec::with_capacity(self.slots.len().saturating_mul(bytes).saturating_add(4));
        body.extend(self.since.to_le_bytes());
        for slot in &self.slots {
            body.extend(slot.fingerprint.to_le_bytes());
            body.extend(slot.until.to_le_bytes());
            slot.entry.encode(&mut body);
        }
        seal(E::TAG, &body)
    }

    /// What is remembered of a thing in the second `now`.
    pub(crate) fn find(&self, fingerprint: u64, now: u32) -> Option<E> {
        let slot = self.slots.iter().find(|slot| slot.fingerprint == fingerprint && now <= slot.until)?;
        Some(slot.entry)
    }

    /// Remembers a thing until the second `until` is over, in place of what was remembered of it. What is over makes room.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn insert(
        &mut self,
        fingerprint: u64,
        (now, until): (u32, u32),
        entry: E,
        room: usize,
    ) -> Result<(), Full> {
        self.slots.retain(|slot| now <= slot.until && slot.fingerprint != fingerprint);
        if self.slots.len() >= room {
            return Err(Full);
        }
        self.slots.push(Slot { fingerprint, until, entry });
        self.is_changed = true;
        Ok(())
    }

    /// Changes what is remembered of a thing.
    pub(crate) fn amend(&mut self, fingerprint: u64, entry: E) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.fingerprint == fingerprint) {
            slot.entry = entry;
            self.is_changed = true;
        }
    }

    /// Forgets a thing.
    pub(crate) fn remove(&mut self, fingerprint: u64) {
        self.slots.retain(|slot| slot.fingerprint != fingerprint);
        self.is_changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Number(u16);

    impl Entry for Number {
        const KIND: &'static str = "numbers";
        const TAG: [u8; 8] = *b"1number\0";
        const BYTES: usize = 2;

        fn encode(&self, out: &mut Vec<u8>) {
            out.extend(self.0.to_le_bytes());
        }
        fn decode(reader: &mut Reader<'_>) -> Option<Self> {
            reader.u16().map(Self)
        }
    }

    #[test]
    fn a_thing_is_known_until_its_last_second_is_over() {
        let mut bucket = Bucket::new(0);
        assert_eq!(bucket.insert(7, (10, 20), Number(1), 2), Ok(()));
        for (now, known) in [(10, Some(1)), (20, Some(1)), (21, None)] {
            assert_eq!(bucket.find(7, now), known.map(Number), "{now}");
        }
        bucket.amend(7, Number(2));
        bucket.amend(8, Number(2));
        assert_eq!(bucket.find(7, 20), Some(Number(2)));
        assert_eq!(bucket.find(8, 10), None);
        bucket.remove(7);
        assert_eq!(bucket.find(7, 10), None);
    }

    #[test]
    fn only_what_is_over_makes_room() {
        let mut bucket = Bucket::new(0);
        assert_eq!(bucket.insert(1, (10, 20), Number(1), 2), Ok(()));
        assert_eq!(bucket.insert(2, (10, 25), Number(2), 2), Ok(()));
        assert_eq!(bucket.insert(3, (20, 30), Number(3), 2), Err(Full));
        assert!(bucket.find(1, 20).is_some() && bucket.find(2, 20).is_some());
        assert_eq!(bucket.insert(3, (21, 30), Number(3), 2), Ok(()));
        assert_eq!(bucket.insert(4, (25, 30), Number(4), 2), Err(Full));
    }

    #[test]
    fn a_bucket_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mut bucket = Bucket::new(99);
        for fingerprint in 0..40 {
            assert_eq!(bucket.insert(fingerprint, (1, u32::MAX), Number(5), 40), Ok(()));
            let read = Bucket::decode(&bucket.encode());
            assert_eq!(read.map(|read| Bucket { is_changed: true, ..read }), Some(bucket.clone()));
        }
        let whole = bucket.encode();
        for at in 0..whole.len() {
            assert_eq!(Bucket::<Number>::decode(&whole[..at]), None);
        }
        assert_eq!(Bucket::<Number>::decode(&seal(Number::TAG, &[0; 17])), None, "half a slot");
        assert_eq!(Bucket::<Number>::decode(&seal(*b"2number\0", &[0; 4])), None);
    }
}
