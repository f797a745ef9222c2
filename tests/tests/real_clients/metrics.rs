//! What Prometheus scrapes after real sessions: the conventions' names and labels, and sums that agree with what the clients
//! did.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use meshward_tests::clients::{CLIENTS, Mode, Server};
use meshward_tests::envoy::Envoy;
use meshward_tests::proxy::{Host, Proxy};
use meshward_tests::scrape::{Sample, samples, sum};
use serde_json::json;

use super::{document, each};

/// What is scraped once everything has been measured: Envoy shows histograms as of its last flush.
fn settled(proxy: &Proxy, done: impl Fn(&[Sample]) -> bool) -> Vec<Sample> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let samples = samples(&proxy.scrape().unwrap()).unwrap();
        if done(&samples) {
            return samples;
        }
        assert!(Instant::now() < deadline, "{:#?}\n{}", of_ours(&samples), proxy.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn of_ours(samples: &[Sample]) -> Vec<&Sample> {
    samples.iter().filter(|sample| sample.name.starts_with("mcp_") || sample.name.starts_with("meshward_")).collect()
}

fn sums_agree(host: Host) {
    let server = Server::python().unwrap();
    let policy = json!({
        "default": "allow",
        "rules": [
            {"name": "small", "effect": "allow", "tools": ["get_small"]},
            {"name": "no-delete", "effect": "deny", "tools": ["delete_repo"]},
        ],
    });
    let mut document = document(true, policy);
    document["metrics"] = json!({"tools": ["get_progress"]});
    let proxy = Proxy::start(host, &document, server.address()).unwrap();
    each(CLIENTS, |client| {
        let key = format!("{:?}-{:?}-measured", client.sdk, client.mode);
        let steps = json!([
            {"list": "tools"},
            {"call": "get_small", "arguments": {"text": "a"}},
            {"call": "get_small", "arguments": {"text": "b"}},
            {"call": "delete_repo", "arguments": {"name": "meshward"}},
            {"call": "get_progress", "arguments": {"key": key}, "seen": format!("http://{}/seen/{key}", server.address())},
            {"call": "get_large", "arguments": {"lines": 1}},
        ]);
        let lines = client.run(proxy.address(), &steps).unwrap_or_else(|error| panic!("{error:#}\n{}", proxy.log()));
        assert_eq!(lines.iter().filter(|line| line.get("error").is_some()).count(), 1, "{client:?}: {lines:#?}");
    });

    #[expect(clippy::cast_precision_loss, reason = "five")]
    let clients = CLIENTS.len() as f64;
    let duration = "mcp_server_operation_duration_milliseconds_count";
    let call = |tool| [("mcp_method_name", "tools/call"), ("gen_ai_tool_name", tool)];
    let scraped = settled(&proxy, |samples| {
        sum(samples, duration, &call("get_small")) >= 2.0 * clients && sum(samples, "meshward_open_streams", &[]) == 0.0
    });
    let ours = of_ours(&scraped);
    for (tool, each) in [("get_small", 2.0), ("delete_repo", 1.0), ("get_progress", 1.0), ("other", 1.0)] {
        assert_eq!(sum(&scraped, duration, &call(tool)), each * clients, "{tool}: {ours:#?}");
        assert_eq!(sum(&scraped, "meshward_requests_total", &call(tool)), each * clients, "{tool}");
        assert_eq!(sum(&scraped, "meshward_decisions_total", &call(tool)), each * clients, "{tool}");
    }
    let sessions = CLIENTS.iter().filter(|client| client.mode == Mode::Session).count();
    for (revision, count) in [("2025-11-25", sessions), ("2026-07-28", CLIENTS.len() - sessions)] {
        let labels = [("gen_ai_tool_name", "get_small"), ("mcp_protocol_version", revision)];
        assert_eq!(sum(&scraped, duration, &labels) as usize, 2 * count, "{revision}: {ours:#?}");
    }
    let refused = [("error_type", "-31403"), ("rpc_response_status_code", "-31403"), ("outcome", "refused")];
    assert_eq!(sum(&scraped, "meshward_requests_total", &refused), clients);
    let denied = [("decision", "denied"), ("rule", "no-delete"), ("reason", "denied")];
    assert_eq!(sum(&scraped, "meshward_decisions_total", &denied), clients);
    assert_eq!(sum(&scraped, "meshward_decisions_total", &[("decision", "allowed"), ("rule", "small")]), 2.0 * clients);
    assert_eq!(sum(&scraped, "meshward_refusals_total", &[("reason", "denied"), ("mode", "enforce")]), clients);
    assert_eq!(sum(&scraped, "meshward_hidden_total", &[("list", "tools/list")]), clients);
    assert_eq!(sum(&scraped, "meshward_progress_total", &[("sender", "server")]), 3.0 * clients);
    // Not every SDK ends its session.
    let ended = sum(&scraped, "mcp_server_session_duration_milliseconds_count", &[]);
    assert!(ended >= 1.0 && ended as usize <= sessions, "{ended}");
    // The conventions' buckets, and no others.
    let bucket = |sample: &&Sample| {
        sample.name == "mcp_server_operation_duration_milliseconds_bucket"
            && sample.labels.get("gen_ai_tool_name").is_some_and(|tool| tool == "get_small")
            && sample.labels.get("mcp_protocol_version").is_some_and(|revision| revision == "2025-11-25")
    };
    let mut bounds: Vec<_> = scraped.iter().filter(bucket).map(|sample| sample.labels["le"].clone()).collect();
    bounds.dedup();
    let conventions =
        ["10", "20", "50", "100", "200", "500", "1000", "2000", "5000", "10000", "30000", "60000", "120000", "300000"];
    assert_eq!(bounds, [&conventions[..], &["+Inf"]].concat());
    // Nothing of the labels is left in a name.
    assert!(ours.iter().all(|sample| sample.name.chars().all(|c| c.is_ascii_lowercase() || c == '_')), "{ours:#?}");
}

#[test]
fn sums_agree_with_what_clients_did_through_envoy() {
    sums_agree(Host::Envoy);
}

#[test]
fn sums_agree_with_what_clients_did_through_serve() {
    sums_agree(Host::Serve);
}

/// Names that are made up, many and with letters that could end a label, through the whole host: neither its series nor its
/// memory grow with them.
fn no_name_makes_a_series(host: Host, calls: usize) {
    /// What an allocator and V8 may take and give back meanwhile.
    const NOISE: u64 = 6 << 20;
    let server = Server::python().unwrap();
    let policy = json!({"default": "deny", "rules": [{"name": "small", "effect": "allow", "tools": ["get_small"]}]});
    let mut document = document(true, policy);
    for section in ["metrics", "audit", "spans", "trace"] {
        document[section] = json!({});
    }
    let proxy = Proxy::start(host, &document, server.address()).unwrap();
    let size = || {
        let series = proxy.as_envoy().map(|envoy| envoy.metrics().unwrap().into_keys().collect::<Vec<_>>());
        (series, proxy.as_envoy().and_then(Envoy::resident_bytes))
    };
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let measured = |calls: usize| {
        settled(&proxy, |samples| sum(samples, "mcp_server_operation_duration_milliseconds_count", &[]) >= calls as f64)
    };
    send_hostile(&proxy, 0..calls / 2);
    measured(calls / 2);
    let (series_then, resident_then) = size();
    send_hostile(&proxy, calls / 2..calls);
    let scraped = measured(calls);
    let (series, resident) = size();
    assert_eq!(series, series_then);
    let grown = resident.zip(resident_then).map(|(now, then)| now.saturating_sub(then));
    assert!(grown.is_none_or(|grown| grown < NOISE), "{grown:?} bytes more");
    let requests: Vec<_> = scraped.iter().filter(|sample| sample.name == "meshward_requests_total").collect();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert_eq!(requests[0].value as usize, calls);
    assert_eq!(requests[0].labels["gen_ai_tool_name"], "other");
    assert_eq!(requests[0].labels["outcome"], "refused");
}

/// Calls tools of made-up names, over a few connections at once, and is denied each.
fn send_hostile(proxy: &Proxy, numbers: Range<usize>) {
    const CONNECTIONS: usize = 4;
    let head = "POST /mcp HTTP/1.1\r\nhost: mcp\r\ncontent-type: application/json\r\naccept: application/json";
    std::thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            let numbers = numbers.clone().skip(first).step_by(CONNECTIONS);
            scope.spawn(move || {
                let mut stream = BufReader::new(TcpStream::connect(proxy.address()).unwrap());
                for number in numbers {
                    let name = format!("hostile-{number};.;outcome=.=ok;.;");
                    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}});
                    let body = body.to_string();
                    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    stream.get_mut().write_all(request.as_bytes()).unwrap();
                    assert!(answer(&mut stream).contains("\"denied\""));
                }
            });
        }
    });
}

/// The body of an answer with its length.
fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn no_name_makes_a_series_in_envoy() {
    no_name_makes_a_series(Host::Envoy, 20_000);
}

#[test]
fn no_name_makes_a_series_in_serve() {
    no_name_makes_a_series(Host::Serve, 2_000);
}
