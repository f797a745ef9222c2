//! Bodies pass byte for byte, at the pace of the slower side, and an event as soon as it is there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use tokio::sync::{Mutex, mpsc};

use crate::support::*;

#[tokio::test]
async fn bodies_pass_byte_for_byte() {
    let upstream = Upstream::start(echo).await;
    for (client, server) in SIDES {
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        for length in [0, 1, 16_384, 300_001] {
            let sent = noise(length);
            let request = Request::post("/mcp?a=%20b").body(full(sent.clone())).unwrap();
            let (parts, received) = connection.exchange(request).await;
            assert_eq!(parts.status, 200);
            assert_eq!(parts.headers["x-target"], "/mcp?a=%20b");
            assert!(received == sent, "{client:?} to {server:?}: {length} bytes came back changed");
        }
    }
}

#[tokio::test]
async fn one_byte_chunks_and_trailers_pass_both_ways() {
    let upstream = Upstream::start(echo).await;
    for (client, server) in SIDES {
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        let (frames, body) = channel();
        let request =
            Request::post("/mcp").header("te", "trailers").header("trailer", "x-checksum").body(body).unwrap();
        let response = soon("a response before the request's end", connection.send(request)).await.unwrap();
        let mut answer = response.into_body();
        let sent = noise(200);
        for byte in &sent {
            // Each byte must be back before the next one leaves: nothing is waited for on the way.
            frames.send(Frame::data(Bytes::copy_from_slice(&[*byte]))).unwrap();
            let frame = soon("the byte comes back", answer.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap().as_ref(), [*byte]);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "42".parse().unwrap());
        frames.send(Frame::trailers(trailers.clone())).unwrap();
        drop(frames);
        let frame = soon("the trailers come back", answer.frame()).await;
        let frame = frame.unwrap_or_else(|| panic!("{client:?} to {server:?}: no trailers")).unwrap();
        assert_eq!(frame.into_trailers().unwrap(), trailers, "{client:?} to {server:?}");
        end_of(&mut answer).await;
    }
}

#[tokio::test]
async fn an_event_arrives_before_the_next_one_is_made() {
    for (client, server) in SIDES {
        let (to_upstream, bodies) = mpsc::unbounded_channel();
        let bodies = Arc::new(Mutex::new(bodies));
        let upstream = Upstream::start(move |_| {
            let bodies = Arc::clone(&bodies);
            async move {
                let body: TestBody = bodies.lock().await.recv().await.unwrap();
                Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
            }
        })
        .await;
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        for request in [get("/mcp"), Request::post("/mcp").body(full("{}")).unwrap()] {
            let (frames, body) = channel();
            to_upstream.send(body).unwrap();
            let response = soon("the head before any event", connection.send(request)).await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let mut answer = response.into_body();
            for number in 0..20 {
                let event = Bytes::from(format!("id: {number}\ndata: {{}}\n\n"));
                frames.send(Frame::data(event.clone())).unwrap();
                let frame = soon("the event", answer.frame()).await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), event);
            }
            drop(frames);
            end_of(&mut answer).await;
        }
    }
}

/// A body as fast as it is read; counts what was taken.
struct Flood {
    piece: Bytes,
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl hyper::body::Body for Flood {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(self.piece.len(), Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}

const PIECE: usize = 64 * 1024;
const PIECES: usize = 1024;

/// The proxy's greatest resident memory so far, in bytes.
fn peak_memory(proxy: &Proxy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Other requests through the same proxy, until the counter stands still over a few of them.
async fn until_still(proxy: &Proxy, side: Http, counter: &AtomicUsize) {
    let mut still = 0;
    while still < 5 {
        let before = counter.load(Ordering::SeqCst);
        for _ in 0..20 {
            let mut other = Client::connect(proxy.address, side).await;
            assert_eq!(other.exchange(get("/other")).await.0.status, 200);
        }
        still = if counter.load(Ordering::SeqCst) == before { still + 1 } else { 0 };
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_large_response_waits_for_a_slow_client() {
    for (client, server) in SIDES {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let upstream = Upstream::start(move |request| {
            let taken = Arc::clone(&counter);
            async move {
                if request.uri().path() == "/other" {
                    return Response::new(full("other"));
                }
                let flood = Flood { piece: noise(PIECE), left: PIECES, taken };
                Response::new(flood.boxed_unsync())
            }
        })
        .await;
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        let (parts, _) = connection.exchange(get("/other")).await;
        assert_eq!(parts.status, 200);
        let memory = peak_memory(&proxy);

        let mut answer = soon("a response", connection.send(get("/flood"))).await.unwrap().into_body();
        until_still(&proxy, client, &taken).await;
        let ahead = taken.load(Ordering::SeqCst);
        // What is on the way sits in the kernel's socket buffers, not in the proxy.
        assert!(ahead < PIECE * PIECES / 2, "{client:?} to {server:?}: the upstream ran {ahead} bytes ahead");
        let mut length = 0;
        while let Some(frame) = soon("the next piece", answer.frame()).await {
            length += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!(length, PIECE * PIECES);
        let grown = peak_memory(&proxy).saturating_sub(memory);
        assert!(grown < 16 * 1024 * 1024, "{client:?} to {server:?}: the proxy grew by {grown} bytes");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_large_request_waits_for_a_slow_upstream() {
    for (client, server) in SIDES {
        let (go, gate) = mpsc::unbounded_channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let upstream = Upstream::start(move |request| {
            let gate = Arc::clone(&gate);
            async move {
                if request.uri().path() == "/other" {
                    return Response::new(full("other"));
                }
                gate.lock().await.recv().await;
                let mut body = request.into_body();
                let mut length = 0;
                while let Some(frame) = body.frame().await {
                    length += frame.unwrap().into_data().unwrap().len();
                }
                Response::new(full(length.to_string()))
            }
        })
        .await;
        let proxy = Proxy::pass(&upstream, server).await;
        let taken = Arc::new(AtomicUsize::new(0));
        let flood = Flood { piece: noise(PIECE), left: PIECES, taken: Arc::clone(&taken) };
        let address = proxy.address;
        let answer = tokio::spawn(async move {
            let mut connection = Client::connect(address, client).await;
            connection.exchange(Request::post("/flood").body(flood.boxed_unsync()).unwrap()).await.1
        });
        until_still(&proxy, client, &taken).await;
        let ahead = taken.load(Ordering::SeqCst);
        assert!(ahead < PIECE * PIECES / 2, "{client:?} to {server:?}: the client ran {ahead} bytes ahead");
        go.send(()).unwrap();
        assert_eq!(answer.await.unwrap(), (PIECE * PIECES).to_string());
    }
}

#[tokio::test]
async fn lengths_are_kept_and_repeated_fields_stay_repeated() {
    let upstream = Upstream::start(echo).await;
    for (client, server) in SIDES {
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        let request = Request::post("/mcp")
            .header("x-repeated", "b")
            .header("x-repeated", "a")
            .header("x-repeated", "b")
            .header("content-length", "5")
            .body(Full::new(Bytes::from_static(b"12345")).map_err(|never| match never {}).boxed_unsync())
            .unwrap();
        let (parts, body) = connection.exchange(request).await;
        assert_eq!(parts.headers["x-saw-content-length"], "5");
        assert!(!parts.headers.contains_key("x-saw-transfer-encoding"));
        let repeated: Vec<_> = parts.headers.get_all("x-repeated").iter().collect();
        assert_eq!(repeated, ["b", "a", "b"]);
        assert_eq!(body, "12345");
        let via = if client == Http::One { "1.1 meshward" } else { "2 meshward" };
        assert_eq!(parts.headers["x-saw-via"], via);
    }
}

#[tokio::test]
async fn heads_without_bodies_pass() {
    let upstream = Upstream::start(|request: Request<hyper::body::Incoming>| async move {
        let builder = Response::builder();
        match request.uri().path() {
            "/head" => builder.header("content-length", "1234").body(full("")),
            "/none" => builder.status(204).body(full("")),
            "/same" => builder.status(304).header("etag", "\"a\"").body(full("")),
            _ => builder.status(202).header("content-length", "0").body(full("")),
        }
        .unwrap()
    })
    .await;
    for (client, server) in SIDES {
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        let head = Request::head("/head").body(full("")).unwrap();
        let (parts, body) = connection.exchange(head).await;
        assert_eq!((parts.status.as_u16(), body.len()), (200, 0));
        assert_eq!(parts.headers["content-length"], "1234");
        for (path, status) in [("/none", 204), ("/same", 304), ("/empty", 202)] {
            let (parts, body) = connection.exchange(get(path)).await;
            assert_eq!((parts.status.as_u16(), body.len()), (status, 0), "{client:?} to {server:?}: {path}");
        }
    }
}
