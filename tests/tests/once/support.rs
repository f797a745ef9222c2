//! A server that answers every call, at once or when it is told to, and clients of one connection each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use meshward_tests::envoy;
use meshward_tests::proxy::Proxy;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What comes on a stream that a GET opens.
const EVENT: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";

/// Nothing here takes longer unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A server. The tool `hang` answers when [`Server::release`] is called, `reset` breaks the connection off, all others answer at once.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    release: Notify,
    calls: AtomicUsize,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let state = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _: Result<(), _> = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, state }
    }

    /// Lets the calls that hang end.
    pub(crate) fn release(&self) {
        self.state.release.notify_waiters();
    }

    /// How many requests have come.
    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// Waits until so many have come.
    pub(crate) async fn until(&self, calls: usize) {
        let come = async {
            while self.calls() < calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, come).await.is_ok(), "{} calls, not {calls}", self.calls());
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let opens_stream = request.method() == Method::GET;
    if opens_stream || request.method() == Method::DELETE {
        state.calls.fetch_add(1, Ordering::SeqCst);
        let (kind, body) = if opens_stream { ("text/event-stream", EVENT) } else { ("application/json", "") };
        let response =
            Response::builder().header("content-type", kind).body(Full::new(Bytes::from_static(body.as_bytes())));
        return response.map_err(std::io::Error::other);
    }
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let call: Value = serde_json::from_slice(&body)?;
    state.calls.fetch_add(1, Ordering::SeqCst);
    match call.pointer("/params/name").and_then(Value::as_str) {
        Some("reset") => return Err(std::io::Error::other("broken off")),
        Some("hang") => state.release.notified().await,
        _ => {}
    }
    let result = json!({"jsonrpc": "2.0", "id": call.get("id"), "result": {"content": []}}).to_string();
    let response = Response::builder().header("content-type", "application/json").body(Full::new(Bytes::from(result)));
    response.map_err(std::io::Error::other)
}

/// A configuration with replay checks.
pub(crate) fn document(replay: Value) -> Value {
    json!({"apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}], "header_hold": true, "replay": replay})
}

/// An Envoy with so many workers, and perhaps a rate limit service.
pub(crate) fn envoy_with(document: &Value, server: &Server, workers: u32, service: Option<SocketAddr>) -> Proxy {
    Proxy::envoy(document, server.address, &envoy::module().unwrap(), workers, service).unwrap()
}

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// What clients take the proxies for.
pub(crate) const AUTHORITY: &str = "once.test";

/// The body of a call of a tool.
pub(crate) fn call_of(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string()
}

/// A connection of a client.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server's result, its stream, or its word that a session has ended.
    Passed,
    /// A refusal of ours: its status and reason.
    Refused(u16, String),
    /// No answer of ours or of the server's: the status.
    Failed(u16),
}

impl Answer {
    pub(crate) fn refused(status: u16, reason: &str) -> Self {
        Self::Refused(status, reason.to_owned())
    }

    /// What was decided on a request: on one without a message it is no error with 200.
    pub(crate) fn decided(method: &Method, reason: &str) -> Self {
        Self::refused(if *method == Method::POST { 200 } else { 403 }, reason)
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Calls a tool with these header fields.
    pub(crate) async fn call(&mut self, tool: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::POST, headers, call_of(tool)).await
    }

    /// Sends a request with these header fields: a POST calls the tool `get`, what else there is has no message.
    pub(crate) async fn send(&mut self, method: &Method, headers: &[(&str, &str)]) -> Answer {
        let body = if *method == Method::POST { call_of("get") } else { String::new() };
        self.request(method.clone(), headers, body).await
    }

    async fn request(&mut self, method: Method, headers: &[(&str, &str)], body: String) -> Answer {
        let has_message = method == Method::POST;
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", AUTHORITY)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let sent = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status().as_u16();
            Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        let sent = tokio::time::timeout(PATIENCE, sent)
            .await
            .unwrap_or_else(|_: tokio::time::error::Elapsed| panic!("it hangs"));
        let Ok((status, body)) = sent else { return Answer::Failed(0) };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match body.pointer("/error/data/reason").and_then(Value::as_str) {
            Some(reason) => Answer::refused(status, reason),
            None if body.get("result").is_some() => Answer::Passed,
            None if !has_message && status == 200 => Answer::Passed,
            None => Answer::Failed(status),
        }
    }
}
