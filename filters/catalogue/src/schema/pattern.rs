//! Patterns: regular expressions of ECMA-262, as JSON Schema has them, matched in linear time.
//!
//! They are translated for an engine that never backtracks. What that engine cannot do (look-around, back-references,
//! Unicode properties) is not translated. A program's size is bounded, and a match costs as many steps as the worst case
//! of the program on the text.

use std::iter::Peekable;
use std::str::Chars;

use regex_lite::{Regex, RegexBuilder};

use super::steps::{Steps, TooComplex};

/// The sizes of programs that are told apart, in bytes of the engine.
const SIZES: [usize; 4] = [2 << 10, 8 << 10, 32 << 10, 128 << 10];
/// What `\s` matches in ECMA-262, as the inside of a class: white space and line terminators.
const SPACE: &str = r"\t-\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";
/// Everything else.
const NO_SPACE: &str = r"\x00-\x08\x0e-\x1f!-\u{9f}\u{a1}-\u{167f}\u{1681}-\u{1fff}\u{200b}-\u{2027}\u{202a}-\u{202e}\u{2030}-\u{205e}\u{2060}-\u{2fff}\u{3001}-\u{fefe}\u{ff00}-\u{10ffff}";

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    size: usize,
}

/// The pattern is none, or needs what cannot be done in linear time, or is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsupported;

impl Pattern {
    /// Compiles a pattern within a budget of bytes, of which it takes its size.
    pub(super) fn new(source: &str, budget: &mut usize) -> Result<Self, Unsupported> {
        let translated = translate(source)?;
        let fits = |size: &usize| *size <= *budget;
        for size in SIZES.into_iter().take_while(fits) {
            if let Ok(regex) = RegexBuilder::new(&translated).size_limit(size).nest_limit(50).build() {
                *budget = budget.saturating_sub(size);
                return Ok(Self { regex, size });
            }
        }
        Err(Unsupported)
    }

    /// Whether it matches somewhere in a text.
    pub(super) fn is_match(&self, text: &str, steps: &mut Steps) -> Result<bool, TooComplex> {
        // Each state of the program may have to be looked at for each letter.
        let states = self.size >> 8;
        steps.spend(text.len().saturating_add(1).saturating_mul(states))?;
        Ok(self.regex.is_match(text))
    }
}

fn translate(source: &str) -> Result<String, Unsupported> {
    let mut out = String::with_capacity(source.len());
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match escape(&mut rest)? {
                Escape::Char(c) => literal(c, &mut out),
                Escape::Space => class("", SPACE, &mut out),
                Escape::NoSpace => class("^", SPACE, &mut out),
                Escape::Same(c) => out.extend(['\\', c]),
            },
            '.' => class("^", r"\n\r\u{2028}\u{2029}", &mut out),
            '(' => {
                out.push('(');
                if rest.next_if_eq(&'?').is_some() {
                    out.push('?');
                    let kind = rest.next().ok_or(Unsupported)?;
                    let is_name = kind == '<' && rest.peek().is_some_and(|next| !matches!(next, '=' | '!'));
                    if kind != ':' && !is_name {
                        return Err(Unsupported);
                    }
                    out.push(kind);
                }
            }
            '[' => translate_class(&mut rest, &mut out)?,
            '{' => match quantifier(&rest) {
                Some(length) => {
                    out.push('{');
                    out.extend(rest.by_ref().take(length));
                }
                None => literal('{', &mut out),
            },
            '^' | '$' | '|' | ')' | '*' | '+' | '?' => out.push(c),
            c => literal(c, &mut out),
        }
    }
    Ok(out)
}

fn class(negation: &str, inside: &str, out: &mut String) {
    out.extend(["[", negation, inside, "]"]);
}

/// A character that stands for itself, inside of a class or outside.
fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
        out.push('\\');
    }
    out.push(c);
}

/// The length of what follows `{` where it is a quantifier, its bracket included.
fn quantifier(rest: &Peekable<Chars<'_>>) -> Option<usize> {
    let inside: String = rest.clone().take(16).take_while(|c| *c != '}').collect();
    let (low, high) = inside.split_once(',').unwrap_or((&inside, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && digits(low) && digits(high) && inside.len() < 16).then(|| inside.len().saturating_add(1))
}

enum Escape {
    /// A character.
    Char(char),
    /// `\s`
    Space,
    /// `\S`
    NoSpace,
    /// What the engine understands as ECMA-262 does.
    Same(char),
}

fn escape(rest: &mut Peekable<Chars<'_>>) -> Result<Escape, Unsupported> {
    let c = rest.next().ok_or(Unsupported)?;
    Ok(match c {
        's' => Escape::Space,
        'S' => Escape::NoSpace,
        'd' | 'D' | 'w' | 'W' | 'b' | 'B' => Escape::Same(c),
        't' => Escape::Char('\t'),
        'n' => Escape::Char('\n'),
        'r' => Escape::Char('\r'),
        'f' => Escape::Char('\u{c}'),
        'v' => Escape::Char('\u{b}'),
        '0' if !rest.peek().is_some_and(char::is_ascii_digit) => Escape::Char('\0'),
        'c' => {
            let letter = rest.next().filter(char::is_ascii_alphabetic).ok_or(Unsupported)?;
            Escape::Char(char::from_u32(u32::from(letter) & 31).ok_or(Unsupported)?)
        }
        'x' => Escape::Char(char::from_u32(hexadecimal(rest, 2)?).ok_or(Unsupported)?),
        'u' => Escape::Char(unicode(rest)?),
        // Back-references, Unicode properties, and letters that mean nothing.
        c if c.is_ascii_alphanumeric() => return Err(Unsupported),
        c => Escape::Char(c),
    })
}

fn unicode(rest: &mut Peekable<Chars<'_>>) -> Result<char, Unsupported> {
    if rest.next_if_eq(&'{').is_some() {
        let digits: String = rest.by_ref().take_while(|c| *c != '}').collect();
        let valid = digits.len() <= 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = if valid { u32::from_str_radix(&digits, 16).ok() } else { None };
        return code.and_then(char::from_u32).ok_or(Unsupported);
    }
    let high = hexadecimal(rest, 4)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).ok_or(Unsupported);
    }
    let (backslash, u) = (rest.next(), rest.next());
    if (backslash, u) != (Some('\\'), Some('u')) {
        return Err(Unsupported);
    }
    let units = [high, hexadecimal(rest, 4)?].map(|unit| u16::try_from(unit).unwrap_or_default());
    char::decode_utf16(units).next().and_then(Result::ok).ok_or(Unsupported)
}

fn hexadecimal(rest: &mut Peekable<Chars<'_>>, digits: usize) -> Result<u32, Unsupported> {
    (0..digits).try_fold(0_u32, |value, _| {
        let digit = rest.next().and_then(|c| c.to_digit(16)).ok_or(Unsupported)?;
        Ok(value << 4 | digit)
    })
}

/// What follows `[`, up to its `]`.
fn translate_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), Unsupported> {
    out.push('[');
    let negated = rest.next_if_eq(&'^').is_some();
    if negated {
        out.push('^');
    }
    // Whether a range may begin with what came last.
    let mut may_begin = false;
    let mut empty = true;
    loop {
        let c = rest.next().ok_or(Unsupported)?;
        let was_empty = std::mem::replace(&mut empty, false);
        match c {
            // The class of nothing, and of everything.
            ']' if was_empty => return Err(Unsupported),
            ']' => {
                out.push(']');
                return Ok(());
            }
            '-' if may_begin && rest.peek().is_some_and(|next| *next != ']') => {
                out.push('-');
                match rest.next().ok_or(Unsupported)? {
                    '\\' => match class_escape(rest)? {
                        Escape::Char(end) => literal(end, out),
                        // `[a-\d]`: not a range to some, an error to others.
                        _ => return Err(Unsupported),
                    },
                    end => literal(end, out),
                }
                may_begin = false;
            }
            '\\' => match class_escape(rest)? {
                Escape::Char(c) => {
                    literal(c, out);
                    may_begin = true;
                }
                other => {
                    match other {
                        Escape::Space => out.push_str(SPACE),
                        Escape::NoSpace => out.push_str(NO_SPACE),
                        Escape::Same(c) => out.extend(['\\', c]),
                        Escape::Char(_) => {}
                    }
                    may_begin = false;
                }
            },
            c => {
                literal(c, out);
                may_begin = true;
            }
        }
    }
}

fn class_escape(rest: &mut Peekable<Chars<'_>>) -> Result<Escape, Unsupported> {
    match escape(rest)? {
        Escape::Same('b') => Ok(Escape::Char('\u{8}')),
        Escape::Same('B') => Err(Unsupported),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(source: &str, text: &str) -> Option<bool> {
        let pattern = Pattern::new(source, &mut (1 << 20)).ok()?;
        Some(pattern.is_match(text, &mut Steps::new(1 << 20)).unwrap())
    }

    #[test]
    fn patterns_match_as_in_ecma_262() {
        for (source, yes, no) in [
            ("^a+$", &["a", "aaa"][..], &["", "b", "a\n", "ab"][..]),
            ("b", &["abc"], &["ac"]),
            (r"^\d{2,3}$", &["12", "123"], &["1", "1234", "१२"]),
            (r"^\w$", &["a", "_", "9"], &["é", "-", ""]),
            (r"^\s$", &[" ", "\t", "\u{a0}", "\u{feff}", "\u{2028}"], &["a", ""]),
            (r"^\S$", &["a", "é"], &[" ", "\u{a0}"]),
            (r"^[\s\S]$", &["a", " ", "\n", "\u{a0}"], &["", "ab"]),
            (r"^[^\S]$", &["\u{a0}"], &["a"]),
            ("^.$", &["a", "é", "\u{85}", "🦀"], &["\n", "\r", "\u{2028}", ""]),
            (r"^[a-c\-x]$", &["b", "-", "x"], &["d", "y"]),
            ("^[-a]$", &["-", "a"], &["b"]),
            ("^[a-]$", &["-", "a"], &["b"]),
            (r"^[\w-.]$", &["-", ".", "q"], &["+"]),
            ("^[[&&~~#]$", &["[", "&", "~", "#"], &["]"]),
            (r"^[\]]$", &["]"], &["["]),
            (r"^[\b]$", &["\u{8}"], &["b"]),
            (r"^\/\-\.$", &["/-."], &["/-x"]),
            ("^a{,2}$", &["a{,2}"], &["a", "aa"]),
            ("^x{y}$", &["x{y}"], &["xy"]),
            (r"^\u00e9\x41\cJ\0$", &["éA\n\0"], &["eA\n\0"]),
            (r"^\uD83E\uDD80$", &["🦀"], &["x"]),
            (r"^\u{1F980}$", &["🦀"], &["x"]),
            ("^(?:a|b)(?<n>c)$", &["ac", "bc"], &["cc"]),
            (r"\bfoo\b", &["a foo"], &["foot"]),
            ("^#&~ -<>$", &["#&~ -<>"], &["#"]),
            ("", &["", "a"], &[]),
        ] {
            for text in yes {
                assert_eq!(is_match(source, text), Some(true), "{source} {text:?}");
            }
            for text in no {
                assert_eq!(is_match(source, text), Some(false), "{source} {text:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_done_is_not_done() {
        for source in [
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            r"(a)\1",
            r"\k<n>",
            r"\p{L}",
            "(?i)a",
            "(",
            "a)",
            "[a",
            "[]",
            "*",
            r"\",
            "[b-a]",
            r"\u12",
            r"\u{110000}",
            r"\uD800",
            r"\q",
            "a{3,2}",
            r"[a-\d]",
        ] {
            assert_eq!(is_match(source, ""), None, "{source}");
        }
    }

    #[test]
    fn large_programs_are_not_built_and_slow_ones_cost() {
        assert_eq!(is_match("((a{100}){100}){100}", ""), None);
        let mut budget = SIZES[0];
        assert!(Pattern::new("a", &mut budget).is_ok());
        assert_eq!(budget, 0);
        assert_eq!(Pattern::new("a", &mut budget).unwrap_err(), Unsupported);
        let slow = Pattern::new("(a?){200}a{200}", &mut (1 << 20)).unwrap();
        assert_eq!(slow.is_match(&"a".repeat(100_000), &mut Steps::new(1 << 20)), Err(TooComplex));
    }
}
