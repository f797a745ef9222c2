//! A request as a proxy's filters see it, for the hosts that have no HTTP parser.

use super::case::{Answer, Field, Framing, Http, Request};
use super::observed::Run;

/// A message's head and what follows it, in the order of a filter's callbacks.
#[derive(Debug)]
pub(super) struct Frames {
    /// The head, pseudo header fields included.
    pub(super) head: Vec<Field>,
    /// Pieces of the body; empty when the message is its head.
    pub(super) pieces: Vec<Vec<u8>>,
    /// Trailer fields, which then end the message; otherwise the last piece does.
    pub(super) trailers: Vec<Field>,
}

fn field(name: &str, value: impl Into<String>) -> Field {
    (name.to_owned(), value.into())
}

/// What the client sends. HTTP/1.1 ends a body with an empty piece, and Envoy drops its trailers.
pub(super) fn request(run: &Run<'_>) -> Frames {
    let Request { method, path, headers, framing, trailers, .. } = &run.case.request;
    let mut head = vec![
        field(":authority", "cases.test"),
        field(":path", path),
        field(":method", method),
        field(":scheme", "http"),
    ];
    head.extend(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    let mut pieces = run.case.request.pieces.clone().unwrap_or_default();
    match (framing, run.http) {
        _ if run.case.request.pieces.is_none() => {}
        (Framing::Length, _) => head.push(field("content-length", run.case.request.body().len().to_string())),
        (Framing::Chunked, Http::One) => head.push(field("transfer-encoding", "chunked")),
        (Framing::Chunked, Http::Two) => {}
    }
    let empty_length = *framing == Framing::Length && run.case.request.body().is_empty();
    if run.case.request.breaks_off {
        // There is no end to tell of.
    } else if run.http == Http::One && empty_length {
        pieces.clear();
    } else if run.http == Http::One && !pieces.is_empty() {
        pieces.retain(|piece| !piece.is_empty());
        pieces.push(Vec::new());
    }
    let trailers = if run.http == Http::Two { trailers.clone() } else { Vec::new() };
    Frames { head, pieces, trailers }
}

/// What the upstream answers, over HTTP/1.1.
pub(super) fn answer(answer: &Answer) -> Frames {
    let mut head = vec![field(":status", answer.status.to_string())];
    head.extend(answer.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    let mut pieces = answer.pieces.clone();
    if pieces.is_empty() {
        if answer.status != 204 {
            head.push(field("content-length", "0"));
        }
    } else if answer.framing == Framing::Length {
        head.push(field("content-length", answer.body().len().to_string()));
        pieces.push(Vec::new());
    } else {
        head.push(field("transfer-encoding", "chunked"));
        if answer.breaks_off.is_none() {
            pieces.push(Vec::new());
        }
    }
    Frames { head, pieces, trailers: Vec::new() }
}
