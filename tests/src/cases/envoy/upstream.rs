//! The upstream: an HTTP/1.1 server that writes down every byte it gets and answers what the run says.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::h1::{Head, Length, Reader, chunk, last_chunk};
use super::ledger::{Entry, Ledger, MARK};
use crate::cases::case::{Framing, Side};
use crate::cases::observed::UpstreamSaw;

/// How long a piece of an answer waits for the client to have those before it.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long after the proxy's end a connection may still be waiting to be accepted.
const BACKLOG: Duration = Duration::from_millis(200);

/// Serves until it is told to stop, and then until every connection is at its end.
pub(super) async fn serve(listener: TcpListener, ledger: Arc<Ledger>, stop: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let mut stopping = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let ledger = Arc::clone(&ledger);
                connections.spawn(async move { connection(stream, &ledger).await });
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stop, if !stopping => stopping = true,
            () = tokio::time::sleep(BACKLOG), if stopping => break,
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(mut stream: TcpStream, ledger: &Ledger) {
    let _ = stream.set_nodelay(true);
    let (input, mut output) = stream.split();
    let mut reader = Reader::new(input);
    loop {
        let head = match reader.head().await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(error) => return ledger.stray(format!("{error:#}")),
        };
        let entry = head.value(MARK).and_then(|mark| ledger.entries.get(mark.parse::<usize>().ok()?));
        let mut parts = head.start.split(' ');
        let mut saw = UpstreamSaw {
            method: parts.next().unwrap_or_default().to_owned(),
            path: parts.next().unwrap_or_default().to_owned(),
            headers: head.fields.clone(),
            ..UpstreamSaw::default()
        };
        let body = &mut saw.body;
        let read = reader.body(request_length(&head), |piece| body.extend_from_slice(piece)).await;
        saw.complete = read.is_ok();
        let Some(entry) = entry else {
            let marks = head.value(MARK).unwrap_or("none");
            return ledger.stray(format!("{} with mark {marks} and {} bytes of body", head.start, saw.body.len()));
        };
        let complete = saw.complete;
        entry.saw(saw);
        if !complete || answer(&mut output, entry, reader.end()).await.is_err() {
            return;
        }
    }
}

fn request_length(head: &Head) -> Length {
    if head.value("transfer-encoding").is_some() {
        return Length::Chunked;
    }
    Length::Bytes(head.value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0))
}

/// Answers. `closed` comes when the proxy ends the connection.
async fn answer(
    output: &mut (impl AsyncWriteExt + Unpin),
    entry: &Entry,
    closed: impl Future<Output = ()>,
) -> Result<()> {
    let answer = &entry.answer;
    let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunked = answer.framing == Framing::Chunked && !answer.pieces.is_empty();
    if chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    } else if answer.status != 204 {
        head.push_str(&format!("content-length: {}\r\n", answer.body().len()));
    }
    head.push_str("\r\n");
    output.write_all(head.as_bytes()).await?;
    let mut sent = 0_usize;
    let mut received = entry.received.subscribe();
    for (index, piece) in answer.pieces.iter().enumerate() {
        if answer.waits && index > 0 {
            let got = tokio::time::timeout(PATIENCE, received.wait_for(|bytes| *bytes >= sent)).await;
            if got.is_err() {
                entry.was_late(index.saturating_sub(1));
            }
        }
        if chunked {
            output.write_all(&chunk(piece)).await?;
        } else {
            output.write_all(piece).await?;
        }
        output.flush().await?;
        sent = sent.saturating_add(piece.len());
    }
    let Some(side) = answer.breaks_off else {
        if chunked {
            output.write_all(&last_chunk(&[])).await?;
        }
        return output.flush().await.context("flush");
    };
    output.flush().await?;
    let _ = tokio::time::timeout(PATIENCE, received.wait_for(|bytes| *bytes >= sent)).await;
    match side {
        Side::Upstream => bail!("the upstream goes away"),
        // The proxy ends the connection when its client is gone.
        Side::Client => tokio::time::timeout(PATIENCE, closed).await.context("the proxy holds on"),
    }
}
