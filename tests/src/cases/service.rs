//! The rate limit service of the cases, cluster `limits`: what it answers is in the name of the tool that it is asked about, or at the
//! beginning of the nonce.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::{chosen, dpop};

/// The cluster under which the hosts have it.
pub(super) const CLUSTER: &str = "limits";

/// What it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It answers with this message.
    Message(Bytes),
    /// It ends the call with this status.
    Status(u32),
    /// Nothing ever comes.
    Nothing,
}

/// `envoy.service.ratelimit.v3.RateLimitRequest`.
#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Answers a question, of which all else is what the cases' configurations make it.
pub(super) fn answer(question: &[u8]) -> Said {
    const UNKNOWN: u32 = 2;
    let Ok(Question { domain, descriptors, hits_addend: 1 }) = Question::decode(question) else {
        return Said::Status(UNKNOWN);
    };
    let [Descriptor { entries }] = descriptors.as_slice() else { return Said::Status(UNKNOWN) };
    let value = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    if domain != "cases" || value("limit").is_none() {
        return Said::Status(UNKNOWN);
    }
    let told = match value("nonce") {
        Some(nonce) => NONCES.get(nonce).copied(),
        None => value("tool"),
    };
    let message: &'static [u8] = match told {
        Some("within") => &[8, 1],
        Some("within-told") => &[8, 1, 18, 2, 8, 1],
        Some("over") => &[8, 2],
        Some("over-for-7s") => &[8, 2, 18, 6, 8, 2, 34, 2, 8, 7],
        Some("no-code") => &[],
        Some("code-9") => &[8, 9],
        Some("of-two") => &[8, 1, 18, 2, 8, 1, 18, 2, 8, 1],
        Some("contradiction") => &[8, 1, 18, 2, 8, 2],
        Some("html") => b"<html>",
        Some("cut") => &[8, 1, 18, 9, 8],
        Some("unavailable") => return Said::Status(14),
        Some("late") => return Said::Nothing,
        _ => return Said::Status(UNKNOWN),
    };
    Said::Message(Bytes::from_static(message))
}

/// What the service has an answer for.
const TOLD: [&str; 7] = ["within", "over", "no-code", "of-two", "html", "unavailable", "late"];

/// The names under which it is asked about the nonces `WORD-RUN` and `WORD-RUN-2`, each with the word: of a caller who has proved nothing, of the key `ed25519`
/// that signs, and of the key that tokens are bound to.
static NONCES: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let nobody = [&b"freshness\0"[..], &[0; 3 * 9]].concat();
    let holder = format!("dpop {}", dpop::holder().unwrap_or_default()).into_bytes();
    let scopes = [nobody, b"signature ed25519".to_vec(), holder];
    let mut names = BTreeMap::new();
    for (word, (_, _, run)) in TOLD.iter().flat_map(|word| chosen::PLACES.map(|place| (*word, place))) {
        for (scope, again) in scopes.iter().flat_map(|scope| ["", "-2"].map(|again| (scope, again))) {
            names.insert(name_of(scope, &format!("{word}-{run}{again}")), word);
        }
    }
    names
});

/// What a nonce is called among proxies.
fn name_of(scope: &[u8], nonce: &str) -> String {
    let length = (scope.len() as u64).to_be_bytes();
    let hash = Sha256::digest([&b"meshward nonce v1\0"[..], &length, scope, nonce.as_bytes()].concat());
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}
