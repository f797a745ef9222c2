//! Memories that are full: what cannot be remembered is refused, or passes, as the setting says. Where each thing falls is chance, so no case
//! brings that about; tens of thousands of messages do, in batches.

use meshward_tests::proxy::{Host, Proxy};
use meshward_tests::raw;
use serde_json::{Value, json};

use crate::support::*;

/// The most that a configuration allows.
const BATCH: usize = 1000;
/// A memory for one thing is 4,096 places with room for 19 each. Before so many messages none is full but once in 10^8 runs, and after so
/// many, one is (in each place a Poisson variable of mean 2.4, or 12.2).
const FEWEST: usize = 10_000;
const MOST: usize = 50_000;
/// Batches are of this revision only; and ids that are not forgotten are a session's.
const LINES: &str = "mcp-protocol-version: 2025-03-26\r\nmcp-session-id: s-1\r\n";

/// What fills up: the settings of a section, and a message of a number.
struct Memory {
    settings: fn(unsure: &str) -> Value,
    message: fn(number: usize) -> Value,
    reason: &'static str,
}

const NONCES: Memory = Memory {
    settings: |unsure| {
        json!({
            "freshness": {"nonce": {"meta": "com.example/nonce"}, "max_age": "1h"},
            "nonces": {"capacity": 1, "unsure": unsure, "restart": "accept"},
        })
    },
    message: |number| {
        let meta = json!({"com.example/nonce": format!("n-{number}")});
        json!({"jsonrpc": "2.0", "id": number, "method": "ping", "params": {"_meta": meta}})
    },
    reason: "nonces_full",
};

const REQUEST_IDS: Memory = Memory {
    settings: |unsure| json!({"request_ids": {"capacity": 1, "unsure": unsure, "responses": "ignore"}}),
    message: |number| json!({"jsonrpc": "2.0", "id": number, "method": "ping"}),
    reason: "request_ids_unavailable",
};

const IDEMPOTENCY: Memory = Memory {
    settings: |unsure| json!({"idempotency": {"key": {"meta": "com.example/key"}, "capacity": 1, "unsure": unsure}}),
    message: |number| {
        let meta = json!({"com.example/key": format!("k-{number}")});
        json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "get", "_meta": meta}})
    },
    reason: "idempotency_unavailable",
};

impl Memory {
    fn proxy(&self, host: Host, server: &Server, unsure: &str) -> Proxy {
        let mut document = document((self.settings)(unsure));
        let protocol = json!({"batches": "inspect", "max_batch": BATCH});
        document.as_object_mut().unwrap().insert("protocol".to_owned(), protocol);
        Proxy::start(host, &document, server.address).unwrap()
    }

    /// Sends the messages with these numbers at once.
    fn send(&self, proxy: &Proxy, numbers: std::ops::Range<usize>) -> raw::Answer {
        let batch: Value = numbers.map(self.message).collect();
        raw::post(proxy.address(), "/mcp", LINES, batch.to_string()).unwrap()
    }

    /// The message of a batch that there was no room for, by its number. All others are refused with it.
    fn refused(&self, answer: &raw::Answer) -> Option<usize> {
        let errors: Vec<Value> = serde_json::from_str(&answer.body).unwrap_or_default();
        let is_full = |error: &&Value| error.pointer("/error/data/reason").is_some_and(|found| found == self.reason);
        usize::try_from(errors.iter().find(is_full)?.get("id")?.as_u64()?).ok()
    }

    /// Where what cannot be remembered is refused.
    async fn fills_up(&self, host: Host) {
        let server = Server::start().await;
        let proxy = self.proxy(host, &server, "refuse");
        let mut sent = 0;
        let refused = loop {
            let answer = self.send(&proxy, sent..sent + BATCH);
            sent += BATCH;
            assert!(sent <= MOST, "{sent} are remembered");
            let Some(full) = self.refused(&answer) else {
                assert!(!answer.body.contains("error"), "{sent}: {}", answer.body);
                continue;
            };
            // Some of what was refused with it may be forgotten, which makes room.
            let alone = raw::post(proxy.address(), "/mcp", LINES, (self.message)(full).to_string()).unwrap();
            if alone.status != 200 {
                break alone;
            }
        };
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.body.contains(&format!("\"reason\":\"{}\"", self.reason)), "{}", refused.body);
        assert!(sent > FEWEST, "after {sent} messages there is no room");
        // Some places are full, and all others are not.
        let alone = |number: usize| self.refused(&self.send(&proxy, number..number + 1));
        let passed = (sent..sent + 20).filter(|number| alone(*number).is_none()).count();
        assert!(passed > 10, "{passed} of 20 pass");
    }

    /// Where it passes.
    async fn is_full_and_passes(&self) {
        let server = Server::start().await;
        let proxy = self.proxy(Host::Envoy, &server, "accept");
        for first in (0..MOST).step_by(BATCH) {
            let answer = self.send(&proxy, first..first + BATCH);
            assert!(answer.status == 200 && !answer.body.contains("error"), "{first}: {}", answer.body);
        }
        // What it does remember still counts once.
        let again = self.send(&proxy, 0..1);
        assert!(again.body.contains("error"), "{}", again.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonces_without_room_in_envoy() {
    NONCES.fills_up(Host::Envoy).await;
    NONCES.is_full_and_passes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonces_without_room_in_serve() {
    NONCES.fills_up(Host::Serve).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_ids_without_room_in_envoy() {
    REQUEST_IDS.fills_up(Host::Envoy).await;
    REQUEST_IDS.is_full_and_passes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_ids_without_room_in_serve() {
    REQUEST_IDS.fills_up(Host::Serve).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_keys_without_room_in_envoy() {
    IDEMPOTENCY.fills_up(Host::Envoy).await;
    IDEMPOTENCY.is_full_and_passes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_keys_without_room_in_serve() {
    IDEMPOTENCY.fills_up(Host::Serve).await;
}
