//! What a file leaves to the moment it is played: `<now>`, `<now-60>`, `<now+60>`, the seconds since 1970 when the cases were loaded, so
//! many before or after; and `<run>`, a text that each mode and protocol has for itself, for what may be used once.

use std::time::{SystemTime, UNIX_EPOCH};

use super::case::{Http, Mode};

/// The modes and protocols in which a file is played, each with what `<run>` stands for.
pub(super) const PLACES: [(Mode, Http, &str); 4] = [
    (Mode::Hold, Http::One, "h1"),
    (Mode::Hold, Http::Two, "h2"),
    (Mode::NoHold, Http::One, "n1"),
    (Mode::NoHold, Http::Two, "n2"),
];

/// What stands for a mode and protocol.
const RUN: &str = "<run>";

/// Whether a file is another one in each mode and protocol.
pub(super) fn differs_by_run(text: &str) -> bool {
    text.contains(RUN)
}

/// The file as it is played in one of them.
pub(super) fn for_run(text: &str, run: &str) -> String {
    text.replace(RUN, run)
}

/// The file with its times.
pub(super) fn at_present(text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    at(text, now)
}

fn at(text: &str, now: u64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, hole)) = rest.split_once("<now") {
        out.push_str(before);
        let shifted = hole.split_once('>').and_then(|(shift, behind)| {
            let shift = if shift.is_empty() { 0 } else { shift.parse().ok()? };
            Some((now.checked_add_signed(shift)?, behind))
        });
        match shifted {
            Some((time, behind)) => {
                out.push_str(&time.to_string());
                rest = behind;
            }
            None => {
                out.push_str("<now");
                rest = hole;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_moment() {
        for (text, filled) in [
            ("a: <now>, b: <now-60> c: <now+60>", "a: 1000, b: 940 c: 1060"),
            ("nothing < now>", "nothing < now>"),
            ("<nowhere> <now-x> <now", "<nowhere> <now-x> <now"),
        ] {
            assert_eq!(at(text, 1000), filled);
        }
        assert_eq!(for_run("n-<run>-<run>", "h1"), "n-h1-h1");
        assert!(differs_by_run("<run>") && !differs_by_run("run"));
    }
}
