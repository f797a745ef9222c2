//! One bucket of the memory: a value of the shared store, with the nonces that were accepted and until when each has to be
//! remembered.

use meshward_engine::store::{Reader, open, seal};

/// Marks a bucket, and its format.
const TAG: [u8; 8] = *b"1nonces\0";
/// The bytes of a mark and its time.
const ENTRY_BYTES: usize = 12;

/// A bucket that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    /// It knows all that was accepted since then, in seconds since 1970.
    pub(super) since: u32,
    marks: Vec<Mark>,
}

/// A nonce that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    fingerprint: u64,
    /// The last second in which it has to be remembered.
    until: u32,
}

/// What a bucket says of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// It was not here, and is now.
    First,
    /// It is here already.
    Again,
    /// It is not here, and there is no room for it.
    Full,
}

impl Bucket {
    /// A bucket that knows nothing from before a time.
    pub(super) const fn new(since: u32) -> Self {
        Self { since, marks: Vec::new() }
    }

    /// `None`: these bytes are no bucket.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(open(TAG, value)?);
        let since = reader.u32()?;
        let mut marks = Vec::with_capacity((reader.0.len() / ENTRY_BYTES).saturating_add(1));
        while !reader.0.is_empty() {
            marks.push(Mark { fingerprint: reader.u64()?, until: reader.u32()? });
        }
        Some(Self { since, marks })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.marks.len().saturating_mul(ENTRY_BYTES).saturating_add(4));
        body.extend(self.since.to_le_bytes());
        for mark in &self.marks {
            body.extend(mark.fingerprint.to_le_bytes());
            body.extend(mark.until.to_le_bytes());
        }
        seal(TAG, &body)
    }

    /// Enters a nonce, in the second `now`, so that it is known until the second `until` is over. What is over makes room.
    pub(super) fn enter(&mut self, fingerprint: u64, now: u32, until: u32, room: usize) -> Entered {
        if self.marks.iter().any(|mark| mark.fingerprint == fingerprint && now <= mark.until) {
            return Entered::Again;
        }
        self.marks.retain(|mark| now <= mark.until);
        if self.marks.len() >= room {
            return Entered::Full;
        }
        self.marks.push(Mark { fingerprint, until });
        Entered::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_known_until_its_last_second_is_over() {
        let mut bucket = Bucket::new(0);
        assert_eq!(bucket.enter(7, 10, 20, 2), Entered::First);
        for (now, entered) in [(10, Entered::Again), (20, Entered::Again), (21, Entered::First), (21, Entered::Again)] {
            assert_eq!(bucket.enter(7, now, 30, 2), entered, "{now}");
        }
    }

    #[test]
    fn only_what_is_over_makes_room() {
        let mut bucket = Bucket::new(0);
        assert_eq!(bucket.enter(1, 10, 20, 2), Entered::First);
        assert_eq!(bucket.enter(2, 10, 25, 2), Entered::First);
        assert_eq!(bucket.enter(3, 20, 30, 2), Entered::Full);
        assert_eq!([bucket.enter(1, 20, 30, 2), bucket.enter(2, 20, 30, 2)], [Entered::Again, Entered::Again]);
        assert_eq!(bucket.enter(3, 21, 30, 2), Entered::First);
        assert_eq!(bucket.enter(4, 25, 30, 2), Entered::Full);
    }

    #[test]
    fn a_bucket_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mut bucket = Bucket::new(99);
        for fingerprint in 0..40 {
            assert_eq!(bucket.enter(fingerprint, 1, u32::MAX, 40), Entered::First);
            assert_eq!(Bucket::decode(&bucket.encode()), Some(bucket.clone()));
        }
        let whole = bucket.encode();
        for at in 0..whole.len() {
            assert_eq!(Bucket::decode(&whole[..at]), None);
        }
        assert_eq!(Bucket::decode(&seal(TAG, &[0; 15])), None, "half a mark");
        assert_eq!(Bucket::decode(&seal(*b"2nonces\0", &[0; 4])), None);
    }
}
