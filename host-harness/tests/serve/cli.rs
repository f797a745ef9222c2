//! What the command line says when something is wrong.

use std::process::{Command, Output};

use crate::support::*;

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn meshward(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshward"));
    command.args(arguments);
    run(command)
}

#[test]
fn a_refused_configuration_is_told_in_the_modules_own_words() {
    let (command, _files) = command(REFUSE, "http://127.0.0.1:1", &[]);
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.matches("rules[0].effect: unknown").count(), 1, "{stderr}");
    assert!(stderr.contains("meshward.yaml: the plugin did not start"), "{stderr}");
}

#[test]
fn a_configuration_that_is_no_yaml_is_told_with_its_place() {
    let (command, files) = command(PASS, "http://127.0.0.1:1", &[]);
    std::fs::write(files.path().join("meshward.yaml"), "apiVersion: meshward/v1\nstrict: [\n").unwrap();
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("meshward.yaml:"), "{stderr}");
}

#[test]
fn a_missing_module_comes_with_a_remedy() {
    let (command, files) = command(PASS, "http://127.0.0.1:1", &[]);
    std::fs::remove_file(files.path().join("filter.wasm")).unwrap();
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("filter.wasm: there is no such file"), "{stderr}");

    // A copy of the tool that has no build directory around it.
    let tool = files.path().join("deep").join("meshward");
    std::fs::create_dir(files.path().join("deep")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_meshward"), &tool).unwrap();
    let mut alone = Command::new(tool);
    alone.current_dir(files.path()).args(["serve", "--upstream", "http://127.0.0.1:1", "--config", "meshward.yaml"]);
    let (code, _, stderr) = run(alone);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cargo xtask build"), "{stderr}");
}

#[test]
fn a_file_that_is_no_module_is_named() {
    let (command, files) = command(PASS, "http://127.0.0.1:1", &[]);
    std::fs::write(files.path().join("filter.wasm"), "not wasm").unwrap();
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("filter.wasm: not a usable WebAssembly module"), "{stderr}");
}

#[test]
fn an_address_in_use_is_a_failure_while_running() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (command, _files) = command(PASS, "http://127.0.0.1:1", &["--metrics", &address]);
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("choose another --metrics"), "{stderr}");
}

#[test]
fn wrong_options_say_what_to_write() {
    for (option, value, says) in [
        ("--upstream", "https://a", "http://HOST:PORT"),
        ("--cluster", "auth", "NAME=URL"),
        ("--drain-timeout", "1h", "500ms"),
        ("--buffer-limit", "1KB", "64KiB"),
        ("--failure-policy", "maybe", "reload"),
    ] {
        let (code, _, stderr) = meshward(&["serve", option, value]);
        assert_eq!(code, Some(2), "{option}: {stderr}");
        assert!(stderr.contains(says), "{option}: {stderr}");
    }
}

#[test]
fn help_has_examples_and_completions_know_the_commands() {
    let (code, help, _) = meshward(&["serve", "--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("Examples:") && help.contains("meshward serve --upstream"), "{help}");
    for command in ["check", "explain", "test"] {
        let (code, help, _) = meshward(&[command, "--help"]);
        assert_eq!(code, Some(0));
        assert!(help.contains(&format!("meshward {command} ")) && help.contains("Exit codes:"), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = meshward(&["completions", shell]);
        assert_eq!(code, Some(0));
        for option in ["header-hold", "strict", "claims", "require-coverage"] {
            assert!(script.contains(option), "{shell}: {option}");
        }
    }
}

const GOOD: &str = "apiVersion: meshward/v1\nendpoints: [{ path: /mcp }]\n";

/// One of each kind of error, each on a line of its own.
const WRONG: &str = "apiVersion: meshward/v1
endpoints: [{ path: /mcp }]
strikt: true
policy:
  mode: enforced
  rules:
    - name: one
      effect: allow
      tolls: [search]
";

#[test]
fn check_names_every_error_with_its_place() {
    let files = tempfile::tempdir().unwrap();
    let (good, wrong, broken) =
        (files.path().join("good.yaml"), files.path().join("wrong.yaml"), files.path().join("broken.yaml"));
    std::fs::write(&good, GOOD).unwrap();
    std::fs::write(&wrong, WRONG).unwrap();
    std::fs::write(&broken, "a: [\n").unwrap();

    let (code, stdout, stderr) = meshward(&["check", good.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(stdout, format!("{}: ok\n", good.display()));

    let (code, stdout, stderr) = meshward(&["check", wrong.to_str().unwrap(), good.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("1 of 2 configurations wrong"), "{stderr}");
    for place in ["3:1: strikt: ", "5:3: policy.mode: ", "9:7: policy.rules[0].tolls: "] {
        let line = format!("{}:{place}", wrong.display());
        assert!(stdout.lines().any(|have| have.starts_with(&line)), "no `{place}` in\n{stdout}");
    }

    let (code, stdout, _) = meshward(&["check", "--json", wrong.to_str().unwrap(), broken.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let reports: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    assert_eq!((&reports[0]["ok"], &reports[1]["ok"]), (&false.into(), &false.into()));
    assert_eq!(reports[0]["errors"][0]["path"], "strikt");
    assert_eq!((&reports[0]["errors"][0]["line"], &reports[0]["errors"][0]["column"]), (&3.into(), &1.into()));
    assert!(reports[1]["errors"][0].get("path").is_none());

    let (code, _, stderr) = meshward(&["check", "/nowhere/m.yaml"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot read /nowhere/m.yaml"), "{stderr}");
}

/// Right, and surely not meant.
const ODD: &str = "apiVersion: meshward/v1
endpoints: [{ path: /mcp }]
policy:
  rules:
    - name: one
      effect: allow
      tools: [search]
    - name: two
      effect: allow
      methods: [tools/list, tools/call]
      tools: [get]
      when: args.n == 1
    - name: three
      effect: deny
      when: 'false'
";

#[test]
fn check_warns_of_what_is_not_meant() {
    let files = tempfile::tempdir().unwrap();
    let odd = files.path().join("odd.yaml");
    std::fs::write(&odd, ODD).unwrap();
    let odd = odd.to_str().unwrap();

    let (code, stdout, stderr) = meshward(&["check", odd]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines[0], format!("{odd}: ok, 2 warnings"));
    let begins = [
        format!("{odd}:10:17: warning: policy.rules[1].methods[0]: `tools/list` never matches here"),
        format!("{odd}:15:7: warning: policy.rules[2].when: it is false whatever the message is"),
    ];
    assert!(lines[1].starts_with(&begins[0]) && lines[2].starts_with(&begins[1]), "{stdout}");

    let (code, stdout, stderr) = meshward(&["check", "--strict", "--json", odd]);
    assert_eq!(code, Some(1), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["ok"], &report["errors"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(report["warnings"][0]["kind"], "never_matches");
    assert_eq!((&report["warnings"][0]["line"], &report["warnings"][0]["column"]), (&10.into(), &17.into()));
}

#[test]
fn serve_refuses_what_check_refuses() {
    let (command, files) = command(PASS, "http://127.0.0.1:1", &[]);
    std::fs::write(files.path().join("meshward.yaml"), WRONG).unwrap();
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("meshward.yaml:3:1: strikt: "), "{stderr}");
}

#[test]
fn the_published_schema_of_audit_records_is_that_of_the_types() {
    let (code, schema, _) = meshward(&["schema", "audit-record"]);
    assert_eq!(code, Some(0));
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit-record.schema.json");
    let is_same = std::fs::read_to_string(published).unwrap() == schema;
    assert!(is_same, "write it anew: `meshward schema audit-record > docs/audit-record.schema.json`");
}

#[test]
fn the_schema_is_one_and_knows_the_sections() {
    let (code, schema, _) = meshward(&["schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["$schema"].as_str().unwrap().starts_with("https://json-schema.org/"));
    for section in ["apiVersion", "endpoints", "protocol", "policy", "audit", "spans"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    assert_eq!(schema["additionalProperties"], false);
}
