//! A configuration that is wrong keeps the module from loading, in a real Envoy and in our host, with all its errors in
//! the log; one that is right loads under every root id.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

use std::path::Path;

use host_harness::{Host, Module, Optimize, PluginConfig, Worker};
use meshward_tests::envoy::{Envoy, module, schema_module, sidecar_inbound};
use serde_json::{Value, json};

const WASM_CONFIG: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";

const RIGHT: &str = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"/mcp"}],"header_hold":true}"#;
const WRONG: &str = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"mcp"}],"header_hold":true,
    "policy":{"rules":[{"name":"a","effect":"permit","tool":["x"]}]}}"#;
const ERRORS: [&str; 3] = [
    "endpoints[0].path: an endpoint is a path: begin it with `/`",
    "policy.rules[0].effect: unknown variant `permit`, expected `allow` or `deny`",
    "policy.rules[0].tool: unknown field `tool` (did you mean `tools`?)",
];

const WRONG_RULES: &str = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"/mcp"}],"header_hold":true,"policy":{"rules":[
    {"name":"a","effect":"allow","when":"arg.amount < 1"},
    {"name":"a","effect":"allow","revisions":["2025-11-26"]},
    {"name":"b","effect":"allow","principals":[{"headers":{"x-user":"alice"}}]}]}}"#;
const ERRORS_IN_RULES: [&str; 4] = [
    "policy.rules[0].when: 1:1: undeclared variable \"arg\" (did you mean \"args\"?)",
    "policy.rules[1].name: another rule is called `a` too",
    "policy.rules[1].revisions[0]: unknown revision `2025-11-26`",
    "policy.rules[2].principals[0].headers.x-user: `x-user` is no trusted header",
];

/// Starts Envoy with a configuration of the module; the error is the end of its log.
fn envoy(configuration: &str, root_id: &str) -> Result<(), String> {
    envoy_with(&module().unwrap(), configuration, root_id)
}

fn envoy_with(module: &Path, configuration: &str, root_id: &str) -> Result<(), String> {
    Envoy::start(bootstrap(module, configuration, root_id), 1).map(drop).map_err(|error| format!("{error:#}"))
}

fn bootstrap(module: &Path, configuration: &str, root_id: &str) -> Value {
    let mut bootstrap = sidecar_inbound().unwrap();
    *bootstrap.pointer_mut("/static_resources/listeners/0/address/socket_address/port_value").unwrap() = json!(0);
    let config = bootstrap.pointer_mut(WASM_CONFIG).unwrap();
    config["configuration"]["value"] = Value::from(configuration);
    config["root_id"] = Value::from(root_id);
    config["vm_config"]["code"]["local"]["filename"] = Value::from(module.to_str().unwrap());
    bootstrap
}

/// Likewise in our own host.
fn harness(configuration: &str, root_id: &str) -> Result<(), String> {
    harness_with(&module().unwrap(), configuration, root_id)
}

fn harness_with(module: &Path, configuration: &str, root_id: &str) -> Result<(), String> {
    let config = PluginConfig {
        root_id: root_id.to_owned(),
        configuration: configuration.to_owned().into(),
        ..PluginConfig::default()
    };
    harness_as(module, &config)
}

fn harness_as(module: &Path, config: &PluginConfig) -> Result<(), String> {
    let module = Module::from_file(module, Optimize::Compile).unwrap();
    Worker::start(&module, config, &Host::default()).map(drop).map_err(|error| {
        let logs: Vec<_> = error.logs.iter().map(|line| line.message.as_str()).collect();
        format!("{error}\n{}", logs.join("\n"))
    })
}

#[test]
fn a_wrong_configuration_does_not_load_and_says_everything() {
    for (host, start) in [("Envoy", envoy as fn(&str, &str) -> _), ("harness", harness)] {
        for (document, errors) in [(WRONG, &ERRORS[..]), (WRONG_RULES, &ERRORS_IN_RULES)] {
            let Err(log) = start(document, "meshward") else { panic!("{host} loaded a wrong configuration") };
            for error in errors {
                assert!(log.contains(error), "{host} does not say: {error}\n{log}");
            }
        }
        let Err(log) = start(RIGHT, "meshward.nothing") else { panic!("{host} loaded an unknown root id") };
        assert!(log.contains("unknown root id `meshward.nothing`"), "{host}: {log}");
    }
}

#[test]
fn a_right_configuration_loads_under_every_root_id() {
    for root_id in meshward::ROOT_IDS {
        assert_eq!(envoy(RIGHT, root_id), Ok(()));
        assert_eq!(harness(RIGHT, root_id), Ok(()));
    }
}

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const KEY_IN_ENVIRONMENT: &str = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"/mcp"}],"header_hold":true,
    "replay":{"sessions":{"keys":[{"id":"k1","env":"SESSION_KEY"}]}}}"#;

#[test]
fn a_key_is_in_the_environment_of_the_module_or_nothing_starts() {
    for (environment, error) in [
        (json!({"SESSION_KEY": KEY}), None),
        (json!({}), Some("no environment variable `SESSION_KEY`")),
        (json!({"SESSION_KEY": "c2hvcnQ="}), Some("environment variable `SESSION_KEY` has no key")),
    ] {
        let mut bootstrap = bootstrap(&module().unwrap(), KEY_IN_ENVIRONMENT, "meshward");
        bootstrap.pointer_mut(WASM_CONFIG).unwrap()["vm_config"]["environment_variables"] =
            json!({"key_values": environment});
        let in_envoy = Envoy::start(bootstrap, 1).map(drop).map_err(|error| format!("{error:#}"));
        let config = PluginConfig {
            configuration: KEY_IN_ENVIRONMENT.into(),
            environment: serde_json::from_value(environment).unwrap(),
            ..PluginConfig::default()
        };
        for (host, started) in [("Envoy", in_envoy), ("harness", harness_as(&module().unwrap(), &config))] {
            match (started, error) {
                (Ok(()), None) => {}
                (Err(log), Some(error)) => {
                    assert!(log.contains(error) && !log.contains("c2hvcnQ"), "{host}: {log}");
                }
                (started, error) => panic!("{host}: {started:?}, not {error:?}"),
            }
        }
    }
}

#[test]
fn the_module_without_a_reader_of_schemas_refuses_to_check_arguments() {
    let configuration = |mode: &str| {
        format!(r#"{{"apiVersion":"meshward/v1","endpoints":[{{"path":"/mcp"}}],"catalogue":{{"schema":"{mode}"}}}}"#)
    };
    assert_eq!(harness(&configuration("off"), "meshward"), Ok(()));
    for mode in ["observe", "enforce"] {
        let Err(log) = harness(&configuration(mode), "meshward") else { panic!("{mode} was taken") };
        assert!(log.contains("catalogue.schema") && log.contains("meshward-schema.wasm"), "{log}");
    }
}

#[test]
fn the_module_with_one_reads_schemas_as_deep_as_they_may_be() {
    // References in a row, each at the end of a chain of schemas: the deepest that a schema can have its reader recurse.
    let chain = |next: usize| {
        let innermost = json!({"$ref": format!("#/$defs/d{next}")});
        (0..48).fold(innermost, |inner, _| json!({"items": inner}))
    };
    let mut defs: serde_json::Map<_, _> = (0..9).map(|n| (format!("d{n}"), chain(n + 1))).collect();
    defs.insert("d9".to_owned(), json!({}));
    let schema = json!({"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs});
    let catalogue = json!({"schema": "enforce", "tools": [{"name": "t", "inputSchema": schema}]});
    let configuration =
        json!({"apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}], "catalogue": catalogue}).to_string();
    let module = schema_module().unwrap();
    assert_eq!(harness_with(&module, &configuration, "meshward"), Ok(()));
    assert_eq!(envoy_with(&module, &configuration, "meshward"), Ok(()));
}
