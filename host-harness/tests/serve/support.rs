//! The proxy as a process, upstreams and clients made of hyper, and filters written in WebAssembly text.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) type TestBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// Nothing here takes longer unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Fails a test that would hang.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing happened within {PATIENCE:?}"),
    }
}

/// Which version of HTTP a side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

pub(crate) const SIDES: [(Http, Http); 4] =
    [(Http::One, Http::One), (Http::One, Http::Two), (Http::Two, Http::One), (Http::Two, Http::Two)];

/// A filter that lets everything pass.
pub(crate) const PASS: &str = r#"(module
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (local.get $at)))"#;

/// A filter that answers every request itself.
pub(crate) const REPLY: &str = r#"(module
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "refused_by_test")
  (data (i32.const 64) "{\"refused\":true}")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $reply (i32.const 403) (i32.const 16) (i32.const 15) (i32.const 64) (i32.const 16)
      (i32.const 0) (i32.const 0) (i32.const -1)))
    (i32.const 1)))"#;

/// A filter that waits for the whole body and then answers itself.
pub(crate) const HOLD: &str = r#"(module
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "{\"refused\":true}")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (if (local.get 2)
      (then (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 16)
        (i32.const 0) (i32.const 0) (i32.const -1)))))
    (i32.const 1)))"#;

/// A filter that crashes on requests that have a body, and on them alone.
pub(crate) const TRAP: &str = r#"(module
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 2)) (then unreachable))
    (i32.const 0)))"#;

/// A filter that asks the cluster `auth` about each request and lets it go on when an answer has come; it adds the
/// answer's status to the log.
pub(crate) const ASK: &str = r#"(module
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $context (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $stream (mut i32) (i32.const 0))
  (global $next (mut i32) (i32.const 65536))
  (data (i32.const 16) "auth")
  (data (i32.const 32) ":status")
  ;; Three fields: their number, the lengths of names and values, then the bytes, each with a NUL behind it.
  (data (i32.const 64) "\03\00\00\00\07\00\00\00\04\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\04\00\00\00:method\00POST\00:path\00/ask\00:authority\00auth\00")
  (data (i32.const 256) "who is it?")
  ;; No trailers.
  (data (i32.const 300) "\00\00\00\00")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (local.get $at))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $stream (local.get 0))
    (if (call $call (i32.const 16) (i32.const 4) (i32.const 64) (i32.const 68) (i32.const 256) (i32.const 10)
        (i32.const 300) (i32.const 4) (i32.const 500) (i32.const 400)) (then unreachable))
    (i32.const 1))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (if (i32.eqz (call $value (i32.const 6) (i32.const 32) (i32.const 7) (i32.const 404) (i32.const 408)))
      (then (drop (call $log (i32.const 2) (i32.load (i32.const 404)) (i32.load (i32.const 408))))))
    (drop (call $context (global.get $stream)))
    (drop (call $continue (i32.const 0)))))"#;

/// A filter that asks the cluster `auth` about each request over gRPC, `a.Judge/Judge`, and lets it go on when that has ended; it
/// adds the answer to the log, or the status.
pub(crate) const ASK_BY_GRPC: &str = r#"(module
  (import "env" "proxy_grpc_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $context (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $stream (mut i32) (i32.const 0))
  (global $next (mut i32) (i32.const 65536))
  (data (i32.const 16) "auth")
  (data (i32.const 32) "a.Judge")
  (data (i32.const 48) "Judge")
  ;; No metadata.
  (data (i32.const 64) "\00\00\00\00")
  (data (i32.const 256) "who is it?")
  (data (i32.const 300) "status ?")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (local.get $at))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $stream (local.get 0))
    (if (call $call (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 7) (i32.const 48) (i32.const 5)
        (i32.const 64) (i32.const 4) (i32.const 256) (i32.const 10) (i32.const 500) (i32.const 400)) (then unreachable))
    (i32.const 1))
  (func $go_on
    (drop (call $context (global.get $stream)))
    (drop (call $continue (i32.const 0))))
  (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
    (if (i32.eqz (call $buffer (i32.const 5) (i32.const 0) (local.get 2) (i32.const 404) (i32.const 408)))
      (then (drop (call $log (i32.const 2) (i32.load (i32.const 404)) (i32.load (i32.const 408))))))
    (call $go_on))
  (func (export "proxy_on_grpc_close") (param i32 i32 i32)
    (i32.store8 (i32.const 307) (i32.add (local.get 2) (i32.const 48)))
    (drop (call $log (i32.const 2) (i32.const 300) (i32.const 8)))
    (call $go_on)))"#;

/// A filter that refuses any configuration, and says why.
pub(crate) const REFUSE: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "rules[0].effect: unknown")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $log (i32.const 4) (i32.const 16) (i32.const 24)))
    (i32.const 0)))"#;

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) stdout: Lines<BufReader<tokio::process::ChildStdout>>,
    files: tempfile::TempDir,
}

/// Files for a proxy, and its command line as far as every test has it.
pub(crate) fn command(filter: &str, upstream: &str, arguments: &[&str]) -> (Command, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    let module: PathBuf = files.path().join("filter.wasm");
    std::fs::write(&module, wat::parse_str(filter).unwrap()).unwrap();
    let config = files.path().join("meshward.yaml");
    std::fs::write(&config, "apiVersion: meshward/v1\nendpoints: [{ path: /mcp }]\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshward"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--json"]);
    if !arguments.contains(&"--workers") {
        command.args(["--workers", "2"]);
    }
    command.args(["--upstream", upstream]).arg("--module").arg(&module).arg("--config").arg(&config).args(arguments);
    (command, files)
}

impl Proxy {
    pub(crate) async fn start(filter: &str, upstream: &str, arguments: &[&str]) -> Self {
        let (mut command, files) = command(filter, upstream, arguments);
        let log = files.path().join("log");
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut stdout = BufReader::new(stdout).lines();
        let line = soon("the proxy is ready", stdout.next_line()).await.unwrap();
        let line = line.unwrap_or_else(|| panic!("no proxy: {}", std::fs::read_to_string(&log).unwrap()));
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["event"], "ready");
        let address = |field: &str| ready[field].as_str().map(|address| address.parse().unwrap());
        Self { child, address: address("listen").unwrap(), metrics: address("metrics"), stdout, files }
    }

    pub(crate) async fn pass(upstream: &Upstream, side: Http) -> Self {
        Self::start(PASS, &upstream.url(side), &[]).await
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon("the proxy ends", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upstream that speaks both versions; it lives as long as the test's runtime.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start<F, R>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = Response<TestBody>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let handler = handler.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let response = handler(request);
                        async move { Ok::<_, Infallible>(response.await) }
                    });
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, connections }
    }

    pub(crate) fn url(&self, side: Http) -> String {
        match side {
            Http::One => format!("http://{}", self.address),
            Http::Two => format!("h2c://{}", self.address),
        }
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// An upstream that answers with the request's own body, frame by frame, and tells what it was asked.
pub(crate) async fn echo(request: Request<Incoming>) -> Response<TestBody> {
    let mut response = Response::builder()
        .header("x-method", request.method().as_str())
        .header("x-target", request.uri().path_and_query().unwrap().as_str());
    for name in ["content-length", "transfer-encoding", "connection", "upgrade", "te", "via", "x-hop", "expect"] {
        for value in request.headers().get_all(name) {
            response = response.header(format!("x-saw-{name}"), value);
        }
    }
    for value in request.headers().get_all("x-repeated") {
        response = response.header("x-repeated", value);
    }
    if let Some(trailer) = request.headers().get("trailer") {
        response = response.header("trailer", trailer);
    }
    response.body(request.into_body().map_err(std::io::Error::other).boxed_unsync()).unwrap()
}

/// A client's connection.
pub(crate) enum Client {
    One(http1::SendRequest<TestBody>),
    Two(http2::SendRequest<TestBody>),
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, side: Http) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        match side {
            Http::One => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Self::One(sender)
            }
            Http::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                Self::Two(sender)
            }
        }
    }

    pub(crate) async fn send(&mut self, mut request: Request<TestBody>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::One(sender) => {
                request.headers_mut().entry("host").or_insert("test".parse().unwrap());
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Two(sender) => {
                let target = request.uri().path_and_query().unwrap().clone();
                *request.uri_mut() =
                    http::Uri::builder().scheme("http").authority("test").path_and_query(target).build().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// A request whose answer is read whole.
    pub(crate) async fn exchange(&mut self, request: Request<TestBody>) -> (http::response::Parts, Bytes) {
        let (parts, body) = soon("a response", self.send(request)).await.unwrap().into_parts();
        (parts, soon("its body", body.collect()).await.unwrap().to_bytes())
    }
}

pub(crate) fn get(path: &str) -> Request<TestBody> {
    Request::get(path).body(full("")).unwrap()
}

pub(crate) fn full(text: impl Into<Bytes>) -> TestBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body made of frames that a test sends when it likes; dropping the sender ends it.
pub(crate) fn channel() -> (mpsc::UnboundedSender<Frame<Bytes>>, TestBody) {
    let (sender, frames) = mpsc::unbounded_channel();
    (sender, Frames { frames, on_drop: None }.boxed_unsync())
}

/// The same, and a receiver that hears when nobody reads the body any more.
pub(crate) fn watched() -> (mpsc::UnboundedSender<Frame<Bytes>>, TestBody, mpsc::UnboundedReceiver<()>) {
    let (sender, frames) = mpsc::unbounded_channel();
    let (on_drop, dropped) = mpsc::unbounded_channel();
    (sender, Frames { frames, on_drop: Some(on_drop) }.boxed_unsync(), dropped)
}

struct Frames {
    frames: mpsc::UnboundedReceiver<Frame<Bytes>>,
    on_drop: Option<mpsc::UnboundedSender<()>>,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.frames.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if let Some(on_drop) = self.on_drop.take() {
            let _ = on_drop.send(());
        }
    }
}

/// The body ends here, and is complete. HTTP/2 may say so with an empty frame.
pub(crate) async fn end_of(body: &mut Incoming) {
    let rest = soon("the end of the body", body.collect()).await.unwrap();
    assert_eq!(rest.to_bytes(), "");
}

/// Bytes that no compression or off-by-one leaves alike.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    bytes.take(length).collect::<Vec<u8>>().into()
}
