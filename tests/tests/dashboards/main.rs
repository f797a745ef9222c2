//! The dashboards and rules are right: a real Prometheus asks a real Envoy, and `meshward serve`, and every query has its answer.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

mod expressions;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use meshward_tests::clients;
use meshward_tests::envoy::workspace;
use meshward_tests::mcp_server::McpServer;
use meshward_tests::prometheus::{Prometheus, promtool};
use meshward_tests::proxy::{Host, Proxy};
use meshward_wire::refusal::Reason;
use serde_json::{Value, json};

use traffic::Counts;

/// How long the proxies are used.
const TIME: Duration = Duration::from_secs(50);
/// How long Envoy may take to show its histograms (5 s), and Prometheus to ask for them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Metrics of which an undisturbed proxy has no series, and why.
const NEVER_HERE: [&str; 1] = [
    // Only when there are `max_series`.
    "meshward_series_overflow_total",
];

/// The tool that nobody may call.
const HIDDEN: &str = "test_tool_with_logging";

/// The alerts that what is sent here raises at once. The others have to last, or never come.
const RAISED: [&str; 5] = [
    "MeshwardAmbiguousRequests",
    "MeshwardConditionsFail",
    "MeshwardExchangesFail",
    "MeshwardForeignOrigins",
    "MeshwardShadowWouldRefuse",
];

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    promtool(&["check", "rules", "--lint=all"], &expressions::folder().join("prometheus/rules.yaml")).unwrap();
    promtool(&["test", "rules"], &expressions::folder().join("prometheus/rules.test.yaml")).unwrap();
}

#[test]
fn every_alert_has_a_test_that_it_is_raised() {
    let text = std::fs::read_to_string(expressions::folder().join("prometheus/rules.test.yaml")).unwrap();
    let tests: Value = serde_saphyr::from_str(&text).unwrap();
    let cases = tests["tests"].as_array().unwrap().iter();
    let cases = cases.flat_map(|test| test["alert_rule_test"].as_array().into_iter().flatten());
    let raised = cases.filter(|case| !case["exp_alerts"].as_array().unwrap().is_empty());
    let raised: BTreeSet<_> = raised.map(|case| case["alertname"].as_str().unwrap().to_owned()).collect();
    let rules = expressions::of_rules().into_iter().map(|rule| rule.place);
    let alerts: BTreeSet<_> = rules.filter(|name| name.starts_with("Meshward")).collect();
    assert!(!alerts.is_empty());
    assert_eq!(alerts, raised);
}

#[test]
fn reasons_that_are_asked_for_exist() {
    let known: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    let mut seen = 0;
    for expression in expressions::of_panels().iter().chain(&expressions::of_rules()) {
        for reason in expressions::reasons(&expression.text) {
            assert!(known.contains(reason), "{}: no refusal is for {reason}", expression.place);
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} reasons were found");
}

#[test]
fn dashboards_have_what_a_reader_needs() {
    let mut uids = BTreeSet::new();
    for (file, dashboard) in expressions::dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{file}: its uid is not its own");
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {} has another's id", panel["title"]);
            if panel["type"] == "row" {
                continue;
            }
            assert!(
                !panel["description"].as_str().unwrap().is_empty(),
                "{file}: {} has no description",
                panel["title"]
            );
            assert_eq!(panel["datasource"], json!({"type": "prometheus", "uid": "${DS_PROMETHEUS}"}), "{file}");
            if panel["type"] != "heatmap" {
                let defaults = &panel["fieldConfig"]["defaults"];
                assert!(defaults["unit"].is_string(), "{file}: {} has no unit", panel["title"]);
                assert!(defaults["thresholds"]["steps"].is_array(), "{file}: {} has no thresholds", panel["title"]);
            }
        }
    }
    assert_eq!(uids.len(), 4);
}

/// A proxy before a client and one before a server, as in a mesh.
struct Mesh {
    client_side: Proxy,
    server_side: Proxy,
    _server: McpServer,
}

impl Mesh {
    fn start(host: Host) -> Self {
        let server = McpServer::start().unwrap();
        let server_side = json!({
            "apiVersion": "meshward/v1",
            "endpoints": [{"path": "/mcp"}],
            "header_hold": true,
            "protocol": {"origins": ["https://app.example"]},
            "policy": {
                "default": "deny",
                "rules": [
                    {"name": "tools", "effect": "allow", "tools": [
                        "test_simple_text", "test_tool_with_progress", "test_error_handling", "test_image_content", "test_sampling",
                    ]},
                    {"name": "people", "effect": "allow", "tools": ["json_schema_2020_12_tool"], "when": "args.name == 'Ada'"},
                    {"name": "no-logging", "effect": "deny", "tools": [HIDDEN]},
                    {"name": "images", "effect": "deny", "mode": "shadow", "tools": ["test_image_content"]},
                ],
            },
            "metrics": {},
        });
        let client_side = json!({
            "apiVersion": "meshward/v1",
            "endpoints": [{"path": "/mcp"}],
            "header_hold": true,
            "direction": "outbound",
            "catalogue": {},
            "metrics": {},
        });
        let server_side = Proxy::start(host, &server_side, server.address()).unwrap();
        let client_side = Proxy::start(host, &client_side, server_side.address()).unwrap();
        Self { client_side, server_side, _server: server }
    }

    /// A Prometheus that scrapes both proxies, with the rules that we ship.
    fn scraped(&self) -> Prometheus {
        let targets = [("servers", self.server_side.metrics()), ("clients", self.client_side.metrics())];
        Prometheus::start(&targets, &expressions::folder().join("prometheus/rules.yaml")).unwrap()
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// What a count by two labels comes to.
fn counted(prometheus: &Prometheus, expression: &str, labels: [&str; 2]) -> BTreeMap<[String; 2], u64> {
    let samples = prometheus.query(expression).unwrap().into_iter();
    let of = |labels_of: &BTreeMap<String, String>, label| labels_of.get(label).cloned().unwrap_or_default();
    samples.map(|sample| (labels.map(|label| of(&sample.labels, label)), sample.value as u64)).collect()
}

/// Waits until both are equal, and fails with both when they never are.
fn agree<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, measured: impl Fn() -> T) {
    let begin = Instant::now();
    loop {
        let measured = measured();
        if measured == *expected {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}\n sent: {expected:#?}\n measured: {measured:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What Prometheus has is what the clients counted.
fn sums_agree(prometheus: &Prometheus, calls: &Counts, refusals: &BTreeMap<&str, u64>) {
    for (job, side) in [("servers", "server"), ("clients", "client")] {
        // Before the client a refusal is an answer like any other, and a tool that no list shows has no name.
        let mut requests = BTreeMap::<_, u64>::new();
        let mut durations = BTreeMap::<_, u64>::new();
        for ((tool, outcome), count) in calls {
            let (tool, outcome) = match (job, *outcome) {
                ("clients", "refused") if tool == HIDDEN => ("other", "error"),
                ("clients", "refused") => (tool.as_str(), "error"),
                (_, outcome) => (tool.as_str(), outcome),
            };
            *requests.entry([tool.to_owned(), outcome.to_owned()]).or_default() += *count;
            *durations.entry([tool.to_owned(), String::new()]).or_default() += *count;
        }
        let labels = ["gen_ai_tool_name", "outcome"];
        let sums = |metric: &str| {
            let calls = format!("{metric}{{job=\"{job}\",mcp_method_name=\"tools/call\"}}");
            counted(prometheus, &format!("sum by (gen_ai_tool_name, outcome) ({calls})"), labels)
        };
        agree(&format!("{job}: calls"), &requests, || sums("meshward_requests_total"));
        let metric = format!("mcp_{side}_operation_duration_milliseconds_count");
        agree(&format!("{job}: durations"), &durations, || sums(&metric));
    }
    let denied: u64 = calls.iter().filter(|((_, outcome), _)| *outcome == "refused").map(|(_, count)| *count).sum();
    let conditions = calls.get(&("json_schema_2020_12_tool".to_owned(), "refused")).unwrap();
    assert!(denied > *conditions);
    let mut expected: BTreeMap<_, _> =
        refusals.iter().map(|(reason, count)| ([(*reason).to_owned(), "enforce".to_owned()], *count)).collect();
    expected.insert(["denied".to_owned(), "enforce".to_owned()], denied);
    let images = calls[&("test_image_content".to_owned(), "ok")];
    expected.insert(["denied".to_owned(), "shadow".to_owned()], images);
    agree("refusals", &expected, || {
        counted(prometheus, "sum by (reason, mode) (meshward_refusals_total{job=\"servers\"})", ["reason", "mode"])
    });
}

/// Each query is one that Prometheus evaluates, and each one that must have data has it.
fn every_query_is_answered(prometheus: &Prometheus) {
    let names: BTreeSet<String> = prometheus
        .query("count by (__name__) ({__name__=~\"(meshward|mcp)_.*\"})")
        .unwrap()
        .into_iter()
        .map(|sample| sample.labels["__name__"].clone())
        .collect();
    let mut faults = Vec::new();
    let all: Vec<_> = [expressions::of_panels(), expressions::of_variables(), expressions::of_rules()].concat();
    for expression in &all {
        let place = &expression.place;
        for metric in expressions::metrics(&expression.text) {
            if !names.contains(metric) && !NEVER_HERE.contains(&metric) {
                faults.push(format!("{place}: there is no metric {metric}"));
            }
        }
        if let Err(error) = prometheus.query(&expression.text) {
            faults.push(format!("{place}: {error:#}"));
        }
    }
    let without_data = |text: &str| text.contains(NEVER_HERE[0]) && !text.contains("vector(0)");
    let rules = expressions::of_rules()
        .into_iter()
        .filter(|rule| !rule.place.starts_with("Meshward") || RAISED.contains(&rule.place.as_str()));
    for expression in [expressions::of_panels(), expressions::of_variables()].concat().into_iter().chain(rules) {
        // Of any time since the beginning: a quantile is NaN while nothing happens.
        let text = format!("max_over_time(({})[90s:1s])", expression.text);
        let samples = prometheus.query(&text).unwrap_or_default();
        if !samples.iter().any(|sample| sample.value.is_finite()) && !without_data(&expression.text) {
            faults.push(format!("{}: no data: {}", expression.place, expression.text));
        }
    }
    assert!(faults.is_empty(), "{}\nmetrics: {names:#?}", faults.join("\n"));
    println!("{} queries answered", all.len());
}

/// Prometheus itself evaluates each rule, and raises what is to be raised.
fn every_rule_works(prometheus: &Prometheus) {
    let rules = prometheus.rules().unwrap();
    let rules: Vec<_> =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(rules.len(), expressions::of_rules().len());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
    let raised: BTreeSet<_> =
        rules.iter().filter(|rule| rule["state"] == "firing").map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(raised, BTreeSet::from(RAISED));
}

/// The picture for the documents, as `envoy-config/draw-dashboard.mjs` draws it from what Prometheus has.
fn draw(prometheus: &Prometheus, begin: u64, end: u64) {
    let folder = workspace().join("target/dashboards");
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new(clients::node().unwrap())
        .current_dir(expressions::folder())
        .args(["draw-dashboard.mjs", "grafana/overview.json"])
        .arg(format!("http://{}", prometheus.address()))
        .args([begin.to_string(), end.to_string(), "1".to_owned()])
        .args(["__rate_interval=10s", "job=servers"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = String::from_utf8(output.stdout).unwrap();
    let (_, overview) = expressions::dashboards().into_iter().find(|(file, _)| file == "overview.json").unwrap();
    for panel in overview["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(svg.contains(&format!(">{title}</text>")), "{title} is not drawn");
    }
    assert!(svg.contains(">test_simple_text</text>"), "the series have no names");
    std::fs::write(folder.join("overview.svg"), svg).unwrap();
}

#[test]
fn prometheus_has_what_clients_saw_and_the_dashboards_show_it() {
    let mesh = Mesh::start(Host::Envoy);
    let prometheus = mesh.scraped();
    let begin = seconds();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let refusals = traffic::by_hand(mesh.server_side.address());
    let calls = runtime.block_on(traffic::of_clients(mesh.client_side.address(), TIME));
    let end = seconds();
    sums_agree(&prometheus, &calls, &refusals);
    // Without the time in which there is no rate yet.
    draw(&prometheus, begin + 10, end);
    every_query_is_answered(&prometheus);
    every_rule_works(&prometheus);
}

#[test]
fn prometheus_has_what_clients_saw_through_serve() {
    let mesh = Mesh::start(Host::Serve);
    let prometheus = mesh.scraped();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let refusals = traffic::by_hand(mesh.server_side.address());
    let calls = runtime.block_on(traffic::of_clients(mesh.client_side.address(), Duration::from_secs(15)));
    sums_agree(&prometheus, &calls, &refusals);
    every_query_is_answered(&prometheus);
}
