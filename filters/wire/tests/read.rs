//! The strict reader: one table of what is refused and why, one of what is read, and properties over generated JSON.

#![expect(clippy::arithmetic_side_effects, clippy::panic, reason = "a test may panic: that is how it fails")]

use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Kind, Message, ReadError, Reader, Text};
use meshward_wire::refusal::Reason;
use proptest::prelude::*;

fn read(body: &[u8]) -> Result<Body<'_>, ReadError> {
    Reader::new(Limits::default()).read(body)
}

fn one(body: &str) -> Message<'_> {
    match read(body.as_bytes()) {
        Ok(Body::One(message)) => message,
        other => panic!("{body}: {other:?}"),
    }
}

fn refused(body: &[u8]) -> (Reason, Option<String>) {
    match read(body) {
        Err(error) => (error.reason, error.id.map(|id| id.raw().to_owned())),
        Ok(body) => panic!("read: {body:?}"),
    }
}

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get","arguments":{"a":[1,{"b":null}]}}}"#;

#[test]
fn refuses_by_name_and_keeps_the_id() {
    use Reason::*;
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{"a":{}{}}}}}"#, "[".repeat(63), "]".repeat(63));
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"m"}}"#, "x".repeat(1023));
    let many: String = (0..20).map(|i| format!(r#""k{i}":1,"#)).collect();
    let many_keys = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{{many}"k3":2}}}}"#);
    let cases: &[(&str, Reason, Option<&str>)] = &[
        ("", EmptyBody, None),
        (" \r\n\t", EmptyBody, None),
        ("\u{feff}{}", ByteOrderMark, None),
        ("nonsense", InvalidJson, None),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m""#, TruncatedJson, Some("7")),
        (r#"{"jsonrpc":"2.0","method":"m","id":7"#, TruncatedJson, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":7 "#, TruncatedJson, Some("7")),
        (r#"{"jsonrpc":"2.0","method":"m","id":"7""#, TruncatedJson, Some("\"7\"")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m"}{}"#, TrailingData, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m"},"#, TrailingData, Some("7")),
        ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":{\"a\":\"\n\"}}", ControlCharacter, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"\ud800"}}"#, LoneSurrogate, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"\ud800\u0041"}}"#, LoneSurrogate, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"\udc00"}}"#, LoneSurrogate, Some("7")),
        (r#"{"method":"m","params":{"a":1e400},"jsonrpc":"2.0","id":7}"#, NumberOutOfRange, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":01}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":+1}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":NaN}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1.}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":tru}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":[1,]}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1,}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{,"a":1}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a" 1}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{'a':1}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"\x"}}"#, InvalidJson, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m" /* */}"#, InvalidJson, Some("7")),
        (&deep, TooDeep, Some("7")),
        (r#"{"params":{"name":"a","name":"b"},"method":"m","jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (r#"{"params":{"name":"a","na\u006de":"b"},"method":"m","jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (r#"{"params":{"a/b":1,"a\/b":2},"method":"m","jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (r#"{"params":{"😀":1,"\ud83d\ude00":2},"method":"m","jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (r#"{"params":{"x":[[{"a":1,"a":1}]]},"method":"m","jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (r#"{"method":"m","method":"n","jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (r#"{"method":"m","params":{},"params":{},"jsonrpc":"2.0","id":7}"#, DuplicateKey, Some("7")),
        (&many_keys, DuplicateKey, Some("7")),
        (r#"{"method":"m","jsonrpc":"2.0","id":7,"id":8}"#, DuplicateKey, None),
        (r#"{"method":"m","jsonrpc":"2.0","id":7,"ID":8}"#, CaseVariant, None),
        (r#"{"METHOD":"m","method":"n","jsonrpc":"2.0","id":7}"#, CaseVariant, Some("7")),
        (r#"{"method":"m","params":{"name":"a","Name":"b"},"jsonrpc":"2.0","id":7}"#, CaseVariant, Some("7")),
        (r#"{"method":"m","params":{"N\u0061me":"b"},"jsonrpc":"2.0","id":7}"#, CaseVariant, Some("7")),
        (r#"{"method":"m","params":{"argument\u017f":{}},"jsonrpc":"2.0","id":7}"#, CaseVariant, Some("7")),
        (
            r#"{"method":"completion/complete","params":{"ref":{"name":"a","Name":"b"}},"jsonrpc":"2.0","id":7}"#,
            CaseVariant,
            Some("7"),
        ),
        ("1", NotAnObject, None),
        (r#""x""#, NotAnObject, None),
        ("[]", EmptyBatch, None),
        ("[1]", NotAnObject, None),
        (r#"[[{"jsonrpc":"2.0","id":7,"method":"m"}]]"#, NotAnObject, None),
        (
            r#"[{"jsonrpc":"2.0","id":7,"method":"m"},{"jsonrpc":"2.0","id":8,"method":"m","method":"n"}]"#,
            DuplicateKey,
            None,
        ),
        (r#"{"id":7,"method":"m"}"#, NotJsonRpc2, Some("7")),
        (r#"{"jsonrpc":2.0,"id":7,"method":"m"}"#, NotJsonRpc2, Some("7")),
        (r#"{"jsonrpc":"1.0","id":7,"method":"m"}"#, NotJsonRpc2, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":1}"#, InvalidMethod, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"a\u0000"}"#, InvalidMethod, Some("7")),
        (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, InvalidId, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, InvalidId, None),
        (r#"{"jsonrpc":"2.0","id":1e2,"method":"m"}"#, InvalidId, None),
        (r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#, InvalidId, None),
        (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, InvalidId, None),
        (r#"{"jsonrpc":"2.0","id":"a\u0000","method":"m"}"#, InvalidId, None),
        (&long_id, InvalidId, None),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":[1]}"#, ParamsNotAnObject, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":null}"#, ParamsNotAnObject, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}"#, ResultAndError, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"method":"m"}"#, RequestAndResponse, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7}"#, NoMethod, Some("7")),
        (r#"{"jsonrpc":"2.0","result":{}}"#, ResponseWithoutId, None),
        (r#"{"jsonrpc":"2.0","id":7,"result":1}"#, ResultNotAnObject, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"error":{"code":"x","message":""}}"#, InvalidError, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"error":[]}"#, InvalidError, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"name":"a\u0000b"}}"#, InvalidName, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"uri":"\u0000"}}"#, InvalidName, Some("7")),
    ];
    for (body, reason, id) in cases {
        assert_eq!(refused(body.as_bytes()), (*reason, id.map(str::to_owned)), "{body}");
    }
    assert_eq!(refused(b"{\"a\":\"\xff\"}").0, InvalidUtf8);
    assert_eq!(refused(b"{\"a\":\"\xed\xa0\x80\"}").0, InvalidUtf8);
    assert_eq!(refused(b"\xff\xfe{\0").0, InvalidUtf8);
}

/// TypeScript clients write `id` last: a refusal is answered with it wherever the structure up to there is clear.
#[test]
fn the_id_is_found_behind_the_fault() {
    use Reason::*;
    let too_deep = format!(r#"{}"]}}"{}"#, "[{\"k\":".repeat(50), "}]".repeat(50));
    for (argument, reason) in [
        ("\"\n\"", ControlCharacter),
        ("\"\0\"", ControlCharacter),
        (r#""\ud800""#, LoneSurrogate),
        (r#""\ud800\ud83d\ude00""#, LoneSurrogate),
        (r#""\ud800\n""#, LoneSurrogate),
        (r#""\udc00\"""#, LoneSurrogate),
        (r#""\x""#, InvalidJson),
        (r#""\u12g4""#, InvalidJson),
        (r#""\u12""#, InvalidJson),
        ("NaN", InvalidJson),
        ("-Infinity", InvalidJson),
        ("undefined", InvalidJson),
        ("01", InvalidJson),
        ("+1", InvalidJson),
        (".5", InvalidJson),
        ("1.", InvalidJson),
        ("0x1f", InvalidJson),
        ("truey", InvalidJson),
        ("1e400", NumberOutOfRange),
        (r#"{"a":1,"\u0061":2}"#, DuplicateKey),
        (r#"{"\ud800":1,"\ud800":2}"#, LoneSurrogate),
        (&too_deep, TooDeep),
    ] {
        let body = format!(r#"{{"method":"m","params":{{"a":{argument},"b":{{}}}},"jsonrpc":"2.0","id":"i"}}"#);
        assert_eq!(refused(body.as_bytes()), (reason, Some("\"i\"".to_owned())), "{body}");
    }
    let id = Some("7".to_owned());
    assert_eq!(refused(b"{\"method\":\"\xff\xc3\",\"jsonrpc\":\"2.0\",\"id\":7}"), (InvalidUtf8, id.clone()));
    assert_eq!(refused("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\"}".as_bytes()), (ByteOrderMark, id));
}

/// What cannot be trusted is not repeated: the refusal then has no id.
#[test]
fn a_doubtful_id_is_none() {
    for body in [
        &br#"{"jsonrpc":"2.0","method":"m","id":7"#[..],
        b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"a\nb\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"a\xff\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\",\"id\":1,\"i\\u0064\":2}",
        br#"{"jsonrpc":"2.0","method":"m","id":"\ud800"}"#,
        br#"{"jsonrpc":"2.0","method":"m","id":"\x"}"#,
        br#"{"jsonrpc":"2.0","method":"m","id":01}"#,
        br#"{"jsonrpc":"2.0","method":"m","id":NaN}"#,
        br#"{"jsonrpc":"2.0","method":"m","params":{"id":5},"id":{"id":6},"x":1}"#,
        br#"{"jsonrpc":"2.0","method":"m","\id":5}"#,
        b"[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\xff\"}]",
    ] {
        assert_eq!(refused(body).1, None, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn reads_views_with_exact_spans() {
    let body = r#" {"method":"tools\/call","params":{"_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28",
      "io.modelcontextprotocol/clientInfo":{"name":"cli","version":"1"},"x":[1]},"name":"get","arguments":{"n":12345678901234567890},"unknown":1},
      "extra":{},"jsonrpc":"2.0","id":"a\u0062"} "#;
    let message = one(body);
    assert_eq!(message.kind(), Kind::Request);
    assert_eq!(message.method().as_deref(), Some("tools/call"));
    assert_eq!(message.id().map(|id| id.raw()), Some(r#""a\u0062""#));
    assert_eq!(message.name(), Text::Is("get".into()));
    assert_eq!(message.uri(), Text::Missing);
    assert_eq!(message.arguments().map(|span| span.of(body)), Some(r#"{"n":12345678901234567890}"#));
    assert_eq!(message.meta_protocol_version(), Text::Is("2026-07-28".into()));
    assert_eq!(message.client_name().as_deref(), Some("cli"));
    assert_eq!(message.progress_token().map(|span| span.of(body)), Some(r#""p""#));
    assert_eq!(message.meta_members().len(), 4);
    assert_eq!(message.meta_value("x").map(|span| span.of(body)), Some("[1]"));
    assert_eq!(message.span().of(body), body.trim());
}

#[test]
fn tells_the_members_of_arguments_where_they_are_kept() {
    let told = |arguments: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"arguments":{arguments},"_meta":{{"m":1}}}}}}"#
        );
        let kept = Reader::new(Limits::default()).keeping_arguments(true).read(body.as_bytes());
        let Ok(Body::One(message)) = kept else { panic!("{body}") };
        assert_eq!(one(&body).argument_members(), None);
        assert_eq!(message.meta_members().len(), 1);
        let members = message.argument_members()?;
        Some(members.iter().map(|(key, value)| format!("{}={}", key.of(&body), value.of(&body))).collect::<Vec<_>>())
    };
    let some = told(r#"{ "a" : 1 , "b\n":{"c":[{"d":2}]},"e":[3,{"f":4}],"g":"h"}"#);
    assert_eq!(some.unwrap(), ["a=1", r#"b\n={"c":[{"d":2}]}"#, r#"e=[3,{"f":4}]"#, r#"g="h""#]);
    assert_eq!(told("{}").unwrap(), [""; 0]);
    for none in ["[1]", "null", "1"] {
        assert_eq!(told(none), None, "{none}");
    }
}

#[test]
fn reads_every_kind_of_message() {
    for (body, kind, id) in [
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Notification, None),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Response, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"x","data":[1]}}"#, Kind::Error, Some("1")),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}"#, Kind::Error, None),
        (r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"x"}}"#, Kind::Error, None),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#, Kind::Request, Some("1.0")),
        (r#"{"jsonrpc":"2.0","id":-0,"method":"m"}"#, Kind::Request, Some("-0")),
        (r#"{"jsonrpc":"2.0","id":"1","method":"m"}"#, Kind::Request, Some("\"1\"")),
        (
            r#"{"jsonrpc":"2.0","id":99999999999999999999999,"method":"m"}"#,
            Kind::Request,
            Some("99999999999999999999999"),
        ),
        (r#"{"jsonrpc":"2.0","id":"","method":"m","params":{}}"#, Kind::Request, Some("\"\"")),
    ] {
        let message = one(body);
        assert_eq!((message.kind(), message.id().map(|id| id.raw())), (kind, id), "{body}");
    }
    let completion = one(
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
    );
    let reference = completion.reference().unwrap();
    assert_eq!((reference.kind, reference.name), (Text::Is("ref/prompt".into()), Text::Is("p".into())));
    match read(br#"[{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x"}},{"jsonrpc":"2.0","method":"b"}]"#) {
        Ok(Body::Batch(messages)) => {
            assert_eq!(messages.iter().map(Message::kind).collect::<Vec<_>>(), [Kind::Request, Kind::Notification]);
            assert_eq!(messages[1].name(), Text::Missing, "values do not leak from one message into the next");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bounds_hold_at_their_edges() {
    let limits = Limits {
        max_bytes: CALL.len(),
        max_depth: 5,
        max_batch: 2,
        max_id_bytes: 3,
        max_method_bytes: 10,
        max_name_bytes: 3,
    };
    let reads = |limits: Limits, body: &str| Reader::new(limits).read(body.as_bytes()).map(drop).map_err(|e| e.reason);
    assert_eq!(reads(limits, CALL), Ok(()));
    assert_eq!(reads(Limits { max_bytes: CALL.len() + 1, ..limits }, CALL), Ok(()));
    assert_eq!(reads(Limits { max_bytes: CALL.len() - 1, ..limits }, CALL), Err(Reason::BodyTooLarge));
    assert_eq!(reads(Limits { max_depth: 6, ..limits }, CALL), Ok(()));
    assert_eq!(reads(Limits { max_depth: 4, ..limits }, CALL), Err(Reason::TooDeep));
    assert_eq!(reads(Limits { max_method_bytes: 9, ..limits }, CALL), Err(Reason::InvalidMethod));
    assert_eq!(reads(Limits { max_name_bytes: 2, ..limits }, CALL), Err(Reason::InvalidName));
    let id = |letters: &str| format!(r#"{{"jsonrpc":"2.0","id":{letters},"method":"m"}}"#);
    assert_eq!(reads(limits, &id("123")), Ok(()));
    assert_eq!(reads(limits, &id("12")), Ok(()));
    assert_eq!(reads(limits, &id("1234")), Err(Reason::InvalidId));
    let batch = |n: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"m"}"#; n].join(","));
    let wide = Limits { max_bytes: 1000, ..limits };
    assert_eq!(reads(wide, &batch(1)), Ok(()));
    assert_eq!(reads(wide, &batch(2)), Ok(()));
    assert_eq!(reads(wide, &batch(3)), Err(Reason::BatchTooLong));
}

#[test]
fn numbers_are_refused_exactly_beyond_a_double() {
    let nines = |n: usize| "9".repeat(n);
    for (number, fits) in [
        (nines(308), true),
        (nines(309), false),
        (format!("-{}.5", nines(309)), false),
        (format!("{}e99", nines(197)), true),
        (format!("{}e99", nines(209)), true),
        (format!("{}e99", nines(210)), false),
        ("1.7976931348623157e308".to_owned(), true),
        ("1.7976931348623159e308".to_owned(), false),
        ("1e0000000000000000000005".to_owned(), true),
        ("1e309".to_owned(), false),
        ("0e999999999999999999999".to_owned(), true),
        ("1e-999999999999999999999".to_owned(), true),
        (format!("0.{}1e310", "0".repeat(300)), true),
        (format!("0.{}1e700", "0".repeat(300)), false),
        (nines(100_000), false),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{"a":{number}}}}}"#);
        let read = read(body.as_bytes()).map(drop).map_err(|error| error.reason);
        assert_eq!(read, if fits { Ok(()) } else { Err(Reason::NumberOutOfRange) }, "{number}");
    }
}

#[test]
fn strings_end_where_they_end() {
    // Every place in a word and in a block, for each letter that ends the plain ones.
    for length in 0..60 {
        for filler in ["a", "!", "\u{7f}", "\u{80}", "\u{a2}", "\u{dc}"] {
            let plain = filler.repeat(length);
            let body = format!(r#"{{"jsonrpc":"2.0","id":"{plain}","method":"{plain}\n{plain}","x":1}}"#);
            let message = one(&body);
            assert_eq!(message.id().unwrap().raw(), format!("\"{plain}\""));
            assert_eq!(message.method().unwrap(), format!("{plain}\n{plain}"));
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{plain}\u{1f}{plain}\"}}");
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!((error.reason, error.at), (Reason::ControlCharacter, body.find('\u{1f}').unwrap()));
        }
    }
}

#[test]
fn duplicates_are_found_wherever_they_are() {
    // Few keys are compared, many are sorted; both ways with keys that differ in little, and with escapes.
    for count in [1, 2, 15, 16, 17, 18, 40] {
        for style in ["key-of-more-than-eight-{}-letters", "k{}", "\\u006b{}", "ké{}"] {
            let key = |i: usize| style.replace("{}", &format!("{i:02}"));
            let keys: Vec<String> = (0..count).map(|i| format!("\"{}\":{{\"k00\":0}}", key(i))).collect();
            let body = |keys: String| format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{"a":{{{keys}}}}}}}"#);
            assert!(read(body(keys.join(",")).as_bytes()).is_ok());
            for again in [0, count / 2, count - 1] {
                // The same key, spelled with an escape.
                let spelled = key(again).replacen('k', "\\u006B", 1);
                for spelled in [spelled, key(again)] {
                    let body = body(format!("{},\"{spelled}\":1", keys.join(",")));
                    let error = read(body.as_bytes()).unwrap_err();
                    assert_eq!(error.reason, Reason::DuplicateKey, "{body}");
                    assert_eq!(error.id.unwrap().raw(), "7");
                }
            }
        }
    }
}

#[test]
fn hostile_shapes_take_linear_time() {
    // Each would take minutes if anything were quadratic.
    let limits = Limits { max_bytes: 8 << 20, ..Limits::default() };
    let wrap = |inner: String| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"a":{inner}}}}}"#);
    let keys: Vec<String> = (0..300_000).map(|i| format!(r#""k{i}":0"#)).collect();
    let same_prefix: Vec<String> =
        (0..60_000).map(|i| format!(r#""{}{i:06}{}":0"#, "x".repeat(40), "x".repeat(40))).collect();
    let escaped: Vec<String> = (0..200_000).map(|i| format!(r#""\u0061{i}":0"#)).collect();
    let blanks = format!(
        "{{{}\"a\":{{}}{}}}",
        " ".repeat(4 << 20),
        (0..150_000).map(|i| format!(",\"b{i}\":{{}}")).collect::<String>()
    );
    for inner in [
        format!("{{{}}}", keys.join(",")),
        format!("{{{}}}", same_prefix.join(",")),
        format!("{{{}}}", escaped.join(",")),
        blanks,
        format!("[{}0]", "0,".repeat(3_000_000)),
        // Keys that all look alike to a fingerprint of their ends, and are compared in full.
        format!(
            "{{{}}}",
            (0..40_000).map(|i| format!(r#""{0}{i:06}{0}":0"#, "\\u0078".repeat(8))).collect::<Vec<_>>().join(",")
        ),
        // Many containers, each with keys of its own, beside many keys of the one around them.
        format!("{{{}}}", (0..100_000).map(|i| format!(r#""{i}":[{{"a":0,"b":{{}}}}]"#)).collect::<Vec<_>>().join(",")),
        format!("\"{}\"", "\\n".repeat(3_000_000)),
    ] {
        let body = wrap(inner);
        assert!(Reader::new(limits).read(body.as_bytes()).is_ok());
    }
}

#[test]
fn every_cut_of_a_message_is_refused() {
    for body in
        [CALL, r#"{"jsonrpc":"2.0","id":-1.0,"method":"é\ud83d\ude00\n","params":{"a":[true,false,null,1e5,{}]}}"#]
    {
        for cut in 0..body.len() {
            let error = read(&body.as_bytes()[..cut]).unwrap_err();
            assert!(
                matches!(error.reason, Reason::TruncatedJson | Reason::EmptyBody | Reason::InvalidUtf8),
                "{cut}: {error}"
            );
        }
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<i16>().prop_map(|n| (f64::from(n) / 8.0).into()),
        ".*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".*", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn spans_hold_the_values_that_were_written(arguments in json(), meta in json(), pretty: bool) {
        let message = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "n", "arguments": arguments, "_meta": { "k": meta } },
        });
        let body = if pretty { serde_json::to_string_pretty(&message) } else { serde_json::to_string(&message) }.unwrap();
        let read = one(&body);
        let value = |span: meshward_wire::json::Span| serde_json::from_str::<serde_json::Value>(span.of(&body)).unwrap();
        prop_assert_eq!(value(read.arguments().unwrap()), arguments);
        prop_assert_eq!(value(read.meta_value("k").unwrap()), meta);
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..CALL.len(), len in 0_usize..8) {
        let mut body = CALL.as_bytes().to_vec();
        let end = (at + len).min(body.len());
        body.splice(at..end, bytes);
        if let Ok(Body::One(message)) = read(&body) {
            let tree: serde_json::Value = serde_json::from_slice(&body).expect("stricter than serde_json");
            let method = message.method().map(|method| method.into_owned());
            prop_assert_eq!(method.as_deref(), tree["method"].as_str());
            if let Text::Is(name) = message.name() {
                prop_assert_eq!(Some(&*name), tree["params"]["name"].as_str());
            }
        }
    }
}
