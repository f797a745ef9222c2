//! JSON numbers compared by value, exactly: never by way of a double, which cannot tell 2^53 from 2^53 + 1.

/// Whether two texts are the same number. What does not follow the grammar of JSON (RFC 8259, section 6) equals nothing.
pub(super) fn equal(one: &str, other: &str) -> bool {
    match (Number::parse(one), Number::parse(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A number as its digits, without zeros at either end, and the power of ten of the first of them: 0.ddd × 10^exponent.
#[derive(Debug)]
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative && self.exponent == other.exponent && self.digits().eq(other.digits())
    }
}

impl<'a> Number<'a> {
    /// `None` also for an exponent beyond the range of `i64`.
    fn parse(text: &'a str) -> Option<Self> {
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

    fn all_digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let zeros = self.all_digits().rev().take_while(|digit| *digit == b'0').count();
        let length = self.whole.len().saturating_add(self.fraction.len()).saturating_sub(zeros);
        self.all_digits().take(length).skip_while(|digit| *digit == b'0')
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

    proptest::proptest! {
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
