//! The signed requests that RFC 9421 shows in its sections.

use super::*;
use crate::key::JwsAlgorithm;

/// Appendix B.1.1, of which the name is a JWK's there as well.
const TEST_KEY_RSA: &str = r#"{"kty":"RSA","kid":"test-key-rsa","e":"AQAB","n":"hAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrwWEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFqMGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd_QBwVW9OwNFhekro3RtlinV0a75jfZgkne_YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0PuKxI4T-HIaFpv8-rdV6eUgOrB2xeI1dSFFn_nnv5OoZJEIB-VmuKn3DCUcCZSFlQPSXSfBDiUGhwOw76WuSSsf1D4b_vLoJ10w"}"#;

/// Section 4.3: what the proxy makes of it.
const FORWARDED: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "origin.host.internal.example"),
    (":path", "/foo?param=Value&Pet=dog"),
    ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
    ("content-type", "application/json"),
    ("content-length", "18"),
    ("forwarded", "for=192.0.2.123;host=example.com;proto=https"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
];

/// Section 4.3.
const CLIENTS: &str = r#"sig1=("@method" "@authority" "@path" "content-digest" "content-type" "content-length");created=1618884475;keyid="test-key-ecc-p256""#;
const CLIENTS_SIGNATURE: &str =
    "X5spyd6CFnAG5QnDyHfqoSNICd+BUP4LYMz2Q0JXlb//4Ijpzp+kve2w4NIyqeAuM7jTDX+sNalzA8ESSaHD3A==";

#[test]
fn signed_requests_verify() {
    for (id, input, signature) in [
        // Section 2.4.
        (
            "test-key-rsa-pss",
            r#"sig1=("@method" "@authority" "@path" "@query" "content-digest" "content-type" "content-length");created=1618884475;keyid="test-key-rsa-pss""#,
            "e8UJ5wMiRaonlth5ERtE8GIiEH7Akcr493nQ07VPNo6y3qvjdKt0fo8VHO8xXDjmtYoatGYBGJVlMfIp06eVMEyNW2I4vN7XDAz7m5v1108vGzaDljrd0H8+SJ28g7bzn6h2xeL/8q+qUwahWA/JmC8aOC9iVnwbOKCc0WSrLgWQwTY6VLp42Qt7jjhYT5W7/wCvfK9A1VmHH1lJXsV873Z6hpxesd50PSmO+xaNeYvDLvVdZlhtw5PCtUYzKjHqwmaQ6DEuM8udRjYsoNqp2xZKcuCO1nKc0V3RjpqMZLuuyVbHDAbCzr0pg2d2VM/OC33JAU7meEjjaNz+d7LWPg==",
        ),
        // Section 3.1, with the base of section 2.5.
        (
            "test-key-rsa-pss",
            r#"sig1=("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss""#,
            "HIbjHC5rS0BYaa9v4QfD4193TORw7u9edguPh0AW3dMq9WImrlFrCGUDih47vAxi4L2YRZ3XMJc1uOKk/J0ZmZ+wcta4nKIgBkKq0rM9hs3CQyxXGxHLMCy8uqK488o+9jrptQ+xFPHK7a9sRL1IXNaagCNN3ZxJsYapFj+JXbmaI5rtAdSfSvzPuBCh+ARHBmWuNo1UzVVdHXrl8ePL4cccqlazIJdC4QEjrF+Sn4IxBQzTZsL9y9TP5FsZYzHvDqbInkTNigBcE9cKOYNFCn4D/WM7F6TNuZO9EgtzepLWcjTymlHzK7aXq6Am6sfOrpIC49yXjj3ae6HRalVc/g==",
        ),
        ("test-key-ecc-p256", CLIENTS, CLIENTS_SIGNATURE),
    ] {
        let signature = STANDARD.decode(signature).unwrap();
        let base = signature_base(&lines(REQUEST), input).unwrap();
        assert!(key(id).verifies(base.as_bytes(), &signature), "{base}");
        // Nobody else's, and not of what came of it on the way.
        let others = ["test-key-rsa-pss", "test-key-ecc-p256", "test-key-ed25519", "test-shared-secret"];
        for other in others.into_iter().filter(|other| *other != id) {
            assert!(!key(other).verifies(base.as_bytes(), &signature), "{other}: {base}");
        }
        let forwarded = [FORWARDED, &[]].concat();
        let base = signature_base(&lines(&forwarded), input).unwrap();
        assert!(!key(id).verifies(base.as_bytes(), &signature), "{base}");
    }
}

/// The proxy's signature is with an algorithm that we do not take (`rsa-v1_5-sha256`), which JWS calls RS256; what it is over is the same.
#[test]
fn the_base_of_a_proxys_signature_is_that_of_the_example() {
    let input = r#"proxy_sig=("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "forwarded");created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expires=1618884540"#;
    let signature = STANDARD
        .decode("S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92iHgxtRPz+MjniOaYmdkDcnL9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEObtNKKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9y+7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PBPv0B6NMNk93wUs/vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9ddzirrswsE1w5o0LV/g==")
        .unwrap();
    let base = signature_base(&lines(FORWARDED), input).unwrap();
    let key = serde_json::from_str::<Jwk>(TEST_KEY_RSA).unwrap().public_key().unwrap();
    assert!(key.verifies_jws(JwsAlgorithm::Rs256, base.as_bytes(), &signature), "{base}");
    assert!(!key.verifies(base.as_bytes(), &signature), "not as what it is not");
    let base = base.replace("origin.host.internal.example", "example.com");
    assert!(!key.verifies_jws(JwsAlgorithm::Rs256, base.as_bytes(), &signature), "{base}");
}
