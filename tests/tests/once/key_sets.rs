//! Keys that are fetched from a URL, while they are rotated and their service fails, on eight workers under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meshward_signatures::{Algorithm, SigningKey};
use meshward_tests::documents;
use meshward_tests::proxy::{Host, Proxy};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::signing::signed;
use crate::support::*;

/// Who signs with a key that others can verify with.
#[derive(Debug, Clone)]
struct Sender {
    id: &'static str,
    key: Arc<KeyPair>,
    pem: String,
}

impl Sender {
    fn new(id: &'static str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let pem = key.serialize_pem();
        Self { id, key: Arc::new(key), pem }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key_raw());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x})
    }

    /// Calls a tool.
    async fn call(&self, client: &mut Client) -> Answer {
        let key = SigningKey::from_pem(Algorithm::Ed25519, &self.pem).unwrap();
        let fields = signed((self.id, key), &[], &call_of("get"), None);
        let headers: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client.call("get", &headers).await
    }
}

/// What a service with keys does now.
#[derive(Debug, Clone)]
enum Does {
    Answer(u16, Vec<u8>),
    BreakOff,
    Nothing,
}

/// A service with keys.
#[derive(Debug, Clone)]
struct Service {
    address: std::net::SocketAddr,
    does: Arc<Mutex<Does>>,
    asked: Arc<AtomicUsize>,
}

impl Service {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Self { address, does: Arc::new(Mutex::new(does)), asked: Arc::default() };
        let serving = service.clone();
        let answer = move |path: String| -> documents::Answer {
            assert_eq!(path, "/jwks.json");
            serving.asked.fetch_add(1, Ordering::SeqCst);
            let does = serving.does.lock().unwrap().clone();
            Box::pin(async move {
                match does {
                    Does::Answer(status, body) => (status, body),
                    Does::BreakOff => (0, Vec::new()),
                    Does::Nothing => std::future::pending().await,
                }
            })
        };
        tokio::spawn(documents::serve(listener, Arc::new(answer)));
        service
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn has(&self, senders: &[&Sender]) {
        self.does(has(senders));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn has(senders: &[&Sender]) -> Does {
    let keys: Vec<_> = senders.iter().map(|sender| sender.jwk()).collect();
    Does::Answer(200, json!({ "keys": keys }).to_string().into())
}

/// A proxy that verifies with the keys of a service, its set configured with these members besides.
fn proxy(host: Host, server: &Server, workers: u32, service: &Service, members: Value, keys: &Value) -> Proxy {
    let mut set = json!({"uri": "http://keys.test/jwks.json", "cluster": "keys"});
    let (Some(set_members), Value::Object(members)) = (set.as_object_mut(), members) else { panic!("no members") };
    set_members.extend(members);
    let verify = json!({"nonce": "ignored", "keys": keys, "key_sets": [set]});
    let document = document(json!({"signatures": {"verify": verify}}));
    Proxy::with_key_sets(host, &document, server.address, workers, service.address).unwrap()
}

/// Calls on new connections until one comes to what it should.
async fn until(proxy: &Proxy, sender: &Sender, expected: &Answer) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = sender.call(&mut Client::connect(proxy.address()).await).await;
        if answer == *expected {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{}: {answer:?}, not {expected:?}", sender.id);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn unavailable() -> Answer {
    Answer::refused(503, "signature_keys_unavailable")
}

fn invalid() -> Answer {
    Answer::refused(401, "signature_invalid")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_and_their_service_fails_without_a_request_refused() {
    let (old, new) = (Sender::new("old"), Sender::new("new"));
    let (server, service) = (Server::start().await, Service::start(has(&[&old])).await);
    let times = json!({"timeout": "300ms", "cache_duration": "1s", "stale_if_error": "1m", "cooldown": "1h"});
    let proxy = proxy(Host::Envoy, &server, 8, &service, times, &json!([]));
    until(&proxy, &old, &Answer::Passed).await;
    let (begun, asked) = (Instant::now(), service.asked());

    // From now on whatever is signed with a key that counts passes, on all workers.
    let (signing, stop) = (Arc::new(Mutex::new(old.clone())), Arc::new(AtomicBool::new(false)));
    let load = (0..16).map(|_| {
        let (signing, stop, address) = (Arc::clone(&signing), Arc::clone(&stop), proxy.address());
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            let mut passed = 0_usize;
            while !stop.load(Ordering::SeqCst) {
                let sender = signing.lock().unwrap().clone();
                assert_eq!(sender.call(&mut client).await, Answer::Passed, "{}", sender.id);
                passed += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            passed
        })
    });
    let load: Vec<_> = load.collect();
    let wait = async || tokio::time::sleep(Duration::from_millis(2500)).await;
    for wrong in [
        Does::Answer(200, b"<html>Log in</html>".to_vec()),
        Does::Answer(500, Vec::new()),
        Does::Answer(200, vec![b' '; 8 << 20]),
        Does::Answer(200, b"\"keys\"".to_vec()),
        Does::BreakOff,
        Does::Nothing,
    ] {
        service.does(wrong);
        wait().await;
    }
    // Rotation: both for as long as the sets are cached, then the new one alone.
    service.has(&[&old, &new]);
    wait().await;
    *signing.lock().unwrap() = new.clone();
    tokio::time::sleep(Duration::from_millis(100)).await;
    service.has(&[&new]);
    until(&proxy, &old, &invalid()).await;
    for _ in 0..64 {
        let answer = old.call(&mut Client::connect(proxy.address()).await).await;
        assert_eq!(answer, invalid(), "on every worker");
    }
    stop.store(true, Ordering::SeqCst);
    let mut passed = 0;
    for client in load {
        passed += client.await.unwrap();
    }
    let (took, fetches) = (begun.elapsed(), service.asked() - asked);
    eprintln!("{passed} requests in {took:?}, all passed; {fetches} fetches by 8 workers");
    assert!(passed > 1000, "{passed}");
    // At the most often, each three quarters of a second.
    assert!(fetches as f64 <= took.as_secs_f64() / 0.75 + 2.0, "{fetches} fetches in {took:?}");
    let workers =
        proxy.as_envoy().unwrap().stats("listener_manager.worker|listener.*worker_.*downstream_cx_total").unwrap();
    let busy = workers.values().filter(|connections| **connections > 0).count();
    assert!(busy > 4, "connections on {busy} workers only: {workers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_service_only_keys_that_are_configured_count_until_it_comes_back() {
    for host in [Host::Envoy, Host::Serve] {
        let (fetched, configured) = (Sender::new("fetched"), Sender::new("configured"));
        let (server, service) = (Server::start().await, Service::start(Does::BreakOff).await);
        let times = json!({"timeout": "300ms", "cache_duration": "1s", "stale_if_error": "1s"});
        let keys = json!([{"id": "configured", "algorithm": "ed25519", "public_key": configured.key.public_key_pem()}]);
        let proxy = proxy(host, &server, 2, &service, times, &keys);
        let mut client = Client::connect(proxy.address()).await;
        for way in [Does::BreakOff, Does::Nothing, Does::Answer(503, Vec::new())] {
            service.does(way);
            until(&proxy, &fetched, &unavailable()).await;
            assert_eq!(configured.call(&mut client).await, Answer::Passed, "{host:?}");
            service.has(&[&fetched]);
            until(&proxy, &fetched, &Answer::Passed).await;
        }
        // Too old: two seconds at the most after the last answer.
        service.does(Does::BreakOff);
        let counted = until(&proxy, &fetched, &unavailable()).await;
        assert!((500..4000).contains(&counted.as_millis()), "{host:?}: {counted:?}");
        assert_eq!(configured.call(&mut client).await, Answer::Passed, "{host:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_known_is_looked_for_once_in_a_while() {
    let (old, new, stranger) = (Sender::new("old"), Sender::new("new"), Sender::new("stranger"));
    let (server, service) = (Server::start().await, Service::start(has(&[&old])).await);
    let times = json!({"cache_duration": "1h", "cooldown": "1s"});
    let proxy = proxy(Host::Envoy, &server, 8, &service, times, &json!([]));
    until(&proxy, &old, &Answer::Passed).await;
    service.has(&[&old, &new]);
    let late = until(&proxy, &new, &Answer::Passed).await;
    assert!(late < Duration::from_secs(5), "without overlap it takes {late:?}");

    let (begun, asked) = (Instant::now(), service.asked());
    let flood = (0..8).map(|_| {
        let (stranger, address) = (stranger.clone(), proxy.address());
        tokio::spawn(async move {
            for _ in 0..200 {
                // What is refused at the head ends its connection.
                assert_eq!(stranger.call(&mut Client::connect(address).await).await, invalid());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    });
    for client in flood.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let (took, fetches) = (begun.elapsed(), service.asked() - asked);
    eprintln!("1600 requests with a key that is not known in {took:?}: {fetches} fetches");
    assert!((1..=1 + took.as_secs() as usize).contains(&fetches), "{fetches} fetches in {took:?}");
    assert_eq!(new.call(&mut Client::connect(proxy.address()).await).await, Answer::Passed);
}
