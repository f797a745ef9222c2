//! The vectors of RFC 9421 (sections 2.1, 2.2 and appendix B) and of RFC 7638; below it those of RFC 9530, and what else RFC 9421 shows.

mod digests;
mod sections;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{Dictionary, InnerList, ListEntry, Parser};

use crate::base::{base, components};
use crate::component::{Component, Unusable};
use crate::key::{Algorithm, SigningKey, VerifyingKey};
use crate::request::Request;
use crate::{Coverage, Jwk, JwkSet, Signer, Stamp};

/// Appendix B.1.2, B.1.3, B.1.4 and B.1.5.
const RSA_PSS: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----";
const ED25519_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----";
const SHARED: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

fn key(id: &str) -> VerifyingKey {
    match id {
        "test-key-rsa-pss" => VerifyingKey::from_pem(Algorithm::RsaPssSha512, RSA_PSS),
        "test-key-ecc-p256" => VerifyingKey::from_pem(Algorithm::EcdsaP256Sha256, P256),
        "test-key-ed25519" => VerifyingKey::from_pem(Algorithm::Ed25519, ED25519),
        _ => VerifyingKey::hmac(&STANDARD.decode(SHARED).unwrap()),
    }
    .unwrap()
}

fn input(field: &str) -> InnerList {
    let dictionary: Dictionary = Parser::new(field).parse().unwrap();
    match dictionary.values().next() {
        Some(ListEntry::InnerList(input)) => input.clone(),
        other => panic!("{other:?}"),
    }
}

fn signature_base(lines: &[(&[u8], &[u8])], field: &str) -> Result<String, Unusable> {
    let input = input(field);
    base(&Request::new(lines), &input, &components(&input)?)
}

fn lines<'a>(texts: &[(&'a str, &'a str)]) -> Vec<(&'a [u8], &'a [u8])> {
    texts.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

/// Appendix B.2: the test request.
const REQUEST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/foo?param=Value&Pet=dog"),
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("content-length", "18"),
];

/// Appendix B.3: what the server behind a TLS terminating proxy gets.
const BEHIND_PROXY: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "service.internal.example"),
    (":path", "/foo?param=Value&Pet=dog"),
    (
        "client-cert",
        ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:",
    ),
];

#[test]
fn appendix_b_verifies() {
    for (request, input, signature, expected) in [
        (
            REQUEST,
            r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
            "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
            "",
        ),
        (
            REQUEST,
            r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
            "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
            "\"@authority\": example.com\n\"content-digest\": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\n\"@query-param\";name=\"Pet\": dog\n",
        ),
        (
            REQUEST,
            r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
            "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@query\": ?param=Value&Pet=dog\n\"@authority\": example.com\n\"content-type\": application/json\n\"content-digest\": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\n\"content-length\": 18\n",
        ),
        (
            REQUEST,
            r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
            "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\"content-type\": application/json\n",
        ),
        (
            REQUEST,
            r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n",
        ),
        (
            BEHIND_PROXY,
            r#"ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256""#,
            "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==",
            "\"@path\": /foo\n\"@query\": ?param=Value&Pet=dog\n\"@method\": POST\n\"@authority\": service.internal.example\n",
        ),
    ] {
        let written = signature_base(&lines(request), input).unwrap();
        assert!(written.starts_with(expected), "{written}");
        let parameters = input.split_once('=').unwrap().1;
        assert!(written.ends_with(&format!("\"@signature-params\": {parameters}")), "{written}");
        let id = parameters.split("keyid=\"").nth(1).unwrap().split('"').next().unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        assert!(key(id).verifies(written.as_bytes(), &signature), "{input}");
        for at in 0..written.len() {
            let mut altered = written.clone().into_bytes();
            altered[at] ^= 1;
            // One in eight for the dear ones.
            if id == "test-shared-secret" || at % 8 == 0 {
                assert!(!key(id).verifies(&altered, &signature), "{input}: byte {at}");
            }
        }
    }
}

/// Appendix B.2.4 is of a response, which has no component that requests have; the key and the algorithm are tested all the same.
#[test]
fn the_ecdsa_vector_verifies() {
    let base = "\"@status\": 200\n\"content-type\": application/json\n\"content-digest\": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n\"content-length\": 23\n\"@signature-params\": (\"@status\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\"";
    let signature = "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==";
    assert!(key("test-key-ecc-p256").verifies(base.as_bytes(), &STANDARD.decode(signature).unwrap()));
}

/// Appendix B.4: what intermediaries may change, and what not.
#[test]
fn transformations_that_change_nothing_covered_verify() {
    let field = r#"transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519""#;
    let signature = STANDARD
        .decode("ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==")
        .unwrap();
    let head = |method, authority, path| {
        vec![(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
    };
    let with = |mut head: Vec<_>, more: &[_]| {
        head.extend_from_slice(more);
        head
    };
    let demo = "/demo?name1=Value1&Name2=value2";
    for (request, holds) in [
        (
            with(
                head("GET", "example.org", demo),
                &[("date", "Fri, 15 Jul 2022 14:24:55 GMT"), ("accept", "application/json"), ("accept", "*/*")],
            ),
            true,
        ),
        (
            with(
                head("GET", "example.org", "/demo?name1=Value1&Name2=value2&param=added"),
                &[("accept", "application/json"), ("accept", "*/*"), ("accept-language", "en-US,en;q=0.5")],
            ),
            true,
        ),
        (
            with(
                head("GET", "EXAMPLE.org:443", demo),
                &[("Accept", "application/json, */*"), ("referer", "https://developer.example.org/demo")],
            ),
            true,
        ),
        (with(head("POST", "example.com", demo), &[("accept", "application/json"), ("accept", "*/*")]), false),
        (with(head("GET", "example.org", demo), &[("accept", "*/*"), ("accept", "application/json")]), false),
    ] {
        let written = signature_base(&lines(&request), field).unwrap();
        assert_eq!(key("test-key-ed25519").verifies(written.as_bytes(), &signature), holds, "{written}");
    }
}

/// Sections 2.1 to 2.2.8.
#[test]
fn components_have_the_values_of_the_examples() {
    let fields = [
        (":method", "POST"),
        (":scheme", "HTTPS"),
        (":authority", "WWW.example.com:443"),
        (":path", "/path?param=value&foo=bar&baz=bat%2Dman"),
        ("host", "www.example.com"),
        ("x-ows-header", "  Leading and trailing whitespace.   "),
        ("x-obs-fold-header", "Obsolete\r\n    line folding."),
        ("cache-control", "max-age=60"),
        ("Cache-Control", "   must-revalidate"),
        ("example-dict", " a=1,    b=2;x=1;y=2,   c=(a   b    c), d"),
        ("example-header", "value, with, lots"),
        ("example-header", "of, commas"),
        ("x-empty-header", ""),
        ("priority", "u=1,   i"),
    ];
    let fields = lines(&fields);
    let value = |identifier: &str| {
        let list = input(&format!("sig=({identifier})"));
        Component::read(&list.items[0]).and_then(|component| component.value(&Request::new(&fields)))
    };
    for (identifier, expected) in [
        (r#""host""#, "www.example.com"),
        (r#""x-ows-header""#, "Leading and trailing whitespace."),
        (r#""x-obs-fold-header""#, "Obsolete line folding."),
        (r#""cache-control""#, "max-age=60, must-revalidate"),
        (r#""example-dict""#, "a=1,    b=2;x=1;y=2,   c=(a   b    c), d"),
        (r#""x-empty-header""#, ""),
        (r#""priority";sf"#, "u=1, i"),
        (r#""example-dict";key="a""#, "1"),
        (r#""example-dict";key="d""#, "?1"),
        (r#""example-dict";key="b""#, "2;x=1;y=2"),
        (r#""example-dict";key="c""#, "(a b c)"),
        (r#""example-header";bs"#, ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
        (r#""@method""#, "POST"),
        (r#""@target-uri""#, "https://www.example.com/path?param=value&foo=bar&baz=bat%2Dman"),
        (r#""@authority""#, "www.example.com"),
        (r#""@scheme""#, "https"),
        (r#""@request-target""#, "/path?param=value&foo=bar&baz=bat%2Dman"),
        (r#""@path""#, "/path"),
        (r#""@query""#, "?param=value&foo=bar&baz=bat%2Dman"),
        (r#""@query-param";name="baz""#, "bat-man"),
        (r#""@query-param";name="param""#, "value"),
    ] {
        assert_eq!(value(identifier).as_deref(), Ok(expected), "{identifier}");
    }
    for (identifier, why) in [
        (r#""x-absent""#, Unusable::Absent),
        (r#""example-dict";key="z""#, Unusable::Absent),
        (r#""@query-param";name="z""#, Unusable::Absent),
        (r#""x-absent";bs"#, Unusable::Absent),
        (r#""@status""#, Unusable::Unsupported),
        (r#""@unknown""#, Unusable::Unsupported),
        (r#""@signature-params""#, Unusable::Unsupported),
        (r#""@method";req"#, Unusable::Unsupported),
        (r#""@query-param""#, Unusable::Unsupported),
        (r#""@method";name="x""#, Unusable::Unsupported),
        (r#""Host""#, Unusable::Unsupported),
        (r#""ho st""#, Unusable::Unsupported),
        ("host", Unusable::Unsupported),
        (r#""host";tr"#, Unusable::Unsupported),
        (r#""host";sf"#, Unusable::Unsupported),
        (r#""host";bs;sf"#, Unusable::Unsupported),
        (r#""host";bs;key="a""#, Unusable::Unsupported),
        (r#""host";bs=?0"#, Unusable::Unsupported),
        (r#""host";strict"#, Unusable::Unsupported),
        (r#""x-ows-header";key="a""#, Unusable::Unwritable),
    ] {
        assert_eq!(value(identifier), Err(why), "{identifier}");
    }
    let query = lines(&[(
        ":path",
        "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&twice=1&twice=2",
    )]);
    for (identifier, expected) in [
        (r#""@query-param";name="var""#, Ok("this%20is%20a%20big%0Amultiline%20value")),
        (r#""@query-param";name="bar""#, Ok("with%20plus%20whitespace")),
        (r#""@query-param";name="fa%C3%A7ade%22%3A%20""#, Ok("something")),
        (r#""@query-param";name="twice""#, Err(Unusable::Unwritable)),
    ] {
        let component = Component::read(&input(&format!("sig=({identifier})")).items[0]).unwrap();
        assert_eq!(component.value(&Request::new(&query)).as_deref(), expected.as_ref().copied(), "{identifier}");
    }
    for value in ["a\nb: c", "a\0b", "na\u{ef}ve"] {
        let unwritable = lines(&[(":path", "/"), ("x", "fine")])
            .into_iter()
            .chain([(&b"y"[..], value.as_bytes())])
            .collect::<Vec<_>>();
        let written = signature_base(&unwritable, r#"s=("x" "y")"#);
        let folded = value.contains('\n');
        assert_eq!(written.is_ok(), folded, "a line break is folded away, what is not ASCII has no place");
    }
    assert_eq!(signature_base(&fields, r#"s=("host" "host")"#), Err(Unusable::Unsupported), "each is there once");
}

#[test]
fn jwks_are_the_same_keys() {
    let set = JwkSet::read(
        br#"{"keys":[
        {"kty":"OKP","crv":"Ed25519","kid":"test-key-ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"},
        {"kty":"EC","crv":"P-256","kid":"test-key-ecc-p256","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA","y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"},
        {"kty":"oct","k":"AAAA"}, {"kty":"EC","crv":"P-384"}, {"kty":"OKP","crv":"Ed25519","x":"short"}, 7]}"#,
    )
    .unwrap();
    let usable: Vec<_> = set.0.iter().filter_map(|jwk| Some((jwk.kid.clone()?, jwk.verifying_key().ok()?))).collect();
    assert_eq!(usable.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["test-key-ed25519", "test-key-ecc-p256"]);
    let signer = Signer {
        label: "s".to_owned(),
        key_id: "k".to_owned(),
        key: SigningKey::from_pem(Algorithm::Ed25519, ED25519_PRIVATE).unwrap(),
        coverage: Coverage::with([]),
        tag: None,
    };
    let request = lines(REQUEST);
    let signed = signer.sign(&Request::new(&request), Stamp { created: 1, expires: None, nonce: None }, true).unwrap();
    let base = signature_base(&request, &signed.input).unwrap();
    let signature = signed.signature.trim_start_matches("s=:").trim_end_matches(':').to_owned();
    assert!(usable[0].1.verifies(base.as_bytes(), &STANDARD.decode(signature).unwrap()));
    for not_a_set in [&b"[]"[..], b"{}", b"", br#"{"keys":7}"#] {
        assert_eq!(JwkSet::read(not_a_set), None);
    }
}

/// RFC 7638, section 3.1; RFC 8037, appendix A.3.
#[test]
fn thumbprints_are_those_of_the_examples() {
    let thumbprint = |jwk: &str| serde_json::from_str::<Jwk>(jwk).unwrap().thumbprint();
    assert_eq!(
        thumbprint(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"2011-04-29"}"#
        )
        .as_deref(),
        Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    );
    assert_eq!(
        thumbprint(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#).as_deref(),
        Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );
    assert_eq!(thumbprint(r#"{"kty":"OKP","crv":"Ed25519","x":"\"}"}"#), None);
}

#[test]
fn keys_are_checked_and_not_shown() {
    for algorithm in Algorithm::ALL {
        for pem in [RSA_PSS, P256, ED25519, ED25519_PRIVATE, "", "x"] {
            let fits = match algorithm {
                Algorithm::HmacSha256 => false,
                Algorithm::Ed25519 => pem == ED25519,
                Algorithm::EcdsaP256Sha256 => pem == P256,
                Algorithm::RsaPssSha512 => pem == RSA_PSS,
            };
            assert_eq!(VerifyingKey::from_pem(algorithm, pem).is_ok(), fits, "{algorithm:?} {pem}");
            let signs = algorithm == Algorithm::Ed25519 && pem == ED25519_PRIVATE;
            assert_eq!(SigningKey::from_pem(algorithm, pem).is_ok(), signs, "{algorithm:?} {pem}");
        }
    }
    let key = SigningKey::from_pem(Algorithm::Ed25519, ED25519_PRIVATE).unwrap();
    assert_eq!(
        format!("{key:?} {:?}", VerifyingKey::hmac(b"secret").unwrap()),
        "SigningKey(Ed25519) VerifyingKey(HmacSha256)"
    );
    // The identity: a signature by it fits many texts.
    let weak = r#"{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    assert!(serde_json::from_str::<Jwk>(weak).unwrap().verifying_key().is_err());
}
