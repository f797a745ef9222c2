//! The HTTP/1.1 client: writes exactly the bytes of the case, and reads exactly what comes back.

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;

use super::connect::Stream;
use super::h1::{Head, Length, Reader, chunk, last_chunk};
use super::ledger::{Entry, MARK};
use crate::cases::case::{Framing, Request};
use crate::cases::observed::ClientSaw;

/// What stands for the mark in raw requests.
const MARK_PLACE: &[u8] = b"@RUN@";

/// Sends a request on a connection of its own and reads the response.
pub(super) async fn exchange(stream: impl Stream, run: usize, request: &Request, entry: &Entry) -> ClientSaw {
    let mut saw = ClientSaw::default();
    let writes = writes(run, request);
    let (input, mut output) = tokio::io::split(stream);
    // Both at once: a refusal may come before the body is through, and the proxy may then stop reading.
    let write = async {
        for piece in writes {
            if output.write_all(&piece).await.is_err() || output.flush().await.is_err() {
                break;
            }
        }
        // The connection stays open: its end would end the exchange.
        if !request.breaks_off {
            std::future::pending::<()>().await;
        }
    };
    let leave = entry.client_leaves();
    let read = read(Reader::new(input), &mut saw, entry);
    let read = tokio::select! { read = read => read, () = write => Ok(()), () = leave => Ok(()) };
    saw.broken = read.err().map(|error| format!("{error:#}"));
    saw
}

/// The request in the pieces in which it is written.
fn writes(run: usize, request: &Request) -> Vec<Vec<u8>> {
    if let Some(raw) = &request.raw {
        return vec![replace(raw, MARK_PLACE, run.to_string().as_bytes())];
    }
    let mut head = format!("{} {} HTTP/1.1\r\nhost: cases.test\r\n{MARK}: {run}\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunked = request.framing == Framing::Chunked;
    match &request.pieces {
        Some(_) if chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Some(_) => head.push_str(&format!("content-length: {}\r\n", request.body().len())),
        None => {}
    }
    head.push_str("\r\n");
    let mut out = vec![head.into_bytes()];
    for piece in request.pieces.iter().flatten() {
        out.push(if chunked { chunk(piece) } else { piece.clone() });
    }
    if chunked && request.pieces.is_some() && !request.breaks_off {
        out.push(last_chunk(&request.trailers));
    }
    out
}

fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        out.extend_from_slice(with);
        rest = behind.get(what.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

async fn read<S: tokio::io::AsyncRead + Unpin>(
    mut reader: Reader<S>,
    saw: &mut ClientSaw,
    entry: &Entry,
) -> Result<()> {
    let head = loop {
        let head = reader.head().await?.context("the connection was closed without a response")?;
        // 100 (Continue) and the like come before the response.
        if !status(&head).is_some_and(|status| (100..200).contains(&status)) {
            break head;
        }
    };
    saw.status = status(&head);
    let length = match (saw.status, head.value("transfer-encoding"), head.value("content-length")) {
        (Some(204 | 304), _, _) => Length::Bytes(0),
        (_, Some(_), _) => Length::Chunked,
        (_, None, Some(length)) => Length::Bytes(length.parse().context("content-length")?),
        (_, None, None) => Length::UntilClose,
    };
    saw.headers = head.fields;
    let body = &mut saw.body;
    reader
        .body(length, |piece| {
            body.extend_from_slice(piece);
            entry.received.send_replace(body.len());
        })
        .await
}

fn status(head: &Head) -> Option<u16> {
    head.start.split(' ').nth(1)?.parse().ok()
}
