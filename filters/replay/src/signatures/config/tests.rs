use serde_json::{Value, json};

use super::*;

const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";

fn config(section: &Value) -> SignaturesConfig {
    serde_json::from_value(section.clone()).unwrap()
}

fn verify(key: &Value) -> Value {
    json!({"verify": {"keys": [key]}})
}

fn set() -> Value {
    json!({"uri": "https://keys.example/jwks.json", "cluster": "keys"})
}

/// A set with these members in place of its own.
fn key_set(members: &Value) -> Value {
    let mut set = set();
    set.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"verify": {"key_sets": [set]}})
}

fn sign(key: &Value) -> Value {
    json!({"sign": {"key": key}})
}

#[test]
fn sound_sections_have_no_faults() {
    for sound in [
        json!({}),
        verify(&json!({"id": "https://client.example/key", "algorithm": "ed25519", "public_key": PUBLIC})),
        verify(&json!({"id": "a", "algorithm": "rsa-pss-sha512", "env": "KEY"})),
        verify(&json!({"id": "a", "algorithm": "hmac-sha256", "secret": SECRET})),
        json!({"verify": {
            "keys": [{"id": "a", "algorithm": "ecdsa-p256-sha256", "env": "A"}, {"id": "b", "algorithm": "ed25519", "env": "A"}],
            "mode": "observe", "covers": ["Authorization", "@target-uri"], "tag": "mcp", "max_age": "1m", "clock_skew": "0s",
            "nonce": "optional",
        }}),
        json!({"verify": {"key_sets": [{"uri": "https://keys.example/jwks.json", "cluster": "keys"}]}}),
        json!({"verify": {"key_sets": [{"uri": "http://keys.example", "cluster": "keys", "timeout": "1ms", "cache_duration": "1s",
            "stale_if_error": "0s", "cooldown": "168h"}]}}),
        sign(&json!({"id": "a", "algorithm": "hmac-sha256", "secret": SECRET})),
        sign(&json!({"id": "a", "algorithm": "ed25519", "secret": PRIVATE})),
        json!({"sign": {"key": {"id": "a", "algorithm": "ecdsa-p256-sha256", "env": "A"}, "label": "s1", "expires": "30s", "tag": "x"}}),
    ] {
        assert_eq!(config(&sound).faults(true), [], "{sound}");
    }
}

#[test]
fn faults_come_with_their_path_and_say_no_key() {
    for (section, expected) in [
        (json!({"verify": {"keys": []}}), "verify.keys"),
        (verify(&json!({"id": "a", "algorithm": "ed25519"})), "verify.keys[0]"),
        (verify(&json!({"id": "a", "algorithm": "ed25519", "public_key": PUBLIC, "env": "A"})), "verify.keys[0]"),
        (verify(&json!({"id": "a", "algorithm": "ed25519", "secret": SECRET})), "verify.keys[0]"),
        (verify(&json!({"id": "a", "algorithm": "hmac-sha256", "public_key": PUBLIC})), "verify.keys[0]"),
        (verify(&json!({"id": "a", "algorithm": "ed25519", "public_key": PRIVATE})), "verify.keys[0].public_key"),
        (
            verify(&json!({"id": "a", "algorithm": "ecdsa-p256-sha256", "public_key": PUBLIC})),
            "verify.keys[0].public_key",
        ),
        (verify(&json!({"id": "a", "algorithm": "hmac-sha256", "secret": "c2hvcnQ="})), "verify.keys[0].secret"),
        (verify(&json!({"id": "a", "algorithm": "ed25519", "env": "A=B"})), "verify.keys[0].env"),
        (verify(&json!({"id": "a\"b", "algorithm": "ed25519", "env": "A"})), "verify.keys[0].id"),
        (verify(&json!({"id": "", "algorithm": "ed25519", "env": "A"})), "verify.keys[0].id"),
        (
            json!({"verify": {"keys": [{"id": "a", "algorithm": "ed25519", "env": "A"}], "max_age": "10ms"}}),
            "verify.max_age",
        ),
        (json!({"verify": {"keys": [{"id": "a", "algorithm": "ed25519", "env": "A"}], "tag": ""}}), "verify.tag"),
        (
            json!({"verify": {"keys": [{"id": "a", "algorithm": "ed25519", "env": "A"}], "covers": ["date", "Content-Length"]}}),
            "verify.covers[1]",
        ),
        (
            json!({"verify": {"keys": [{"id": "a", "algorithm": "ed25519", "env": "A"}], "covers": ["@status"]}}),
            "verify.covers[0]",
        ),
        (key_set(&json!({"uri": "/jwks.json"})), "verify.key_sets[0].uri"),
        (key_set(&json!({"cluster": ""})), "verify.key_sets[0].cluster"),
        (key_set(&json!({"cluster": "c".repeat(256)})), "verify.key_sets[0].cluster"),
        (key_set(&json!({"timeout": "0s"})), "verify.key_sets[0].timeout"),
        (key_set(&json!({"timeout": "60001ms"})), "verify.key_sets[0].timeout"),
        (key_set(&json!({"cache_duration": "999ms"})), "verify.key_sets[0].cache_duration"),
        (key_set(&json!({"stale_if_error": "169h"})), "verify.key_sets[0].stale_if_error"),
        (key_set(&json!({"cooldown": "0s"})), "verify.key_sets[0].cooldown"),
        (json!({"verify": {"key_sets": [set(), set()]}}), "verify.key_sets[1].uri"),
        (
            json!({"verify": {"key_sets": (0..5).map(|n| json!({"uri": format!("http://a/{n}"), "cluster": "c"})).collect::<Vec<_>>()}}),
            "verify.key_sets",
        ),
        (sign(&json!({"id": "a", "algorithm": "rsa-pss-sha512", "env": "A"})), "sign.key.algorithm"),
        (sign(&json!({"id": "a", "algorithm": "ed25519", "secret": PUBLIC})), "sign.key.secret"),
        (sign(&json!({"id": "a", "algorithm": "ed25519"})), "sign.key"),
        (sign(&json!({"id": " ", "algorithm": "ed25519", "env": "A"})), "sign.key.id"),
        (json!({"sign": {"key": {"id": "a", "algorithm": "ed25519", "env": "A"}, "label": "Sig"}}), "sign.label"),
        (json!({"sign": {"key": {"id": "a", "algorithm": "ed25519", "env": "A"}, "expires": "0s"}}), "sign.expires"),
    ] {
        let faults = config(&section).faults(true);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [expected], "{section}");
        assert!(!format!("{faults:?}").contains("MC4CAQ") && !format!("{faults:?}").contains("c2hvcn"));
    }
    let twice = json!({"verify": {"keys": [{"id": "a", "algorithm": "ed25519", "env": "A"}, {"id": "a", "algorithm": "ed25519", "env": "B"}]}});
    assert_eq!(config(&twice).faults(true).len(), 1);
    let signs = sign(&json!({"id": "a", "algorithm": "ed25519", "env": "A"}));
    let faults = config(&signs).faults(false);
    assert!(faults.len() == 1 && faults[0].1.contains("header_hold: true"), "{faults:?}");
}

#[test]
fn keys_come_from_the_environment_and_are_not_shown() {
    let lines_in_one = PRIVATE.replace('\n', "\\n");
    let environment: crate::key::Environment<'_> = &|name| match name {
        "PRIVATE" => Some(lines_in_one.clone()),
        "PUBLIC" => Some(PUBLIC.to_owned()),
        "SHARED" => Some(SECRET.to_owned()),
        "BAD" => Some("MC4CAQ".to_owned()),
        _ => None,
    };
    let section = config(&sign(&json!({"id": "a", "algorithm": "ed25519", "env": "PRIVATE"})));
    assert!(!format!("{:?}", keys::resolve_signing(&section.sign.as_ref().unwrap().key, environment)).contains("MC4C"));
    for (algorithm, variable, works) in [
        ("ed25519", "PUBLIC", true),
        ("hmac-sha256", "SHARED", true),
        ("ed25519", "PRIVATE", false),
        ("ed25519", "BAD", false),
        ("hmac-sha256", "BAD", false),
        ("ed25519", "NONE", false),
    ] {
        let section = config(&verify(&json!({"id": "a", "algorithm": algorithm, "env": variable})));
        let resolved = keys::resolve_verifying(&section.verify.as_ref().unwrap().keys[0], environment);
        assert_eq!(resolved.is_ok(), works, "{algorithm} {variable}");
        let shown = format!("{resolved:?}");
        assert!(works || shown.contains(variable), "{shown}");
        assert!(!shown.contains("MC4C") && !shown.contains("MDEy"), "{shown}");
    }
    let private = config(&sign(&json!({"id": "a", "algorithm": "ed25519", "secret": PRIVATE})));
    assert!(!format!("{private:?}").contains("MC4C"));
    let unquoted = json!({"key": {"id": "a", "algorithm": "hmac-sha256", "secret": 12_345_678}});
    assert!(!serde_json::from_value::<SignConfig>(unquoted).unwrap_err().to_string().contains("12345678"));
}
