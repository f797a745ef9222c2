//! What a verifier makes of requests that a signer signed, and that were then altered.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use meshward_signatures::*;
use proptest::prelude::*;

const NOW: u64 = 1_763_760_000;

const ED25519: (&str, &str) = (
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----",
);

#[derive(Debug, Clone)]
struct Sent {
    lines: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
}

type Change = Box<dyn Fn(&mut Sent)>;

fn signer(key: SigningKey) -> Signer {
    Signer {
        label: "meshward".to_owned(),
        key_id: "client".to_owned(),
        key,
        coverage: Coverage::with([Component::field("authorization")]),
        tag: Some("mcp".to_owned()),
    }
}

fn verifier() -> Verifier {
    Verifier {
        coverage: Coverage::with([Component::field("authorization")]),
        tag: Some("mcp".to_owned()),
        max_age: 60,
        clock_skew: 5,
        nonce: NonceDemand::Required,
    }
}

fn keys(key: VerifyingKey) -> Keys {
    let mut keys = Keys::default();
    keys.add("client".to_owned(), key);
    keys
}

fn hmac() -> (Signer, Keys) {
    let secret = b"01234567890123456789012345678901";
    (signer(SigningKey::hmac(secret).unwrap()), keys(VerifyingKey::hmac(secret).unwrap()))
}

fn ed25519() -> (Signer, Keys) {
    let private = SigningKey::from_pem(Algorithm::Ed25519, ED25519.0).unwrap();
    (signer(private), keys(VerifyingKey::from_pem(Algorithm::Ed25519, ED25519.1).unwrap()))
}

impl Sent {
    fn new() -> Self {
        let content = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get"}}"#.to_vec();
        let line = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let mut lines = vec![
            line(":method", "POST"),
            line(":scheme", "http"),
            line(":authority", "tools.example:8080"),
            line(":path", "/mcp?tenant=a"),
            line("content-type", "application/json"),
            line("authorization", "Bearer t0ken"),
            line("mcp-protocol-version", "2026-07-28"),
            line("mcp-method", "tools/call"),
            line("mcp-name", "get"),
        ];
        lines.push(("content-digest".to_owned(), content_digest(&content).into_bytes()));
        Self { lines, content }
    }

    fn with_lines<T>(&self, work: impl FnOnce(&Request<'_>) -> T) -> T {
        let lines: Vec<_> = self.lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        work(&Request::new(&lines))
    }

    fn sign(&mut self, signer: &Signer, stamp: Stamp<'_>) {
        let signed = self.with_lines(|request| signer.sign(request, stamp, true)).unwrap();
        self.lines.push(("signature-input".to_owned(), signed.input.into_bytes()));
        self.lines.push(("signature".to_owned(), signed.signature.into_bytes()));
    }

    fn set(&mut self, name: &str, value: &str) {
        self.lines.retain(|(known, _)| known != name);
        self.lines.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    fn edit(&mut self, name: &str, from: &str, to: &str) {
        let (_, value) = self.lines.iter_mut().find(|(known, _)| known == name).unwrap();
        let text = String::from_utf8(value.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        *value = text.replacen(from, to, 1).into_bytes();
    }

    fn verify(&self, keys: &Keys, now: u64) -> Result<Verified, Failure> {
        let verified = self.with_lines(|request| verifier().verify(request, &[keys], now, true))?;
        let digest = self.with_lines(|request| request.combined("content-digest")).unwrap();
        check_digest(&digest, &self.content).map_err(|_| Failure::Forged)?;
        Ok(verified)
    }
}

const STAMP: Stamp<'static> = Stamp { created: NOW, expires: Some(NOW + 30), nonce: Some("n-1") };

fn signed(pair: &(Signer, Keys)) -> Sent {
    let mut sent = Sent::new();
    sent.sign(&pair.0, STAMP);
    sent
}

#[test]
fn what_was_signed_verifies() {
    for pair in [hmac(), ed25519()] {
        let verified = signed(&pair).verify(&pair.1, NOW).unwrap();
        let until = NOW + 35;
        assert_eq!(verified, Verified { key_id: "client".into(), nonce: Some("n-1".into()), created: NOW, until });
    }
}

#[test]
fn what_was_altered_does_not() {
    let alterations: Vec<(&str, Change, Failure)> = vec![
        ("content", Box::new(|sent| sent.content[3] ^= 1), Failure::Forged),
        (
            "content and digest",
            Box::new(|sent| {
                sent.content[3] ^= 1;
                let digest = content_digest(&sent.content);
                sent.set("content-digest", &digest);
            }),
            Failure::Forged,
        ),
        ("method", Box::new(|sent| sent.set(":method", "PUT")), Failure::Forged),
        ("path", Box::new(|sent| sent.set(":path", "/mcp2?tenant=a")), Failure::Forged),
        ("query", Box::new(|sent| sent.set(":path", "/mcp?tenant=b")), Failure::Forged),
        ("no query", Box::new(|sent| sent.set(":path", "/mcp")), Failure::Forged),
        ("authority", Box::new(|sent| sent.set(":authority", "other.example")), Failure::Forged),
        ("field", Box::new(|sent| sent.set("mcp-name", "delete")), Failure::Forged),
        ("field gone", Box::new(|sent| sent.lines.retain(|(name, _)| name != "mcp-name")), Failure::Forged),
        ("field added", Box::new(|sent| sent.set("mcp-session-id", "s")), Failure::Incomplete),
        (
            "field that some take for one of MCP's",
            Box::new(|sent| sent.set("Mcp_Session_Id", "s")),
            Failure::Incomplete,
        ),
        ("stream resumed", Box::new(|sent| sent.set("last-event-id", "7")), Failure::Incomplete),
        (
            "field line added",
            Box::new(|sent| sent.lines.push(("mcp-name".into(), b"delete".to_vec()))),
            Failure::Forged,
        ),
        ("credential", Box::new(|sent| sent.set("authorization", "Bearer other")), Failure::Forged),
        ("digest gone", Box::new(|sent| sent.lines.retain(|(name, _)| name != "content-digest")), Failure::Forged),
        ("signature gone", Box::new(|sent| sent.lines.retain(|(name, _)| name != "signature")), Failure::Missing),
        ("both gone", Box::new(|sent| sent.lines.retain(|(name, _)| !name.starts_with("signature"))), Failure::Missing),
        ("label", Box::new(|sent| sent.edit("signature", "meshward=", "other=")), Failure::Missing),
        ("tag", Box::new(|sent| sent.edit("signature-input", ";tag=\"mcp\"", "")), Failure::Missing),
        (
            "key",
            Box::new(|sent| sent.edit("signature-input", "keyid=\"client\"", "keyid=\"other\"")),
            Failure::KeyUnknown,
        ),
        ("no key", Box::new(|sent| sent.edit("signature-input", ";keyid=\"client\"", "")), Failure::KeyUnknown),
        ("component", Box::new(|sent| sent.edit("signature-input", " \"content-digest\"", "")), Failure::Incomplete),
        (
            "component of the field's",
            Box::new(|sent| sent.edit("signature-input", "\"mcp-name\"", "\"mcp-name\";key=\"get\"")),
            Failure::Incomplete,
        ),
        ("none", Box::new(|sent| sent.edit("signature-input", ";alg=\"", ";alg=\"none\";x=\"")), Failure::Algorithm),
        (
            "downgrade",
            Box::new(|sent| sent.edit("signature-input", ";alg=\"", ";alg=\"rsa-v1_5-sha256\";x=\"")),
            Failure::Algorithm,
        ),
        ("no alg", Box::new(|sent| sent.edit("signature-input", ";alg=", ";x=")), Failure::Forged),
        ("life", Box::new(|sent| sent.edit("signature-input", ";expires=", ";x=")), Failure::Forged),
        (
            "born",
            Box::new(|sent| sent.edit("signature-input", &format!("created={NOW}"), &format!("created={}", NOW - 1))),
            Failure::Forged,
        ),
        ("unborn", Box::new(|sent| sent.edit("signature-input", "created=", "x=")), Failure::Malformed),
        ("before all time", Box::new(|sent| sent.edit("signature-input", "created=", "created=-")), Failure::Malformed),
        ("nonce", Box::new(|sent| sent.edit("signature-input", "n-1", "n-2")), Failure::Forged),
        ("no nonce", Box::new(|sent| sent.edit("signature-input", ";nonce=", ";x=")), Failure::NonceMissing),
        (
            "nonce that is none",
            Box::new(|sent| sent.edit("signature-input", ";nonce=\"n-1\"", ";nonce=n-1")),
            Failure::Malformed,
        ),
        ("no structured field", Box::new(|sent| sent.set("signature-input", "meshward=(")), Failure::Malformed),
        ("an item", Box::new(|sent| sent.set("signature-input", "meshward")), Failure::Malformed),
        ("no bytes", Box::new(|sent| sent.set("signature", "meshward=?1")), Failure::Malformed),
        (
            "too long",
            Box::new(|sent| sent.set("signature-input", &format!("a=({})", "\"x\" ".repeat(3000)))),
            Failure::Malformed,
        ),
        (
            "too many",
            Box::new(|sent| {
                sent.edit(
                    "signature-input",
                    "meshward=",
                    "a=();tag=\"x\", b=();tag=\"x\", c=();tag=\"x\", d=();tag=\"x\", meshward=",
                )
            }),
            Failure::Malformed,
        ),
    ];
    for pair in [hmac(), ed25519()] {
        for (what, alter, failure) in &alterations {
            let mut sent = signed(&pair);
            alter(&mut sent);
            assert_eq!(sent.verify(&pair.1, NOW), Err(*failure), "{what}");
        }
    }
}

#[test]
fn what_does_not_matter_may_change() {
    let pair = hmac();
    let changes: Vec<Change> = vec![
        Box::new(|sent| sent.set("x-request-id", "7")),
        Box::new(|sent| sent.lines.reverse()),
        Box::new(|sent| sent.set(":authority", "TOOLS.example:8080")),
        // Another's signature, of a tag that is not looked for.
        Box::new(|sent| {
            sent.edit("signature-input", "meshward=", "other=(\"x\");tag=\"web-bot-auth\", meshward=");
            sent.edit("signature", "meshward=", "other=:AAAA:, meshward=");
        }),
        // The same on lines of their own.
        Box::new(|sent| sent.lines.push(("signature-input".into(), b"other=(\"x\")".to_vec()))),
        Box::new(|sent| sent.edit("signature-input", " \"@authority\"", "  \"@authority\"")),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut sent = signed(&pair);
        change(&mut sent);
        assert!(sent.verify(&pair.1, NOW).is_ok(), "{number}");
    }
    // A second signature that does not count does not spoil the first, and the other way round.
    for order in ["forged=INPUT, meshward=", "meshward="] {
        let mut sent = signed(&pair);
        let (_, input) = sent.lines.iter().find(|(name, _)| name == "signature-input").unwrap();
        let input = String::from_utf8(input.clone()).unwrap().trim_start_matches("meshward=").to_owned();
        let order = order.replace("INPUT", &input);
        sent.set("signature-input", &format!("{order}{input}"));
        sent.edit("signature", "meshward=", "forged=:AAAA:, meshward=");
        assert!(sent.verify(&pair.1, NOW).is_ok(), "{order}");
    }
}

#[test]
fn a_signature_has_its_time() {
    let pair = hmac();
    let sent = signed(&pair);
    for (now, expected) in [
        (NOW - 6, Some(Failure::Early)),
        (NOW - 5, None),
        (NOW + 35, None),
        (NOW + 36, Some(Failure::Expired)),
        (0, Some(Failure::Early)),
        (u64::MAX, Some(Failure::Expired)),
    ] {
        assert_eq!(sent.verify(&pair.1, now).err(), expected, "{now}");
    }
    for (expires, last) in [(None, NOW + 65), (Some(NOW + 1000), NOW + 65), (Some(NOW - 7), NOW - 2)] {
        let mut sent = Sent::new();
        sent.sign(&pair.0, Stamp { expires, ..STAMP });
        assert_eq!(sent.verify(&pair.1, last).is_ok(), last >= NOW - 5, "{expires:?}");
        assert_eq!(sent.verify(&pair.1, last + 1), Err(Failure::Expired), "{expires:?}");
    }
}

#[test]
fn another_key_of_the_same_name_does_not_fit() {
    let (mut one, other) = (ed25519(), hmac());
    assert_eq!(signed(&other).verify(&one.1, NOW), Err(Failure::Algorithm), "alg says whose it is");
    one.0.key = SigningKey::hmac(b"another secret of thirty-two bytes").unwrap();
    assert_eq!(signed(&one).verify(&other.1, NOW), Err(Failure::Forged));
    // A public key is no secret: whoever signs with it as though it were one does not get through.
    let confused = (signer(SigningKey::hmac(ED25519.1.as_bytes()).unwrap()), ed25519().1);
    let mut sent = signed(&confused);
    assert_eq!(sent.verify(&confused.1, NOW), Err(Failure::Algorithm));
    sent.edit("signature-input", "hmac-sha256", "ed25519");
    assert_eq!(sent.verify(&confused.1, NOW), Err(Failure::Forged));
}

#[test]
fn what_is_no_visible_ascii_is_covered_in_base64() {
    let pair = hmac();
    let mut sent = Sent::new();
    sent.lines.push(("mcp-param-city".into(), "K\u{f6}ln".as_bytes().to_vec()));
    sent.sign(&pair.0, STAMP);
    assert!(sent.verify(&pair.1, NOW).is_ok());
    sent.set("mcp-param-city", "Bonn");
    assert_eq!(sent.verify(&pair.1, NOW), Err(Failure::Forged));
}

#[test]
fn without_content_there_is_no_digest_to_cover() {
    let pair = hmac();
    let mut sent = Sent::new();
    sent.lines.retain(|(name, _)| name != "content-digest");
    sent.set(":method", "GET");
    let signed = sent.with_lines(|request| pair.0.sign(request, STAMP, false)).unwrap();
    sent.set("signature-input", &signed.input);
    sent.set("signature", &signed.signature);
    let verify = |has_content| sent.with_lines(|request| verifier().verify(request, &[&pair.1], NOW, has_content));
    assert!(verify(false).is_ok());
    assert_eq!(verify(true), Err(Failure::Incomplete));
}

proptest! {
    /// Whatever single byte of what is covered changes, the signature does not count.
    #[test]
    fn any_byte_counts(which in any::<prop::sample::Index>(), flip in 1_u8..) {
        let pair = hmac();
        let mut sent = signed(&pair);
        let covered: Vec<usize> = sent.lines.iter().enumerate()
            .filter(|(_, (name, _))| name.starts_with("mcp-") || matches!(name.as_str(), ":method" | ":path" | ":authority" | "authorization" | "content-digest" | "signature" | "signature-input"))
            .flat_map(|(index, (_, value))| std::iter::repeat_n(index, value.len())).collect();
        let total = covered.len() + sent.content.len();
        let at = which.index(total);
        match covered.get(at) {
            Some(&line) => {
                let first = covered.iter().position(|other| *other == line).unwrap();
                let (name, value) = &mut sent.lines[line];
                let before = value[at - first];
                value[at - first] ^= flip;
                // An authority has no case, and neither space around values nor the order's spaces are signed.
                prop_assume!(!(name == ":authority" && before.eq_ignore_ascii_case(&value[at - first])));
                prop_assume!(!(before == b' ' || value[at - first].is_ascii_whitespace()));
            }
            None => sent.content[at - covered.len()] ^= flip,
        }
        prop_assert!(sent.verify(&pair.1, NOW).is_err());
    }

    /// Whatever stands there, there is an answer.
    #[test]
    fn any_fields_have_an_answer(input in ".{0,200}", signature in ".{0,100}", digest in ".{0,60}") {
        let mut sent = signed(&hmac());
        sent.set("signature-input", &input);
        sent.set("signature", &signature);
        prop_assert!(sent.verify(&hmac().1, NOW).is_err());
        let _ = check_digest(digest.as_bytes(), b"");
    }
}
