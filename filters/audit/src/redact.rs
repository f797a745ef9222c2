//! Arguments and results in a record: what is secret is taken out, what is long is cut, and what is left is JSON again.

use meshward_engine::Glob;
use meshward_wire::json::{self, Span, ValueKind, unescape};

use crate::text::clipped;

/// What stands in the place of a value that is taken out.
pub const REDACTED: &str = "[redacted]";
/// What stands in the place of a container that is nested too deep.
const TOO_DEEP: &str = "[cut]";
/// The deepest nesting that is written.
pub const MAX_DEPTH: usize = 16;

/// Names of members that are taken out wherever they are, whatever the configuration says.
pub const SECRET_NAMES: &[&str] = &[
    "*apikey",
    "*credential",
    "*credentials",
    "*passphrase",
    "*passwd",
    "*password",
    "*privatekey",
    "*secret",
    "*token",
    "authorization",
    "cookie",
    "jwt",
    "pin",
    "pwd",
    "secretkey",
    "setcookie",
];

/// What is taken out, compiled.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    names: Vec<Glob>,
    paths: Vec<Vec<Step>>,
}

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A member by its name, or an element by its number.
    Is(String),
    /// Any.
    Any,
}

impl Step {
    fn takes(&self, name: &str) -> bool {
        match self {
            Self::Is(own) => own == name,
            Self::Any => true,
        }
    }
}

/// What is wrong with an entry of `audit.redact`.
pub(crate) fn fault(entry: &str) -> Option<&'static str> {
    let mut tokens = entry.split('/');
    match (tokens.next(), tokens.next()) {
        (Some(""), None) => Some("name a member (`card_number`), or a place (`/arguments/card/number`)"),
        (Some(""), Some("arguments" | "result")) => {
            let is_escaped = |token: &str| token.replace("~0", "").replace("~1", "").contains('~');
            (entry.split('/').any(is_escaped))
                .then_some("in a path `~` is written `~0`, and `/` in a name `~1` (RFC 6901)")
        }
        (Some(""), _) => Some("a path begins with `/arguments` or `/result`"),
        (_, Some(_)) => Some("a path begins with `/`: `/arguments/card/number`"),
        _ => None,
    }
}

/// A name as it is compared: `apiKey`, `api_key` and `Api-Key` are one.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

impl Redaction {
    /// Compiles the entries: names of members (with `*` for any run of characters), taken out wherever they are, and paths
    /// from the top of the record, of which a part `*` stands for any member or element.
    #[must_use]
    pub fn new<S: AsRef<str>>(entries: &[S]) -> Self {
        let (paths, names): (Vec<_>, Vec<_>) =
            entries.iter().map(AsRef::as_ref).partition(|entry: &&str| entry.starts_with('/'));
        let step = |token: &str| match token {
            "*" => Step::Any,
            name => Step::Is(name.replace("~1", "/").replace("~0", "~")),
        };
        Self {
            names: SECRET_NAMES.iter().copied().chain(names).map(|name| Glob::new(&folded(name))).collect(),
            paths: paths.into_iter().map(|path| path.split('/').skip(1).map(step).collect()).collect(),
        }
    }

    /// A value of a message that was read strictly, without what is secret in it. `None`: it is longer than `max` bytes.
    #[must_use]
    pub(crate) fn apply(&self, field: &str, text: &str, value: Span, max: usize) -> Option<(String, bool)> {
        let mut writer = Writer { redaction: self, text, max, out: String::new(), cut: false };
        let paths: Vec<_> = self.paths.iter().filter_map(|path| below(path, field)).collect();
        writer.value(value, &paths, 0)?;
        Some((writer.out, writer.cut))
    }

    fn is_secret(&self, name: &str) -> bool {
        let name = folded(name);
        self.names.iter().any(|secret| secret.matches(&name))
    }
}

/// What is left of a path below a member or element.
fn below<'p>(path: &'p [Step], name: &str) -> Option<&'p [Step]> {
    path.split_first().and_then(|(first, rest)| first.takes(name).then_some(rest))
}

/// The longest string that is written whole, in bytes.
const MAX_STRING_BYTES: usize = 1024;

struct Writer<'a> {
    redaction: &'a Redaction,
    text: &'a str,
    max: usize,
    out: String,
    cut: bool,
}

impl Writer<'_> {
    /// Writes a value; `None` when there is no more room. Each byte is looked at once for each level it is nested in, and
    /// there are few levels.
    fn value(&mut self, value: Span, paths: &[&[Step]], depth: usize) -> Option<()> {
        if paths.iter().any(|path| path.is_empty()) {
            json::write_string(REDACTED, &mut self.out);
            return self.room();
        }
        match json::kind(self.text, value)? {
            ValueKind::Object | ValueKind::Array if depth >= MAX_DEPTH => {
                json::write_string(TOO_DEEP, &mut self.out);
                self.cut = true;
            }
            ValueKind::Object => {
                self.out.push('{');
                let mut written = 0;
                for member in json::members(self.text, value) {
                    let name = unescape(member.key.of(self.text));
                    // The beginning of a name could be another member's.
                    if name.len() > MAX_STRING_BYTES {
                        self.cut = true;
                        continue;
                    }
                    self.comma(written);
                    written = written.saturating_add(1);
                    json::write_string(&name, &mut self.out);
                    self.out.push(':');
                    if self.redaction.is_secret(&name) {
                        json::write_string(REDACTED, &mut self.out);
                        self.room()?;
                    } else {
                        let below: Vec<_> = paths.iter().filter_map(|path| below(path, &name)).collect();
                        self.value(member.value, &below, depth.saturating_add(1))?;
                    }
                }
                self.out.push('}');
            }
            ValueKind::Array => {
                self.out.push('[');
                for (index, element) in json::elements(self.text, value).enumerate() {
                    self.comma(index);
                    let below: Vec<_> = match paths {
                        [] => Vec::new(),
                        paths => paths.iter().filter_map(|path| below(path, &index.to_string())).collect(),
                    };
                    self.value(element, &below, depth.saturating_add(1))?;
                }
                self.out.push(']');
            }
            ValueKind::String => {
                let string = unescape(value.without_quotes().of(self.text));
                let (beginning, is_cut) = clipped(&string, MAX_STRING_BYTES);
                json::write_string(beginning, &mut self.out);
                self.cut |= is_cut;
            }
            ValueKind::Null | ValueKind::Bool | ValueKind::Number => self.out.push_str(value.of(self.text)),
        }
        self.room()
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn room(&self) -> Option<()> {
        (self.out.len() <= self.max).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(entries: &[&str], text: &str) -> Option<(String, bool)> {
        Redaction::new(entries).apply("arguments", text, Span { start: 0, end: text.len() }, 4096)
    }

    #[test]
    fn names_and_paths_are_taken_out() {
        for (entries, text, expected) in [
            (&[][..], r#"{"a":1,"b":[true,null,-1.50e3,"x"]}"#, r#"{"a":1,"b":[true,null,-1.50e3,"x"]}"#),
            (
                &[],
                r#"{"password":"s3cret","x":{"Api-Key":{"deep":1},"y":[{"accessToken":[1,2]}]}}"#,
                r#"{"password":"[redacted]","x":{"Api-Key":"[redacted]","y":[{"accessToken":"[redacted]"}]}}"#,
            ),
            (
                &["card*"],
                r#"{"cardNumber":"4","card":{"x":1},"discard":2}"#,
                r#"{"cardNumber":"[redacted]","card":"[redacted]","discard":2}"#,
            ),
            (&["/arguments/a/b"], r#"{"a":{"b":"x","c":1},"b":2}"#, r#"{"a":{"b":"[redacted]","c":1},"b":2}"#),
            (
                &["/arguments/*/b"],
                r#"{"a":{"b":1},"c":[{"b":2}],"b":3}"#,
                r#"{"a":{"b":"[redacted]"},"c":[{"b":2}],"b":3}"#,
            ),
            (&["/arguments/l/1"], r#"{"l":["x","y","z"]}"#, r#"{"l":["x","[redacted]","z"]}"#),
            (&["/arguments"], r#"{"a":1}"#, r#""[redacted]""#),
            (&["/result/a"], r#"{"a":1}"#, r#"{"a":1}"#),
            (&["/arguments/a~1b/m~0n"], r#"{"a/b":{"m~n":1}}"#, r#"{"a/b":{"m~n":"[redacted]"}}"#),
            // An escape in a name hides nothing.
            (&[], "{\"p\\u0061ssword\":\"s3cret\"}", r#"{"password":"[redacted]"}"#),
            (&[], "{ \"a\" :\n[ 1 ,\t2 ] }", r#"{"a":[1,2]}"#),
        ] {
            assert_eq!(redacted(entries, text), Some((expected.to_owned(), false)), "{entries:?} {text}");
        }
    }

    #[test]
    fn what_is_long_or_deep_is_cut_and_stays_json() {
        let string = |n| format!(r#"{{"a":"{}"}}"#, "x".repeat(n));
        for (n, cut) in [(MAX_STRING_BYTES - 1, false), (MAX_STRING_BYTES, false), (MAX_STRING_BYTES + 1, true)] {
            let (text, was_cut) = redacted(&[], &string(n)).unwrap();
            assert_eq!((text.as_str(), was_cut), (string(n.min(MAX_STRING_BYTES)).as_str(), cut));
        }
        let named = |n| format!(r#"{{"{}":1,"a":2}}"#, "x".repeat(n));
        assert_eq!(redacted(&[], &named(MAX_STRING_BYTES)), Some((named(MAX_STRING_BYTES), false)));
        assert_eq!(redacted(&[], &named(MAX_STRING_BYTES + 1)), Some((r#"{"a":2}"#.to_owned(), true)));
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(redacted(&[], &nested(MAX_DEPTH)), Some((nested(MAX_DEPTH), false)));
        let (text, cut) = redacted(&[], &nested(MAX_DEPTH + 1)).unwrap();
        assert!(cut && text.contains(r#"["[cut]"]"#), "{text}");
        assert_eq!(redacted(&[], &nested(1000)).unwrap().0, text);
    }

    #[test]
    fn what_does_not_fit_is_not_there() {
        let text = r#"{"a":"0123456789"}"#;
        let apply = |max| Redaction::new::<&str>(&[]).apply("arguments", text, Span { start: 0, end: text.len() }, max);
        assert_eq!(apply(text.len() - 1), None);
        assert_eq!(apply(text.len()).unwrap().0, text);
    }

    #[test]
    fn faults_have_a_remedy() {
        for (entry, good) in [
            ("card", true),
            ("/arguments", true),
            ("/arguments/a~1b", true),
            ("/result/content/*/text", true),
            ("", false),
            ("/", false),
            ("/card", false),
            ("arguments/card", false),
            ("/arguments/a~2b", false),
        ] {
            assert_eq!(fault(entry).is_none(), good, "{entry}");
        }
    }
}
