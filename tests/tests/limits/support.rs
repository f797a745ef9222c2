//! A server whose calls end when the test says so, and clients of one connection each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use meshward_tests::envoy;
use meshward_tests::proxy::Proxy;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// Nothing here takes longer unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What the tools of the server do.
///
/// `now` answers at once, `hang` when [`Server::release`] is called, `reset` breaks the connection off, `stream` sends an event
/// and goes on like `hang`, `cut` sends an event and breaks off.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    release: Notify,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

/// Counts a call as under way for as long as it lives.
struct UnderWay(Arc<State>);

impl UnderWay {
    fn new(state: Arc<State>) -> Self {
        let now = state.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(now, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
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
                    let _: Result<(), _> = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, state }
    }

    /// Lets the calls that hang end.
    pub(crate) fn release(&self) {
        self.state.release.notify_waiters();
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.state.under_way.load(Ordering::SeqCst)
    }

    /// How many there were at once at most.
    pub(crate) fn most(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Waits until so many calls are under way.
    pub(crate) async fn until(&self, calls: usize) {
        let reached = async {
            while self.under_way() != calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let result = tokio::time::timeout(PATIENCE, reached).await;
        assert!(result.is_ok(), "{} calls under way, not {calls}", self.under_way());
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, std::io::Error> {
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let call: Value = serde_json::from_slice(&body)?;
    let under_way = UnderWay::new(Arc::clone(&state));
    let result = || Bytes::from(json!({"jsonrpc": "2.0", "id": call["id"], "result": {"content": []}}).to_string());
    let whole = |text: Bytes| Full::new(text).map_err(|never: Infallible| match never {}).boxed();
    let tool = call["params"]["name"].as_str().unwrap_or_default().to_owned();
    let response = Response::builder();
    match tool.as_str() {
        "reset" => Err(std::io::Error::other("broken off")),
        "hang" => {
            state.release.notified().await;
            drop(under_way);
            Ok(response.header("content-type", "application/json").body(whole(result())).unwrap())
        }
        "stream" | "cut" => {
            let (sender, receiver) = mpsc::channel(4);
            tokio::spawn(async move {
                let _: Result<(), _> = sender.send(Ok(Frame::data(Bytes::from_static(EVENT)))).await;
                if tool == "cut" {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let _: Result<(), _> = sender.send(Err(std::io::Error::other("cut"))).await;
                } else {
                    state.release.notified().await;
                }
            });
            let pieces = Pieces { receiver, _under_way: under_way };
            Ok(response.header("content-type", "text/event-stream").body(pieces.boxed()).unwrap())
        }
        _ => Ok(response.header("content-type", "application/json").body(whole(result())).unwrap()),
    }
}

const EVENT: &[u8] =
    b"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n";

/// A body that comes piece by piece.
struct Pieces {
    receiver: mpsc::Receiver<std::io::Result<Frame<Bytes>>>,
    _under_way: UnderWay,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.receiver.poll_recv(cx)
    }
}

/// The configuration of the module with limits.
pub(crate) fn document(limits: Value) -> Value {
    json!({
        "apiVersion": "meshward/v1", "endpoints": [{"path": "/mcp"}], "header_hold": true, "limits": limits,
    })
}

/// An Envoy with eight workers.
pub(crate) fn eight_workers(document: &Value, server: &Server, rate_limits: Option<SocketAddr>) -> Proxy {
    Proxy::envoy(document, server.address, &envoy::module().unwrap(), 8, rate_limits).unwrap()
}

/// A connection of a client.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<()>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server's answer, or an answer without a reason of ours.
    Passed,
    /// A refusal of ours: its reason, and the time to wait.
    Refused(String, Option<u32>),
    /// No answer of ours or of the server's: the status.
    Failed(u16),
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _: Result<(), _> = connection.await;
        });
        Self { sender, connection }
    }

    /// Calls a tool, and waits for the head of the answer.
    pub(crate) async fn begin(&mut self, tool: &str) -> hyper::Result<Response<Incoming>> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string();
        let request = Request::post("/mcp")
            .header("host", "limits.test")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Calls a tool, and reads the answer to its end.
    pub(crate) async fn call(&mut self, tool: &str) -> Answer {
        let Ok(response) = self.begin(tool).await else { return Answer::Failed(0) };
        read(response).await
    }

    /// Goes away.
    pub(crate) fn leave(self) {
        self.connection.abort();
    }
}

/// Reads an answer to its end.
pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let wait = parts.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    let Ok(body) = body.collect().await else { return Answer::Failed(parts.status.as_u16()) };
    let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    match body.pointer("/error/data/reason").and_then(Value::as_str) {
        Some(reason) => {
            assert_eq!(parts.status, 200, "{body}");
            assert_eq!(body.pointer("/error/data/retryAfter").and_then(Value::as_u64), wait.map(u64::from));
            Answer::Refused(reason.to_owned(), wait)
        }
        None if parts.status == 200 => Answer::Passed,
        None => Answer::Failed(parts.status.as_u16()),
    }
}
