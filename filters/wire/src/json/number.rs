//! JSON numbers by value, exactly: never by way of a double, which cannot tell 2^53 from 2^53 + 1.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Whether two texts are the same number. What does not follow the grammar of JSON (RFC 8259, section 6) equals nothing.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    match (Number::parse(one), Number::parse(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A number as its digits, without zeros at either end, and the power of ten of the first of them: 0.ddd × 10^exponent.
/// Equal, ordered and hashed by value, whatever its spelling. Every question takes time in proportion to its letters.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    /// `None` for what does not follow the grammar of JSON, and for an exponent beyond the range of `i64`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let magnitude = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if magnitude.is_empty() || !is_digits(magnitude) {
            return None;
        }
        let number = Self { negative, whole: whole.as_bytes(), fraction: fraction.as_bytes(), exponent: 0 };
        let Some(first) = number.all_digits().position(|digit| digit != b'0') else {
            return Some(Self { negative: false, ..number });
        };
        let shift = i64::try_from(whole.len()).ok()?.checked_sub(i64::try_from(first).ok()?)?;
        Some(Self { exponent: exponent.parse::<i64>().ok()?.checked_add(shift)?, ..number })
    }

    /// Whether it has no fraction: `1.0` and `1e2` have none.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.exponent >= i64::try_from(self.digits().count()).unwrap_or(i64::MAX)
    }

    /// Whether it is above zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.sign() > 0
    }

    /// Its value, if it is an integer that 64 bits hold.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        if self.negative || self.exponent > 20 || !self.is_integer() {
            return None;
        }
        let places = usize::try_from(self.exponent).ok()?;
        self.digits()
            .chain(std::iter::repeat(b'0'))
            .take(places)
            .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit.saturating_sub(b'0'))))
    }

    /// Whether it is an integer times another number; `None` where the other one is zero or has more digits than 64 bits
    /// hold.
    #[must_use]
    pub fn is_multiple_of(&self, other: &Self) -> Option<bool> {
        let divisor = other.significand()?;
        if self.sign() == 0 {
            return Some(true);
        }
        // As integers times powers of ten. Neither ends in zero, so this one must not have the smaller power.
        let shift = self.last_place()?.checked_sub(other.last_place()?)?;
        let Ok(shift) = u64::try_from(shift) else { return Some(false) };
        let step = |value: u64, digit: u64| {
            let value = u128::from(value).checked_mul(10)?.checked_add(u128::from(digit))?;
            u64::try_from(value.checked_rem(u128::from(divisor))?).ok()
        };
        let rest = self.digits().try_fold(0, |rest, digit| step(rest, u64::from(digit.saturating_sub(b'0'))))?;
        // What remains of a power of two and of five repeats: 64 tens more than a divisor below 2^64 can use up.
        let rest = (0..shift.min(64)).try_fold(rest, |rest, _| step(rest, 0))?;
        Some(rest == 0)
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits().next(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    /// By value without the sign.
    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| self.digits().cmp(other.digits()))
    }

    /// The digits as an integer, if they are not none.
    fn significand(&self) -> Option<u64> {
        let mut digits = self.digits().peekable();
        digits.peek()?;
        digits.try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit.saturating_sub(b'0'))))
    }

    /// The power of ten of the last digit.
    fn last_place(&self) -> Option<i64> {
        self.exponent.checked_sub(i64::try_from(self.digits().count()).ok()?)
    }

    fn all_digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let zeros = self.all_digits().rev().take_while(|digit| *digit == b'0').count();
        let length = self.whole.len().saturating_add(self.fraction.len()).saturating_sub(zeros);
        self.all_digits().take(length).skip_while(|digit| *digit == b'0')
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative && self.exponent == other.exponent && self.digits().eq(other.digits())
    }
}

impl Eq for Number<'_> {}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.sign().cmp(&other.sign()) {
            Ordering::Equal if self.negative => other.cmp_magnitude(self),
            Ordering::Equal => self.cmp_magnitude(other),
            unequal => unequal,
        }
    }
}

impl Hash for Number<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.negative.hash(state);
        self.exponent.hash(state);
        for digit in self.digits() {
            digit.hash(state);
        }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_equal_by_value() {
        for (one, other) in [
            ("42", "42"),
            ("42.0", "42"),
            ("42.000", "42"),
            ("4.2e1", "42"),
            ("420e-1", "42.0"),
            ("0.42E+2", "42"),
            ("-7", "-7.0"),
            ("0", "-0"),
            ("0.0e5", "0"),
            ("0e99999999999999999999", "0e0"),
            ("100", "1e2"),
            ("0.001", "1e-3"),
            ("9007199254740993", "9007199254740993.0"),
            ("123456789012345678901234567890", "12345678901234567890123456789e1"),
        ] {
            assert!(equal(one, other) && equal(other, one), "{one} {other}");
        }
    }

    #[test]
    fn other_numbers_do_not() {
        for (one, other) in [
            ("42", "43"),
            ("42", "-42"),
            ("42", "4.2"),
            ("42", "420"),
            ("42", "42.1"),
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.10000000000000001"),
            ("1e400", "1e401"),
            ("1", "10"),
            ("101", "11"),
            ("0", "1"),
        ] {
            assert!(!equal(one, other) && !equal(other, one), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_json_number_equals_nothing() {
        for text in [
            "",
            "-",
            "+42",
            "042",
            "00",
            "42.",
            ".5",
            "4 2",
            "42e",
            "42e+",
            "4e2.0",
            "0x2a",
            "42n",
            "NaN",
            "Infinity",
            "٤٢",
            "--42",
            "4_2",
            "42,0",
            "1e99999999999999999999",
            "1e9223372036854775807",
            "42e--1",
            "42 ",
        ] {
            assert!(!equal(text, "42") && !equal(text, text), "{text}");
        }
    }

    fn number(text: &str) -> Number<'_> {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = [
            "-1e400",
            "-100",
            "-99.9",
            "-2",
            "-1.5",
            "-1",
            "-0.001",
            "0",
            "1e-400",
            "0.1",
            "0.10000000000000001",
            "0.11",
            "1",
            "1.5",
            "2",
            "9",
            "10",
            "11",
            "99.9",
            "100",
            "9007199254740992",
            "9007199254740993",
            "1e17",
            "1e400",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(number(one).cmp(&number(other)), place.cmp(&other_place), "{one} {other}");
            }
        }
        assert_eq!(number("-0").cmp(&number("0")), Ordering::Equal);
    }

    #[test]
    fn integers_are_known_in_any_spelling() {
        for (text, integer) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("7.0", Some(7)),
            ("1e3", Some(1000)),
            ("12.5e1", Some(125)),
            ("18446744073709551615", Some(u64::MAX)),
        ] {
            assert!(number(text).is_integer(), "{text}");
            assert_eq!(number(text).to_u64(), integer, "{text}");
        }
        for text in ["18446744073709551616", "-1", "1e30", "1e9000000000000000000"] {
            assert!(number(text).is_integer() && number(text).to_u64().is_none(), "{text}");
        }
        for text in ["0.5", "1e-1", "12.5", "1.00000000000000000000001"] {
            assert!(!number(text).is_integer() && number(text).to_u64().is_none(), "{text}");
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (value, of, expected) in [
            ("4", "2", Some(true)),
            ("5", "2", Some(false)),
            ("0", "7", Some(true)),
            ("-9", "3", Some(true)),
            ("0.3", "0.1", Some(true)),
            ("0.0075", "0.0001", Some(true)),
            ("0.00751", "0.0001", Some(false)),
            ("35", "1.5", Some(false)),
            ("4.5", "1.5", Some(true)),
            ("1e308", "0.123456789", Some(false)),
            ("1e308", "0.5", Some(true)),
            ("1e100", "1024", Some(true)),
            ("1e9", "1024", Some(false)),
            ("123456789012345678901234567890", "10", Some(true)),
            ("123456789012345678901234567891", "10", Some(false)),
            ("123456789012345678901234567891", "3", Some(false)),
            ("123456789012345678901234567890", "3", Some(true)),
            ("1", "0", None),
            ("1", "12345678901234567890123", None),
        ] {
            assert_eq!(number(value).is_multiple_of(&number(of)), expected, "{value} {of}");
        }
    }

    proptest::proptest! {
        #[test]
        fn integers_behave_as_integers(one: i64, other: i64) {
            let (a, b) = (one.to_string(), other.to_string());
            proptest::prop_assert_eq!(number(&a).cmp(&number(&b)), one.cmp(&other));
            proptest::prop_assert_eq!(number(&a).is_multiple_of(&number(&b)), one.checked_rem(other).map(|rest| rest == 0));
        }

        #[test]
        fn a_shifted_point_changes_nothing(value in 1..i64::MAX, zeros in 0_usize..5) {
            let text = value.to_string();
            let padded = "0".repeat(zeros);
            let longer = format!("{text}{padded}e-{zeros}");
            proptest::prop_assert!(equal(&text, &longer));
            let other = value.saturating_sub(1).to_string();
            proptest::prop_assert!(!equal(&other, &longer));
        }
    }
}
