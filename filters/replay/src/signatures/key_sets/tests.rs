use std::cell::RefCell;
use std::rc::Rc;

use meshward_engine::{
    Batches, Callout, CalloutOutcome, CalloutRequest, Direction, Effect, Effects, Endpoints, Host, Level, Pipeline,
    Responses, Settings, Stage, StageExchange, StoreError, TickScope, Ticker,
};
use meshward_wire::limits::Limits;
use serde_json::json;

use super::*;
use crate::memory::tests::Proxy;

const ONE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"one","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
const TWO: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"two","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// A stage that has nothing but sets of keys.
struct Fetching(Rc<KeySets>);

impl Stage for Fetching {
    fn name(&self) -> &'static str {
        "fetching"
    }
    fn ticker(&self) -> Option<&dyn Ticker> {
        Some(self)
    }
    fn open(&self) -> Box<dyn StageExchange> {
        panic!("nothing is exchanged")
    }
}

impl Ticker for Fetching {
    fn period(&self) -> Option<u32> {
        self.0.period()
    }
    fn tick(&self, scope: &mut TickScope<'_>) {
        self.0.tick(scope);
    }
    fn called(&self, call: u16, outcome: &CalloutOutcome, scope: &mut TickScope<'_>) {
        self.0.called(call, outcome, scope);
    }
}

/// The proxy as one of its workers sees it.
struct Seen<'p>(&'p Proxy);

impl Host for Seen<'_> {
    fn now(&self) -> u64 {
        self.0.now()
    }
    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.store_get(key)
    }
    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        self.0.store_set(key, value, version)
    }
}

struct Worker {
    sets: Rc<KeySets>,
    pipeline: Pipeline,
    lines: RefCell<Vec<(Level, String)>>,
}

impl Worker {
    fn new() -> Self {
        let config = json!([{"uri": "https://keys.test/jwks?token=s3cret", "cluster": "keys", "cache_duration": "10m",
            "stale_if_error": "1h", "cooldown": "30s", "timeout": "5s"}]);
        let sets = Rc::new(KeySets::new(&serde_json::from_value::<Vec<KeySetConfig>>(config).unwrap()));
        let settings = Settings {
            direction: Direction::Inbound,
            endpoints: Endpoints::default(),
            strict: false,
            header_hold: false,
            limits: Limits::default(),
            batches: Batches::Refuse,
            responses: Responses::Pass,
            origins: None,
            revisions: None,
            methods: None,
            max_response_bytes: 1,
        };
        let pipeline = Pipeline::new(settings, vec![Box::new(Fetching(Rc::clone(&sets)))]);
        Self { sets, pipeline, lines: RefCell::default() }
    }

    fn effects(&self, effects: Effects) -> Vec<Callout> {
        let mut calls = Vec::new();
        for effect in effects.list {
            match effect {
                Effect::Callout(callout) => calls.push(callout),
                Effect::Log(level, line) => self.lines.borrow_mut().push((level, line)),
                other => panic!("{other:?}"),
            }
        }
        calls
    }

    fn tick(&self, proxy: &Proxy) -> Vec<Callout> {
        let mut effects = Effects::default();
        self.pipeline.tick(&mut Seen(proxy), &mut effects);
        self.effects(effects)
    }

    fn answered(&self, proxy: &Proxy, callout: &Callout, outcome: &CalloutOutcome) {
        let mut effects = Effects::default();
        self.pipeline.called(callout.id, outcome, &mut Seen(proxy), &mut effects);
        assert_eq!(self.effects(effects), []);
    }

    /// Fetches what is due, and gets this answer.
    fn fetch(&self, proxy: &Proxy, outcome: &CalloutOutcome) -> bool {
        let calls = self.tick(proxy);
        calls.iter().for_each(|callout| self.answered(proxy, callout, outcome));
        !calls.is_empty()
    }

    /// The names of the keys that count. `None`: there are none to be had.
    fn ids(&self, proxy: &Proxy) -> Option<Vec<String>> {
        let [keys] = <[_; 1]>::try_from(self.sets.keys(&Seen(proxy))).ok().unwrap();
        keys.map(|keys| keys.ids().map(str::to_owned).collect())
    }
}

fn set(keys: &[&str]) -> CalloutOutcome {
    CalloutOutcome::Answered { status: 200, body: format!("{{\"keys\":[{}]}}", keys.join(",")).into() }
}

fn ids(ids: &[&str]) -> Option<Vec<String>> {
    Some(ids.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn one_worker_fetches_for_all() {
    let proxy = Proxy::at(1_000_000);
    let workers = [Worker::new(), Worker::new(), Worker::new()];
    assert_eq!(workers[0].sets.period(), Some(100), "until there are keys");
    let calls: Vec<_> = workers.iter().map(|worker| worker.tick(&proxy)).collect();
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 0]);
    let callout = &calls[0][0];
    let CalloutRequest::Http { headers, body } = &callout.request else { panic!("{callout:?}") };
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers[..4],
        [(":method", "GET"), (":scheme", "https"), (":authority", "keys.test"), (":path", "/jwks?token=s3cret")]
    );
    assert_eq!((callout.cluster.as_str(), callout.timeout_ms, body.len()), ("keys", 5000, 0));
    assert!(workers.iter().all(|worker| worker.ids(&proxy).is_none()), "no answer yet");

    workers[0].answered(&proxy, callout, &set(&[ONE]));
    assert!(workers.iter().all(|worker| worker.ids(&proxy) == ids(&["one"])));
    assert!(workers.iter().all(|worker| worker.tick(&proxy).is_empty()));
    assert_eq!(workers[1].sets.period(), Some(1000));

    // Rotation with overlap, fetched by whoever comes first.
    proxy.turn_to(1_000_600);
    assert!(workers[2].fetch(&proxy, &set(&[ONE, TWO])));
    assert!(workers.iter().all(|worker| worker.ids(&proxy) == ids(&["one", "two"])));
    proxy.turn_to(1_001_200);
    assert!(workers[1].fetch(&proxy, &set(&[TWO])));
    assert!(workers.iter().all(|worker| worker.ids(&proxy) == ids(&["two"])), "what is gone is gone at once");
    let lines = workers[1].lines.borrow();
    assert_eq!(*lines, [(Level::Info, "replay has 1 keys of `https://keys.test/jwks` that can be used".to_owned())]);
}

#[test]
fn what_cannot_be_fetched_leaves_what_there_is_for_a_while() {
    let answered = |status, body: &[u8]| CalloutOutcome::Answered { status, body: body.to_vec() };
    let many = format!("{{\"keys\":[{}]}}", vec!["{}"; 65].join(","));
    let long = format!("{{\"keys\":[{ONE}]}}{}", " ".repeat(64 << 10));
    for (outcome, said) in [
        (CalloutOutcome::Failed, "did not answer"),
        (answered(500, ONE.as_bytes()), "status 500"),
        (answered(304, b""), "status 304"),
        (answered(200, b"<html>"), "no JWK Set"),
        (answered(200, b""), "no JWK Set"),
        (answered(200, br#"{"keys":{}}"#), "no JWK Set"),
        (answered(200, br#"{"keys":[],"keys":[]}"#), "no JWK Set"),
        (answered(200, many.as_bytes()), "no JWK Set"),
        (answered(200, long.as_bytes()), "longer"),
    ] {
        let (proxy, worker) = (Proxy::at(1_000_000), Worker::new());
        assert!(worker.fetch(&proxy, &outcome));
        assert_eq!(worker.ids(&proxy), None, "{said}");
        proxy.turn_to(1_000_001);
        assert!(worker.fetch(&proxy, &set(&[ONE])), "{said}: it is tried again");
        assert_eq!(worker.ids(&proxy), ids(&["one"]), "{said}");
        // In step until the keys are too old: an hour and ten minutes.
        let mut fetches = 0;
        for second in 1_000_002..1_000_001 + 4200 {
            proxy.turn_to(second);
            fetches += u32::from(worker.fetch(&proxy, &outcome));
            assert_eq!(worker.ids(&proxy), ids(&["one"]), "{said}: {second}");
        }
        assert!((55..75).contains(&fetches), "{said}: {fetches} in an hour");
        proxy.turn_to(1_000_001 + 4200);
        assert_eq!(worker.ids(&proxy), None, "{said}");
        proxy.turn_to(1_000_001 + 4300);
        assert!(worker.fetch(&proxy, &set(&[TWO])));
        assert_eq!(worker.ids(&proxy), ids(&["two"]), "{said}: it comes back by itself");
        let lines = worker.lines.borrow();
        assert!(lines.iter().any(|(level, line)| *level == Level::Warn && line.contains(said)), "{lines:?}");
        assert!(!format!("{lines:?}").contains("s3cret"), "a query is not logged");
    }
}

#[test]
fn only_public_keys_are_taken() {
    let (proxy, worker) = (Proxy::at(1_000_000), Worker::new());
    let named = |kid: &str, more: &str| ONE.replace("\"kid\":\"one\"", &format!("\"kid\":\"{kid}\"{more}"));
    let keys = [
        r#"{"kty":"oct","kid":"shared","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}"#.to_owned(),
        named("none", ",\"alg\":\"none\""),
        named("other", ",\"alg\":\"HS256\""),
        named("sealing", ",\"use\":\"enc\""),
        named("signing", ",\"key_ops\":[\"sign\"]"),
        named("", ""),
        named(&"k".repeat(257), ""),
        named("weak", "").replace("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs", &"A".repeat(43)),
        r#"{"kty":"OKP","crv":"Ed25519","kid":7}"#.to_owned(),
        named("verifying", ",\"key_ops\":[\"verify\"],\"alg\":\"EdDSA\",\"use\":\"sig\",\"d\":\"s3cret\""),
        TWO.replace("\"kid\":\"two\",", ""),
    ];
    assert!(worker.fetch(&proxy, &set(&keys.each_ref().map(String::as_str))));
    // One without a name is known by its thumbprint (RFC 8037, appendix A.3).
    assert_eq!(worker.ids(&proxy), ids(&["verifying", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]));
    let stored = proxy.values.lock().unwrap().values().any(|(value, _)| {
        let text = String::from_utf8_lossy(value).into_owned();
        text.contains("s3cret") || text.contains("MDEy")
    });
    assert!(!stored, "nothing private stays");

    // A set that has none any more is one.
    proxy.turn_to(1_000_600);
    assert!(worker.fetch(&proxy, &set(&[])));
    assert_eq!(worker.ids(&proxy), ids(&[]));
}

#[test]
fn a_flood_of_unknown_keys_is_no_flood_of_fetches() {
    let (proxy, workers) = (Proxy::at(1_000_000), [Worker::new(), Worker::new()]);
    assert!(workers[0].fetch(&proxy, &set(&[ONE])));
    let mut fetches = 0;
    for second in 1_000_001..1_000_301 {
        proxy.turn_to(second);
        for worker in &workers {
            for _ in 0..10 {
                worker.sets.missed(&Seen(&proxy));
            }
            fetches += u32::from(worker.fetch(&proxy, &set(&[ONE, TWO])));
        }
    }
    assert_eq!(fetches, 10, "one in thirty seconds");
    assert_eq!(workers[1].ids(&proxy), ids(&["one", "two"]), "and what is new is found");
}

#[test]
fn without_a_store_there_are_no_keys() {
    let (proxy, worker) = (Proxy::dead(), Worker::new());
    assert_eq!(worker.tick(&proxy), []);
    assert_eq!(worker.ids(&proxy), None);
    worker.sets.missed(&Seen(&proxy));
}

#[test]
fn a_set_is_at_a_url_of_http() {
    for (uri, is) in [
        ("https://keys.test/jwks", true),
        ("http://127.0.0.1:8080/a/b?c=d", true),
        ("https://keys.test", true),
        ("https://[::1]/jwks", true),
        ("ftp://keys.test/jwks", false),
        ("/jwks", false),
        ("https:///jwks", false),
        ("https://user@keys.test/jwks", false),
        ("https://keys.test/jwks#one", false),
        ("https://keys.test/a b", false),
        ("https://keys.test/\r\nx: y", false),
        ("", false),
    ] {
        assert_eq!(is_url(uri), is, "{uri}");
    }
}
