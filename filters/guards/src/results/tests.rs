mod property;
mod samples;

use meshward_wire::json::Span;
use meshward_wire::splice::Splices;

use self::samples::{NEAR_MISSES, near_misses, samples};
use super::config::{ResultAction, ResultPatternConfig, ResultsConfig};
use super::known::KNOWN;
use super::*;

/// Everything that comes with the module.
fn everything() -> ResultsConfig {
    ResultsConfig { builtin: vec!["secrets".to_owned(), "personal_data".to_owned()], ..ResultsConfig::default() }
}

/// What is left of a JSON text; `None` if there are more matches than may be.
fn redacted(results: &Results, text: &str) -> Option<String> {
    let inspected = results.inspect(text, Span { start: 0, end: text.len() }, || None);
    let mut splices = Splices::default();
    inspected.edits.into_iter().for_each(|(at, with)| splices.replace(at, with.into_bytes()));
    (!inspected.has_more).then(|| String::from_utf8(splices.apply(text.as_bytes()).unwrap()).unwrap())
}

#[test]
fn every_pattern_finds_what_it_is_for_and_nothing_beside_it() {
    let results = Results::new(&everything()).unwrap();
    let samples = samples();
    for known in KNOWN {
        assert!(samples.iter().any(|(name, _)| *name == known.name), "no sample of {}", known.name);
    }
    for (name, sample) in &samples {
        let replaced = format!("[redacted:{name}]");
        for (before, behind) in [
            ("", ""),
            ("token=", ""),
            ("see ", ", please"),
            ("é", "é"),
            ("'", "'"),
            ("(", ")."),
            ("\n", "\n"),
            ("\u{1f511}", "\t"),
        ] {
            let text = serde_json::to_string(&format!("{before}{sample}{behind}")).unwrap();
            let left: String = serde_json::from_str(&redacted(&results, &text).unwrap()).unwrap();
            assert_eq!(left, format!("{before}{replaced}{behind}"), "{name} in {before:?} and {behind:?}");
        }
    }
}

#[test]
fn what_only_resembles_it_is_left() {
    let results = Results::new(&everything()).unwrap();
    for text in near_misses().iter().map(String::as_str).chain(NEAR_MISSES.iter().copied()) {
        let json = serde_json::to_string(text).unwrap();
        assert_eq!(redacted(&results, &json).unwrap(), json);
    }
}

#[test]
fn matches_across_one_another_go_together() {
    let pattern = |name: &str, pattern: &str, action| ResultPatternConfig {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        action,
    };
    let config = ResultsConfig {
        builtin: Vec::new(),
        patterns: vec![
            pattern("a", "aab", None),
            pattern("b", "bb+c?", None),
            pattern("word", "aabbb?", Some(ResultAction::Observe)),
            pattern("e", "é", None),
            pattern("byte", r"x\xc3", None),
        ],
        replacement: "<{name}>\"".to_owned(),
        ..ResultsConfig::default()
    };
    let results = Results::new(&config).unwrap();
    for (text, left) in [
        (r#""aab""#, r#""<a>\"""#),
        // The second begins within the first and reaches beyond it.
        (r#"" aabbbc ""#, r#"" <a>\" ""#),
        (r#"["bb","aabaab"]"#, r#"["<b>\"","<a>\"<a>\""]"#),
        (r#""\u0061a\u0062""#, r#""<a>\"""#),
        (r#""é\u00e9\u00E8""#, r#""<e>\"<e>\"\u00E8""#),
        // Half a character is all of it.
        (r#""xéxè""#, r#""<byte>\"<byte>\"""#),
        // Keys stay apart.
        (r#"{"aab":1,"aabz":"aab","bb":{}}"#, r#"{"<a>\"":1,"<a>\"2z":"<a>\"","<b>\"3":{}}"#),
    ] {
        assert_eq!(redacted(&results, text).as_deref(), Some(left), "{text}");
    }
}

#[test]
fn matches_are_bounded() {
    for (matches, passes) in [(2, true), (3, true), (4, false)] {
        let config = ResultsConfig { builtin: vec!["jwt".to_owned()], max_matches: 3, ..ResultsConfig::default() };
        let results = Results::new(&config).unwrap();
        let (_, jwt) = samples().into_iter().find(|(name, _)| *name == "jwt").unwrap();
        // In one string and in several.
        for text in [
            format!("\"{}\"", vec![jwt.clone(); matches].join(" ")),
            serde_json::to_string(&vec![jwt; matches]).unwrap(),
        ] {
            assert_eq!(redacted(&results, &text).is_some(), passes, "{matches}");
        }
    }
}

#[test]
fn a_configuration_is_right_or_refused() {
    type Change = fn(&mut ResultsConfig);
    let own = |config: &mut ResultsConfig, name: &str, pattern: &str| {
        config.patterns.push(ResultPatternConfig { name: name.to_owned(), pattern: pattern.to_owned(), action: None });
    };
    let errors = |config: &ResultsConfig| {
        let errors = Results::new(config).map(|_| ()).err().unwrap_or_default();
        errors.into_iter().map(|(path, message)| format!("{path}: {message}")).collect::<Vec<_>>()
    };
    assert_eq!(errors(&ResultsConfig::default()), [""; 0]);
    let wrong: [(Change, &str); 9] = [
        (|c| c.builtin.clear(), "builtin: there is nothing to look for"),
        (|c| c.without = vec!["secrets".to_owned()], "builtin: there is nothing to look for"),
        (
            |c| c.builtin.push("secret".to_owned()),
            "builtin[1]: there is no pattern `secret`: there are the sets `secrets` and",
        ),
        (|c| c.without.push("x".to_owned()), "without[0]: there is no pattern `x`"),
        (|c| c.methods.push("tools/list".to_owned()), "methods[5]: `tools/list` lists"),
        (|c| c.methods.push("tools/get".to_owned()), "methods[5]: MCP has no method `tools/get`"),
        (|c| c.max_matches = 0, "max_matches: between 1 and 100000"),
        (|c| c.max_matches = 100_001, "max_matches: between 1 and 100000"),
        (|c| c.replacement = "x".repeat(257), "replacement: at most 256 bytes"),
    ];
    for (change, message) in wrong {
        let mut config = ResultsConfig::default();
        change(&mut config);
        let errors = errors(&config);
        assert!(matches!(&*errors, [one] if one.starts_with(message)), "{errors:?}, not {message}");
    }
    for (name, pattern, message) in [
        ("", "a", "patterns[0].name: up to 64 ASCII letters"),
        ("a b", "a", "patterns[0].name: up to 64 ASCII letters"),
        ("jwt", "a", "patterns[0].name: another pattern has this name"),
        ("a", "", "patterns[0].pattern: it matches the empty text"),
        ("a", "a*", "patterns[0].pattern: it matches the empty text"),
        ("a", r"[^\x00-\xff]", "patterns[0].pattern: it matches no text"),
        ("a", "(a", "patterns[0].pattern: error: unclosed group"),
        ("a", "(?=a)", "patterns[0].pattern: error: look-around"),
        ("a", r"\p{Greek}", "patterns[0].pattern: error: "),
        ("a", r"(?u:\bx)", "patterns[0].pattern: "),
        ("a", r"(?:a{1000}){1000}", "patterns[0].pattern: "),
    ] {
        let mut config = ResultsConfig::default();
        own(&mut config, name, pattern);
        let errors = errors(&config);
        assert!(matches!(&*errors, [one] if one.starts_with(message)), "{errors:?}, not {message}");
    }
    let mut config = ResultsConfig { max_matches: 100_000, replacement: "x".repeat(256), ..everything() };
    for index in 0..64 {
        own(&mut config, &format!("own.{index}"), &format!("x{index}y"));
    }
    assert_eq!(errors(&config), [""; 0]);
    own(&mut config, "own.0", "x");
    assert_eq!(errors(&config), ["patterns: at most 64", "patterns[64].name: another pattern has this name"]);
}

/// Results as real servers gave them (tests/clients/record.mjs).
#[test]
fn what_real_servers_answer_holds_no_secret() {
    let results = Results::new(&ResultsConfig::default()).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/recorded");
    let mut servers = Vec::new();
    for server in ["everything", "filesystem", "memory", "time"] {
        let recorded = std::fs::read_to_string(format!("{folder}/{server}.jsonl")).unwrap();
        for line in recorded.lines() {
            let inspected = results.inspect(line, Span { start: 0, end: line.len() }, || None);
            assert_eq!(inspected.counts, [0; 0], "{server}: {line}");
        }
        servers.push((server, recorded.lines().count()));
    }
    assert_eq!(servers, [("everything", 19), ("filesystem", 16), ("memory", 7), ("time", 3)]);
}
