//! Requests written by hand, byte for byte: what no client library would send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long a peer may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back, as far as it came.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The status line and the fields.
    pub head: String,
    /// As it was sent: with the framing of chunks, if there is one.
    pub body: String,
}

impl Answer {
    /// The value of a field of the head.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The bytes of a request to an authority (host and port) as an MCP client makes it, with further lines (each with its line end) in its head.
#[must_use]
pub fn request(authority: &str, method: &str, path: &str, lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\n{lines}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends the bytes of one request on a connection of its own, which ends with the answer (`connection: close`).
///
/// # Errors
/// When no whole head comes back.
pub fn exchange(to: SocketAddr, request: impl AsRef<[u8]>) -> Result<Answer> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // All at once, and a reset is no error: a proxy that has answered a head does not take what comes behind it.
    let sent = stream.write_all(request.as_ref());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error.into()),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("no HTTP answer ({sent:?}): {answer:?}") };
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Sends a request as an MCP client makes it ([`request`]).
///
/// # Errors
/// As [`exchange`].
pub fn post(to: SocketAddr, path: &str, lines: &str, body: impl AsRef<[u8]>) -> Result<Answer> {
    exchange(to, request(&to.to_string(), "POST", path, lines, body))
}
