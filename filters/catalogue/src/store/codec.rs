//! What values of the catalogue are told apart by.

/// What a value is. The first byte of a later layout differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Directory = 0x11,
    Index = 0x12,
    Segment = 0x13,
}

impl Kind {
    /// What its values begin with.
    pub(super) const fn tag(self) -> [u8; 8] {
        let [a, b, c, d, e, f, g] = *b"meshcat";
        [self as u8, a, b, c, d, e, f, g]
    }

    /// What is behind the tag, of values whose parts are checked one by one.
    pub(super) fn tagged(self, value: &[u8]) -> Option<&[u8]> {
        value.strip_prefix(&self.tag())
    }
}
