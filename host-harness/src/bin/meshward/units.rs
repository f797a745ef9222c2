//! Sizes and times on the command line: `64KiB`, `500ms`.

use std::time::Duration;

/// A number of bytes: `65536`, `64KiB`, `1MiB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let (number, factor) = if let Some(number) = text.strip_suffix("MiB") {
        (number, 1024 * 1024)
    } else if let Some(number) = text.strip_suffix("KiB") {
        (number, 1024)
    } else {
        (text, 1)
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "not a size; write bytes, or a number with KiB or MiB, such as 64KiB".to_owned())
}

/// A span of time: `500ms`, `10s`, `2m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, milliseconds) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1000)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60_000)
    } else {
        (text, 1000)
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| "not a time; write a whole number with ms, s or m, such as 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units_and_bounds() {
        assert_eq!(size("17"), Ok(17));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1MiB"), Ok(1_048_576));
        for wrong in ["", "1KB", "-1", "1.5MiB", "99999999999999999999", "18446744073709551615MiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        for wrong in ["", "s", "1h", "1.5s", "18446744073709551615m"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
