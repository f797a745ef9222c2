//! `meshward explain` and `meshward test`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn meshward(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshward"));
    let Output { status, stdout, stderr } = command.current_dir(folder).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn explained(folder: &Path, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = meshward(folder, &[&["explain", "m.yaml", "--json"], arguments].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

const POLICY: &str = r#"apiVersion: meshward/v1
endpoints: [{ path: /mcp }]
identity: { trusted_headers: [x-user] }
policy:
  rules:
    - { name: search, effect: allow, tools: [search], principals: ["spiffe://*/ns/agents/*", { sources: [10.0.0.0/8] }] }
    - { name: refund, effect: allow, tools: [refund], when: 'args.amount <= 100 && jwt.role == "support"' }
    - { name: frozen, effect: deny, tools: [refund], refuse_as: result, message: Frozen, principals: [{ headers: { x-user: ann } }] }
    - { name: secret, effect: deny, tools: [secret], hide: true, clients: ["cli*"] }
    - { name: watched, effect: deny, mode: shadow, tools: [search], revisions: [2025-06-18] }
    - { name: docs, effect: allow, resources: ["file:///docs/*"] }
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.yaml"), POLICY).unwrap();
    folder
}

#[test]
fn explain_says_what_decides_and_what_the_caller_gets() {
    let files = folder();
    let support = r#"{"role": "support"}"#;
    let refund = |amount: &'static str| vec!["--call", "refund", amount, "--claims", support];
    for (arguments, expected) in [
        (vec!["--call", "search", "--peer", "spiffe://a/ns/agents/b"], ["allow", "rule", "search", "-", "shown"]),
        (vec!["--call", "search", "--source", "10.1.2.3"], ["allow", "rule", "search", "-", "shown"]),
        (vec!["--call", "search", "--source", "192.0.2.1"], ["deny", "default", "-", "error", "hidden"]),
        (refund(r#"{"amount": 100}"#), ["allow", "rule", "refund", "-", "shown"]),
        (refund(r#"{"amount": 101}"#), ["deny", "default", "-", "error", "shown"]),
        ([refund("{}"), vec!["--header", "X-User=ann"]].concat(), ["deny", "rule", "frozen", "result", "hidden"]),
        (vec!["--call", "secret", "--client", "cli-1"], ["deny", "rule", "secret", "unknown", "hidden"]),
        (vec!["--read", "file:///docs/a"], ["allow", "rule", "docs", "-", "shown"]),
        (vec!["--read", "file:///docs/../a"], ["deny", "bound", "-", "error", "hidden"]),
        (vec!["--get", "x", "--revision", "2025-03-26"], ["deny", "default", "-", "error", "hidden"]),
        (vec!["--method", "tools/list"], ["allow", "upkeep", "-", "-", "-"]),
        (vec!["--request", r#"{"id": 1, "id": 2}"#], ["deny", "engine", "-", "error", "-"]),
    ] {
        let said = explained(files.path(), &arguments);
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let shown = said["shown"].as_bool().map_or("-", |shown| if shown { "shown" } else { "hidden" });
        let found = [word(&said["decision"]), word(&said["by"]), word(&said["rule"]), word(&said["reply"]["shape"])];
        assert_eq!(found, expected[..4], "{arguments:?}: {said}");
        assert_eq!(shown, expected[4], "{arguments:?}: {said}");
    }
}

#[test]
fn explain_names_the_part_that_keeps_each_rule_from_matching() {
    let files = folder();
    let said = explained(files.path(), &["--call", "refund", r#"{"amount": "x"}"#, "--source", "10.0.0.1"]);
    let parts: Vec<_> =
        said["rules"].as_array().unwrap().iter().map(|rule| (&rule["matched"], &rule["part"])).collect();
    let expected =
        [("no", "names"), ("doubt", "when"), ("no", "principals"), ("no", "names"), ("no", "names"), ("no", "names")];
    for (part, expected) in parts.iter().zip(expected) {
        assert_eq!(*part, (&expected.0.into(), &expected.1.into()), "{said}");
    }
    assert_eq!(said["rules"][1]["when"], r#"args.amount <= 100 && jwt.role == "support""#);

    let said = explained(files.path(), &["--call", "search", "--source", "10.0.0.1", "--revision", "2025-06-18"]);
    assert_eq!((&said["decision"], &said["shadow"]["rule"]), (&"allow".into(), &"watched".into()), "{said}");

    let (code, text, _) = meshward(files.path(), &["explain", "m.yaml", "--call", "refund", r#"{"amount": "SECRET"}"#]);
    assert_eq!(code, Some(0));
    assert!(text.contains("deny by default") && text.contains("in doubt") && !text.contains('\u{1b}'), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
}

#[test]
fn explain_refuses_what_it_cannot_read() {
    let files = folder();
    for (arguments, says) in [
        (vec![], "required"),
        (vec!["--call", "a", "--read", "b"], "cannot be used with"),
        (vec!["--call", "a", "{"], "--call: no JSON"),
        (vec!["--call", "a", "--claims", "[]"], "--claims: write a JSON object"),
        (vec!["--call", "a", "--revision", "2020-01-01"], "unknown revision `2020-01-01`"),
        (vec!["--call", "a", "--header", "x"], "NAME=VALUE"),
        (vec!["--request", "/nowhere"], "cannot read /nowhere"),
    ] {
        let (code, stdout, stderr) = meshward(files.path(), &[vec!["explain", "m.yaml"], arguments.clone()].concat());
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

/// The blocks of a kind in a document.
fn blocks(document: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    document.split(&fence).skip(1).map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_example_of_the_documentation_passes() {
    let document = include_str!("../../../docs/policy-tests.md");
    let files = tempfile::tempdir().unwrap();
    let yaml = blocks(document, "yaml");
    for (name, text) in ["meshward.yaml", "policy-tests.yaml"].into_iter().zip(&yaml) {
        std::fs::write(files.path().join(name), text).unwrap();
    }
    let (code, stdout, stderr) = meshward(files.path(), &["test", "--require-coverage", "policy-tests.yaml"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let shown = blocks(document, "console").remove(0);
    assert_eq!(stdout, shown.split_once('\n').unwrap().1);
    assert_eq!(meshward(files.path(), &["check", "--strict", "meshward.yaml"]).0, Some(0));
}

const TESTS: &str = "config: m.yaml
defaults: { caller: { source: 10.0.0.1 } }
tests:
  - { name: right, call: { tool: search }, expect: { allow: { rule: search }, shown: true } }
  - { name: wrong, call: { tool: refund }, expect: { allow: { rule: refund } } }
  - { name: unlisted, read: { uri: 'file:///docs/a' }, expect: hidden }
";

#[test]
fn a_test_that_fails_is_explained_and_rules_are_counted() {
    let files = folder();
    std::fs::write(files.path().join("t.yaml"), TESTS).unwrap();
    let (code, stdout, stderr) = meshward(files.path(), &["test", "t.yaml"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stderr.contains("2 tests failed"), "{stderr}");
    for says in [
        "ok    right",
        "FAILED wrong",
        "  decision: expected `allow`, found `deny`",
        "  rule: expected `refund`, found none",
        "    deny by default: no rule decides (denied)",
        "FAILED unlisted",
        "  in lists: expected `hidden`, found `shown`",
        "t.yaml: 3 tests, 2 failed; 2 of 6 rules decided (33 %)",
        "  never matched: refund, frozen, secret, watched",
    ] {
        assert!(stdout.lines().any(|line| line == says), "no `{says}` in\n{stdout}");
    }

    let (_, stdout, _) = meshward(files.path(), &["test", "--json", "t.yaml"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["ok"], &report["tests"][0]["ok"]), (&false.into(), &true.into()));
    assert_eq!(report["tests"][1]["verdict"]["decision"], "deny");
    assert_eq!(report["coverage"]["percent"], 33);

    let passing: String = TESTS.lines().take(4).map(|line| format!("{line}\n")).collect();
    std::fs::write(files.path().join("t.yaml"), passing).unwrap();
    for (options, expected) in [
        (vec![], Some(0)),
        (vec!["--coverage-min", "16"], Some(0)),
        (vec!["--coverage-min", "17"], Some(1)),
        (vec!["--require-coverage"], Some(1)),
    ] {
        let (code, _, stderr) = meshward(files.path(), &[vec!["test", "t.yaml"], options.clone()].concat());
        assert_eq!(code, expected, "{options:?}: {stderr}");
    }
}

#[test]
fn what_is_no_test_is_refused_with_its_place() {
    let files = folder();
    for (text, says) in [
        ("config: m.yaml\ntests:\n  - { name: a, cal: { tool: x } }\n", "t.yaml:3:"),
        ("config: m.yaml\ntests:\n  - { name: a, cal: { tool: x } }\n", "unknown field `cal`, expected one of `name`"),
        ("config: m.yaml\ntests:\n  - { name: a, expect: alow, call: { tool: x } }\n", "unknown variant `alow`"),
        ("config: m.yaml\ntests:\n  - { name: a, expect: allow }\n", "tests[0]: a test asks for one thing"),
        ("config: m.yaml\ntests:\n  - { name: a, call: { tool: x } }\n", "tests[0]: say what to `expect`"),
        ("config: { apiVersion: meshward/v1 }\ntests: []\n", "t.yaml:1:1: config.endpoints: missing field"),
        ("config: none.yaml\ntests: []\n", "cannot read none.yaml"),
        ("tests: []\n", "missing field `config`"),
    ] {
        std::fs::write(files.path().join("t.yaml"), text).unwrap();
        let (code, stdout, stderr) = meshward(files.path(), &["test", "t.yaml"]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{text}");
        assert!(stderr.contains(says), "no `{says}` in {stderr}");
    }
}
