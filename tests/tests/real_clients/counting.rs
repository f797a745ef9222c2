//! A rate limit service that counts one of each: what it was asked before is over its limit.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use meshward_tests::grpc;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The service; it ends with its owner.
pub(crate) struct Counting {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeSet<Bytes>>>,
    _runtime: Runtime,
}

impl Counting {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<BTreeSet<Bytes>>> = Arc::default();
        let counted = Arc::clone(&asked);
        let handler = move |question| -> grpc::Answer {
            let is_new = counted.lock().unwrap().insert(question);
            // `RateLimitResponse`: OK, or OVER_LIMIT.
            Box::pin(async move { Ok(Bytes::from_static(if is_new { &[8, 1] } else { &[8, 2] })) })
        };
        runtime.spawn(async move {
            grpc::serve(tokio::net::TcpListener::from_std(listener).unwrap(), Arc::new(handler)).await;
        });
        Self { address, asked, _runtime: runtime }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many different things it was asked about.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The same configuration, with the service that counts nonces.
pub(crate) fn counted(mut document: Value) -> Value {
    document["rate_limit_service"] = json!({"cluster": "rls", "domain": "tests", "timeout_ms": 5000});
    document["replay"]["nonces"]["service"] = json!(true);
    document
}
