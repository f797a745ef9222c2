//! What the dashboards and the rules ask of Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use meshward_tests::envoy::workspace;
use serde_json::Value;

/// An expression, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// What the variables of a dashboard stand for. `side` has two values, so that what uses it is asked twice.
const VARIABLES: [(&str, &str); 5] =
    [("$__rate_interval", "20s"), ("$__range", "90s"), ("$job", ".*"), ("$instance", ".*"), ("$tool", ".*")];

pub(crate) fn folder() -> PathBuf {
    workspace().join("envoy-config")
}

/// The dashboards, by their files' names.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let files = fs::read_dir(folder().join("grafana")).unwrap().map(|entry| entry.unwrap().path());
    let mut dashboards: Vec<(String, Value)> = files
        .map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        })
        .collect();
    dashboards.sort_by(|a, b| a.0.cmp(&b.0));
    dashboards
}

/// Every query of a panel.
pub(crate) fn of_panels() -> Vec<Expression> {
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array();
            assert!(targets.is_some() || panel["type"] == "row", "{file}: {panel}");
            for target in targets.into_iter().flatten() {
                let place = format!("{file}, {}, {}", panel["title"], target["refId"]);
                found.extend(written(place, target["expr"].as_str().unwrap()));
            }
        }
    }
    found
}

/// What the variables of the dashboards have their values from.
pub(crate) fn of_variables() -> Vec<Expression> {
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let values = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (series, label) = values.unwrap().rsplit_once(", ").unwrap();
            let text = format!("count by ({label}) ({series})");
            found.extend(written(format!("{file}, variable {}", variable["name"]), &text));
        }
    }
    found
}

/// The expressions of recording and alerting rules, each with its name.
pub(crate) fn of_rules() -> Vec<Expression> {
    let text = fs::read_to_string(folder().join("prometheus/rules.yaml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Expression {
            place: rule["record"].as_str().or(rule["alert"].as_str()).unwrap().to_owned(),
            text: rule["expr"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// The metrics of ours that an expression names, without those that rules record.
pub(crate) fn metrics(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
    words
        .filter(|word| !word.contains(':') && (word.starts_with("meshward_") || word.starts_with("mcp_")))
        .filter(|word| !["mcp_method_name", "mcp_protocol_version"].contains(word))
        .collect()
}

/// The reasons for a refusal that an expression names.
pub(crate) fn reasons(expression: &str) -> BTreeSet<&str> {
    let matchers = expression.split("reason=").skip(1);
    matchers.flat_map(|rest| rest.trim_start_matches('~').split('"').nth(1).unwrap().split('|')).collect()
}

/// An expression with its variables replaced.
fn written(place: String, text: &str) -> Vec<Expression> {
    let text = VARIABLES.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    if !text.contains("${side}") {
        assert!(!text.contains('$'), "{place}: a variable is not known: {text}");
        return vec![Expression { place, text }];
    }
    let sides = ["server", "client"];
    sides.map(|side| Expression { place: format!("{place} ({side})"), text: text.replace("${side}", side) }).into()
}
