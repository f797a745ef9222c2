//! The suite's scenarios about tokens that are bound to a key (DPoP, RFC 9449; SEP-1932), with Meshward in front of the suite's server.
//!
//! They judge a client, by what its server and its authorization server see of it. The tokens are JWTs of the suite's authorization server, which Envoy's
//! JWT filter verifies. So a client that the suite finds right passes, and what the suite finds wrong is refused; where the two differ, the
//! table says why.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use meshward_tests::clients::BoundToken;
use meshward_tests::conformance::{ClientRun, ClientUnderTest, report, run_client};
use meshward_tests::mcp_server::McpServer;
use meshward_tests::proxy::Proxy;
use meshward_tests::scrape;
use serde_json::{Value, json};

use super::{SESSION, STATELESS};

const PLAIN: &str = "auth/dpop";
const NONCE: &str = "auth/dpop-nonce";
const SCHEME: &str = "sep-1932-client-dpop-auth-scheme";
const FRESH: &str = "sep-1932-client-fresh-proof";
const TOKEN_PROOF: &str = "sep-1932-client-token-request-proof";
const AS_NONCE: &str = "sep-1932-client-as-nonce";
const RS_NONCE: &str = "sep-1932-client-rs-nonce";

fn document(header_hold: bool, dpop: Value) -> Value {
    json!({
        "apiVersion": "meshward/v1",
        "endpoints": [{"path": "/mcp"}],
        "header_hold": header_hold,
        // The test begins as soon as the proxy does.
        "replay": {"dpop": dpop, "nonces": {"restart": "accept"}},
    })
}

/// Our own nonces, if they are asked for.
fn nonces(wanted: bool) -> Value {
    match wanted {
        true => json!({"keys": [{"id": "k1", "secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}),
        false => Value::Null,
    }
}

/// The address of a server in a URL `http://localhost:1234/mcp`.
fn address(url: &str) -> Result<SocketAddr> {
    let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).context("a port")?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port.parse()?)))
}

/// A run with a proxy for it alone, and the proxy. It knows how clients name the server; what comes to it has another `Host`.
fn proxied(
    name: &str,
    revision: &str,
    hold: bool,
    ours: bool,
    client: ClientUnderTest<'_>,
    token: &BoundToken,
) -> Result<(ClientRun, Proxy)> {
    let mut proxy = None;
    let run = run_client(name, revision, client, |url| {
        let base = url.strip_suffix("/mcp").context("a server's URL")?;
        let mut dpop = json!({
            "base_urls": [base],
            "resource_metadata": format!("{base}/.well-known/oauth-protected-resource/mcp"),
        });
        if ours {
            dpop["nonce"] = nonces(true);
        }
        let started = Proxy::behind(&[token.jwt_filter()], &document(hold, dpop), address(url)?)?;
        Ok(proxy.insert(started).address())
    })?;
    Ok((run, proxy.context("the client has not asked where to connect to")?))
}

/// How often the proxy has refused for a reason, or would have.
fn refused(proxy: &Proxy, reason: &str) -> Result<f64> {
    Ok(scrape::sum(&scrape::samples(&proxy.scrape()?)?, "meshward_refusals_total", &[("reason", reason)]))
}

/// What the suite finds of a client in front of its server, it finds through Envoy.
fn finds_the_same(name: &str, revision: &str, hold: bool, ours: bool) -> Result<()> {
    let token = BoundToken::new()?;
    let client = ClientUnderTest { issuer: &token.issuer, fault: None, nonces: true };
    let direct = run_client(name, revision, client, address)?;
    let (run, proxy) = proxied(name, revision, hold, ours, client, &token)?;
    let differences = direct.verdicts.differences(&run.verdicts);
    // What is only told: every request and answer that the suite's servers see.
    let differences: Vec<_> = differences.into_iter().filter(|found| found.verdict.status != "INFO").collect();
    let report = report(name, &direct.verdicts, &run.verdicts, &differences);
    println!("{report}");
    assert!(differences.is_empty(), "{report}\n{}\n{}", run.complaint, proxy.log());
    for status in ["FAILURE", "WARNING"] {
        assert_eq!(run.verdicts.count(status), 0, "{report}");
    }
    let mut checks = vec![SCHEME, FRESH, TOKEN_PROOF];
    if name == NONCE {
        checks.extend([AS_NONCE, RS_NONCE]);
    }
    for check in checks {
        let found = run.verdicts.0.keys().any(|verdict| verdict.check == check && verdict.status == "SUCCESS");
        assert!(found, "{check} was not checked: {report}");
    }
    // A client begins without a token, and without a nonce.
    assert_eq!(refused(&proxy, "dpop_token_missing")?, 1.0, "{report}");
    assert_eq!(refused(&proxy, "dpop_nonce_missing")?, if ours { 1.0 } else { 0.0 }, "{report}");
    Ok(())
}

#[test]
fn sessions_with_their_key() -> Result<()> {
    finds_the_same(PLAIN, SESSION, true, false)
}

#[test]
fn stateless_requests_with_their_key() -> Result<()> {
    finds_the_same(PLAIN, STATELESS, false, false)
}

#[test]
fn the_servers_own_nonces() -> Result<()> {
    finds_the_same(NONCE, SESSION, false, false)
}

#[test]
fn nonces_of_the_proxy() -> Result<()> {
    finds_the_same(PLAIN, STATELESS, true, true)
}

/// A client that does not do what the challenge asks for comes no further than the proxy.
#[test]
fn a_client_without_nonces() -> Result<()> {
    let token = BoundToken::new()?;
    let client = ClientUnderTest { issuer: &token.issuer, fault: None, nonces: false };
    let (run, proxy) = proxied(PLAIN, STATELESS, true, true, client, &token)?;
    let failed = failures(&run);
    assert!(failed.iter().any(|(check, why)| check == FRESH && why.contains("never presented")), "{failed:?}");
    assert!(refused(&proxy, "dpop_nonce_missing")? >= 1.0);
    Ok(())
}

/// The checks that failed, and why.
fn failures(run: &ClientRun) -> Vec<(String, String)> {
    let failed = run.verdicts.0.iter().filter(|(verdict, _)| verdict.status == "FAILURE");
    failed.map(|(verdict, (_, why))| (verdict.check.clone(), why.clone())).collect()
}

/// A fault of a client: its name, the check that it fails with a part of what the suite says of it, and the reason for which the proxy refuses it.
type Fault = (&'static str, Option<(&'static str, &'static str)>, Option<&'static str>);

const FAULTS: [Fault; 22] = [
    ("bearer", Some((SCHEME, "non-DPoP Authorization scheme (Bearer)")), Some("dpop_token_downgraded")),
    ("replay", Some((FRESH, "reused a DPoP proof (duplicate jti)")), Some("dpop_proof_reused")),
    ("no-proof", Some((FRESH, "missing DPoP proof header")), Some("dpop_proof_missing")),
    ("two-proofs", Some((FRESH, "multiple DPoP proof headers")), Some("dpop_proof_malformed")),
    ("not-a-jwt", Some((FRESH, "not a well-formed JWT")), Some("dpop_proof_malformed")),
    ("typ", Some((FRESH, "typ must be dpop+jwt")), Some("dpop_proof_malformed")),
    ("symmetric", Some((FRESH, "a supported asymmetric algorithm")), Some("dpop_algorithm")),
    ("unsigned", Some((FRESH, "a supported asymmetric algorithm")), Some("dpop_algorithm")),
    ("no-key", Some((FRESH, "missing jwk header parameter")), Some("dpop_proof_malformed")),
    ("private-key", Some((FRESH, "must not contain a private key")), Some("dpop_proof_malformed")),
    ("tampered", Some((FRESH, "signature does not verify")), Some("dpop_proof_invalid")),
    ("no-jti", Some((FRESH, "missing jti claim")), Some("dpop_proof_malformed")),
    ("htm", Some((FRESH, "htm does not match the request method")), Some("dpop_target_mismatch")),
    ("htu", Some((FRESH, "htu does not match the request URI")), Some("dpop_target_mismatch")),
    ("no-htu", Some((FRESH, "htu does not match the request URI")), Some("dpop_proof_malformed")),
    ("stale", Some((FRESH, "iat outside the acceptable window")), Some("dpop_proof_expired")),
    ("future", Some((FRESH, "iat outside the acceptable window")), Some("dpop_proof_early")),
    ("ath", Some((FRESH, "ath does not match the presented access token")), Some("dpop_token_mismatch")),
    ("foreign-key", Some((FRESH, "does not match the token cnf.jkt")), Some("dpop_key_mismatch")),
    // Not the verifier's word: the token is no JWT, and Envoy's filter refuses it.
    ("no-token-proof", Some((TOKEN_PROOF, "no DPoP proof in the token request")), None),
    // Two paths, which may lead to two things (RFC 3986, section 6.2.4); the suite takes them for one.
    ("htu-slash", None, Some("dpop_target_mismatch")),
    // RFC 9449 says in section 4.2 that a client leaves it out, and in section 4.3 that a server ignores it.
    ("htu-query", Some((FRESH, "htu MUST NOT contain a query or fragment")), None),
];

/// What the suite's server finds wrong the proxy refuses, and says so as RFC 9449 wants; the same request without the fault passes.
#[test]
fn what_the_suite_finds_wrong_is_refused() -> Result<()> {
    let token = BoundToken::new()?;
    let server = McpServer::start()?;
    // What leads here names it as the client does: `localhost` and the port of the suite's server.
    let proxy = Proxy::behind(&[token.jwt_filter()], &document(true, json!({})), server.address())?;
    for (fault, finding, reason) in FAULTS {
        let client = ClientUnderTest { issuer: &token.issuer, fault: Some(fault), nonces: true };
        let before = reason.map(|reason| refused(&proxy, reason)).transpose()?;
        let run = run_client(PLAIN, SESSION, client, |_| Ok(proxy.address()))?;
        let seen: Value = serde_json::from_str(&run.printed).with_context(|| format!("{fault}: {}", run.complaint))?;
        let failed = failures(&run);
        let found = |(check, why): (&str, &str)| failed.iter().any(|(id, text)| id == check && text.contains(why));
        assert!(finding.map_or(failed.is_empty(), found), "{fault}: {failed:?}");
        let (status, challenge) = (&seen["refused"]["status"], &seen["refused"]["challenge"]);
        if let (Some(reason), Some(before)) = (reason, before) {
            assert_eq!(status, 401, "{fault}: {seen}");
            assert!(challenge.as_str().is_some_and(|value| value.starts_with("DPoP error=")), "{fault}: {seen}");
            assert_eq!(refused(&proxy, reason)?, before + 1.0, "{fault}: {seen}");
        } else if fault == "no-token-proof" {
            assert_eq!(status, 401, "{fault}: {seen}");
        } else {
            assert_eq!(*status, seen["sound"]["status"], "{fault}: {seen}");
        }
        if fault != "no-token-proof" {
            let sound = seen["sound"]["status"].as_u64().context("a status")?;
            assert!(!matches!(sound, 401 | 403 | 500..), "{fault}: {seen}");
        }
    }
    Ok(())
}
