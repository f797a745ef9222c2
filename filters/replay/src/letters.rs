//! Ids and tokens by what they are, however they are written; and texts as they are written in their place.

use meshward_wire::json::{self, Span};

/// The largest double of which each smaller whole number is one too: 2^53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// An id or token such that two are equal if some server takes them for one: `1` and `1.0`, `"a"` and `"\u0061"`.
pub(crate) fn canonical(letters: &str) -> Vec<u8> {
    let whole = Span { start: 0, end: letters.len() };
    if let Some(text) = json::string(letters, whole) {
        return [b"s", text.as_bytes()].concat();
    }
    match (json::integer(letters), json::double(letters)) {
        (Some(number), _) => format!("n{number}").into_bytes(),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and no more than 2^53")]
        (None, Some(number)) if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT => {
            format!("n{}", number as i64).into_bytes()
        }
        (None, Some(number)) => format!("d{}", number.to_bits()).into_bytes(),
        (None, None) => letters.as_bytes().to_vec(),
    }
}

/// A text as a JSON string.
pub(crate) fn written(text: &str) -> Vec<u8> {
    let mut letters = String::with_capacity(text.len().saturating_add(2));
    json::write_string(text, &mut letters);
    letters.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_if_a_server_takes_them_for_one() {
        for (one, other, are_same) in [
            ("1", "1", true),
            ("1", "1.0", true),
            ("1", "10e-1", true),
            ("-7", "-7.0", true),
            ("1", "\"1\"", false),
            ("\"a\"", "\"\\u0061\"", true),
            ("\"a\"", "\"A\"", false),
            ("9007199254740993", "9007199254740992", false),
            ("1e300", "10e299", true),
            ("\"n1\"", "1", false),
            ("\"\"", "0", false),
        ] {
            assert_eq!(canonical(one) == canonical(other), are_same, "{one} {other}");
        }
    }
}
