//! The types of CEL, and sets of them: what a part of a condition may turn out to be.

use std::ops::BitOr;

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(1 << 1);
    pub(super) const INT: Self = Self(1 << 2);
    pub(super) const UINT: Self = Self(1 << 3);
    pub(super) const DOUBLE: Self = Self(1 << 4);
    pub(super) const STRING: Self = Self(1 << 5);
    pub(super) const BYTES: Self = Self(1 << 6);
    pub(super) const LIST: Self = Self(1 << 7);
    pub(super) const MAP: Self = Self(1 << 8);
    pub(super) const TYPE: Self = Self(1 << 9);

    pub(super) const NUMBER: Self = Self(Self::INT.0 | Self::UINT.0 | Self::DOUBLE.0);
    /// What JSON can say.
    pub(super) const JSON: Self =
        Self(Self::NULL.0 | Self::BOOL.0 | Self::NUMBER.0 | Self::STRING.0 | Self::LIST.0 | Self::MAP.0);
    pub(super) const ANY: Self = Self((1 << 10) - 1);

    /// The names that conditions use for types.
    pub(super) const NAMES: [(&'static str, Self); 10] = [
        ("null_type", Self::NULL),
        ("bool", Self::BOOL),
        ("int", Self::INT),
        ("uint", Self::UINT),
        ("double", Self::DOUBLE),
        ("string", Self::STRING),
        ("bytes", Self::BYTES),
        ("list", Self::LIST),
        ("map", Self::MAP),
        ("type", Self::TYPE),
    ];

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those of either; `|` where a constant needs it.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether values of the two sets can be equal: all numbers compare with one another.
    pub(super) const fn comparable(self, other: Self) -> bool {
        self.meets(other) || self.meets(Self::NUMBER) && other.meets(Self::NUMBER)
    }

    /// Its types by name, for messages.
    pub(super) fn render(self) -> String {
        if self == Self::ANY || self == Self::JSON {
            return "any".to_owned();
        }
        let names = Self::NAMES.iter().filter(|(_, kind)| self.contains(*kind)).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(" or ")
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a part of a condition may be, and what its elements or members may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed {
    pub(super) kinds: Kinds,
    pub(super) inner: Kinds,
}

impl Typed {
    pub(super) const ANY: Self = Self::of(Kinds::ANY);
    /// A value out of JSON text.
    pub(super) const JSON: Self = Self { kinds: Kinds::JSON, inner: Kinds::JSON };

    pub(super) const fn of(kinds: Kinds) -> Self {
        Self { kinds, inner: Kinds::ANY }
    }

    /// An element or member.
    pub(super) fn inside(self) -> Self {
        if self.inner == Kinds::JSON { Self::JSON } else { Self::of(self.inner) }
    }
}
