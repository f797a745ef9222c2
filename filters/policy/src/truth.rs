//! What a condition can come to.

/// The values that a condition can have: one of them where everything it looks at is known, and otherwise every one that
/// it has for some value of what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Truth(u8);

const T: u8 = 1;
const F: u8 = 2;
const E: u8 = 4;

impl Truth {
    /// It holds.
    pub const TRUE: Self = Self(T);
    /// It does not.
    pub const FALSE: Self = Self(F);
    /// It cannot be evaluated.
    pub const ERROR: Self = Self(E);
    /// It depends on what is not known.
    pub const UNKNOWN: Self = Self(T | F | E);

    /// Whether it is one value, whatever is not known.
    #[must_use]
    pub const fn is_one(self) -> bool {
        self.0.count_ones() == 1
    }

    /// Whether it may hold.
    #[must_use]
    pub const fn can_be_true(self) -> bool {
        self.0 & T != 0
    }

    /// Whether it may not hold.
    #[must_use]
    pub const fn can_be_false(self) -> bool {
        self.0 & F != 0
    }

    /// Whether it may have no value.
    #[must_use]
    pub const fn can_fail(self) -> bool {
        self.0 & E != 0
    }

    /// The values of `!a`.
    #[must_use]
    pub const fn not(self) -> Self {
        Self(self.0 & E | if self.can_be_true() { F } else { 0 } | if self.can_be_false() { T } else { 0 })
    }

    /// The values of `a && b`, whichever of the two is looked at first: what is false makes up for what fails (CEL
    /// specification, "Logical Operators").
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let is_true = if self.can_be_true() && other.can_be_true() { T } else { 0 };
        let is_false = if self.can_be_false() || other.can_be_false() { F } else { 0 };
        // Neither is false, and one fails.
        let fails =
            self.can_fail() && (other.can_fail() || other.can_be_true()) || other.can_fail() && self.can_be_true();
        Self(is_true | is_false | if fails { E } else { 0 })
    }

    /// The values of `a || b`, likewise.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// The values of `c ? a : b`.
    #[must_use]
    pub const fn choose(self, then: Self, otherwise: Self) -> Self {
        let then = if self.can_be_true() { then.0 } else { 0 };
        let otherwise = if self.can_be_false() { otherwise.0 } else { 0 };
        Self(then | otherwise | self.0 & E)
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: [Truth; 3] = [Truth::TRUE, Truth::FALSE, Truth::ERROR];

    /// CEL's own tables, value by value.
    fn and(a: Truth, b: Truth) -> Truth {
        match (a, b) {
            (Truth::FALSE, _) | (_, Truth::FALSE) => Truth::FALSE,
            (Truth::TRUE, Truth::TRUE) => Truth::TRUE,
            _ => Truth::ERROR,
        }
    }

    fn or(a: Truth, b: Truth) -> Truth {
        match (a, b) {
            (Truth::TRUE, _) | (_, Truth::TRUE) => Truth::TRUE,
            (Truth::FALSE, Truth::FALSE) => Truth::FALSE,
            _ => Truth::ERROR,
        }
    }

    fn values(set: Truth) -> impl Iterator<Item = Truth> {
        SINGLE.into_iter().filter(move |value| set.0 & value.0 != 0)
    }

    #[test]
    fn sets_hold_the_values_of_their_members() {
        for (a, b) in (1..8).flat_map(|a| (1..8).map(move |b| (Truth(a), Truth(b)))) {
            let pairs = || values(a).flat_map(|a| values(b).map(move |b| (a, b)));
            let gather = |f: &dyn Fn(Truth, Truth) -> Truth| Truth(pairs().fold(0, |set, (a, b)| set | f(a, b).0));
            assert_eq!(a.and(b), gather(&and), "{a:?} && {b:?}");
            assert_eq!(a.or(b), gather(&or), "{a:?} || {b:?}");
            for c in (1..8).map(Truth) {
                let chosen = values(a).fold(0, |set, a| {
                    set | match a {
                        Truth::TRUE => b.0,
                        Truth::FALSE => c.0,
                        _ => Truth::ERROR.0,
                    }
                });
                assert_eq!(a.choose(b, c), Truth(chosen));
            }
        }
    }
}
