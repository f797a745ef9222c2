//! The HTTP/2 client: one `DATA` frame for each piece of the body, and trailers.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::connect::Stream;
use super::ledger::{Entry, MARK};
use crate::cases::case::{Field, Framing, Request};
use crate::cases::observed::ClientSaw;

/// Sends a request on a connection of its own and reads the response.
pub(super) async fn exchange(
    stream: impl Stream + 'static,
    scheme: Scheme,
    run: usize,
    request: &Request,
    entry: &Entry,
) -> ClientSaw {
    let mut saw = ClientSaw::default();
    if let Err(error) = attempt(stream, scheme, run, request, entry, &mut saw).await {
        saw.broken = Some(format!("{error:#}"));
    }
    saw
}

async fn attempt(
    stream: impl Stream + 'static,
    scheme: Scheme,
    run: usize,
    request: &Request,
    entry: &Entry,
    saw: &mut ClientSaw,
) -> Result<()> {
    let head = head(scheme, run, request)?;
    let (client, connection) = h2::client::handshake(stream).await.context("handshake")?;
    let driver = tokio::spawn(connection);
    let result = tokio::select! {
        result = converse(client, head, request, entry, saw) => result,
        () = entry.client_leaves() => Ok(()),
    };
    driver.abort();
    result
}

async fn converse(
    client: h2::client::SendRequest<Bytes>,
    head: http::Request<()>,
    request: &Request,
    entry: &Entry,
    saw: &mut ClientSaw,
) -> Result<()> {
    let mut client = client.ready().await.context("ready")?;
    let (response, mut body) = client.send_request(head, request.pieces.is_none()).context("send headers")?;
    if let Some(pieces) = &request.pieces {
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.iter().enumerate() {
            let ends = index == last && request.trailers.is_empty() && !request.breaks_off;
            // A refusal may have closed the stream before the body is through.
            if body.send_data(Bytes::copy_from_slice(piece), ends).is_err() {
                break;
            }
        }
        if !request.trailers.is_empty() {
            let _ = body.send_trailers(map(&request.trailers)?);
        }
    }
    if request.breaks_off {
        // What is sent is on its way by then.
        tokio::time::sleep(Duration::from_millis(100)).await;
        return Ok(());
    }
    let response = response.await.context("response")?;
    saw.status = Some(response.status().as_u16());
    for (name, value) in response.headers() {
        saw.headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let mut content = response.into_body();
    while let Some(piece) = content.data().await {
        let piece = piece.context("body")?;
        content.flow_control().release_capacity(piece.len()).context("window")?;
        saw.body.extend_from_slice(&piece);
        entry.received.send_replace(saw.body.len());
    }
    Ok(())
}

fn head(scheme: Scheme, run: usize, request: &Request) -> Result<http::Request<()>> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme);
    uri.authority = Some(Authority::from_static("cases.test"));
    uri.path_and_query = Some(PathAndQuery::try_from(request.path.as_str()).context("path")?);
    let mut head = http::Request::new(());
    *head.uri_mut() = Uri::from_parts(uri).context("path")?;
    *head.method_mut() = request.method.parse().context("method")?;
    let mut fields = map(&request.headers)?;
    fields.insert(MARK, HeaderValue::from(run));
    if request.framing == Framing::Length && request.pieces.is_some() {
        fields.insert("content-length", HeaderValue::from(request.body().len()));
    }
    *head.headers_mut() = fields;
    Ok(head)
}

fn map(fields: &[Field]) -> Result<HeaderMap> {
    fields
        .iter()
        .map(|(name, value)| Ok((name.parse::<HeaderName>()?, HeaderValue::from_bytes(value.as_bytes())?)))
        .try_fold(HeaderMap::new(), |mut map, field: Result<_>| {
            let (name, value) = field?;
            map.append(name, value);
            Ok(map)
        })
}
