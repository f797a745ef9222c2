//! Calls at once: no slot is given twice, and none is lost, whatever becomes of its call.

use std::path::Path;
use std::time::Duration;

use meshward_tests::envoy;
use meshward_tests::proxy::Proxy;
use serde_json::json;

use crate::support::*;

const SLOTS: usize = 5;

fn busy() -> Answer {
    Answer::Refused("too_many_concurrent".to_owned(), Some(1))
}

fn limits() -> serde_json::Value {
    document(json!([{"name": "at-once", "concurrent": SLOTS}]))
}

/// Takes all slots at once, and then one more is too many. Where some are not free yet they soon are.
async fn all_slots_are_free(proxy: &Proxy, server: &Server, within: Duration) {
    let end = tokio::time::Instant::now() + within;
    let mut holders = Vec::new();
    while holders.len() < SLOTS {
        let mut client = Client::connect(proxy.address()).await;
        let mut call = tokio::spawn(async move { (client.call("hang").await, client) });
        let before = holders.len();
        tokio::select! {
            ended = &mut call => {
                let (answer, _) = ended.unwrap();
                assert!(matches!(answer, Answer::Refused(..) | Answer::Failed(503)), "{answer:?}");
                assert!(tokio::time::Instant::now() < end, "{before} of {SLOTS} slots are free after {within:?}: {answer:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            () = server.until(before + 1) => holders.push(call),
        }
    }
    for _ in 0..16 {
        assert_eq!(Client::connect(proxy.address()).await.call("now").await, busy());
    }
    server.release();
    for holder in holders {
        assert_eq!(holder.await.unwrap().0, Answer::Passed);
    }
    server.until(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_never_have_more_calls_under_way_than_slots() {
    let server = Server::start().await;
    let proxy = eight_workers(&limits(), &server, None);
    let mut clients = Vec::new();
    for _ in 0..48 {
        clients.push(Client::connect(proxy.address()).await);
    }
    let presses: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..60 {
                    match client.call("now").await {
                        Answer::Passed => passed += 1,
                        answer => assert_eq!(answer, busy()),
                    }
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for press in presses {
        passed += press.await.unwrap();
    }
    assert!(passed >= SLOTS, "{passed}");
    assert!(server.most() <= SLOTS, "{} calls at once", server.most());
    all_slots_are_free(&proxy, &server, Duration::from_secs(5)).await;
    assert_eq!(server.most(), SLOTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_come_back_whatever_becomes_of_their_calls() {
    let server = Server::start().await;
    let proxy = eight_workers(&limits(), &server, None);
    for way in ["client gone", "client gone from a stream", "upstream reset", "stream cut", "stream ended"] {
        for _ in 0..3 {
            let mut clients = Vec::new();
            for _ in 0..SLOTS {
                clients.push(Client::connect(proxy.address()).await);
            }
            match way {
                "client gone" => {
                    let calls: Vec<_> = clients
                        .into_iter()
                        .map(|mut client| tokio::spawn(async move { client.call("hang").await }))
                        .collect();
                    server.until(SLOTS).await;
                    calls.iter().for_each(tokio::task::JoinHandle::abort);
                    // The server hears of it too: then there is none under way.
                    server.until(0).await;
                }
                "client gone from a stream" => {
                    let mut responses = Vec::new();
                    for client in &mut clients {
                        responses.push(client.begin("stream").await.unwrap());
                    }
                    server.until(SLOTS).await;
                    clients.into_iter().for_each(Client::leave);
                    drop(responses);
                    server.until(0).await;
                }
                "upstream reset" => {
                    for client in &mut clients {
                        assert_eq!(client.call("reset").await, Answer::Failed(503));
                    }
                }
                "stream cut" => {
                    for client in &mut clients {
                        assert_eq!(client.call("cut").await, Answer::Failed(200));
                    }
                }
                _ => {
                    let mut calls = Vec::new();
                    for mut client in clients {
                        calls.push(tokio::spawn(async move { client.call("stream").await }));
                    }
                    server.until(SLOTS).await;
                    server.release();
                    for call in calls {
                        assert_eq!(call.await.unwrap(), Answer::Passed);
                    }
                }
            }
        }
        eprintln!("{way}");
        all_slots_are_free(&proxy, &server, Duration::from_secs(5)).await;
    }
}

/// The module with a callback that traps: what is called when a request's trailers come, which only HTTP/2 has here.
fn trapping(module: &Path) -> Vec<u8> {
    use wasmparser::{ExternalKind, Parser, Payload, TypeRef};
    let mut bytes = std::fs::read(module).unwrap();
    let (mut imported, mut wanted, mut bodies) = (0, None, Vec::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ImportSection(imports) => {
                imported = imports
                    .into_imports()
                    .filter(|import| matches!(import.as_ref().unwrap().ty, TypeRef::Func(_)))
                    .count();
            }
            Payload::ExportSection(exports) => {
                let export =
                    exports.into_iter().map(Result::unwrap).find(|export| export.name == "proxy_on_request_trailers");
                wanted = export.filter(|export| export.kind == ExternalKind::Func).map(|export| export.index as usize);
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            _ => {}
        }
    }
    let body = bodies.swap_remove(wanted.unwrap() - imported);
    let (first, rest) = bytes[body].split_first_mut().unwrap();
    // No locals; `unreachable`; `nop`s; `end`.
    *first = 0;
    rest.fill(1);
    rest[0] = 0;
    *rest.last_mut().unwrap() = 0x0b;
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_come_back_after_a_trap() {
    let files = tempfile::tempdir().unwrap();
    let module = files.path().join("trapping.wasm");
    std::fs::write(&module, trapping(&envoy::module().unwrap())).unwrap();
    let server = Server::start().await;
    let proxy = Proxy::envoy(&limits(), server.address, &module, 1, None).unwrap();
    let mut calls = Vec::new();
    for _ in 0..SLOTS {
        let mut client = Client::connect(proxy.address()).await;
        calls.push(tokio::spawn(async move { client.call("hang").await }));
    }
    server.until(SLOTS).await;
    trap(proxy.address()).await;
    server.release();
    for call in calls {
        call.await.unwrap();
    }
    // The VM that is gone is believed for 15 seconds.
    all_slots_are_free(&proxy, &server, Duration::from_secs(30)).await;
    let stats = proxy.as_envoy().unwrap().stats("vm_reload").unwrap();
    assert!(stats.iter().any(|(name, count)| name.ends_with("vm_reload_success") && *count > 0), "{stats:?}");
}

/// Sends a request with trailers.
async fn trap(address: std::net::SocketAddr) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _: Result<(), _> = connection.await;
    });
    let mut client = client.ready().await.unwrap();
    let request =
        http::Request::post("http://limits.test/mcp").header("content-type", "application/json").body(()).unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"{}"), false).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-end", "1".parse().unwrap());
    body.send_trailers(trailers).unwrap();
    assert!(response.await.is_ok_and(|response| response.status() == 503));
}
