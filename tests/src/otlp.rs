//! A small receiver of OpenTelemetry's protocol (OTLP 1.x, traces over HTTP in protobuf's encoding), for tests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span, as a test looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// Who sent it (`service.name`).
    pub service: String,
    /// 2 is a server's, 3 a client's (`SpanKind`).
    pub kind: i32,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// Likewise; empty for a root.
    pub parent_span_id: String,
    /// The spans it links to: of each the trace's id and its own.
    pub links: Vec<(String, String)>,
    /// What it is labelled with, texts as they are and numbers in digits.
    pub attributes: BTreeMap<String, String>,
    /// 2 is an error (`StatusCode`).
    pub status: i32,
}

/// A receiver on a port of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    /// Messages that could not be read.
    malformed: Vec<String>,
}

impl Receiver {
    /// Listens on loopback.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let received = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&received)));
        Ok(Self { address, received, task })
    }

    /// Where it listens; spans go to `/v1/traces`.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The spans so far, as soon as there are this many.
    ///
    /// # Errors
    /// When there are fewer after some time, or a message could not be read.
    pub async fn spans(&self, at_least: usize) -> Result<Vec<Span>> {
        let deadline = Instant::now().checked_add(Duration::from_secs(20)).context("clock")?;
        loop {
            {
                let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(malformed) = received.malformed.first() {
                    bail!("a message could not be read: {malformed}");
                }
                if received.spans.len() >= at_least {
                    return Ok(received.spans.clone());
                }
                if Instant::now() > deadline {
                    bail!("{} spans, not {at_least}: {:?}", received.spans.len(), received.spans);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, received: Arc<Mutex<Received>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            let service = service_fn(|request| export(request, Arc::clone(&received)));
            // A sender that goes away is no failure of ours.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn export(
    request: Request<Incoming>,
    received: Arc<Mutex<Received>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let decoded = body
        .map_err(|error| error.to_string())
        .and_then(|body| ExportTraceServiceRequest::decode(body).map_err(|error| error.to_string()));
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
    let mut response = Response::new(Empty::new());
    match decoded {
        Ok(request) => received.spans.extend(request.resource_spans.into_iter().flat_map(ResourceSpans::into_spans)),
        Err(error) => {
            received.malformed.push(error);
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
    }
    Ok(response)
}

impl ResourceSpans {
    fn into_spans(self) -> impl Iterator<Item = Span> {
        let resource = texts(self.resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").cloned().unwrap_or_default();
        self.scope_spans.into_iter().flat_map(|scope| scope.spans).map(move |span| Span {
            name: span.name,
            service: service.clone(),
            kind: span.kind,
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_span_id: hex(&span.parent_span_id),
            links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
            attributes: texts(span.attributes),
            status: span.status.unwrap_or_default().code,
        })
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: AnyValue| match value.value {
        Some(Scalar::Text(text)) => text,
        Some(Scalar::Bool(flag)) => flag.to_string(),
        Some(Scalar::Int(number)) => number.to_string(),
        Some(Scalar::Double(number)) => number.to_string(),
        None => String::new(),
    };
    attributes.into_iter().map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// The messages, as far as tests read them: opentelemetry/proto/{collector/trace,trace,common}/v1/*.proto.

#[derive(Clone, PartialEq, Message)]
struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Link {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Scalar", tags = "1, 2, 3, 4")]
    value: Option<Scalar>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Scalar {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}
