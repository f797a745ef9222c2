//! The metrics of the module and of the tool, in Prometheus' text format (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use host_harness::{Host, MetricsSnapshot};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::stats::Stats;

/// Serves `/metrics` and `/ready`, for ever.
pub(crate) async fn serve(listener: TcpListener, host: Host, stats: Arc<Stats>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for instance: that passes.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let (host, stats) = (host.clone(), Arc::clone(&stats));
        let service = service_fn(move |request| {
            let response = answer(&request, &host, &stats);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        tokio::spawn(async move {
            // A scraper that leaves is its own affair.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(request: &Request<Incoming>, host: &Host, stats: &Stats) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.method() != Method::GET && request.method() != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let text = match request.uri().path() {
        "/metrics" => format!("{}{}", render(&host.metrics()), render_own(host, stats)),
        "/ready" if stats.draining.load(Ordering::Relaxed) => {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            "draining\n".to_owned()
        }
        "/ready" => "ready\n".to_owned(),
        _ => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            "there are /metrics and /ready\n".to_owned()
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    *response.body_mut() = Full::new(Bytes::from(text));
    response
}

fn render_own(host: &Host, stats: &Stats) -> String {
    let vm = host.stats();
    let counters = [
        ("meshward_serve_connections", stats.connections.load(Ordering::Relaxed)),
        ("meshward_serve_requests", stats.requests.load(Ordering::Relaxed)),
        ("meshward_serve_vm_failures", vm.vm_failures),
        ("meshward_serve_vm_starts", vm.vm_starts),
    ];
    let active = stats.active_requests.load(Ordering::Relaxed);
    let snapshot = MetricsSnapshot {
        counters: counters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        gauges: [("meshward_serve_active_requests".to_owned(), active)].into(),
        ..MetricsSnapshot::default()
    };
    render(&snapshot)
}

/// The buckets of the module's histograms, as the shipped configuration of Envoy has them: those of OpenTelemetry's conventions
/// for MCP, in milliseconds, and bytes.
pub(crate) fn buckets() -> Vec<(String, Vec<f64>)> {
    const DURATION: [f64; 14] = [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 1.2e5, 3e5];
    const SIZE: [f64; 8] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];
    [
        ("mcp_", &DURATION[..]),
        ("meshward_time_to_first_event", &DURATION),
        ("meshward_request_size", &SIZE),
        ("meshward_response_size", &SIZE),
    ]
    .map(|(prefix, bounds)| (prefix.to_owned(), bounds.to_vec()))
    .into()
}

/// Metrics with one name and different labels.
type Family<'a, V> = Vec<(Vec<(&'a str, &'a str)>, V)>;

fn render(metrics: &MetricsSnapshot) -> String {
    let mut text = String::new();
    for (name, family) in families(&metrics.counters) {
        let name = if name.ends_with("_total") { name } else { format!("{name}_total") };
        line(&mut text, format_args!("# TYPE {name} counter"));
        for (labels, value) in family {
            line(&mut text, format_args!("{name}{} {value}", label_set(&labels, None)));
        }
    }
    for (name, family) in families(&metrics.gauges) {
        line(&mut text, format_args!("# TYPE {name} gauge"));
        for (labels, value) in family {
            line(&mut text, format_args!("{name}{} {value}", label_set(&labels, None)));
        }
    }
    for (name, family) in families(&metrics.histograms) {
        line(&mut text, format_args!("# TYPE {name} histogram"));
        for (labels, value) in family {
            for (bound, count) in &value.buckets {
                let bound = bound.to_string();
                line(&mut text, format_args!("{name}_bucket{} {count}", label_set(&labels, Some(&bound))));
            }
            line(&mut text, format_args!("{name}_bucket{} {}", label_set(&labels, Some("+Inf")), value.count));
            line(&mut text, format_args!("{name}_sum{} {}", label_set(&labels, None), value.sum));
            line(&mut text, format_args!("{name}_count{} {}", label_set(&labels, None), value.count));
        }
    }
    text
}

fn line(text: &mut String, content: impl Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}

/// Takes the labels out of names as Istio's proxies do: `calls.tool=.=search;.;total` is `calls_total` with
/// `tool="search"`.
fn families<V>(metrics: &BTreeMap<String, V>) -> BTreeMap<String, Family<'_, &V>> {
    let mut families: BTreeMap<String, Family<'_, &V>> = BTreeMap::new();
    for (name, value) in metrics {
        let (base, labels) = split(name);
        families.entry(base).or_default().push((labels, value));
    }
    families
}

fn split(name: &str) -> (String, Vec<(&str, &str)>) {
    let (mut base, mut labels) = (Vec::new(), Vec::new());
    for part in name.split(";.;") {
        match part.split_once("=.=") {
            Some((before, value)) => {
                let (rest, key) = before.rsplit_once('.').unwrap_or(("", before));
                base.push(rest);
                labels.push((key, value));
            }
            None => base.push(part),
        }
    }
    base.retain(|part| !part.is_empty());
    let mut base: String = base
        .join("_")
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == ':' { character } else { '_' })
        .collect();
    if base.starts_with(|first: char| first.is_ascii_digit()) {
        base.insert(0, '_');
    }
    (base, labels)
}

fn label_set(labels: &[(&str, &str)], bound: Option<&str>) -> String {
    let mut parts: Vec<String> = labels
        .iter()
        .map(|(key, value)| {
            let key: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{key}=\"{value}\"")
        })
        .collect();
    parts.extend(bound.map(|bound| format!("le=\"{bound}\"")));
    if parts.is_empty() { String::new() } else { format!("{{{}}}", parts.join(",")) }
}

#[cfg(test)]
mod tests {
    use host_harness::HistogramSnapshot;

    use super::*;

    #[test]
    fn labels_come_out_of_names() {
        let mut metrics = MetricsSnapshot::default();
        metrics.counters.insert("calls.tool=.=a\"b;.;decision=.=allow;.;total".to_owned(), 2);
        metrics.counters.insert("calls.tool=.=c;.;decision=.=deny;.;total".to_owned(), 1);
        metrics.counters.insert("meshward.plain".to_owned(), 3);
        metrics.gauges.insert("open-streams".to_owned(), 4);
        assert_eq!(
            render(&metrics),
            "# TYPE calls_total counter\n\
             calls_total{tool=\"a\\\"b\",decision=\"allow\"} 2\n\
             calls_total{tool=\"c\",decision=\"deny\"} 1\n\
             # TYPE meshward_plain_total counter\n\
             meshward_plain_total 3\n\
             # TYPE open_streams gauge\n\
             open_streams 4\n"
        );
    }

    #[test]
    fn histograms_end_with_everything() {
        let mut metrics = MetricsSnapshot::default();
        let mut histogram = HistogramSnapshot::default();
        (histogram.count, histogram.sum, histogram.buckets) = (3, 70, vec![(0.5, 0), (25.0, 2)]);
        metrics.histograms.insert("time.method=.=ping;.;ms".to_owned(), histogram);
        assert_eq!(
            render(&metrics),
            "# TYPE time_ms histogram\n\
             time_ms_bucket{method=\"ping\",le=\"0.5\"} 0\n\
             time_ms_bucket{method=\"ping\",le=\"25\"} 2\n\
             time_ms_bucket{method=\"ping\",le=\"+Inf\"} 3\n\
             time_ms_sum{method=\"ping\"} 70\n\
             time_ms_count{method=\"ping\"} 3\n"
        );
    }
}
