//! HTTP/1.1 messages off a socket, byte for byte: what is needed to see exactly what arrived, and where it broke off.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::cases::case::Field;

/// Longest head that is read, in bytes.
const MAX_HEAD: usize = 256 * 1024;

/// A head: its first line and its field lines.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) start: String,
    /// Names in lower case.
    pub(super) fields: Vec<Field>,
}

impl Head {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How the body behind a head ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(usize),
    Chunked,
    UntilClose,
}

/// Reads messages from a stream.
#[derive(Debug)]
pub(super) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Reads some more; `false` at the end of the stream.
    async fn more(&mut self) -> Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// The next head; `None` when the stream ends before it begins.
    pub(super) async fn head(&mut self) -> Result<Option<Head>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.buffer.len() > MAX_HEAD {
                bail!("the head is too long");
            }
            if !self.more().await? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                bail!("the stream ended within a head");
            }
        };
        let head = self.take(end);
        self.take(4);
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(':').with_context(|| format!("no field line: {line}"))?;
                Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(Some(Head { start, fields }))
    }

    /// Hands on a body as it comes, without its chunking. Fails where it breaks off.
    pub(super) async fn body(&mut self, length: Length, mut sink: impl FnMut(&[u8])) -> Result<()> {
        match length {
            Length::Bytes(bytes) => self.exactly(bytes, &mut sink).await,
            Length::UntilClose => loop {
                sink(&self.buffer);
                self.buffer.clear();
                if !self.more().await? {
                    return Ok(());
                }
            },
            Length::Chunked => loop {
                let size = self.line().await?;
                let digits = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(digits, 16).with_context(|| format!("chunk size `{digits}`"))?;
                if size == 0 {
                    // Trailer fields, up to an empty line.
                    while !self.line().await?.is_empty() {}
                    return Ok(());
                }
                self.exactly(size, &mut sink).await?;
                self.line().await?;
            },
        }
    }

    /// Waits for the end of the stream.
    pub(super) async fn end(&mut self) {
        while self.more().await.unwrap_or(false) {}
    }

    async fn exactly(&mut self, bytes: usize, sink: &mut impl FnMut(&[u8])) -> Result<()> {
        let mut due = bytes;
        while due > 0 {
            if self.buffer.is_empty() && !self.more().await? {
                bail!("{due} of {bytes} bytes are missing");
            }
            let piece = self.take(due.min(self.buffer.len()));
            sink(&piece);
            due = due.saturating_sub(piece.len());
        }
        Ok(())
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = self.take(at);
                self.take(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.buffer.len() > MAX_HEAD || !self.more().await? {
                bail!("the stream ended within the framing of a chunk");
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(bytes.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// One chunk.
pub(super) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// The empty chunk and the trailer fields.
pub(super) fn last_chunk(trailers: &[Field]) -> Vec<u8> {
    let mut out = b"0\r\n".to_vec();
    for (name, value) in trailers {
        out.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}
