//! Every example of the newest revision's schema reads as valid, and none of its beginnings does.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::path::Path;

use meshward_wire::limits::Limits;
use meshward_wire::message::Reader;
use meshward_wire::refusal::Reason;

/// The examples as whole messages: params and results are put into one.
fn messages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/2026-07-28");
    let mut found = Vec::new();
    for kind in std::fs::read_dir(root).unwrap() {
        let kind = kind.unwrap();
        for file in std::fs::read_dir(kind.path()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let tree: serde_json::Value = serde_json::from_str(&text).unwrap();
            let message = if tree.get("jsonrpc").is_some() {
                text
            } else if kind.file_name().to_string_lossy().ends_with("Params") {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{text}}}")
            } else {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"example\":{text}}}}}")
            };
            found.push((path.display().to_string(), message));
        }
    }
    found
}

#[test]
fn every_example_reads() {
    let messages = messages();
    assert!(messages.len() > 100, "only {} examples found", messages.len());
    for (path, message) in messages {
        let read = Reader::new(Limits::default()).read(message.as_bytes()).map(drop);
        assert_eq!(read, Ok(()), "{path}");
    }
}

#[test]
fn no_beginning_of_an_example_reads() {
    for (path, message) in messages() {
        let message = message.trim_end();
        for cut in 0..message.len() {
            let error = Reader::new(Limits::default()).read(&message.as_bytes()[..cut]).unwrap_err();
            let cut_short = matches!(error.reason, Reason::TruncatedJson | Reason::EmptyBody | Reason::InvalidUtf8);
            assert!(cut_short, "{path} cut at {cut}: {error}");
        }
    }
}
