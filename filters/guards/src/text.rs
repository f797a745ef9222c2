//! Characters that a person does not see and a model reads: invisible ones, those that turn the direction of writing
//! about, and control characters.

use icu_properties::props::{
    BidiControl, DefaultIgnorableCodePoint, Emoji, ExtendedPictographic, GeneralCategory, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether a text has a character that does not show where it stands.
pub(crate) fn has_invisible(text: &str) -> bool {
    // Most text is ASCII, and that is looked at as bytes.
    let plain = |b: u8| b.is_ascii() && (b >= b' ' && b != 0x7f || matches!(b, b'\t' | b'\n' | b'\r'));
    !text.bytes().all(plain) && invisible(text).next().is_some()
}

/// A text without such characters.
pub(crate) fn without_invisible(text: &str) -> String {
    let mut gone = invisible(text).peekable();
    text.char_indices().filter(|(at, _)| gone.next_if(|next| next == at).is_none()).map(|(_, c)| c).collect()
}

/// Where those characters are.
fn invisible(text: &str) -> impl Iterator<Item = usize> {
    let mut before = None;
    text.char_indices().filter_map(move |(at, c)| {
        let last = before.replace(c);
        if shows(c) {
            return None;
        }
        let next = || text.get(at.saturating_add(c.len_utf8())..).and_then(|rest| rest.chars().next());
        let belongs = last.is_some_and(|last| belongs_between(last, c, next));
        (!belongs).then_some(at)
    })
}

/// Whether a character is seen, or is white space of the usual kind.
fn shows(c: char) -> bool {
    match c {
        ' '..='~' | '\t' | '\n' | '\r' => true,
        _ => {
            let category = CodePointMapData::<GeneralCategory>::new().get(c);
            let is_format = category == GeneralCategory::Format
                // Arabic signs that enclose the digits behind them.
                && !CodePointSetData::new::<PrependedConcatenationMark>().contains(c);
            category != GeneralCategory::Control
                && !is_format
                && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
                && !CodePointSetData::new::<BidiControl>().contains(c)
        }
    }
}

/// Whether a character that does not show is part of how its neighbours are written: the style of an emoji, a joint
/// of emoji, and one of letters in scripts that have joints.
fn belongs_between(last: char, c: char, next: impl FnOnce() -> Option<char>) -> bool {
    let emoji = |c: char| CodePointSetData::new::<Emoji>().contains(c);
    let pictogram = |c: char| CodePointSetData::new::<ExtendedPictographic>().contains(c);
    let joins = |c: char| ('\u{600}'..='\u{1cff}').contains(&c) && shows(c);
    match c {
        '\u{fe0e}' | '\u{fe0f}' => emoji(last),
        '\u{200c}' | '\u{200d}' => next().is_some_and(|next| {
            let between_emoji = c == '\u{200d}'
                && (pictogram(last) || matches!(last, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}'))
                && pictogram(next);
            between_emoji || joins(last) && joins(next)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_found_and_taken_out() {
        for (text, clean) in [
            ("a\u{200b}b", "ab"),
            ("\u{feff}a", "a"),
            ("a\u{ad}b", "ab"),
            ("pay\u{202e}eno\u{202c}", "payeno"),
            ("\u{2066}x\u{2069}\u{200e}\u{200f}\u{61c}", "x"),
            ("Adds.\u{e0001}\u{e0049}\u{e0067}\u{e007f}", "Adds."),
            ("x\u{fe00}\u{fe01}\u{e0100}", "x"),
            // An emoji has one style, not a message in bits.
            ("\u{2764}\u{fe0f}\u{fe0e}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("a\u{200d}b", "ab"),
            ("\u{1f468}\u{200d}", "\u{1f468}"),
            ("\u{3164}\u{ffa0}\u{115f}\u{34f}", ""),
            ("a\u{1b}[31mb\u{7}\u{0}\u{9b}\u{7f}", "a[31mb"),
            ("\u{2061}\u{2064}\u{206a}\u{fff9}\u{180e}", ""),
        ] {
            assert!(has_invisible(text), "{text:?}");
            assert_eq!(without_invisible(text), clean, "{text:?}");
            assert!(!has_invisible(clean), "{clean:?}");
        }
    }

    #[test]
    fn what_people_write_is_left() {
        for text in [
            "Lists files.\n\t- one\r\n- two",
            "naïve Übung — “quotes” … €5 • ✓",
            "\u{2764}\u{fe0f} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f9d1}\u{1f3fd}\u{200d}\u{1f4bb} 1\u{fe0f}\u{20e3}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
            // Persian, Hindi and Malayalam with their joints.
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ന്\u{200d}റെ",
            "שלום עולם، مرحبا",
            "日本語の説明　全角",
            "ไทย 한국어 Ελληνικά русский",
            "\u{600}123",
            "a\u{301}",
            "\u{a0}non-breaking",
        ] {
            assert!(!has_invisible(text), "{text:?}");
            assert_eq!(without_invisible(text), text);
        }
    }
}
