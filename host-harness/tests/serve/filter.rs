//! What the filter decides, and what becomes of it when it crashes.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::support::*;

fn post() -> Request<TestBody> {
    Request::post("/mcp?token=secret").body(full("{}")).unwrap()
}

#[tokio::test]
async fn a_reply_of_the_filter_never_reaches_the_upstream() {
    let upstream = Upstream::start(echo).await;
    for (client, server) in SIDES {
        let mut proxy = Proxy::start(REPLY, &upstream.url(server), &["--access-log"]).await;
        let mut connection = Client::connect(proxy.address, client).await;
        for request in [post(), get("/mcp?token=secret")] {
            let (parts, body) = connection.exchange(request).await;
            assert_eq!(parts.status, 403);
            assert_eq!(body, r#"{"refused":true}"#);
            let line = soon("a line", proxy.stdout.next_line()).await.unwrap().unwrap();
            assert!(!line.contains("secret"), "{line}");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["event"], "exchange");
            assert_eq!(line["status"], 403);
            assert_eq!(line["path"], "/mcp");
            assert_eq!(line["bytes_sent"], 16);
            assert!(line["details"].as_str().unwrap().contains("refused_by_test"), "{line}");
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_request_whose_headers_are_held_never_reaches_the_upstream() {
    let upstream = Upstream::start(echo).await;
    let proxy = Proxy::start(HOLD, &upstream.url(Http::One), &["--header-hold"]).await;
    for side in [Http::One, Http::Two] {
        let mut connection = Client::connect(proxy.address, side).await;
        let (parts, body) = connection.exchange(post()).await;
        assert_eq!((parts.status.as_u16(), body.as_ref()), (403, &br#"{"refused":true}"#[..]));
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_crash_is_a_503_and_then_what_the_policy_says() {
    let upstream = Upstream::start(echo).await;
    for (policy, after) in [("closed", 503), ("open", 200), ("reload", 200)] {
        let arguments = ["--failure-policy", policy, "--workers", "1", "--metrics", "127.0.0.1:0"];
        let proxy = Proxy::start(TRAP, &upstream.url(Http::One), &arguments).await;
        let mut connection = Client::connect(proxy.address, Http::Two).await;
        assert_eq!(connection.exchange(get("/mcp")).await.0.status, 200);
        assert_eq!(connection.exchange(post()).await.0.status, 503, "{policy}: the request that crashed it");
        // A VM that crashed right after its start is replaced when the back-off is over.
        let next = soon("the status that the policy leads to", async {
            loop {
                let status = connection.exchange(get("/mcp")).await.0.status;
                if status == after || policy != "reload" {
                    break status;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        assert_eq!(next.await, after, "{policy}: the next one");

        let mut scraper = Client::connect(proxy.metrics.unwrap(), Http::One).await;
        let (parts, text) = scraper.exchange(get("/metrics")).await;
        assert_eq!(parts.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = String::from_utf8(text.to_vec()).unwrap();
        let starts = if policy == "reload" { 2 } else { 1 };
        for line in [
            "meshward_serve_vm_failures_total 1".to_owned(),
            format!("meshward_serve_vm_starts_total {starts}"),
            "meshward_serve_active_requests 0".to_owned(),
        ] {
            assert!(text.lines().any(|have| have == line), "{policy}: no `{line}` in\n{text}");
        }
        let requests = text.lines().find_map(|line| line.strip_prefix("meshward_serve_requests_total ")).unwrap();
        assert!(requests == "3" || policy == "reload", "{policy}: {requests} requests");
        assert_eq!(scraper.exchange(get("/ready")).await.0.status, 200);
        assert_eq!(scraper.exchange(get("/")).await.0.status, 404);
        assert_eq!(scraper.exchange(Request::post("/metrics").body(full("")).unwrap()).await.0.status, 405);
    }
}

#[tokio::test]
async fn connecting_is_given_up_in_time() {
    // A full backlog: the kernel answers no further connection attempts.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = TcpListener::from_std({
        listener.set_nonblocking(true).unwrap();
        listener
    })
    .unwrap();
    let mut waiting = Vec::new();
    loop {
        let attempt = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(std::time::Duration::from_millis(300), attempt).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
        assert!(waiting.len() < 10_000, "the backlog never fills");
    }
    let proxy = Proxy::start(PASS, &format!("http://{address}"), &["--connect-timeout", "100ms"]).await;
    let mut connection = Client::connect(proxy.address, Http::One).await;
    let (parts, body) = connection.exchange(post()).await;
    assert_eq!(parts.status, 503);
    assert!(body.ends_with(b"reset reason: connection timeout"), "{body:?}");
    drop(listener);
}

#[tokio::test]
async fn the_filter_may_call_a_cluster() {
    let upstream = Upstream::start(echo).await;
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let auth = Upstream::start(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let question =
                format!("{} {} {}", request.method(), request.uri().path(), request.version() == Version::HTTP_2);
            let body = request.into_body().collect().await.unwrap().to_bytes();
            sender.send((question, body)).unwrap();
            Response::builder().status(204).body(full("")).unwrap()
        }
    })
    .await;
    for side in [Http::One, Http::Two] {
        let cluster = format!("auth={}", auth.url(side));
        let proxy = Proxy::start(ASK, &upstream.url(Http::One), &["--cluster", &cluster]).await;
        let mut connection = Client::connect(proxy.address, Http::One).await;
        let (parts, body) = connection.exchange(post()).await;
        assert_eq!((parts.status.as_u16(), body.as_ref()), (200, &b"{}"[..]));
        let (question, body) = soon("the call", asked.recv()).await.unwrap();
        assert_eq!(question, format!("POST /ask {}", side == Http::Two));
        assert_eq!(body, "who is it?");
        assert!(proxy.log().contains(": 204\n"), "{}", proxy.log());
    }
}

#[tokio::test]
async fn a_call_that_fails_or_hangs_is_answered_all_the_same() {
    let upstream = Upstream::start(echo).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = Upstream::start(|_| std::future::pending()).await;
    for (address, status) in [(nobody, 503), (silent.address, 504)] {
        let cluster = format!("auth=http://{address}");
        let proxy = Proxy::start(ASK, &upstream.url(Http::One), &["--cluster", &cluster]).await;
        let mut connection = Client::connect(proxy.address, Http::One).await;
        assert_eq!(connection.exchange(post()).await.0.status, 200);
        assert!(proxy.log().contains(&format!(": {status}\n")), "{}", proxy.log());
    }
}

#[tokio::test]
async fn the_filter_may_call_a_cluster_over_grpc() {
    let upstream = Upstream::start(echo).await;
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let judge = Upstream::start(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let headers = request.headers();
            assert_eq!(headers["content-type"], "application/grpc");
            let question = format!("{} {}", request.method(), request.uri().path());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            sender.send((question, body)).unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            let body = Full::new(Bytes::from_static(b"\0\0\0\0\x05alice")).map_err(|never| match never {});
            let body = body.with_trailers(async move { Some(Ok(trailers)) });
            Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
        }
    })
    .await;
    let cluster = format!("auth={}", judge.url(Http::Two));
    let proxy = Proxy::start(ASK_BY_GRPC, &upstream.url(Http::One), &["--cluster", &cluster]).await;
    for _ in 0..2 {
        let mut connection = Client::connect(proxy.address, Http::One).await;
        let (parts, body) = connection.exchange(post()).await;
        assert_eq!((parts.status.as_u16(), body.as_ref()), (200, &b"{}"[..]));
        let (question, body) = soon("the call", asked.recv()).await.unwrap();
        assert_eq!((question.as_str(), body.as_ref()), ("POST /a.Judge/Judge", &b"\0\0\0\0\x0awho is it?"[..]));
    }
    assert!(proxy.log().contains("alice"), "{}", proxy.log());
}

#[tokio::test]
async fn a_call_over_grpc_that_fails_or_hangs_ends_with_a_status() {
    let upstream = Upstream::start(echo).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = Upstream::start(|_| std::future::pending()).await;
    let refuses = Upstream::start(|_| async {
        Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "7")
            .body(full(""))
            .unwrap()
    })
    .await;
    let no_grpc = Upstream::start(|_| async { Response::builder().status(401).body(full("")).unwrap() }).await;
    // 14: unavailable, written as the character behind `=`; 4: too late; 7: as the service says; 16: what 401 means.
    for (address, status) in [(nobody, '>'), (silent.address, '4'), (refuses.address, '7'), (no_grpc.address, '@')] {
        let cluster = format!("auth=h2c://{address}");
        let proxy = Proxy::start(ASK_BY_GRPC, &upstream.url(Http::One), &["--cluster", &cluster]).await;
        let mut connection = Client::connect(proxy.address, Http::One).await;
        assert_eq!(connection.exchange(post()).await.0.status, 200);
        assert!(proxy.log().contains(&format!("status {status}")), "{}", proxy.log());
    }
}
