//! HTTP/1.1 to the letter: what is malformed goes no further, what is framed twice is framed once.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// Sends bytes and reads until the proxy closes or `enough` says so.
async fn raw(proxy: &Proxy, bytes: &[u8], enough: impl Fn(&str) -> bool) -> String {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    soon("an answer", async {
        while !enough(&String::from_utf8_lossy(&answer)) {
            if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    })
    .await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn malformed_requests_are_refused_and_never_forwarded() {
    let upstream = Upstream::start(echo).await;
    let proxy = Proxy::pass(&upstream, Http::One).await;
    let refused: [(&str, &str); 16] = [
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        ("a host that is none", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
        ("two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("a signed length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na"),
        ("a list of lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\nab"),
        ("chunked is not last", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ("an unknown coding", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("a chunk size that is none", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n"),
        (
            "a chunk size beyond 64 bits",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\na\r\n0\r\n\r\n",
        ),
        ("a space before the colon", "GET / HTTP/1.1\r\nhost: a\r\nx : 1\r\n\r\n"),
        ("a folded line", "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n"),
        ("a NUL in a value", "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n"),
        ("a version of its own", "GET / HTTP/1.7\r\nhost: a\r\n\r\n"),
        ("a target with a space", "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("a Connection that is no list", "GET / HTTP/1.1\r\nhost: a\r\nconnection: a b\r\n\r\n"),
    ];
    for (what, bytes) in refused {
        let answer = raw(&proxy, bytes.as_bytes(), |answer| answer.contains("\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer:?}");
    }
    for (what, bytes, status) in [
        ("HTTP/1.0", "GET / HTTP/1.0\r\nhost: a\r\n\r\n", "426"),
        ("an upgrade", "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", "403"),
        ("a tunnel", "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "405"),
    ] {
        let answer = raw(&proxy, bytes.as_bytes(), |answer| answer.contains("\r\n\r\n")).await;
        assert!(answer.split(' ').nth(1) == Some(status), "{what}: {answer:?}");
    }
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    let bytes = format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n");
    let answer = raw(&proxy, bytes.as_bytes(), |answer| answer.contains("\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    // The two with a chunk size that is none have a good head: an upstream may have seen that, but no end.
    assert!(upstream.connections() <= 2, "{} connections upstream", upstream.connections());
}

#[tokio::test]
async fn a_body_that_is_framed_twice_goes_on_framed_once() {
    let upstream = Upstream::start(echo).await;
    let proxy = Proxy::pass(&upstream, Http::One).await;
    for fields in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n",
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n5\r\nabcde\r\n0\r\n\r\n");
        let answer = raw(&proxy, bytes.as_bytes(), |_| false).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        assert!(answer.contains("x-saw-transfer-encoding: chunked\r\n"), "{answer}");
        assert!(!answer.contains("x-saw-content-length"), "{answer}");
        assert!(answer.contains("abcde"), "{answer}");
    }
}

#[tokio::test]
async fn fields_of_the_connection_go_no_further() {
    let upstream = Upstream::start(echo).await;
    let proxy = Proxy::pass(&upstream, Http::One).await;
    let bytes = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 1\r\nte: gzip\r\n\
                 expect: 100-continue\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\n{}";
    let answer = raw(&proxy, bytes.as_bytes(), |_| false).await;
    // The proxy itself says that the body may come.
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    for name in ["x-hop", "connection", "te", "upgrade", "expect"] {
        assert!(!answer.contains(&format!("x-saw-{name}:")), "{name}: {answer}");
    }
    assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(echo).await;
    let proxy = Proxy::pass(&upstream, Http::One).await;
    let bytes: String = (0..5)
        .map(|number| format!("POST /{number} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n{number}"))
        .chain(["GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned()])
        .collect();
    let answer = raw(&proxy, bytes.as_bytes(), |_| false).await;
    let targets: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("x-target: ")).collect();
    assert_eq!(targets, ["/0", "/1", "/2", "/3", "/4", "/last"]);
    assert_eq!(upstream.connections(), 1, "one connection serves them all");
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    for (client, server) in SIDES {
        let upstream = Upstream::start(echo).await;
        let proxy = Proxy::pass(&upstream, server).await;
        let mut connection = Client::connect(proxy.address, client).await;
        for _ in 0..10 {
            let (parts, body) = connection.exchange(http::Request::post("/mcp").body(full("{}")).unwrap()).await;
            assert_eq!((parts.status.as_u16(), body.as_ref()), (200, &b"{}"[..]));
        }
        assert_eq!(upstream.connections(), 1, "{client:?} to {server:?}");
    }
}
