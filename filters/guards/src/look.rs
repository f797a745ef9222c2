//! What a name looks like, so that two names that look alike are the same.

use meshward_catalogue::Digest;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Names that look alike have the same look: compatibility characters (NFKC), case, and characters that are confusable (UTS 39).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Look(pub(crate) [u8; 8]);

impl Look {
    pub(crate) fn of(name: &str) -> Self {
        // By way of capital letters: that makes one of `ß` and `SS`.
        let lower = name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>();
        // A confusable letter may stand for a capital one.
        let looks = skeleton(&lower).flat_map(char::to_lowercase).collect::<String>();
        let digest = Digest::of_bytes(looks.as_bytes());
        Self(digest.as_array().first_chunk().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_the_same() {
        for (one, other) in [
            ("search", "SEARCH"),
            ("search", "se\u{430}rch"),
            ("search", "ｓｅａｒｃｈ"),
            ("search", "sea\u{200b}rch"),
            ("search", "se\u{ad}arch"),
            ("pay", "р\u{430}у"),
            ("file", "\u{fb01}le"),
            ("get_l", "get_1"),
            ("get_O", "get_0"),
            ("straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("caf\u{e9}", "cafe\u{301}"),
        ] {
            assert_eq!(Look::of(one), Look::of(other), "{one} {other}");
        }
        for (one, other) in
            [("search", "research"), ("get_user", "get_users"), ("read", "raed"), ("", "a"), ("a-b", "ab")]
        {
            assert_ne!(Look::of(one), Look::of(other), "{one} {other}");
        }
    }
}
