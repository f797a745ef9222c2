use std::cell::RefCell;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::*;
use crate::config::{PeerConfig, SourceConfig};

/// A host that has properties, and remembers which were asked for.
#[derive(Default)]
struct Properties {
    values: Vec<(&'static [&'static str], Vec<u8>)>,
    asked: RefCell<Vec<String>>,
}

impl Host for Properties {
    fn now(&self) -> u64 {
        0
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.asked.borrow_mut().push(path.join("/"));
        self.values.iter().find(|(known, _)| *known == path).map(|(_, value)| value.clone())
    }
}

/// `{"envoy.filters.http.jwt_authn": {"p": {"sub": "a"}}}`, as Envoy serialises it.
const METADATA: &[u8] = b"\x0a\x35\x0a\x1cenvoy.filters.http.jwt_authn\
    \x12\x15\x0a\x13\x0a\x01p\x12\x0e\x2a\x0c\x0a\x0a\x0a\x03sub\x12\x03\x1a\x01a";

const EVERYTHING: Wanted = Wanted { peer: true, source: true, claims: true };

fn host() -> Properties {
    Properties {
        values: vec![
            (&["connection", "uri_san_peer_certificate"], b"spiffe://td/ns/a/sa/b".to_vec()),
            (&["source", "address"], b"192.0.2.7:4711".to_vec()),
            (&["filter_state", "io.istio.peer_principal"], b"spiffe://td/ns/c/sa/d".to_vec()),
            (&["filter_state", "direct"], b"198.51.100.9".to_vec()),
            (&["metadata"], METADATA.to_vec()),
        ],
        ..Properties::default()
    }
}

#[test]
fn the_connection_and_the_metadata_say_who_calls() {
    let caller = Identity::new(&IdentityConfig::default()).caller(EVERYTHING, &host());
    assert_eq!(caller.peer.as_deref(), Some("spiffe://td/ns/a/sa/b"));
    assert_eq!(caller.source, Some(Ipv4Addr::new(192, 0, 2, 7).into()));
    assert!(caller.claims.is_some_and(|claims| claims.get("sub") == Some(&"a".into())));
}

#[test]
fn the_filter_state_says_it_where_it_is_named() {
    let config = |peer: &str, source: &str| IdentityConfig {
        peer: PeerConfig { filter_state: Some(peer.to_owned()) },
        source: SourceConfig { filter_state: Some(source.to_owned()), forwarded: false },
        ..IdentityConfig::default()
    };
    let caller = Identity::new(&config("io.istio.peer_principal", "direct")).caller(EVERYTHING, &host());
    assert_eq!(caller.peer.as_deref(), Some("spiffe://td/ns/c/sa/d"));
    assert_eq!(caller.source, Some(Ipv4Addr::new(198, 51, 100, 9).into()));
    // What is named and is not there is not looked for elsewhere.
    let caller = Identity::new(&config("absent", "absent")).caller(EVERYTHING, &host());
    assert_eq!((caller.peer, caller.source), (None, None));
}

#[test]
fn an_address_out_of_a_header_is_believed_only_where_that_is_said() {
    for (forwarded, source) in [(false, None), (true, Some(Ipv4Addr::new(10, 9, 8, 7).into()))] {
        let host =
            Properties { values: vec![(&["source", "address"], b"10.9.8.7:0".to_vec())], ..Properties::default() };
        let config =
            IdentityConfig { source: SourceConfig { filter_state: None, forwarded }, ..IdentityConfig::default() };
        assert_eq!(Identity::new(&config).caller(EVERYTHING, &host).source, source, "{forwarded}");
    }
}

/// The metadata of a request in Envoy 1.40, behind its JWT filter and one that set `{"x": {"sub": "b"}}` elsewhere.
const OF_ENVOY: &[u8] = b"\n\xc2\x01\n\x1cenvoy.filters.http.jwt_authn\x12\xa1\x01\n\x9e\x01\n\x07payload\x12\x92\x01*\x8f\x01\
    \n\x0b\n\x05admin\x12\x02 \x01\n\x12\n\x05level\x12\t\x11\0\0\0\0\0\0\x08@\
    \n$\n\x0crealm_access\x12\x14*\x12\n\x10\n\x05roles\x12\x072\x05\n\x03\x1a\x01c\n\n\n\x03iss\x12\x03\x1a\x01i\
    \n\x15\n\x05roles\x12\x0c2\n\n\x03\x1a\x01a\n\x03\x1a\x01b\n\x13\n\x05eight\x12\n\x1a\x0812345678\
    \n\x0e\n\x03sub\x12\x07\x1a\x05alice\n\x1e\n\x05other\x12\x15\n\x13\n\x01x\x12\x0e*\x0c\n\n\n\x03sub\x12\x03\x1a\x01b";

#[test]
fn envoys_own_bytes_are_read() {
    let host = Properties { values: vec![(&["metadata"], OF_ENVOY.to_vec())], ..Properties::default() };
    let caller = Identity::new(&IdentityConfig::default()).caller(EVERYTHING, &host);
    let claims = json!({
        "iss": "i", "sub": "alice", "level": 3, "admin": true, "eight": "12345678", "roles": ["a", "b"],
        "realm_access": {"roles": ["c"]},
    });
    assert_eq!(caller.claims.map(Value::Object), Some(claims));
}

#[test]
fn only_what_is_wanted_is_asked_for() {
    let identity = Identity::new(&IdentityConfig::default());
    for (wanted, asked) in [
        (Wanted::default(), ""),
        (Wanted { peer: true, ..Wanted::default() }, "connection/uri_san_peer_certificate"),
        (Wanted { source: true, ..Wanted::default() }, "source/address"),
        (Wanted { claims: true, ..Wanted::default() }, "metadata"),
    ] {
        let host = host();
        let caller = identity.caller(wanted, &host);
        assert_eq!(host.asked.into_inner().join(" "), asked);
        assert_eq!(caller.peer.is_some(), wanted.peer);
        assert_eq!(caller.source.is_some(), wanted.source);
        assert_eq!(caller.claims.is_some(), wanted.claims);
    }
}

#[test]
fn a_host_that_knows_nothing_gives_nobody() {
    assert_eq!(Identity::new(&IdentityConfig::default()).caller(EVERYTHING, &Properties::default()), Caller::default());
}

#[test]
fn a_peers_name_is_short_and_visible() {
    for (name, is_name) in [
        (b"spiffe://td/a".to_vec(), true),
        (vec![b'a'; MAX_PEER_BYTES - 1], true),
        (vec![b'a'; MAX_PEER_BYTES], true),
        (vec![b'a'; MAX_PEER_BYTES + 1], false),
        (Vec::new(), false),
        (b"-".to_vec(), false),
        (b"spiffe://td/a,spiffe://td/b".to_vec(), false),
        (b"spiffe://td/a\0b".to_vec(), false),
        (b"spiffe://td/a b".to_vec(), false),
        ("spiffe://td/é".as_bytes().to_vec(), false),
        (b"spiffe://td/\xff".to_vec(), false),
    ] {
        assert_eq!(peer(name.clone()).is_some(), is_name, "{}", name.escape_ascii());
    }
}

#[test]
fn trusted_headers_are_in_lower_case() {
    let config = IdentityConfig { trusted_headers: vec!["X-User".to_owned()], ..IdentityConfig::default() };
    assert_eq!(Identity::new(&config).trusted_headers(), ["x-user"]);
}
