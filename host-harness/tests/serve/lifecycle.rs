//! How the proxy ends.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use crate::support::*;

/// A proxy with one open stream: what the upstream sends, and what the client reads.
async fn with_open_stream(
    client: Http,
    arguments: &[&str],
) -> (Proxy, mpsc::UnboundedSender<Frame<Bytes>>, Incoming, Client) {
    let (frames, body) = channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let upstream = Upstream::start(move |_| {
        let body = Arc::clone(&body);
        async move { Response::new(body.lock().await.take().unwrap()) }
    })
    .await;
    let proxy = Proxy::start(PASS, &upstream.url(Http::One), arguments).await;
    let mut connection = Client::connect(proxy.address, client).await;
    let mut answer = soon("a response", connection.send(get("/mcp"))).await.unwrap().into_body();
    frames.send(Frame::data(Bytes::from_static(b"data: 1\n\n"))).unwrap();
    assert!(soon("an event", answer.frame()).await.is_some());
    (proxy, frames, answer, connection)
}

/// Waits until the proxy accepts no more connections.
async fn until_refused(proxy: &Proxy) {
    soon("the proxy stops listening", async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_stream_in_flight_ends_in_peace() {
    for client in [Http::One, Http::Two] {
        let (mut proxy, frames, mut answer, _connection) = with_open_stream(client, &[]).await;
        // An idle connection does not hold it up.
        let _idle = TcpStream::connect(proxy.address).await.unwrap();
        proxy.terminate();
        until_refused(&proxy).await;
        frames.send(Frame::data(Bytes::from_static(b"data: 2\n\n"))).unwrap();
        let frame = soon("an event after the signal", answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: 2\n\n");
        assert!(proxy.is_running());
        drop(frames);
        end_of(&mut answer).await;
        assert_eq!(proxy.ended().await.code(), Some(0), "{client:?}");
    }
}

#[tokio::test]
async fn a_stream_without_an_end_is_cut_after_the_drain_time_out() {
    for client in [Http::One, Http::Two] {
        let (mut proxy, _frames, mut answer, _connection) =
            with_open_stream(client, &["--drain-timeout", "50ms"]).await;
        proxy.terminate();
        assert_eq!(proxy.ended().await.code(), Some(0), "{client:?}");
        let cut = soon("the cut", answer.frame()).await.unwrap();
        assert!(cut.is_err(), "{client:?}: a stream that was cut must not look complete");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (mut proxy, _frames, _answer, _connection) = with_open_stream(Http::One, &["--drain-timeout", "10m"]).await;
    proxy.terminate();
    until_refused(&proxy).await;
    proxy.terminate();
    assert_eq!(proxy.ended().await.code(), Some(1));
}
