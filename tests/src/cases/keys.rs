//! The service of the cases that has keys, cluster `keys`: what it answers is in the path that it is asked for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The cluster under which the hosts have it.
pub(super) const CLUSTER: &str = "keys";

/// The public keys of `replay/signatures.yaml`, and two that nobody may take from a URL: a shared one, and one for no algorithm.
const SET: &str = r#"{"keys":[
{"kty":"OKP","crv":"Ed25519","kid":"ed25519","alg":"EdDSA","use":"sig","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"},
{"kty":"EC","crv":"P-256","kid":"p256","x":"8XeltYC0yU7W92pYczNdW09XQ8bjovaATpG_DlYWQdY","y":"oGPiMqPe47pDYe-R6Oisk8lRjRqRjAyqr6L1QolhwGk"},
{"kty":"RSA","kid":"rsa","alg":"PS512","n":"u_ZeyRqzomg9dVIF07VE_JFvP71VHvD4OITLxvT8uF_nlEOYKcfIECY_QLSe7tqC-A5CYNAKdG0AhINc_0ZvlXNLIznsTysCg6pIcXQMd3wEQvki_i0VDnXyI_E-A34Atk3KQNyd8ByuSF4Mid3R-TrPtcudjh6IbY3o0AY5ZW7sD-fG6cScK3PDpV46x0ZpdwOn3XARAkLftmIQabPEm5aAFdyXboMzi1zAfWO3qVj9UvWiF47Hpq4bmStJFXduUOdQmeX7Q_FtJQvZr5z3OjPmBc9t7zjNtmXNEAd70t5ydLe9zh3bRMKv9HASj4xozbSVPC1ffOJ0-sVICO-6Uw","e":"AQAB"},
{"kty":"oct","kid":"hmac","alg":"HS256","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"},
{"kty":"OKP","crv":"Ed25519","kid":"none","alg":"none","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
]}"#;

/// What it answers: a status and a body. `None`: nothing ever comes.
pub(super) fn answer(path: &str) -> Option<(u16, Vec<u8>)> {
    Some(match path {
        "/jwks" | "/jwks?which=all" => (200, SET.into()),
        "/empty" => (200, br#"{"keys":[]}"#.to_vec()),
        "/html" => (200, b"<html><body>Log in</body></html>".to_vec()),
        "/cut" => (200, SET.get(..200).unwrap_or_default().into()),
        "/many" => (200, json!({"keys": vec![json!({"kty": "oct"}); 65]}).to_string().into()),
        "/long" => (200, format!("{SET}{}", " ".repeat(64 << 10)).into()),
        "/error" => (500, SET.into()),
        "/moved" => (302, SET.into()),
        "/late" => return None,
        _ => (404, Vec::new()),
    })
}

/// The URLs of the sets that a configuration names.
pub(super) fn urls(document: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let sets = document.pointer("/replay/signatures/verify/key_sets").and_then(Value::as_array);
    let url = |set: &Value| set.get("uri").and_then(Value::as_str).map(str::to_owned);
    sets.into_iter().flatten().filter_map(url).collect()
}
