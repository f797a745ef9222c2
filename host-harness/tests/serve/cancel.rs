//! Who goes away, and who hears of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn a_client_that_leaves_a_stream_ends_it_upstream() {
    for (client, server) in SIDES {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let upstream = Upstream::start(move |_| {
            let sender = sender.clone();
            async move {
                let (frames, body, dropped) = watched();
                frames.send(Frame::data(Bytes::from_static(b"data: 1\n\n"))).unwrap();
                sender.send((frames, dropped)).unwrap();
                Response::new(body)
            }
        })
        .await;
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        let mut answer = soon("a response", connection.send(get("/mcp"))).await.unwrap().into_body();
        assert!(soon("an event", answer.frame()).await.is_some());
        // The stream is idle when the client leaves: only the disconnect itself can tell.
        let (_frames, mut dropped) = seen.recv().await.unwrap();
        drop(answer);
        drop(connection);
        let heard = format!("{client:?} to {server:?}: the upstream hears of it");
        soon(&heard, dropped.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_the_request_upstream() {
    struct Guard(mpsc::UnboundedSender<()>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    for (client, server) in SIDES {
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let (gone, mut goings) = mpsc::unbounded_channel();
        let upstream = Upstream::start(move |request: Request<Incoming>| {
            let (guard, arrived) = (Guard(gone.clone()), arrived.clone());
            async move {
                let _guard = guard;
                // hyper watches for a disconnect only when the request has been read.
                assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "{}");
                arrived.send(()).unwrap();
                std::future::pending::<()>().await;
                Response::new(full(""))
            }
        })
        .await;
        let proxy = Proxy::pass(&upstream, server).await;
        let address = proxy.address;
        let waiting = tokio::spawn(async move {
            let mut connection = Client::connect(address, client).await;
            connection.send(Request::post("/mcp").body(full("{}")).unwrap()).await.map(|_| ())
        });
        soon("the request arrives", arrivals.recv()).await.unwrap();
        waiting.abort();
        soon(&format!("{client:?} to {server:?}: the upstream hears of it"), goings.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_listening_upstream_is_a_503() {
    // Bound and dropped: nobody is there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for server in ["http", "h2c"] {
        let proxy = Proxy::start(PASS, &format!("{server}://{address}"), &[]).await;
        for client in [Http::One, Http::Two] {
            let mut connection = Client::connect(proxy.address, client).await;
            let (parts, body) = connection.exchange(Request::post("/mcp").body(full("{}")).unwrap()).await;
            assert_eq!(parts.status, 503);
            assert_eq!(parts.headers["content-type"], "text/plain");
            let text = std::str::from_utf8(&body).unwrap();
            assert!(text.starts_with("upstream connect error or disconnect/reset before headers"), "{text}");
        }
    }
}

/// An upstream that reads a request's head and then says `answer` and closes.
async fn rude(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|window| window == b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap() == 0 {
                        return;
                    }
                }
                stream.write_all(answer).await.unwrap();
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_upstream_without_an_answer_is_a_503_and_one_without_http_a_502() {
    for (answer, status) in
        [(&b""[..], 503), (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 502), (b"HTTP/1.1 101 Switching\r\n\r\n", 502)]
    {
        let proxy = Proxy::start(PASS, &rude(answer).await, &[]).await;
        for client in [Http::One, Http::Two] {
            let mut connection = Client::connect(proxy.address, client).await;
            let (parts, _) = connection.exchange(get("/mcp")).await;
            assert_eq!(parts.status, status, "{client:?}: {}", answer.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_never_looks_complete() {
    let answers: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for answer in answers {
        let proxy = Proxy::start(PASS, &rude(answer).await, &[]).await;
        for client in [Http::One, Http::Two] {
            let mut connection = Client::connect(proxy.address, client).await;
            let response = soon("a response", connection.send(get("/mcp"))).await.unwrap();
            assert_eq!(response.status(), 200);
            let body = soon("its end", response.into_body().collect()).await;
            assert!(body.is_err(), "{client:?}: {}", answer.escape_ascii());
        }
    }
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let upstream = Upstream::start(|request: Request<Incoming>| async move {
        let body = request.into_body();
        drop(body);
        Response::builder().status(413).body(full("too much")).unwrap()
    })
    .await;
    for (client, server) in SIDES {
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        let (frames, body) = channel();
        frames.send(Frame::data(Bytes::from_static(b"some of it"))).unwrap();
        let request = Request::post("/mcp").body(body).unwrap();
        let response = soon("an early answer", connection.send(request)).await.unwrap();
        assert_eq!(response.status(), 413, "{client:?} to {server:?}");
        let body = soon("its body", response.into_body().collect()).await.unwrap();
        assert_eq!(body.to_bytes(), "too much");
        drop(frames);
    }
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_goes_on_sending() {
    let upstream = Upstream::start(echo).await;
    for side in [Http::One, Http::Two] {
        let proxy = Proxy::start(REPLY, &upstream.url(Http::One), &[]).await;
        for _ in 0..3 {
            // Each on a connection of its own: one whose request was cut off may be closed (RFC 9112, section 9.6).
            let mut connection = Client::connect(proxy.address, side).await;
            // More than windows and socket buffers hold.
            let request = Request::post("/mcp").body(full(noise(16 * 1024 * 1024))).unwrap();
            let (parts, body) = connection.exchange(request).await;
            assert_eq!((parts.status.as_u16(), body.as_ref()), (403, &br#"{"refused":true}"#[..]), "{side:?}");
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_request_that_breaks_off_never_looks_complete_upstream() {
    for server in [Http::One, Http::Two] {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let upstream = Upstream::start(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let mut body = request.into_body();
                let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
                sender.send(first == "half").unwrap();
                let _ = sender.send(body.collect().await.is_ok());
                Response::new(full(""))
            }
        })
        .await;
        let proxy = Arc::new(Proxy::pass(&upstream, server).await);
        for head in ["content-length: 100\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
            stream.write_all(format!("POST /mcp HTTP/1.1\r\nhost: a\r\n{head}").as_bytes()).await.unwrap();
            assert_eq!(soon("the upstream sees the half", seen.recv()).await, Some(true));
            stream.shutdown().await.unwrap();
            assert_eq!(soon("the upstream sees the cut", seen.recv()).await, Some(false), "{server:?}: {head}");
        }
    }
}
