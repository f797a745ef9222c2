use super::*;
use crate::key::{Algorithm, SigningKey};
use serde_json::json;

/// RFC 9449, figure 2: a proof for a token request, which has no `ath`.
pub(super) const FIGURE_2: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// Figure 12: one for a protected resource, with its token.
pub(super) const FIGURE_12: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
pub(super) const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// Figure 7 has it as the `jkt` of that key.
pub(super) const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
/// A key of 2048 bits, and what Python's `cryptography` signed with it: `meshward`.
const RSA_N: &str = "noWnFjembLs56XNdRET0B0Z_BKK09oCDd1rpg_FBvSWOdm-rkKhxFkWz9aArf8vkc5lpv1PpmbABgUu27wpDQ8v_hKO_DaxoPf1yNYURATwhUNc5j1luYHfrfCCnSXjtVYu2AqpiDqLx2zejQfZsWW_A_47IRDjs0KGasBLCcV9sudvIpk88e7YzSvbso9iabrUQhCOrNPA3v37GN6YQMUvFC2_mbQ8_zU7vvVXjVj1sf5KKgGhFNJANqVXGzS3eGUhdLACcIy5AWN95OGNnPk3GBrbSAsuOVZSEBkUltptERKF0cQ07PTL1XHbdQ3tsEuMG1mTAqJ3LZcXAh41MkQ";
const RS256: &str = "fOm0QBqQFmbt3cFN7fxcPr_3GFnwlJLxmtPmxLszb1DjBmL9hyP0WlJSsVuhEicvz6_qHmPNpgbpvdV9nRU06e-Wd7FOA9pBcu-6DaGTIbCaNfp-QcHuYqA2T3IkxF7hTll3ankO01daIJBgmiCiuPpBf_jr2zLS8ffTU-k6_HZCKokR7gIdnqu5LeGGnUpA1oytVU-LGDjEwiZZdUC_DsJwKbkt-fJTAnhZrgcZ4B_6HZ-6AgmkPuZb4xobmD_oZm3DBvkIZ8EpYPiaU6U8F9HZV4IG_piPwXLN01nwv392xotXL7twDA6z5KoWqpzEnjNxbXxyfoUPrnb7s3cKlw";
const PS256: &str = "g-wUOGwsiet1hxSRTIUWo3z6ByQsZmMLoXCwHi0TjaRFh0juE7lmfHtLcZZJ31lTANRq6Mt-UmFlVJE1IBBlzl5M1-DEfWNQKWDOl3RLn-pVLiqrvju8Mmkh4PTn84HEyxRByH_QwubYy7kQlthxOcl1ChbxyNu5qJUH_TnP94FCMG2bhhO-yiDklpd65bXxMoJ2-F6TBiD1nbjLC7-Pq0Zz2gR5mF5c2xHY2xrP6YWPdrc5ZZ3yHaC31fU6kvbO3RwP-aP3G4EBCWOrlRMLy8KnrNDmbJObTNveziFvnsdFtmRfrwQdBdu5nx31ImpK3BUnkdWGQa_tm_5jxd3pXw";
const PS512: &str = "gjloMPKjlDco8_WkDFAvylD9yYLi_zZj4df-mB8IlBqgmqTtZoNCv4OrItZkOa9p-60xDZQnsrh141LLeNEAwPAoSM0R5PXl9fvZGGIFPO4gVCyiOD8-igLlY1_oIREk_bAKM_Kmf5FPN6RCfveyoxi4BPmkFhw-s5xIbeDh_A0Qmr3PelQpPPUwzyBOZkbFx2lrQeS2Np_et7TfURXwlYapoMJEn0ZgTH1E56UPf4-zHH2FDvigwPgoTdX0yyK7CjSf6HUtY0l2GKcuyL8x94RRo7-igBAdSHCw3YQhbu8FqDRHSAdBInqAFJq8wCWjIO7Cls7FTl7bj1vXaLsStQ";
const MADE: u64 = 1_562_262_618;

fn verifier() -> ProofVerifier {
    ProofVerifier { algorithms: JwsAlgorithm::ALL.to_vec(), max_age: 60, clock_skew: 5 }
}

fn rfc(targets: &[String]) -> Presented<'_> {
    Presented { method: b"GET", targets, token: TOKEN, bound_to: JKT }
}

fn targets() -> Vec<String> {
    vec![normal_target("https://resource.example.org/protectedresource").unwrap()]
}

#[test]
fn the_proof_of_the_rfc_counts_for_its_request_alone() {
    let (verifier, targets) = (verifier(), targets());
    let presented = rfc(&targets);
    let verify = |presented: Presented<'_>, now| verifier.verify(FIGURE_12.as_bytes(), presented, now);
    let proof = Proof { id: "e1j3V_bKic8-LAEB".to_owned(), nonce: None, created: MADE, until: MADE + 65 };
    assert_eq!(verify(presented, MADE), Ok(proof.clone()));
    for (now, expected) in [
        (MADE - 6, Err(ProofFault::Early)),
        (MADE - 5, Ok(proof.clone())),
        (MADE + 65, Ok(proof)),
        (MADE + 66, Err(ProofFault::Expired)),
    ] {
        assert_eq!(verify(presented, now), expected, "{now}");
    }
    assert_eq!(verify(Presented { method: b"POST", ..presented }, MADE), Err(ProofFault::Target));
    assert_eq!(verify(Presented { method: b"get", ..presented }, MADE), Err(ProofFault::Target));
    let elsewhere = [normal_target("https://resource.example.org/other").unwrap()];
    assert_eq!(verify(Presented { targets: &elsewhere, ..presented }, MADE), Err(ProofFault::Target));
    assert_eq!(verify(Presented { targets: &[], ..presented }, MADE), Err(ProofFault::Target));
    assert_eq!(verify(Presented { token: b"another", ..presented }, MADE), Err(ProofFault::Token));
    assert_eq!(verify(Presented { bound_to: "", ..presented }, MADE), Err(ProofFault::Key));
    assert_eq!(verify(Presented { bound_to: JKT.trim_start_matches('0'), ..presented }, MADE), Err(ProofFault::Key));
    // A proof for a token endpoint says nothing of a token.
    assert_eq!(verifier.verify(FIGURE_2.as_bytes(), presented, MADE), Err(ProofFault::Malformed));
}

const EC: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi8CsK9z6w2hfNNho\nCV3DfBTJ6i9gduMjVLG3wcoRClqhRANCAATmwC/MluoyyNywvFSbS7hT4YR03164\nOeuJYhgJKZIj9IPp/Cd461XyZzk6vsruktKJPvaFD/PJLPyj0mxaI5tj\n-----END PRIVATE KEY-----\n";
const ED: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";

/// A proof by a key of one's own.
struct Maker {
    key: SigningKey,
    jwk: Value,
    alg: &'static str,
}

impl Maker {
    fn ec() -> Self {
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": "5sAvzJbqMsjcsLxUm0u4U-GEdN9euDnriWIYCSmSI_Q",
            "y": "g-n8J3jrVfJnOTq-yu6S0ok-9oUP88ks_KPSbFojm2M",
        });
        Self { key: SigningKey::from_pem(Algorithm::EcdsaP256Sha256, EC).unwrap(), jwk, alg: "ES256" }
    }

    fn ed() -> Self {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"});
        Self { key: SigningKey::from_pem(Algorithm::Ed25519, ED).unwrap(), jwk, alg: "EdDSA" }
    }

    fn jkt(&self) -> String {
        serde_json::from_value::<Jwk>(self.jwk.clone()).unwrap().thumbprint().unwrap()
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk})
    }

    fn make(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes())))
    }

    fn verify(&self, proof: &str) -> Result<Proof, ProofFault> {
        let targets = targets();
        verifier().verify(proof.as_bytes(), Presented { bound_to: &self.jkt(), ..rfc(&targets) }, MADE)
    }
}

fn claims() -> Value {
    json!({
        "jti": "j", "htm": "GET", "htu": "https://resource.example.org/protectedresource", "iat": MADE,
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
    })
}

/// The same with a member changed; `null`: without it.
fn with(object: &Value, name: &str, value: &Value) -> Value {
    let mut object = object.clone();
    match value {
        Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
        value => object[name] = value.clone(),
    }
    object
}

#[test]
fn what_a_proof_must_say() {
    for maker in [Maker::ec(), Maker::ed()] {
        let header = maker.header();
        let verify =
            |header: &Value, claims: &Value| maker.verify(&maker.make(&header.to_string(), &claims.to_string()));
        assert_eq!(verify(&header, &claims()).map(|proof| proof.id), Ok("j".to_owned()));
        let jwk = |name: &str, value: Value| with(&header, "jwk", &with(&maker.jwk, name, &value));
        let wrong_kty = if maker.alg == "ES256" { "OKP" } else { "EC" };
        for (header, fault) in [
            (with(&header, "typ", &json!("JWT")), ProofFault::Malformed),
            (with(&header, "typ", &json!(null)), ProofFault::Malformed),
            (with(&header, "typ", &json!("DPOP+JWT")), ProofFault::Malformed),
            (with(&header, "typ", &json!(["dpop+jwt"])), ProofFault::Malformed),
            (with(&header, "crit", &json!(["b64"])), ProofFault::Malformed),
            (with(&header, "alg", &json!(null)), ProofFault::Malformed),
            (with(&header, "alg", &json!(5)), ProofFault::Malformed),
            (with(&header, "alg", &json!("none")), ProofFault::Algorithm),
            (with(&header, "alg", &json!("None")), ProofFault::Algorithm),
            (with(&header, "alg", &json!("HS256")), ProofFault::Algorithm),
            (with(&header, "alg", &json!("es256")), ProofFault::Algorithm),
            (with(&header, "alg", &json!("RS256")), ProofFault::Forged),
            (with(&header, "alg", &json!("PS512")), ProofFault::Forged),
            (with(&header, "jwk", &json!(null)), ProofFault::Malformed),
            (with(&header, "jwk", &json!("x")), ProofFault::Malformed),
            (with(&header, "jwk", &json!([])), ProofFault::Malformed),
            (with(&header, "jwk", &json!({"kty": "oct", "k": "AAAA"})), ProofFault::Malformed),
            (with(&header, "jwk", &json!({"kty": "oct"})), ProofFault::Algorithm),
            (jwk("d", json!("AAAA")), ProofFault::Malformed),
            (jwk("p", json!(1)), ProofFault::Malformed),
            (jwk("k", json!("AAAA")), ProofFault::Malformed),
            (jwk("use", json!("enc")), ProofFault::Algorithm),
            (jwk("alg", json!("PS256")), ProofFault::Algorithm),
            (jwk("x", json!("AAAA")), ProofFault::Key),
            (jwk("x", json!("===")), ProofFault::Algorithm),
            (jwk("kty", json!(wrong_kty)), ProofFault::Algorithm),
        ] {
            assert_eq!(verify(&header, &claims()), Err(fault), "{header}");
        }
        // What is legal and only looks strange.
        for header in [with(&header, "kid", &json!("k")), jwk("use", json!("sig")), jwk("alg", json!(maker.alg))] {
            assert!(verify(&header, &claims()).is_ok(), "{header}");
        }
        for (name, value, fault) in [
            ("jti", json!(null), ProofFault::Malformed),
            ("jti", json!(""), ProofFault::Malformed),
            ("jti", json!("x".repeat(257)), ProofFault::Malformed),
            ("jti", json!(1), ProofFault::Malformed),
            ("htm", json!(null), ProofFault::Malformed),
            ("htm", json!("POST"), ProofFault::Target),
            ("htm", json!("get"), ProofFault::Target),
            ("htu", json!(null), ProofFault::Malformed),
            ("htu", json!("https://resource.example.org/protectedresource/"), ProofFault::Target),
            ("htu", json!("http://resource.example.org/protectedresource"), ProofFault::Target),
            ("htu", json!("https://resource.example.org:444/protectedresource"), ProofFault::Target),
            ("htu", json!("https://a@resource.example.org/protectedresource"), ProofFault::Target),
            ("htu", json!("https://resource.example.org/Protectedresource"), ProofFault::Target),
            ("htu", json!("https://resource.example.org/protected%2Fresource"), ProofFault::Target),
            ("htu", json!("/protectedresource"), ProofFault::Target),
            ("htu", json!("not a URI"), ProofFault::Target),
            ("iat", json!(null), ProofFault::Malformed),
            ("iat", json!(MADE.to_string()), ProofFault::Malformed),
            ("iat", json!(-1), ProofFault::Malformed),
            ("iat", json!(MADE - 66), ProofFault::Expired),
            ("iat", json!(MADE + 6), ProofFault::Early),
            ("iat", json!(1e300), ProofFault::Early),
            ("ath", json!(null), ProofFault::Malformed),
            ("ath", json!(""), ProofFault::Token),
            ("ath", json!("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp"), ProofFault::Token),
            ("nonce", json!(1), ProofFault::Malformed),
            ("nonce", json!("x".repeat(257)), ProofFault::Malformed),
        ] {
            assert_eq!(verify(&header, &with(&claims(), name, &value)), Err(fault), "{name}: {value}");
        }
        for (name, value) in [
            ("jti", json!("x".repeat(256))),
            ("htu", json!("HTTPS://Resource.Example.org:443/x/../%70rotectedresource?q#f")),
            ("iat", json!(MADE as f64 + 0.5)),
            ("iat", json!(MADE - 65)),
            ("iat", json!(MADE + 5)),
            ("nonce", json!("x".repeat(256))),
            ("exp", json!(1)),
        ] {
            assert!(verify(&header, &with(&claims(), name, &value)).is_ok(), "{name}: {value}");
        }
    }
}

#[test]
fn what_is_no_proof() {
    let maker = Maker::ec();
    let (header, claims) = (maker.header().to_string(), claims().to_string());
    let good = maker.make(&header, &claims);
    let parts: Vec<&str> = good.split('.').collect();
    let long = with(&maker.header(), "x", &json!("x".repeat(8192))).to_string();
    for bad in [
        String::new(),
        "..".to_owned(),
        format!("{good}."),
        format!("{good}={}", ""),
        format!(" {good}"),
        format!("{good}, {good}"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(['-', '_'], "+")),
        maker.make(&long, &claims),
        // Two readers would read two proofs.
        maker.make(&header.replacen("{\"", "{\"alg\":\"none\",\"", 1), &claims),
        maker.make(&header, &claims.replacen("{\"", "{\"jti\":\"i\",\"", 1)),
        maker.make(&header, &claims.replacen("{\"", "{\"\\u006ati\":\"i\",\"", 1)),
        maker.make(&header, &format!("{claims}{{}}")),
        maker.make(&header, "[]"),
        maker.make(&format!("\u{feff}{header}"), &claims),
    ] {
        assert_eq!(maker.verify(&bad), Err(ProofFault::Malformed), "{bad}");
    }
    // Each byte of what is signed, and of the signature, counts.
    assert_eq!(maker.verify(&format!("{}.{}.", parts[0], parts[1])), Err(ProofFault::Forged));
    let other = maker.make(&header, &with(&self::claims(), "jti", &json!("k")).to_string());
    let mixed = format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2]);
    assert_eq!(maker.verify(&mixed), Err(ProofFault::Forged));
    // Another's key under the proof.
    let stranger = Maker::ed();
    let header = stranger.header().to_string();
    assert_eq!(maker.verify(&stranger.make(&header, &claims)), Err(ProofFault::Key));
    // Only what is configured counts.
    let only = ProofVerifier { algorithms: vec![JwsAlgorithm::EdDsa], ..verifier() };
    let targets = targets();
    let presented = Presented { bound_to: &maker.jkt(), ..rfc(&targets) };
    assert_eq!(only.verify(good.as_bytes(), presented, MADE), Err(ProofFault::Algorithm));
}

#[test]
fn rsa_counts_by_each_of_its_algorithms_alone() {
    let jwk = json!({"kty": "RSA", "e": "AQAB", "n": RSA_N});
    let key: Jwk = serde_json::from_value(jwk).unwrap();
    let key = key.public_key().unwrap();
    let text = b"meshward";
    for (algorithm, signature) in
        [(JwsAlgorithm::Rs256, RS256), (JwsAlgorithm::Ps256, PS256), (JwsAlgorithm::Ps512, PS512)]
    {
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for other in JwsAlgorithm::ALL {
            assert_eq!(key.verifies_jws(other, text, &signature), other == algorithm, "{other:?} {algorithm:?}");
        }
        assert!(!key.verifies_jws(algorithm, b"Meshward", &signature));
    }
}

#[test]
fn uris_are_compared_as_what_they_lead_to() {
    for (uri, target) in [
        ("https://a.example/mcp", Some("https://a.example/mcp")),
        ("HTTPS://A.Example:443/mcp?x=1#y", Some("https://a.example/mcp")),
        ("http://a.example:80/%6dcp", Some("http://a.example/mcp")),
        ("http://a.example:8080/a/./b/../mcp%2f", Some("http://a.example:8080/a/mcp%2F")),
        ("https://a.example", Some("https://a.example/")),
        ("https://[2001:DB8::1]/mcp", Some("https://[2001:db8::1]/mcp")),
        ("https://a.example:443", Some("https://a.example/")),
        ("https://user@a.example/mcp", None),
        ("https:///mcp", None),
        ("ftp://a.example/mcp", None),
        ("a.example/mcp", None),
        ("https://a.example/ mcp", None),
        ("", None),
    ] {
        assert_eq!(normal_target(uri).as_deref(), target, "{uri}");
    }
}
