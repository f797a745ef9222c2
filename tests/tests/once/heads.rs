//! Requests without a message, which wait at their heads for a rate limit service that takes its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use meshward_tests::grpc;
use meshward_tests::proxy::{Host, Proxy};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::service::{METHODS, SECRET, asking};
use crate::support::*;

/// A service that says `OK` to all once it may.
struct Slow {
    questions: Arc<AtomicUsize>,
    answers: Arc<AtomicBool>,
}

impl Slow {
    async fn start() -> (Self, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = Self { questions: Arc::default(), answers: Arc::default() };
        let (questions, answers) = (Arc::clone(&slow.questions), Arc::clone(&slow.answers));
        let handler = move |_| -> grpc::Answer {
            questions.fetch_add(1, Ordering::SeqCst);
            let answers = Arc::clone(&answers);
            Box::pin(async move {
                while !answers.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(Bytes::from_static(&[8, 1]))
            })
        };
        tokio::spawn(grpc::serve(listener, Arc::new(handler)));
        (slow, address)
    }

    async fn until(&self, questions: usize) {
        let asked = async {
            while self.questions.load(Ordering::SeqCst) < questions {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "it is not asked {questions} times");
    }
}

const WAITING: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_may_go_away_or_write_on_while_their_heads_wait() {
    for (host, header_hold) in [Host::Envoy, Host::Serve].into_iter().flat_map(|host| [(host, true), (host, false)]) {
        let (slow, address) = Slow::start().await;
        let server = Server::start().await;
        let replay = json!({"freshness": {"nonce": {"header": "x-nonce"}}, "nonces": {"service": true}});
        let mut document = asking(replay);
        document["header_hold"] = json!(header_hold);
        document["rate_limit_service"]["timeout_ms"] = json!(30_000);
        let proxy = Proxy::counted(host, &document, server.address, address).unwrap();
        let to = proxy.address();

        let head = |nonce: &str, more: &str| {
            format!("GET /mcp HTTP/1.1\r\nhost: {AUTHORITY}\r\nx-nonce: {nonce}\r\n{more}\r\n")
        };
        let mut gone = Vec::new();
        for number in 0..WAITING {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.write_all(head(&format!("gone-{number}"), "").as_bytes()).await.unwrap();
            gone.push(stream);
        }
        // Two write a body where none may be; one only says that it ends.
        let chunked = "transfer-encoding: chunked\r\n";
        let mut writing = Vec::new();
        for (nonce, rest) in
            [("one-chunk", "1\r\nx\r\n"), ("all-of-it", "1\r\nx\r\n0\r\n\r\n"), ("its-end", "0\r\n\r\n")]
        {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.write_all(head(nonce, chunked).as_bytes()).await.unwrap();
            writing.push((stream, rest));
        }
        let staying: Vec<_> = (0..WAITING)
            .map(|number| {
                tokio::spawn(async move {
                    let nonce = format!("staying-{number}");
                    let method = if number % 2 == 0 { Method::GET } else { Method::DELETE };
                    Client::connect(to).await.send(&method, &[("x-nonce", &nonce)]).await
                })
            })
            .collect();
        slow.until(2 * WAITING + 3).await;
        drop(gone);
        for (stream, rest) in &mut writing {
            stream.write_all(rest.as_bytes()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(server.calls(), 0, "something went on before the answer, {host:?}, with header hold: {header_hold}");

        slow.answers.store(true, Ordering::SeqCst);
        for client in staying {
            assert_eq!(client.await.unwrap(), Answer::Passed);
        }
        let mut statuses = Vec::new();
        for (mut stream, _) in writing {
            let mut head = [0; 12];
            let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap();
            statuses.push(read.ok().and_then(|_| std::str::from_utf8(&head[9..]).ok()?.parse::<u16>().ok()));
        }
        assert_eq!(statuses, [Some(400), Some(400), Some(200)]);
        // Without header hold the heads of those two go on with the answer, but nothing behind them.
        let passed = server.calls();
        assert!(
            passed == WAITING + 1 || !header_hold && passed <= WAITING + 3,
            "{host:?}: {passed}: who is gone is not let through"
        );
        assert_eq!(Client::connect(to).await.send(&Method::GET, &[("x-nonce", "after")]).await, Answer::Passed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_has_waited_is_signed_on_its_way_out() {
    let (slow, address) = Slow::start().await;
    slow.answers.store(true, Ordering::SeqCst);
    let server = Server::start().await;
    let verifies = document(json!({
        "signatures": {"verify": {"keys": [{"id": "client", "algorithm": "hmac-sha256", "secret": SECRET}]}},
        "nonces": {"restart": "accept"},
    }));
    let inbound = Proxy::start(Host::Envoy, &verifies, server.address).unwrap();
    let mut signs = asking(json!({
        "freshness": {"nonce": {"header": "x-nonce"}},
        "nonces": {"service": true},
        "signatures": {"sign": {"key": {"id": "client", "algorithm": "hmac-sha256", "secret": SECRET}}},
    }));
    signs["direction"] = json!("outbound");
    for host in [Host::Envoy, Host::Serve] {
        let outbound = Proxy::counted(host, &signs, inbound.address(), address).unwrap();
        for method in &METHODS {
            let nonce = format!("{host:?}-{method}");
            let sent = Client::connect(outbound.address()).await.send(method, &[("x-nonce", &nonce)]).await;
            assert_eq!(sent, Answer::Passed, "{nonce}");
        }
    }
    assert_eq!((slow.questions.load(Ordering::SeqCst), server.calls()), (6, 6));
    let sent = Client::connect(inbound.address()).await.send(&Method::GET, &[]).await;
    assert_eq!(sent, Answer::refused(401, "signature_missing"));
}
