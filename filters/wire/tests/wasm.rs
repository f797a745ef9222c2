//! The reader where `usize` has 32 bits and there is no host at all: `wasm32-unknown-unknown`, run by
//! `wasm-bindgen-test-runner` of the version that Cargo.lock has for `wasm-bindgen`. The other tests need files, and run
//! on `wasm32-wasip1` as they are.

#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use meshward_wire::json::{self, Span};
use meshward_wire::limits::Limits;
use meshward_wire::message::{Body, Message, Reader, Text};
use meshward_wire::refusal::Reason;
use meshward_wire::splice::Splices;
use wasm_bindgen_test::wasm_bindgen_test;

const CALL: &str = r#"{"method":"tools\/call","params":{"name":"get","arguments":{"n":12345678901234567890}},"jsonrpc":"2.0","id":9007199254740993}"#;

fn one(body: &str) -> Message<'_> {
    match Reader::new(Limits::default()).read(body.as_bytes()) {
        Ok(Body::One(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
fn words_have_32_bits() {
    assert_eq!(usize::BITS, 32);
}

#[wasm_bindgen_test]
fn messages_read_to_the_letter() {
    let message = one(CALL);
    assert_eq!(message.id().unwrap().raw(), "9007199254740993");
    assert_eq!(message.method().as_deref(), Some("tools/call"));
    assert_eq!(message.name(), Text::Is("get".into()));
    let number = json::member(CALL, message.arguments().unwrap(), "n").unwrap();
    assert_eq!(number.of(CALL), "12345678901234567890");
    assert_eq!(
        (json::integer(number.of(CALL)), json::double(number.of(CALL))),
        (None, Some(12_345_678_901_234_567_890.0))
    );
}

#[wasm_bindgen_test]
fn refusals_are_the_same() {
    for (argument, reason) in [
        (r#"{"a":1,"\u0061":2}"#, Reason::DuplicateKey),
        ("1e400", Reason::NumberOutOfRange),
        ("01", Reason::InvalidJson),
        (r#""\ud800""#, Reason::LoneSurrogate),
        ("\"\n\"", Reason::ControlCharacter),
    ] {
        let body = CALL.replace("12345678901234567890", argument);
        let error = Reader::new(Limits::default()).read(body.as_bytes()).unwrap_err();
        assert_eq!((error.reason, error.id.unwrap().raw()), (reason, "9007199254740993"), "{body}");
    }
    for cut in 0..CALL.len() {
        let beginning = CALL.get(..cut).unwrap();
        assert!(Reader::new(Limits::default()).read(beginning.as_bytes()).is_err(), "{beginning}");
    }
}

#[wasm_bindgen_test]
fn long_bodies_and_many_keys_read() {
    let text = "x".repeat(500_000);
    let keys: String = (0..30_000).map(|i| format!(r#""k{i}":{i},"#)).collect();
    let body = CALL.replace("12345678901234567890", &format!(r#"{{"t":"{text}",{keys}"k":0}}"#));
    let message = one(&body);
    let object = json::member(&body, message.arguments().unwrap(), "n").unwrap();
    assert_eq!(json::members(&body, object).count(), 30_002);
    let twice = body.replace(r#""k":0"#, r#""k":0,"k29999":0"#);
    let error = Reader::new(Limits::default()).read(twice.as_bytes()).unwrap_err();
    assert_eq!(error.reason, Reason::DuplicateKey);
}

#[wasm_bindgen_test]
fn edits_hold_at_the_edge_of_the_address_space() {
    let mut splices = Splices::default();
    splices.set_meta(&one(CALL), &[("t", "1")]);
    let edited = String::from_utf8(splices.apply(CALL.as_bytes()).unwrap()).unwrap();
    assert_eq!(one(&edited).meta_value("t").unwrap().of(&edited), "1");
    for at in [Span { start: 1, end: usize::MAX }, Span { start: usize::MAX, end: usize::MAX }] {
        let (mut replaced, mut removed) = (Splices::default(), Splices::default());
        replaced.replace(at, Vec::new());
        removed.remove_element(at);
        assert!(replaced.apply(CALL.as_bytes()).is_err() && removed.apply(CALL.as_bytes()).is_err());
        assert_eq!((json::members(CALL, at).count(), json::elements(CALL, at).count()), (0, 0));
    }
}
