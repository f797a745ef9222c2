//! A message body that is fed frame by frame, with back-pressure.
//!
//! At most one frame waits in it. A body that loses its feeder before its end is an error to hyper, which then cuts the
//! connection (HTTP/1) or resets the stream (HTTP/2): a message that is not complete never looks complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// A frame on its way into hyper.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A part of the content.
    Data {
        /// The bytes.
        data: Bytes,
        /// Nothing follows.
        end: bool,
    },
    /// The trailers; nothing follows.
    Trailers(http::HeaderMap),
}

/// The message was cut off.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the message was cut off")]
pub(crate) struct Cut;

/// A body for hyper.
#[derive(Debug)]
pub(crate) struct FrameBody {
    pieces: Option<mpsc::Receiver<Piece>>,
}

impl FrameBody {
    /// A body without content.
    pub(crate) fn empty() -> Self {
        Self { pieces: None }
    }

    /// A body and its feeder.
    pub(crate) fn channel() -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(1);
        (sender, Self { pieces: Some(pieces) })
    }

    /// A body that is there at once.
    pub(crate) fn full(data: Bytes, trailers: Option<http::HeaderMap>) -> Self {
        if data.is_empty() && trailers.is_none() {
            return Self::empty();
        }
        let (sender, pieces) = mpsc::channel(2);
        // Two places for two pieces: neither can fail.
        let _ = sender.try_send(Piece::Data { data, end: trailers.is_none() });
        if let Some(trailers) = trailers {
            let _ = sender.try_send(Piece::Trailers(trailers));
        }
        Self { pieces: Some(pieces) }
    }
}

impl Body for FrameBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
            let Poll::Ready(piece) = pieces.poll_recv(cx) else { return Poll::Pending };
            let (frame, end) = match piece {
                Some(Piece::Data { data, end }) => ((!data.is_empty()).then(|| Ok(Frame::data(data))), end),
                Some(Piece::Trailers(trailers)) => (Some(Ok(Frame::trailers(trailers))), true),
                None => (Some(Err(Cut)), true),
            };
            if end {
                self.pieces = None;
            }
            if frame.is_some() || end {
                return Poll::Ready(frame);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.pieces.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_without_an_end_is_an_error() {
        let (sender, body) = FrameBody::channel();
        sender.send(Piece::Data { data: Bytes::from_static(b"half"), end: false }).await.unwrap();
        drop(sender);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn data_and_trailers_arrive_in_order() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-end", "1".parse().unwrap());
        let body = FrameBody::full(Bytes::from_static(b"whole"), Some(trailers.clone())).collect().await.unwrap();
        assert_eq!(body.trailers(), Some(&trailers));
        assert_eq!(body.to_bytes(), "whole");
    }

    #[tokio::test]
    async fn an_empty_last_piece_only_ends() {
        let (sender, mut body) = FrameBody::channel();
        sender.send(Piece::Data { data: Bytes::new(), end: true }).await.unwrap();
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
    }
}
