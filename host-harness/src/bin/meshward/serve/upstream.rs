//! Connections of one worker to one upstream, HTTP/1.1 or HTTP/2 with prior knowledge.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant};

use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::body::FrameBody;
use super::executor::LocalExecutor;

/// How long an idle HTTP/1 connection is kept: less than the five seconds after which Node.js and uvicorn close theirs,
/// so that a request seldom meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// How many idle HTTP/1 connections a worker keeps to one upstream.
const MAX_IDLE: usize = 128;

/// Where an upstream is and what it speaks: `http://host:port` or `h2c://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// A name or an address; IPv6 without its brackets.
    host: String,
    port: u16,
    /// The version of HTTP it speaks.
    pub(crate) version: Version,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "write http://HOST:PORT, or h2c://HOST:PORT for HTTP/2 without TLS";
        let uri: Uri = text.parse().map_err(|error| format!("{error}; {SHAPE}"))?;
        let version = match uri.scheme_str() {
            Some("http") => Version::HTTP_11,
            Some("h2c") => Version::HTTP_2,
            Some("https") => return Err(format!("TLS to upstreams is not supported; {SHAPE}")),
            _ => return Err(SHAPE.to_owned()),
        };
        if uri.path_and_query().is_some_and(|path| path != "/" && path != "") {
            return Err(format!("a path or query has no place here: requests keep their own; {SHAPE}"));
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(SHAPE)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || (authority.port().is_some() && authority.port_u16().is_none()) {
            return Err(SHAPE.to_owned());
        }
        Ok(Self { host: host.to_owned(), port: authority.port_u16().unwrap_or(80), version })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.version == Version::HTTP_2 { "h2c" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No connection.
    #[error("no connection to {0}: {1}")]
    Connect(Target, io::Error),
    /// No connection in time.
    #[error("no connection to {0} within {1:?}")]
    ConnectTimeout(Target, Duration),
    /// The connection ended before the response began.
    #[error("{0} closed the connection before it answered")]
    Closed(Target),
    /// What came is no HTTP, or an answer that nobody asked for.
    #[error("{0} does not answer in HTTP: {1}")]
    Protocol(Target, String),
}

/// One upstream of one worker.
#[derive(Debug)]
pub(crate) struct Upstream {
    target: Target,
    connect_timeout: Duration,
    idle: RefCell<Vec<Idle>>,
    multiplexed: RefCell<Option<http2::SendRequest<FrameBody>>>,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<FrameBody>,
    connection: AbortHandle,
    since: Instant,
}

/// Keeps the connection of an exchange. Dropped before [`Lease::give_back`], it cuts an HTTP/1 connection, which is how
/// HTTP/1 cancels; a stream of HTTP/2 is reset by hyper when its bodies are dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Rc<Upstream>,
    connection: Option<(http1::SendRequest<FrameBody>, AbortHandle)>,
}

impl Lease {
    /// The response has been read to its end.
    pub(crate) fn give_back(mut self) {
        let Some((mut sender, connection)) = self.connection.take() else { return };
        let upstream = Rc::clone(&self.upstream);
        tokio::task::spawn_local(async move {
            // Ready again when the request, too, is written to its end.
            if sender.ready().await.is_ok() {
                let mut idle = upstream.idle.borrow_mut();
                if idle.len() < MAX_IDLE {
                    idle.push(Idle { sender, connection, since: Instant::now() });
                }
            }
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((_, connection)) = &self.connection {
            connection.abort();
        }
    }
}

impl Upstream {
    /// An upstream without connections.
    pub(crate) fn new(target: Target, connect_timeout: Duration) -> Self {
        Self { target, connect_timeout, idle: RefCell::default(), multiplexed: RefCell::default() }
    }

    /// Where it is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request and waits for the head of the response, as long as it takes.
    ///
    /// A request goes out a second time only if nothing of it was written: an MCP call is not idempotent.
    pub(crate) async fn send(
        self: Rc<Self>,
        request: Request<FrameBody>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let (response, lease) = if self.target.version == Version::HTTP_2 {
            self.send_http2(request).await?
        } else {
            self.send_http1(request).await?
        };
        if response.status().is_informational() {
            return Err(UpstreamError::Protocol(self.target.clone(), "it switches protocols unasked".to_owned()));
        }
        Ok((response, lease))
    }

    async fn send_http1(
        self: &Rc<Self>,
        mut request: Request<FrameBody>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        loop {
            let (mut sender, connection, reused) = match self.take_idle() {
                Some(idle) => (idle.sender, idle.connection, true),
                None => {
                    let (sender, connection) = self.open_http1().await?;
                    (sender, connection, false)
                }
            };
            let sent = sender.try_send_request(request);
            let lease = Lease { upstream: Rc::clone(self), connection: Some((sender, connection)) };
            match sent.await {
                Ok(response) => return Ok((response, lease)),
                Err(mut error) => match error.take_message().filter(|_| reused) {
                    Some(unsent) => request = unsent,
                    None => return Err(self.failed(error.error())),
                },
            }
        }
    }

    async fn send_http2(
        self: &Rc<Self>,
        mut request: Request<FrameBody>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        loop {
            let open = self.multiplexed.borrow().as_ref().filter(|sender| !sender.is_closed()).cloned();
            let reused = open.is_some();
            let mut sender = match open {
                Some(sender) => sender,
                None => self.open_http2().await?,
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease { upstream: Rc::clone(self), connection: None })),
                Err(mut error) => {
                    self.multiplexed.borrow_mut().take_if(|sender| sender.is_closed());
                    match error.take_message().filter(|_| reused) {
                        Some(unsent) => request = unsent,
                        None => return Err(self.failed(error.error())),
                    }
                }
            }
        }
    }

    /// The connection that was used last, if it is still good.
    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|entry| {
            let good = entry.sender.is_ready() && entry.since.elapsed() < IDLE;
            if !good {
                entry.connection.abort();
            }
            good
        });
        idle.pop()
    }

    async fn open_http1(&self) -> Result<(http1::SendRequest<FrameBody>, AbortHandle), UpstreamError> {
        let stream = self.connect().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.failed(&error))?;
        let task = tokio::task::spawn_local(async move {
            // Its exchanges hear of errors themselves.
            let _ = connection.await;
        });
        Ok((sender, task.abort_handle()))
    }

    async fn open_http2(&self) -> Result<http2::SendRequest<FrameBody>, UpstreamError> {
        let stream = self.connect().await?;
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            // A peer that is gone without a word is found out, although a stream may last for ever.
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed(&error))?;
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        *self.multiplexed.borrow_mut() = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&self) -> Result<TcpStream, UpstreamError> {
        let connecting = TcpStream::connect((self.target.host.as_str(), self.target.port));
        let stream = match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(stream) => stream.map_err(|error| UpstreamError::Connect(self.target.clone(), error))?,
            Err(_) => return Err(UpstreamError::ConnectTimeout(self.target.clone(), self.connect_timeout)),
        };
        stream.set_nodelay(true).map_err(|error| UpstreamError::Connect(self.target.clone(), error))?;
        Ok(stream)
    }

    fn failed(&self, error: &hyper::Error) -> UpstreamError {
        if error.is_parse() {
            UpstreamError::Protocol(self.target.clone(), error.to_string())
        } else {
            UpstreamError::Closed(self.target.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_where_and_in_which_version() {
        let target: Target = "http://127.0.0.1:3000".parse().unwrap();
        assert_eq!((target.host.as_str(), target.port, target.version), ("127.0.0.1", 3000, Version::HTTP_11));
        let target: Target = "h2c://[::1]:3000/".parse().unwrap();
        assert_eq!((target.host.as_str(), target.port, target.version), ("::1", 3000, Version::HTTP_2));
        assert_eq!(target.to_string(), "h2c://[::1]:3000");
        assert_eq!("http://server".parse::<Target>().unwrap().port, 80);
    }

    #[test]
    fn what_cannot_be_an_upstream_is_refused_with_the_right_shape() {
        for wrong in
            ["", "127.0.0.1:3000", "https://a", "http://a/mcp", "http://a?b", "http://u@a", "http://:80", "ftp://a"]
        {
            let error = wrong.parse::<Target>().unwrap_err();
            assert!(error.contains("http://HOST:PORT"), "{wrong}: {error}");
        }
    }
}
