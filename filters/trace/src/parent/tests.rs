use proptest::prelude::*;

use super::*;

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";

fn written(parent: &Parent) -> String {
    String::from_utf8(parent.quoted().value().to_vec()).unwrap()
}

fn read(value: &str) -> Option<String> {
    Parent::read(value.as_bytes()).map(|parent| written(&parent))
}

#[test]
fn version_00_reads_to_the_letter() {
    for flags in ["00", "01", "02", "03", "ff", "a7"] {
        let value = format!("00-{TRACE}-{SPAN}-{flags}");
        assert_eq!(read(&value), Some(value));
    }
    let parent = Parent::read(format!("00-{TRACE}-{SPAN}-03").as_bytes()).unwrap();
    assert_eq!(
        (parent.trace_id.to_string().as_str(), parent.span_id[0], parent.flags),
        (TRACE, 0x12, SAMPLED | RANDOM)
    );
}

/// The vectors of the specification's own test suite (w3c/trace-context, `test/test.py`), and each field too short, too long,
/// with a letter that it does not have.
#[test]
fn what_is_malformed_does_not_read() {
    for value in [
        // test_traceparent_version_0x00
        format!("00-{TRACE}-{SPAN}-01."),
        format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        format!("00-{TRACE}-{SPAN}-01-"),
        // test_traceparent_version_0xcc
        format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like"),
        // test_traceparent_version_0xff
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01-more"),
        // test_traceparent_version_illegal_characters
        format!(".0-{TRACE}-{SPAN}-01"),
        format!("0.-{TRACE}-{SPAN}-01"),
        format!("CC-{TRACE}-{SPAN}-01"),
        // test_traceparent_version_too_long, _too_short
        format!("000-{TRACE}-{SPAN}-01"),
        format!("0000-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        // test_traceparent_trace_id_all_zero
        format!("00-00000000000000000000000000000000-{SPAN}-01"),
        format!("cc-00000000000000000000000000000000-{SPAN}-01"),
        // test_traceparent_trace_id_illegal_characters
        format!("00-.2345678901234567890123456789012-{SPAN}-01"),
        format!("00-1234567890123456789012345678901.-{SPAN}-01"),
        format!("00-A2345678901234567890123456789012-{SPAN}-01"),
        // test_traceparent_trace_id_too_long, _too_short
        format!("00-123456789012345678901234567890123-{SPAN}-01"),
        format!("00-1234567890123456789012345678901-{SPAN}-01"),
        // test_traceparent_parent_id_all_zero
        format!("00-{TRACE}-0000000000000000-01"),
        // test_traceparent_parent_id_illegal_characters
        format!("00-{TRACE}-.234567890123456-01"),
        format!("00-{TRACE}-123456789012345.-01"),
        format!("00-{TRACE}-A234567890123456-01"),
        // test_traceparent_parent_id_too_long, _too_short
        format!("00-{TRACE}-12345678901234567-01"),
        format!("00-{TRACE}-123456789012345-01"),
        // test_traceparent_trace_flags_illegal_characters
        format!("00-{TRACE}-{SPAN}-.0"),
        format!("00-{TRACE}-{SPAN}-0."),
        format!("00-{TRACE}-{SPAN}-0A"),
        // test_traceparent_trace_flags_too_long, _too_short
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-1"),
        // Dashes.
        format!("00_{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}_{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}_01"),
        format!("cc-{TRACE}-{SPAN}_01-more"),
        // White space is the field's, and gone before; in JSON there is none.
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        // Two field lines, joined.
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        String::new(),
        "00".to_owned(),
        format!("00-{TRACE}-{SPAN}-é"),
    ] {
        assert_eq!(read(&value), None, "{value}");
    }
}

#[test]
fn later_versions_are_read_as_far_as_they_are_known_and_written_as_00() {
    let known = format!("00-{TRACE}-{SPAN}-01");
    for rest in ["", "-", "-what-the-future-will-be-like"] {
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01{rest}")).as_ref(), Some(&known));
    }
    assert_eq!(read(&format!("01-{TRACE}-{SPAN}-ff")), Some(format!("00-{TRACE}-{SPAN}-03")));
    let with_length = |length: usize| format!("fe-{TRACE}-{SPAN}-01-{}", "x".repeat(length - LENGTH - 1));
    assert_eq!(read(&with_length(LONGEST - 1)).as_ref(), Some(&known));
    assert_eq!(read(&with_length(LONGEST)).as_ref(), Some(&known));
    assert_eq!(read(&with_length(LONGEST + 1)), None);
}

proptest! {
    #[test]
    fn what_reads_is_what_the_grammar_has(value in "(00|01|ff)(-|-|-|_)([0-9a-f]{32}|[0-9a-g]{31,33}|0{32})-([0-9a-f]{15,17}|[0-9a-f]{16}|0{16})-([0-9a-f]{2}|[0-9A]{2})(-?[a-z]{0,2})?") {
        let fields: Vec<_> = value.splitn(4, '-').collect();
        let lower = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let expected = match fields.as_slice() {
            [version, trace, span, rest] => {
                let (flags, rest) = rest.split_at_checked(2).unwrap_or(("", ""));
                lower(version, 2) && *version != "ff"
                    && lower(trace, 32) && *trace != "0".repeat(32)
                    && lower(span, 16) && *span != "0".repeat(16)
                    && lower(flags, 2)
                    && (rest.is_empty() || *version != "00" && rest.starts_with('-'))
            }
            _ => false,
        };
        prop_assert_eq!(Parent::read(value.as_bytes()).is_some(), expected);
    }

    #[test]
    fn any_bytes_are_read_or_not_and_what_is_written_reads_again(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(parent) = Parent::read(&bytes) {
            prop_assert_eq!(Parent::read(parent.quoted().value()), Some(parent));
        }
    }
}

#[test]
fn a_digit_is_one_of_sixteen_letters() {
    for letter in 0..=u8::MAX {
        for place in [0, 1, 3, 20, 34, 36, 51, 53, 54] {
            let mut value = format!("00-{TRACE}-{SPAN}-01").into_bytes();
            value[place] = letter;
            // Of another version, what is right is read all the same.
            assert_eq!(
                Parent::read(&value).is_some(),
                b"0123456789abcdef".contains(&letter) && !value.starts_with(b"ff"),
                "{letter:#x} at {place}"
            );
        }
    }
}
