//! However a text is written in JSON, the same is taken out of it, and that is what a naive search finds.

use std::ops::Range;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::known::KNOWN;
use super::samples::{near_misses, samples};
use super::{everything, redacted};
use crate::results::Results;

/// All matches of one pattern by another engine, one place after another.
fn naive(pattern: &str, check: Option<fn(&str) -> Option<usize>>, text: &str) -> Vec<Range<usize>> {
    let regex = regex_lite::Regex::new(pattern).unwrap();
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(at) = regex.find_at(text, from) {
        let length = check.map_or(Some(at.len()), |check| check(at.as_str()));
        let next = |by: usize| at.start().saturating_add(by);
        from = length.map_or_else(|| text.ceil_char_boundary(next(1)), next);
        found.extend(length.map(|length| at.start()..next(length)));
    }
    found
}

/// A text without what any pattern finds.
fn naively_redacted(text: &str, is_key: bool, keys: &mut usize) -> String {
    let mut found: Vec<_> = KNOWN
        .iter()
        .flat_map(|known| naive(known.pattern, known.check, text).into_iter().map(|at| (at, known.name)))
        .collect();
    found.sort_by_key(|(at, name)| {
        let index = KNOWN.iter().position(|known| known.name == *name);
        (at.start, std::cmp::Reverse(at.end), index)
    });
    let (mut out, mut end) = (String::new(), 0);
    for (at, name) in found {
        if at.start < end {
            end = end.max(at.end);
            continue;
        }
        out.push_str(text.get(end..at.start).unwrap());
        out.push_str(&format!("[redacted:{name}]"));
        if is_key {
            *keys = keys.saturating_add(1);
            if *keys > 1 {
                out.push_str(&keys.to_string());
            }
        }
        end = at.end;
    }
    out.push_str(text.get(end..).unwrap());
    out
}

fn naively(value: &Value, keys: &mut usize) -> Value {
    match value {
        Value::String(text) => Value::String(naively_redacted(text, false, keys)),
        Value::Array(values) => Value::Array(values.iter().map(|value| naively(value, keys)).collect()),
        Value::Object(members) => {
            let mut left = Map::new();
            for (key, value) in members {
                let key = naively_redacted(key, true, keys);
                left.insert(key, naively(value, keys));
            }
            Value::Object(left)
        }
        other => other.clone(),
    }
}

/// A JSON string in one of the ways to write it, by a choice for each character.
fn write_string(text: &str, ways: &[u8], out: &mut String) {
    out.push('"');
    for (c, way) in text.chars().zip(ways.iter().cycle()) {
        let short = match c {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '/' => Some("\\/"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            _ => None,
        };
        let is_plain = c >= ' ' && !matches!(c, '"' | '\\');
        match (way & 3, short) {
            (0, Some(short)) => out.push_str(short),
            (1 | 2, _) if is_plain => out.push(c),
            (0, None) if is_plain => out.push(c),
            (case, _) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&if case == 3 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") });
                }
            }
        }
    }
    out.push('"');
}

fn write(value: &Value, ways: &[u8], blank: &str, out: &mut String) {
    match value {
        Value::String(text) => write_string(text, ways, out),
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index == 0 { blank } else { "," });
                write(value, ways, blank, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_string(key, ways, out);
                out.push_str(blank);
                out.push(':');
                write(value, ways, blank, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn texts() -> impl Strategy<Value = String> {
    let samples: Vec<String> = samples().into_iter().map(|(_, sample)| sample).collect();
    let cut = (0..samples.len(), any::<prop::sample::Index>(), any::<bool>());
    let all = samples.clone();
    let piece = prop_oneof![
        3 => prop::sample::select(samples),
        1 => prop::sample::select(near_misses()),
        // The beginning or the end of one.
        2 => cut.prop_map(move |(which, at, front)| {
            let sample = &all[which];
            let at = at.index(sample.len());
            let (front_half, rest) = sample.split_at(at);
            if front { front_half.to_owned() } else { rest.to_owned() }
        }),
        4 => "[ -~]{0,12}",
        2 => prop::sample::select(vec![" ", "\n", "\t", "\"", "\\", "/", "é", "\u{1f511}", "=", ",", "-", "_", "@", "://"])
            .prop_map(ToOwned::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![4 => texts().prop_map(Value::String), 1 => Just(Value::Null), 1 => any::<i32>().prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((texts(), inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

thread_local! {
    static RESULTS: Results = Results::new(&everything()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_what_a_naive_search_leaves_however_it_is_written(
        value in values(),
        ways in prop::collection::vec(any::<u8>(), 1..20),
        blank in "[ \n\t]{0,2}",
    ) {
        let mut text = String::new();
        write(&value, &ways, &blank, &mut text);
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
        let left = RESULTS.with(|results| redacted(results, &text)).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), naively(&value, &mut 0));
    }

    #[test]
    fn what_is_not_taken_out_stays_to_the_letter(value in values(), ways in prop::collection::vec(any::<u8>(), 1..20)) {
        let mut text = String::new();
        write(&value, &ways, " ", &mut text);
        let left = RESULTS.with(|results| redacted(results, &text)).unwrap();
        // Every piece between two replacements is a piece of what was sent, in its order.
        let mut rest = text.as_str();
        let marks = regex_lite::Regex::new(r"\[redacted:[a-z0-9_]+\][0-9]*").unwrap();
        let is_untouched = left == text;
        for piece in marks.split(&left).filter(|_| !is_untouched) {
            let at = rest.find(piece);
            prop_assert!(at.is_some(), "{piece:?} is not in {rest:?}");
            rest = rest.split_at(at.unwrap()).1.split_at(piece.len()).1;
        }
    }
}
