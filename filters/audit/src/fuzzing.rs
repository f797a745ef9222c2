//! What the fuzz target runs: any bytes, and a promise of the excerpts that is broken with a panic, if there is one to break.
//!
//! It lives here so that a plain test runs it too, on the seeds and on made-up values; see `fuzz/`.

use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Reader};

use crate::redact::Redaction;

const LIMITS: Limits = Limits {
    max_bytes: 1 << 16,
    max_depth: 64,
    max_batch: 8,
    max_id_bytes: 64,
    max_method_bytes: 64,
    max_name_bytes: 64,
};

/// What is taken out besides the names that always are.
const ENTRIES: &[&str] = &[
    "card*",
    "*_pin",
    "a*b*c",
    "/arguments/note/body",
    "/arguments/*/0",
    "/arguments/a~1b/m~0n",
    "/result/content/*/text",
];

/// What is written of the arguments or the result of a message that reads is JSON, is exactly what is left when everything that is
/// secret is taken out of the value itself, and is never longer than asked for.
pub fn redact(data: &[u8]) {
    let mut reader = Reader::new(LIMITS);
    let Ok(Body::One(message)) = reader.read(data) else { return };
    let text = message.text();
    for (field, value) in [("arguments", message.arguments()), ("result", message.result())] {
        let Some(value) = value else { continue };
        let Some((written, cut)) = Redaction::new(ENTRIES).apply(field, text, value, usize::MAX) else {
            broken("nothing is written", text)
        };
        check(field, value.of(text), &written, cut);
        for max in [0, written.len().saturating_sub(1), written.len()] {
            let bounded = Redaction::new(ENTRIES).apply(field, text, value, max);
            assert_eq!(bounded.map(|(bounded, _)| bounded), (max == written.len()).then(|| written.clone()), "{max}");
        }
    }
}

fn check(field: &str, value: &str, written: &str, cut: bool) {
    let Ok(value) = serde_json::from_str(value) else { return };
    let mut reference = Reference { cut: false };
    let expected = reference.left_of(&value, &mut vec![field.to_owned()]);
    match serde_json::from_str::<serde_json::Value>(written) {
        Ok(seen) => assert_eq!(seen, expected, "{value}"),
        Err(error) => broken(&format!("no JSON ({error})"), written),
    }
    assert_eq!(cut, reference.cut, "{value}");
}

#[expect(clippy::panic, reason = "a promise is broken")]
fn broken(what: &str, text: &str) -> ! {
    panic!("{what}: {text}")
}

/// What is left of a value, worked out on the value itself, in the plainest way.
struct Reference {
    cut: bool,
}

impl Reference {
    fn left_of(&mut self, value: &serde_json::Value, path: &mut Vec<String>) -> serde_json::Value {
        use serde_json::Value;
        if ENTRIES.iter().any(|entry| is_at(entry, path)) {
            return Value::from(crate::redact::REDACTED);
        }
        // The field's own name is the first part.
        let is_too_deep = path.len() > crate::redact::MAX_DEPTH;
        match value {
            Value::Object(_) | Value::Array(_) if is_too_deep => {
                self.cut = true;
                Value::from("[cut]")
            }
            Value::Object(members) => {
                let mut left = serde_json::Map::new();
                for (name, member) in members {
                    if name.len() > 1024 {
                        self.cut = true;
                        continue;
                    }
                    let member = if is_secret(name) {
                        Value::from(crate::redact::REDACTED)
                    } else {
                        self.below(member, name.clone(), path)
                    };
                    left.insert(name.clone(), member);
                }
                Value::Object(left)
            }
            Value::Array(elements) => {
                let elements = elements.iter().enumerate();
                elements.map(|(index, element)| self.below(element, index.to_string(), path)).collect()
            }
            Value::String(string) => Value::from(self.beginning(string)),
            other => other.clone(),
        }
    }

    fn below(&mut self, value: &serde_json::Value, name: String, path: &mut Vec<String>) -> serde_json::Value {
        path.push(name);
        let left = self.left_of(value, path);
        path.pop();
        left
    }

    /// As many whole characters as fit into 1024 bytes.
    fn beginning(&mut self, text: &str) -> String {
        let mut beginning = String::new();
        for c in text.chars() {
            if beginning.len().saturating_add(c.len_utf8()) > 1024 {
                self.cut = true;
                break;
            }
            beginning.push(c);
        }
        beginning
    }
}

/// Whether an entry is a path, and that of a value.
fn is_at(entry: &str, path: &[String]) -> bool {
    let Some(pointer) = entry.strip_prefix('/') else { return false };
    let parts: Vec<_> = pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    parts.len() == path.len() && parts.iter().zip(path).all(|(part, name)| part == "*" || part == name)
}

/// Whether a name is one of those that are taken out wherever they are.
fn is_secret(name: &str) -> bool {
    let plain = |text: &str| text.replace(['_', '-'], "").chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let names = crate::redact::SECRET_NAMES.iter().chain(ENTRIES.iter().filter(|entry| !entry.starts_with('/')));
    names.into_iter().any(|pattern| fits(&plain(pattern), &plain(name)))
}

/// Whether a text fits a pattern: a `*` takes nothing, or a character and then it is asked again.
fn fits(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => fits(rest, text),
        (Some(('*', rest)), Some((_, behind))) => fits(rest, text) || fits(pattern, behind),
        (Some((own, rest)), Some((c, behind))) => own == c && fits(rest, behind),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use meshward_wire::json::Span;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Every seed, and every beginning of it.
    #[test]
    fn seeds_keep_the_promise() {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/redact");
        let seeds: Vec<_> = std::fs::read_dir(&seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            let seed = std::fs::read(seed).unwrap();
            (0..=seed.len()).for_each(|end| redact(&seed[..end]));
        }
    }

    /// A name: one that hides what it names, in any spelling, one that only resembles such, or any other.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "(api|Api|API)[_-]?(key|Key|KEY)",
            "([a-z]{0,3}_)?(pass|PASS)(-|_)?(word|WORD)",
            "x?(T|t|-)oken(s|_)?",
            "(card|Card|CARD)[_-]?[a-z]{0,2}",
            "a[a-c]{0,4}b[a-c]{0,4}c?",
            "(note|body|content|text|a/b|m~n|0|1)",
            "(authorization|authorizations|jwt|jwts|pin|spin|x_pin|Set-Cookie)",
            "[a-zé\"\\\\/\u{0}\u{1f}\u{2028}😀]{0,6}",
            Just("n".repeat(1500)),
        ]
    }

    /// A value; strings are long enough to be cut, or short.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-zé\"\\\\\u{0}\u{7f}\u{9b}\u{2028}😀]{0,12}".prop_map(Value::from),
            (1020_usize..1030).prop_map(|length| Value::from("é".repeat(length / 2) + &"x".repeat(length % 2))),
        ];
        leaf.prop_recursive(6, 48, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(name(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// A value as a client may spell it: every character of a name, or of everything, as an escape, and white space anywhere.
    fn spelled(value: &Value, names: bool, texts: bool, space: &str, out: &mut String) {
        let string = |text: &str, escaped: bool, out: &mut String| {
            if escaped {
                out.push('"');
                text.encode_utf16().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
                out.push('"');
            } else {
                out.push_str(&Value::from(text).to_string());
            }
        };
        out.push_str(space);
        match value {
            Value::Object(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(space);
                    string(name, names, out);
                    out.push_str(space);
                    out.push(':');
                    spelled(member, names, texts, space, out);
                }
                out.push('}');
            }
            Value::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    spelled(element, names, texts, space, out);
                }
                out.push(']');
            }
            Value::String(text) => string(text, texts, out),
            other => out.push_str(&other.to_string()),
        }
        out.push_str(space);
    }

    fn message(field: &str, value: &str) -> String {
        if field == "arguments" {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","arguments":{value}}}}}"#)
        } else {
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{value}}}"#)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn random_bytes_keep_the_promise(data in prop::collection::vec(any::<u8>(), 0..200)) {
            redact(&data);
        }

        #[test]
        fn what_is_written_is_what_is_left(
            members in proptest::collection::btree_map(name(), value(), 0..6),
            (names, texts, is_result) in any::<(bool, bool, bool)>(),
            space in "[ \t\r\n]{0,2}",
        ) {
            let value = Value::Object(members.into_iter().collect());
            let mut text = String::new();
            spelled(&value, names, texts, &space, &mut text);
            redact(message(if is_result { "result" } else { "arguments" }, &text).as_bytes());
            // In a reader's eyes some names are the same in two spellings; here they are two.
            let text = text.trim();
            let span = Span { start: 0, end: text.len() };
            let (written, cut) = Redaction::new(ENTRIES).apply("arguments", text, span, usize::MAX).unwrap();
            check("arguments", text, &written, cut);
        }

        /// However deep it is, whatever is beside it, and whatever room there is: nothing of a value whose name hides it is written.
        #[test]
        fn nothing_of_what_is_taken_out_is_written(
            around in proptest::collection::vec((name(), value(), any::<bool>()), 0..20),
            secret in prop_oneof![
                Just(serde_json::json!("S3CRET")),
                Just(serde_json::json!({"S3CRET": ["S3CRET", {"x": "S3CRET"}]})),
                Just(serde_json::json!(["S3CRET", [["S3CRET"]]])),
            ],
            hides in prop_oneof![Just("password"), Just("X-Api-Key"), Just("refresh_token"), Just("CARD"), Just("aXbXc")],
            (names, texts) in any::<(bool, bool)>(),
            max in 0_usize..4096,
        ) {
            let mut value = serde_json::json!({ hides: secret });
            for (name, beside, is_element) in around {
                value = if is_element { serde_json::json!([beside, value]) } else { serde_json::json!({ name: value, "z": beside }) };
            }
            let mut text = String::new();
            spelled(&value, names, texts, "", &mut text);
            let span = Span { start: 0, end: text.len() };
            for max in [max, usize::MAX] {
                let written = Redaction::new(ENTRIES).apply("arguments", &text, span, max).map(|(written, _)| written);
                prop_assert!(written.iter().all(|written| !written.contains("S3CRET")), "{written:?}");
            }
        }
    }
}
