use super::*;

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

const STATELESS: Option<Revision> = Some(Revision::V2026_07_28);

fn lines(headers: &[(&str, &str)]) -> Lines {
    headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn run(headers: &Lines, facts: &Facts<'_>) -> Result<(), (Header, Fault)> {
    let facts = Facts { known: facts.method.and_then(Method::lookup), ..*facts };
    Mirrored::read(headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())))
        .and_then(|mirrored| mirrored.check(&facts))
        .map_err(|condemned| (condemned.header, condemned.fault))
}

fn run_early(headers: &Lines) -> Result<(), (Header, Fault)> {
    Mirrored::read(headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())))
        .map(|_| ())
        .map_err(|condemned| (condemned.header, condemned.fault))
}

fn call(name: &str) -> Facts<'_> {
    Facts { is_request: true, revision: STATELESS, method: Some("tools/call"), name: Some(name), ..Facts::default() }
}

/// A complete set of headers for `call`, with `name` as the value of `Mcp-Name`.
fn named(name: &str) -> Lines {
    lines(&[("Mcp-Protocol-Version", "2026-07-28"), ("mcp-method", "tools/call"), ("MCP-NAME", name)])
}

const MISMATCH: Result<(), (Header, Fault)> = Err((Header::Name, Fault::Mismatch));
const MALFORMED: Result<(), (Header, Fault)> = Err((Header::Name, Fault::Malformed));

#[test]
fn field_names_are_matched_in_any_case() {
    for (name, header) in [
        ("mcp-method", Some(Header::Method)),
        ("MCP-METHOD", Some(Header::Method)),
        ("Mcp-Name", Some(Header::Name)),
        ("MCP-Protocol-Version", Some(Header::ProtocolVersion)),
        ("Mcp-Param-Region", Some(Header::Param)),
        ("mCP-pARAM-", Some(Header::Param)),
        ("mcp-param", None),
        ("mcp-session-id", None),
        ("mcp-names", None),
        ("mcp_name", Some(Header::Name)),
        ("Mcp-Protocol_Version", Some(Header::ProtocolVersion)),
        ("MCP_PARAM_REGION", Some(Header::Param)),
        ("mcp_session_id", None),
        ("", None),
    ] {
        assert_eq!(Header::of(name.as_bytes()), header, "{name}");
    }
}

#[test]
fn what_agrees_passes() {
    assert_eq!(run(&named("get_weather"), &call("get_weather")), Ok(()));
    assert_eq!(run(&named(" \tget_weather  "), &call("get_weather")), Ok(()));
    assert_eq!(run(&named("us west 1"), &call("us west 1")), Ok(()));
    assert_eq!(run(&named(""), &call("")), Ok(()));
    for (method, name) in [
        ("resources/read", "file:///path/to/file%20name.txt"),
        ("prompts/get", "code_review"),
        ("tasks/get", "786512e2-9e0d-44bd-8f29-789f320fe840"),
        ("resources/subscribe", "https://example.com/resource?id=123"),
    ] {
        let headers = lines(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)]);
        assert_eq!(run(&headers, &Facts { method: Some(method), ..call(name) }), Ok(()), "{method}");
    }
    let list = lines(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")]);
    assert_eq!(run(&list, &Facts { method: Some("tools/list"), name: None, ..call("") }), Ok(()));
}

#[test]
fn what_contradicts_the_body_is_refused_in_every_revision() {
    let revisions = Revision::ALL.into_iter().map(Some).chain([None]);
    for revision in revisions {
        let facts = Facts { revision, ..call("delete_repo") };
        for headers in [
            named("get"),
            lines(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "Delete_repo")]),
        ] {
            assert_eq!(run(&headers, &facts), MISMATCH, "{revision:?}");
        }
        let other_method =
            lines(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "TOOLS/CALL"), ("mcp-name", "delete_repo")]);
        assert_eq!(run(&other_method, &facts), Err((Header::Method, Fault::Mismatch)), "{revision:?}");
    }
    // Nor do notifications and responses escape it.
    let notification = Facts { is_request: false, method: Some("notifications/initialized"), ..Facts::default() };
    assert_eq!(run(&named("x"), &notification), Err((Header::Method, Fault::Mismatch)));
    assert_eq!(run(&named("x"), &Facts::default()), Err((Header::Method, Fault::Mismatch)));
    assert_eq!(run(&lines(&[("mcp-method", "")]), &Facts::default()), Err((Header::Method, Fault::Mismatch)));
}

#[test]
fn a_method_is_never_encoded() {
    let headers = lines(&[("mcp-method", "=?base64?dG9vbHMvbGlzdA==?=")]);
    let facts = Facts { method: Some("tools/list"), ..Facts::default() };
    assert_eq!(run(&headers, &facts), Err((Header::Method, Fault::Mismatch)));
}

#[test]
fn a_name_belongs_to_methods_with_a_name() {
    for method in ["tools/list", "initialize", "ping", "completion/complete", "subscriptions/listen", "x/unknown"] {
        for name in [None, Some("x")] {
            let headers = lines(&[("mcp-name", "x")]);
            let facts = Facts { is_request: true, method: Some(method), name, ..Facts::default() };
            assert_eq!(run(&headers, &facts), MISMATCH, "{method}");
        }
    }
    // A body whose name is missing, or no string, matches no header.
    assert_eq!(run(&named("x"), &Facts { name: None, ..call("") }), MISMATCH);
    assert_eq!(run(&named(""), &Facts { name: None, ..call("") }), MISMATCH);
}

#[test]
fn stateless_requests_need_their_headers() {
    let all = named("x");
    let without = |header: Header| -> Lines {
        all.iter().filter(|(name, _)| Header::of(name) != Some(header)).cloned().collect()
    };
    for header in [Header::ProtocolVersion, Header::Method, Header::Name] {
        assert_eq!(run(&without(header), &call("x")), Err((header, Fault::Missing)), "{header:?}");
        assert_eq!(run(&without(header), &Facts { is_request: false, ..call("x") }), Ok(()), "{header:?}");
        for revision in [None, Some(Revision::V2025_03_26), Some(Revision::V2025_11_25)] {
            assert_eq!(run(&without(header), &Facts { revision, ..call("x") }), Ok(()), "{header:?} {revision:?}");
        }
    }
    let unnamed = without(Header::Name);
    for (method, result) in [
        ("tools/call", Err((Header::Name, Fault::Missing))),
        ("prompts/get", Err((Header::Name, Fault::Missing))),
        ("resources/read", Err((Header::Name, Fault::Missing))),
        ("tools/list", Ok(())),
        ("completion/complete", Ok(())),
        ("tasks/get", Ok(())),
        ("x/unknown", Ok(())),
    ] {
        let headers: Lines = unnamed
            .iter()
            .map(|(name, value)| {
                let value =
                    if Header::of(name) == Some(Header::Method) { method.as_bytes().to_vec() } else { value.clone() };
                (name.clone(), value)
            })
            .collect();
        assert_eq!(run(&headers, &Facts { method: Some(method), ..call("x") }), result, "{method}");
    }
}

#[test]
fn a_header_is_given_once() {
    for (name, header) in [
        ("mcp-method", Header::Method),
        ("mcp-name", Header::Name),
        ("mcp-protocol-version", Header::ProtocolVersion),
        ("mcp-param-region", Header::Param),
    ] {
        for second in ["same", "other", ""] {
            let headers = lines(&[(name, "same"), ("x-other", "1"), (&name.to_uppercase(), second)]);
            assert_eq!(run_early(&headers), Err((header, Fault::Repeated)), "{name} {second}");
            assert_eq!(run(&headers, &Facts::default()), Err((header, Fault::Repeated)), "{name} {second}");
        }
    }
    let other_headers = lines(&[("x", "1"), ("x", "1"), ("mcp-session-id", "1"), ("mcp-session-id", "1")]);
    assert_eq!(run_early(&other_headers), Ok(()));
    assert_eq!(run_early(&lines(&[("mcp-param-a", "1"), ("mcp-param-b", "1")])), Ok(()));
    // What a proxy joined stays one value.
    assert_eq!(run(&named("get, delete_repo"), &call("get")), MISMATCH);
    assert_eq!(run(&named("get,get"), &call("get")), MISMATCH);
}

#[test]
fn what_some_servers_take_for_a_mirrored_header_is_refused() {
    for (name, header) in [
        ("mcp_method", Header::Method),
        ("Mcp_Name", Header::Name),
        ("mcp-protocol_version", Header::ProtocolVersion),
        ("mcp_param-region", Header::Param),
        ("mcp-param_region", Header::Param),
    ] {
        assert_eq!(run_early(&lines(&[(name, "x")])), Err((header, Fault::Malformed)), "{name}");
    }
    // What follows the prefix is the tool's to choose; two that are one to the server are one too many.
    assert_eq!(run_early(&lines(&[("mcp-param-user_id", "1")])), Ok(()));
    let alike = lines(&[("mcp-param-user_id", "1"), ("Mcp-Param-User-Id", "1")]);
    assert_eq!(run_early(&alike), Err((Header::Param, Fault::Repeated)));
}

#[test]
fn names_may_be_encoded() {
    for (encoded, name) in [
        ("=?base64?SGVsbG8=?=", "Hello"),
        ("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"),
        ("=?base64?IHBhZGRlZCA=?=", " padded "),
        ("=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"),
        ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
        ("=?base64?CWluZGVudGVk?=", "\tindented"),
        ("=?base64??=", ""),
        // None of these is the sentinel, so they are what they are.
        ("SGVsbG8=", "SGVsbG8="),
        ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
        ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
        ("=?base64?SGVsbG8=?= x", "=?base64?SGVsbG8=?= x"),
        ("SGVsbG8=?=", "SGVsbG8=?="),
    ] {
        assert_eq!(run(&named(encoded), &call(name)), Ok(()), "{encoded}");
        assert_eq!(run(&named(encoded), &call("other")), MISMATCH, "{encoded}");
    }
}

#[test]
fn a_name_is_written_so_that_it_can_be_read() {
    for (name, written) in [
        ("Hello", "Hello"),
        ("a\tb c", "a\tb c"),
        ("", ""),
        ("=?x", "=?x"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?="),
    ] {
        assert_eq!(encoded(name), written);
        assert_eq!(decoded(written.as_bytes()).as_deref(), Some(name));
    }
    for unreadable in [&b"\xff"[..], b"a\nb", b"=?base64?SGVsbG8?="] {
        assert_eq!(decoded(unreadable), None);
    }
}

#[test]
fn what_is_not_strictly_base64_is_malformed() {
    for encoded in [
        "=?base64?SGVsbG8?=",     // no padding
        "=?base64?SGVsbG8==?=",   // too much of it
        "=?base64?SGVs!!!bG8=?=", // not its alphabet
        "=?base64?SGVs bG8=?=",   // white space
        "=?base64?SGVsbG9=?=",    // bits left over
        "=?base64?_-_-?=",        // the alphabet for URLs
        "=?base64?/w==?=",        // 0xff is no UTF-8
        "=?base64?7aCA?=",        // nor is a surrogate
        "=?base64?=",             // begin and end overlap
        "=?base64?SGVsbG8=?=SGVsbG8=?=",
    ] {
        assert_eq!(run(&named(encoded), &call("Hello")), MALFORMED, "{encoded}");
        assert_eq!(run(&named(encoded), &call(encoded)), MALFORMED, "{encoded}");
    }
}

#[test]
fn bytes_that_no_header_may_have_are_malformed() {
    for value in [&b"caf\xc3\xa9"[..], b"\xff", b"a\0", b"a\nb", b"a\rb", b"\x7f", b"\x1b", b"\xc2\xa0x"] {
        for (name, header) in [
            (&b"mcp-name"[..], Header::Name),
            (b"mcp-method", Header::Method),
            (b"mcp-protocol-version", Header::ProtocolVersion),
            (b"mcp-param-x", Header::Param),
        ] {
            let headers = vec![(name.to_vec(), value.to_vec())];
            assert_eq!(run_early(&headers), Err((header, Fault::Malformed)), "{value:?}");
        }
    }
}

#[test]
fn values_and_their_number_are_bounded_before_decoding() {
    let sentinel = "=?base64?".len() + "?=".len();
    for (length, fits) in [(MAX_VALUE_BYTES - 1, true), (MAX_VALUE_BYTES, true), (MAX_VALUE_BYTES + 1, false)] {
        let name = "x".repeat(length);
        assert_eq!(run(&named(&name), &call(&name)), if fits { Ok(()) } else { MALFORMED }, "{length}");
        // Not base64 at all: what is too long is refused for its length, what is not for its letters.
        let encoded = format!("=?base64?{}?=", "!".repeat(length - sentinel));
        assert_eq!(run_early(&named(&encoded)), if fits { Ok(()) } else { MALFORMED }, "{length}");
        let fault = compare_param(name.as_bytes(), Some("1")).unwrap_err();
        assert_eq!(fault, if fits { Fault::Mismatch } else { Fault::Malformed }, "{length}");
    }
    for (count, fits) in [(MAX_HEADERS - 1, true), (MAX_HEADERS, true), (MAX_HEADERS + 1, false)] {
        let headers = (0..count).map(|index| (format!("mcp-param-{index}").into_bytes(), b"1".to_vec())).collect();
        assert_eq!(run_early(&headers), if fits { Ok(()) } else { Err((Header::Param, Fault::Malformed)) }, "{count}");
    }
}

#[test]
fn the_longest_name_of_a_body_fits_a_header() {
    let name = "é".repeat(crate::limits::Limits::default().max_name_bytes / 2);
    let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
    assert_eq!(run(&named(&encoded), &call(&name)), Ok(()));
}

#[test]
fn a_batch_has_no_mirrored_headers() {
    let batch = Facts { is_batch: true, ..Facts::default() };
    assert_eq!(run(&lines(&[("mcp-protocol-version", "2025-03-26")]), &batch), Ok(()));
    for (name, header) in [("mcp-method", Header::Method), ("mcp-name", Header::Name), ("mcp-param-x", Header::Param)] {
        assert_eq!(run(&lines(&[(name, "tools/call")]), &batch), Err((header, Fault::Mismatch)));
    }
}

#[test]
fn parameters_are_compared_by_their_type() {
    let same = [
        ("us-west1", r#""us-west1""#),
        (" us-west1 ", r#""us-west1""#),
        ("us west 1", r#""us west 1""#),
        ("", r#""""#),
        ("42", r#""42""#),
        ("true", r#""true""#),
        ("null", r#""null""#),
        ("a\"b", r#""a\"b""#),
        ("us-west1", r#""us\u002dwest1""#),
        ("=?base64?SGVsbG8sIOS4lueVjA==?=", r#""Hello, 世界""#),
        ("=?base64?8J2EnsOp?=", r#""\ud834\udd1e\u00e9""#),
        ("=?base64?IHBhZGRlZCA=?=", r#"" padded ""#),
        ("=?base64?bGluZTEKbGluZTI=?=", r#""line1\nline2""#),
        ("=?base64?ZXUtd8Opc3Q=?=", r#""eu-wést""#),
        ("true", "true"),
        ("false", "false"),
        ("42", "42"),
        ("42.0", "42"),
        ("42", "42.0"),
        ("4.2e1", "42"),
        ("-7", "-7"),
        ("3.14159", "3.14159"),
        ("9007199254740993", "9007199254740993"),
        ("=?base64?NDI=?=", "42"),
    ];
    for (header, body) in same {
        assert_eq!(compare_param(header.as_bytes(), Some(body)), Ok(()), "{header} {body}");
    }
    let other = [
        ("us-west1", r#""us-west2""#),
        ("Us-west1", r#""us-west1""#),
        ("\"us-west1\"", r#""us-west1""#),
        ("True", "true"),
        ("1", "true"),
        ("true", "false"),
        ("43", "42"),
        ("9007199254740992", "9007199254740993"),
        ("042", "42"),
        ("+42", "42"),
        ("0x2a", "42"),
        ("", "0"),
        ("null", "null"),
        ("", "null"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("1,2", "[1,2]"),
    ];
    for (header, body) in other {
        assert_eq!(compare_param(header.as_bytes(), Some(body)), Err(Fault::Mismatch), "{header} {body}");
    }
    assert_eq!(compare_param(b"", None), Err(Fault::Mismatch));
    assert_eq!(compare_param(b"x", None), Err(Fault::Mismatch));
    assert_eq!(compare_param(b"=?base64?!?=", Some("\"x\"")), Err(Fault::Malformed));
    assert_eq!(compare_param("é".as_bytes(), Some("\"é\"")), Err(Fault::Malformed));
}

#[test]
fn parameters_a_schema_marks_are_held_against_the_body() {
    let with = |value: &str| [named("t"), lines(&[("mcp-param-REGION", value)])].concat();
    let outcome = |headers: &Lines, value, revision: Option<Revision>| {
        let headers = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        let required = revision.is_some_and(Revision::requires_mirrored_headers);
        check_params(headers, &[Param { header: "Region", value }], required)
            .map_err(|condemned| (condemned.header, condemned.fault))
    };
    let mismatch = Err((Header::Param, Fault::Mismatch));
    let missing = Err((Header::Param, Fault::Missing));
    assert_eq!(outcome(&with("eu"), Some(r#""eu""#), STATELESS), Ok(()));
    assert_eq!(outcome(&with("us"), Some(r#""eu""#), STATELESS), mismatch);
    assert_eq!(outcome(&with("us"), Some(r#""eu""#), Some(Revision::V2025_11_25)), mismatch);
    assert_eq!(outcome(&with("us"), Some("null"), STATELESS), mismatch);
    assert_eq!(outcome(&with("us"), None, STATELESS), mismatch);
    assert_eq!(outcome(&named("t"), Some(r#""eu""#), STATELESS), missing);
    assert_eq!(outcome(&named("t"), Some(r#""eu""#), Some(Revision::V2025_11_25)), Ok(()));
    assert_eq!(outcome(&named("t"), Some("null"), STATELESS), Ok(()));
    assert_eq!(outcome(&named("t"), None, STATELESS), Ok(()));
    // A parameter that no schema marks is its receiver's business.
    assert_eq!(run(&[named("t"), lines(&[("mcp-param-other", "=?base64?!?=")])].concat(), &call("t")), Ok(()));
}

#[test]
fn every_fault_has_its_reason() {
    let reason = |fault| Condemned { header: Header::Name, fault }.reason().name();
    assert_eq!(
        [Fault::Mismatch, Fault::Repeated, Fault::Missing, Fault::Malformed].map(reason),
        ["header_mismatch", "header_repeated", "header_missing", "header_malformed"]
    );
}

proptest::proptest! {
    /// What a client encodes as the specification says is what is compared.
    #[test]
    fn any_encoded_name_matches_itself(name in ".{0,40}", other in ".{0,40}") {
        let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
        proptest::prop_assert_eq!(run(&named(&encoded), &call(&name)), Ok(()));
        proptest::prop_assert_eq!(run(&named(&encoded), &call(&other)).is_ok(), name == other);
        let json = serde_json::to_string(&name).unwrap();
        proptest::prop_assert_eq!(compare_param(encoded.as_bytes(), Some(&json)), Ok(()));
    }

    /// No value in a header makes a body with another name pass.
    #[test]
    fn no_header_value_lets_another_name_pass(value in proptest::collection::vec(0_u8..=255, 0..40)) {
        let headers = vec![(b"mcp-name".to_vec(), value.clone())];
        let passed = run(&headers, &Facts { revision: None, ..call("delete_repo") }).is_ok();
        let same = field::text(&value) == Some("delete_repo");
        proptest::prop_assert_eq!(passed, same);
    }
}
