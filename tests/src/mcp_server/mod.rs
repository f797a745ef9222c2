//! A real MCP server, on the official Rust SDK: session mode (2025-11-25 and older) and stateless mode (2026-07-28).
//!
//! It has the tools, prompts and resources that the suite `@modelcontextprotocol/conformance` asks for.

mod catalog;
mod handler;
mod rounds;
mod tools;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use handler::{Handler, Shared};

/// How long a client shall wait before it comes back to a stream that was closed.
const RETRY: Duration = Duration::from_millis(500);

/// How many requests are remembered.
const REMEMBERED: usize = 32;

/// A request as it came to the server.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// The newest requests, oldest first.
type Memory = Arc<Mutex<VecDeque<Received>>>;

/// A running MCP server on a free port of the loopback interface, in threads of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct McpServer {
    address: SocketAddr,
    runtime: Option<Runtime>,
    received: Memory,
}

impl McpServer {
    /// Starts the server; it accepts connections when this returns.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("mcp-server")
            .enable_all()
            .build()
            .context("an event loop for the MCP server")?;
        let socket = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).context("a port to listen on")?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let service = StreamableHttpService::new(
            move || Ok(Handler::new(shared.clone())),
            Arc::new(LocalSessionManager::default()),
            StreamableHttpServerConfig::default().with_sse_retry(Some(RETRY)),
        );
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(socket)?
        };
        let received = Memory::default();
        runtime.spawn(accept(listener, service, Arc::clone(&received)));
        Ok(Self { address, runtime: Some(runtime), received })
    }

    /// The newest requests that came, oldest first; not all that ever did.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint to give to a client.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, service: StreamableHttpService<Handler, LocalSessionManager>, received: Memory) {
    // A connection that fails before it is accepted is no reason to stop.
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = service.clone();
        let received = Arc::clone(&received);
        let answer = service_fn(move |request: Request<Incoming>| {
            let (service, received) = (service.clone(), Arc::clone(&received));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                remember(&received, Received { headers: head.headers.clone(), body: body.clone() });
                Ok::<_, hyper::Error>(service.handle(Request::from_parts(head, Full::new(body))).await)
            }
        });
        let _nodelay = stream.set_nodelay(true);
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

fn remember(memory: &Memory, request: Received) {
    let mut newest = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if newest.len() >= REMEMBERED {
        newest.pop_front();
    }
    newest.push_back(request);
}
