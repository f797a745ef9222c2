//! One line per exchange on stdout, and behind it the audit records that the module left. Queries, header values and bodies
//! are in none of them, except as the audit is configured.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use host_harness::{ResetReason, StreamInfo};
use http::{Method, StatusCode, Uri, Version};
use serde::Serialize;

use super::headers::{Malformed, Rejected};
use super::upstream::UpstreamError;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessLog {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// What is known of one exchange.
#[derive(Debug)]
pub(crate) struct Record {
    at: SystemTime,
    begun: Instant,
    client: SocketAddr,
    method: Method,
    path: String,
    version: Version,
    status: Option<StatusCode>,
    bytes_received: u64,
    bytes_sent: u64,
    details: Option<String>,
    upstream_error: Option<String>,
    /// As the module left them: one a line.
    audit: String,
}

/// Where the module leaves audit records.
const AUDIT: &str = "wasm.meshward.audit";

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
struct Line<'a> {
    event: &'static str,
    /// Seconds since the Unix epoch.
    time: f64,
    client: SocketAddr,
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    /// 0 when the client saw no response.
    status: u16,
    details: &'a str,
    bytes_received: u64,
    bytes_sent: u64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_error: Option<&'a str>,
}

impl Record {
    /// A request came in.
    pub(crate) fn new(client: SocketAddr, method: &Method, uri: &Uri, version: Version) -> Self {
        Self {
            at: SystemTime::now(),
            begun: Instant::now(),
            client,
            method: method.clone(),
            path: uri.path().to_owned(),
            version,
            status: None,
            bytes_received: 0,
            bytes_sent: 0,
            details: None,
            upstream_error: None,
            audit: String::new(),
        }
    }

    /// It went no further.
    pub(crate) fn rejected(mut self, rejected: Rejected) -> Self {
        self.status = Some(rejected.status);
        self.details = Some(rejected.details.to_owned());
        self
    }

    /// A part of the request body.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.bytes_received = self.bytes_received.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A part of the response body.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes_sent = self.bytes_sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The response began.
    pub(crate) fn status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The client left before the end.
    pub(crate) fn client_gone(&mut self) {
        self.details = Some("downstream_remote_disconnect".to_owned());
    }

    /// The response was cut off.
    pub(crate) fn reset(&mut self, reason: ResetReason) {
        self.details.get_or_insert_with(|| format!("reset{{{reason:?}}}"));
    }

    /// The filter's response could not be written.
    pub(crate) fn malformed(&mut self, malformed: Malformed) {
        self.details = Some(malformed.to_string());
    }

    /// The upstream gave no response.
    pub(crate) fn upstream_failed(&mut self, error: &UpstreamError) {
        self.upstream_error = Some(error.to_string());
    }

    /// The exchange is over; the worker's details count where there are no others.
    pub(crate) fn finish(&mut self, info: StreamInfo) {
        if self.details.is_none() {
            self.details = info.response_code_details;
        }
        if let Some(records) = info.filter_state.get(AUDIT) {
            self.audit = String::from_utf8_lossy(records).into_owned();
        }
    }

    fn line(&self, elapsed: Duration) -> Line<'_> {
        Line {
            event: "exchange",
            time: to_thousandths(self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()),
            client: self.client,
            method: self.method.as_str(),
            path: &self.path,
            protocol: if self.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
            status: self.status.map_or(0, |status| status.as_u16()),
            details: self.details.as_deref().unwrap_or("via_upstream"),
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            duration_ms: to_thousandths(elapsed.as_secs_f64() * 1000.0),
            upstream_error: self.upstream_error.as_deref(),
        }
    }
}

fn to_thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl AccessLog {
    /// Writes the lines of an exchange that is over. A log that cannot be written stops nothing.
    pub(crate) fn write(self, record: &Record) {
        let _ = writeln!(std::io::stdout().lock(), "{}", self.lines(record, record.begun.elapsed()));
    }

    /// The exchange's line, and behind it a line for each audit record.
    fn lines(self, record: &Record, elapsed: Duration) -> String {
        let line = self.format(&record.line(elapsed));
        if record.audit.is_empty() { line } else { format!("{line}\n{}", record.audit) }
    }

    fn format(self, line: &Line<'_>) -> String {
        match self {
            Self::Json => serde_json::to_string(line).unwrap_or_default(),
            Self::Text => format!(
                "{:.3} {} \"{} {} {}\" {} {} in={} out={} {:.1}ms{}",
                line.time,
                line.client,
                line.method,
                line.path.escape_default(),
                line.protocol,
                line.status,
                line.details,
                line.bytes_received,
                line.bytes_sent,
                line.duration_ms,
                line.upstream_error.map(|error| format!(" ({error})")).unwrap_or_default(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_records_follow_the_line_of_their_exchange() {
        let mut record =
            Record::new("127.0.0.1:9".parse().unwrap(), &Method::POST, &"/mcp".parse().unwrap(), Version::HTTP_2);
        let one = AccessLog::Json.lines(&record, Duration::ZERO);
        assert_eq!(one.lines().count(), 1);
        let records = "{\"audit\":1}\n{\"audit\":2}";
        let filter_state = [(AUDIT.to_owned(), records.into())].into();
        record.finish(StreamInfo { filter_state, ..StreamInfo::default() });
        for log in [AccessLog::Json, AccessLog::Text] {
            let lines = log.lines(&record, Duration::ZERO);
            assert_eq!(lines.split_once('\n').map(|(_, behind)| behind), Some(records), "{lines}");
        }
    }

    #[test]
    fn a_line_has_the_path_but_not_the_query() {
        let uri = "/mcp?token=secret".parse().unwrap();
        let mut record = Record::new("127.0.0.1:9".parse().unwrap(), &Method::POST, &uri, Version::HTTP_2);
        record.received(3);
        record.sent(5);
        record.status(StatusCode::OK);
        record.finish(StreamInfo::default());
        let line = record.line(Duration::from_millis(2));
        let text = AccessLog::Text.format(&line);
        assert!(text.contains("127.0.0.1:9 \"POST /mcp HTTP/2\" 200 via_upstream in=3 out=5 2.0ms"), "{text}");
        let json = AccessLog::Json.format(&line);
        assert!(json.contains(r#""method":"POST","path":"/mcp","protocol":"HTTP/2","status":200"#), "{json}");
        assert!(!text.contains("secret") && !json.contains("secret"));
    }
}
