//! The response side: JSON that is held, events that go on one by one, and what takes the place of the unreadable.

use crate::support::*;
use meshward_engine::*;

const JSON: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json"), ("content-length", "9")];
const EVENTS: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/event-stream")];

/// An exchange whose request has passed.
fn asked(settings: Settings, tool: &str) -> Driver {
    let mut driver = Driver::new(settings, vec![Box::new(TestStage)]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: call(tool).as_bytes() });
    assert_eq!(driver.exchange.outcome(), Outcome::Allowed);
    driver
}

fn result(word: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":"{word}"}}}}"#)
}

fn error(reason: &str, body: &str) {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{body}: {e}"));
    assert_eq!(body["error"]["data"]["reason"], reason, "{body}");
    assert_eq!(body["id"], 7);
}

#[test]
fn json_is_held_and_judged_whole() {
    for (body, expected) in [
        (result("fine"), Ok(None)),
        (result("replace"), Ok(Some("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"))),
        (result("drop"), Err("unreadable_response")),
        ("{".into(), Err("unreadable_response")),
        (result("a").replace("\"x\"", "\"x\":1,\"x\""), Err("unreadable_response")),
    ] {
        let mut driver = asked(settings(), "get");
        driver.response(JSON, false);
        assert!(driver.effects.list.contains(&Effect::ResponseHeader(HeaderEdit::Remove("content-length"))));
        assert_eq!(driver.exchange.response_demand(), BodyDemand::Whole);
        assert_eq!(driver.handle(Input::ResponseBodyGrew { buffered: 5 }).flow, Flow::Hold);
        driver.handle(Input::ResponseBodyComplete { body: body.as_bytes() });
        assert_eq!(driver.effects.flow, Flow::Continue);
        match expected {
            Ok(replaced) => assert_eq!(driver.replaced().as_deref(), replaced),
            Err(reason) => error(reason, &driver.replaced().unwrap()),
        }
    }
}

#[test]
fn batches_of_responses_lose_what_is_dropped() {
    let mut driver = asked(settings(), "get");
    driver.response(JSON, false);
    let body = format!("[{},{},{}]", result("a"), result("drop"), result("c"));
    driver.handle(Input::ResponseBodyComplete { body: body.as_bytes() });
    assert_eq!(driver.replaced().unwrap(), format!("[{},{}]", result("a"), result("c")));
}

#[test]
fn too_long_a_response_is_replaced_and_its_rest_thrown_away() {
    for (buffered, passes) in [(999, true), (1000, true), (1001, false)] {
        let mut driver = asked(settings(), "get");
        driver.response(JSON, false);
        driver.handle(Input::ResponseBodyGrew { buffered });
        assert_eq!(driver.replaced().is_none(), passes);
        if !passes {
            assert_eq!(driver.effects.flow, Flow::Continue);
            error("response_too_large", &driver.replaced().unwrap());
            driver.handle(Input::ResponseBodyChunk { chunk: b"more", end_of_stream: true });
            assert_eq!(driver.replaced().as_deref(), Some(""));
        }
    }
}

#[test]
fn what_cannot_be_read_never_passes() {
    for head in [
        vec![(":status", "200"), ("content-type", "text/html")],
        vec![(":status", "200")],
        vec![(":status", "200"), ("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        let mut driver = asked(settings(), "get");
        driver.response(&head, false);
        let json = Effect::ResponseHeader(HeaderEdit::Set("content-type", b"application/json".to_vec()));
        assert!(driver.effects.list.contains(&json));
        driver.handle(Input::ResponseBodyChunk { chunk: b"<html>", end_of_stream: false });
        error("unreadable_response", &driver.replaced().unwrap());
        driver.handle(Input::ResponseBodyChunk { chunk: b"</html>", end_of_stream: true });
        assert_eq!(driver.replaced().as_deref(), Some(""));
    }
}

#[test]
fn responses_nobody_reads_pass() {
    let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: br#"{"jsonrpc":"2.0","id":7,"method":"ping"}"# });
    assert!(!driver.exchange.awaits_response());
    for status in ["202", "204", "400", "401", "500"] {
        let mut driver = asked(settings(), "get");
        driver.response(&[(":status", status), ("content-type", "text/plain")], false);
        assert_eq!(driver.exchange.response_demand(), BodyDemand::Nothing, "{status}");
        assert_eq!(driver.effects, Effects::default());
    }
}

/// Feeds a stream in pieces and returns what goes on, piece by piece.
fn stream(driver: &mut Driver, pieces: &[&[u8]]) -> Vec<String> {
    driver.response(EVENTS, false);
    let last = pieces.len();
    pieces
        .iter()
        .enumerate()
        .map(|(i, piece)| {
            driver.handle(Input::ResponseBodyChunk { chunk: piece, end_of_stream: i + 1 == last });
            assert_eq!(driver.effects.flow, Flow::Continue, "a stream is never held");
            driver.replaced().unwrap_or_else(|| String::from_utf8(piece.to_vec()).unwrap())
        })
        .collect()
}

#[test]
fn an_event_goes_on_when_it_is_complete() {
    let event = format!("event: message\nid: 1\ndata: {}\n\n", result("fine"));
    let (head, tail) = event.split_at(30);
    let mut driver = asked(settings(), "get");
    let out = stream(&mut driver, &[b": hello\n\n", event.as_bytes(), head.as_bytes(), tail.as_bytes(), b""]);
    assert_eq!(out, [": hello\n\n", &event, "", &event, ""]);
}

#[test]
fn each_event_is_judged() {
    let fine = format!("data: {}\n\n", result("fine"));
    let text = format!(
        "id: 0\ndata:\n\n{fine}event: message\nid: 1\ndata: {}\n\ndata: {}\n\ndata: {{\n\n{fine}",
        result("replace"),
        result("drop")
    );
    let whole = stream(&mut asked(settings(), "get"), &[text.as_bytes(), b""]).concat();
    assert!(
        whole.starts_with(&format!(
            "id: 0\ndata:\n\n{fine}event: message\nid: 1\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n\n"
        )),
        "{whole}"
    );
    assert!(whole.contains("unreadable_response") && whole.ends_with(&fine) && !whole.contains("drop"));
    for cut in 0..=text.len() {
        let pieces = stream(&mut asked(settings(), "get"), &[&text.as_bytes()[..cut], &text.as_bytes()[cut..], b""]);
        assert_eq!(pieces.concat(), whole, "cut at {cut}");
    }
}

#[test]
fn what_a_stream_ends_in_is_judged_too() {
    let out = stream(&mut asked(settings(), "get"), &[format!("data: {}", result("drop")).as_bytes(), b""]).concat();
    assert!(!out.contains("drop"), "a client may read an event without its blank line: {out}");
    let text = format!("data: {}\n", result("fine"));
    assert_eq!(stream(&mut asked(settings(), "get"), &[text.as_bytes(), b""]).concat(), text);
}

#[test]
fn an_endless_event_ends_the_stream_with_an_error() {
    let mut driver = asked(settings(), "get");
    let out = stream(&mut driver, &[b"data: ", &[b'x'; 600], &[b'x'; 600], b"\n\ndata: more\n\n", b""]).concat();
    assert!(out.contains("response_too_large") && !out.contains("xxx") && !out.contains("more"), "{out}");
}

#[test]
fn strict_reads_every_response_and_get_streams() {
    let strict = || Settings { responses: Responses::Strict, ..settings() };
    let mut driver = Driver::new(strict(), vec![]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: br#"{"jsonrpc":"2.0","id":7,"method":"ping"}"# });
    driver.response(JSON, false);
    driver.handle(Input::ResponseBodyComplete { body: b"{}" });
    error("unreadable_response", &driver.replaced().unwrap());

    let mut driver = Driver::new(strict(), vec![]);
    driver.request(&[(":method", "GET"), (":path", "/mcp")], true);
    let ping = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n";
    let endpoint = "event: endpoint\ndata: /messages?session=1\n\n";
    let (bad, numbered, posing) = ("data: nonsense\n\n", "id: 5\ndata: nonsense\n\n", "event: endpoint\ndata: {\n\n");
    let pieces = [endpoint, ping, bad, numbered, posing, ping, ""].map(str::as_bytes);
    assert_eq!(stream(&mut driver, &pieces), [endpoint, ping, "", "id: 5\ndata: \n\n", "", ping, ""]);

    let mut driver = Driver::new(strict(), vec![]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: br#"{"jsonrpc":"2.0","id":7,"method":"ping"}"# });
    assert!(stream(&mut driver, &[endpoint.as_bytes(), b""]).concat().contains("unreadable_response"), "not on a POST");
}

#[test]
fn what_is_refused_has_the_shape_of_its_kind() {
    let denied = |id: &str| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-31403,\"message\":\"This operation is not permitted\",\
             \"data\":{{\"reason\":\"denied\"}}}}}}"
        )
    };
    for (message, becomes) in [
        (result("refuse"), denied("7")),
        (result("refuse").replace(":7", ":\"x\""), denied("\"x\"")),
        (
            r#"{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{"a":"refuse"}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","id":"s","method":"meshward/refused","params":{"reason":"denied"}}"#.to_owned(),
        ),
    ] {
        let mut driver = asked(settings(), "get");
        driver.response(EVENTS, false);
        let chunk = format!("id: 1\ndata: {message}\n\n");
        driver.handle(Input::ResponseBodyChunk { chunk: chunk.as_bytes(), end_of_stream: false });
        assert_eq!(driver.replaced().unwrap(), format!("id: 1\ndata: {becomes}\n\n"));
    }
    let mut driver = asked(settings(), "get");
    driver.response(EVENTS, false);
    let notification = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/refuse\"}\n\n";
    driver.handle(Input::ResponseBodyChunk { chunk: notification.as_bytes(), end_of_stream: false });
    assert_eq!(driver.replaced().unwrap(), "");
}

#[test]
fn edits_of_a_response_are_applied_and_those_of_a_refused_one_are_not() {
    let mut driver = asked(settings(), "get");
    driver.response(JSON, false);
    let body = format!("[{},{}]", result("edit"), result("edit drop"));
    driver.handle(Input::ResponseBodyComplete { body: body.as_bytes() });
    let edited = result("edit").replace("{\"x\"", "{\"edited\":true,\"x\"");
    assert_eq!(driver.replaced().unwrap(), format!("[{edited}]"));
}

#[test]
fn who_only_observes_changes_nothing() {
    let observed = || {
        let mut driver = Driver::new(settings(), vec![Box::new(ObservingStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
        driver
    };
    for body in [result("fine"), "{".to_owned(), "[]".to_owned(), "\u{feff}{}".to_owned()] {
        let mut driver = observed();
        driver.response(JSON, false);
        assert_eq!(driver.effects.list, []);
        assert_eq!(driver.exchange.response_demand(), BodyDemand::Chunks, "nothing is held");
        let (start, rest) = body.as_bytes().split_at(1);
        for (chunk, end_of_stream) in [(start, false), (rest, false), (&b""[..], true)] {
            driver.handle(Input::ResponseBodyChunk { chunk, end_of_stream });
            assert_eq!(driver.effects, Effects::default(), "{body}");
        }
        assert_eq!(driver.exchange.response_demand(), BodyDemand::Nothing);
    }
    for head in [
        &[(":status", "200"), ("content-type", "text/plain")][..],
        &[(":status", "200"), ("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        let mut driver = observed();
        driver.response(head, false);
        assert_eq!(driver.effects.list, []);
        assert_eq!(driver.exchange.response_demand(), BodyDemand::Nothing);
    }
    let mut driver = observed();
    driver.response(JSON, false);
    driver.handle(Input::ResponseBodyChunk { chunk: &[b' '; 1001], end_of_stream: false });
    assert_eq!(driver.effects, Effects::default());
    assert_eq!(driver.exchange.response_demand(), BodyDemand::Nothing);
}

#[test]
fn who_only_observes_lets_every_byte_of_a_stream_go_on() {
    let stream = format!("data: {}\n\ndata: {{\n\n: note\ndata: {}", result("fine"), "x".repeat(1500));
    for size in [1, 7, 100, 5000] {
        let mut driver = Driver::new(settings(), vec![Box::new(ObservingStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
        driver.response(EVENTS, false);
        let mut out = String::new();
        let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        for (index, chunk) in chunks.iter().enumerate() {
            if driver.exchange.response_demand() == BodyDemand::Nothing {
                out.push_str(std::str::from_utf8(chunk).unwrap());
                continue;
            }
            let end_of_stream = index + 1 == chunks.len();
            driver.handle(Input::ResponseBodyChunk { chunk, end_of_stream });
            out.push_str(&driver.replaced().unwrap_or_else(|| String::from_utf8(chunk.to_vec()).unwrap()));
        }
        assert_eq!(out, stream, "in chunks of {size}");
    }
}

#[test]
fn a_stage_edits_the_head_of_any_response() {
    for status in ["200", "202", "404", "500"] {
        let mut driver = Driver::new(settings(), vec![Box::new(HeadStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
        assert!(driver.exchange.awaits_response());
        driver.response(&[(":status", status), ("mcp-session-id", "ABC")], true);
        let edit = HeaderEdit::Set("mcp-session-id", b"abc".to_vec());
        assert_eq!(driver.effects.list, [Effect::ResponseHeader(edit)], "{status}");
        assert!(!driver.exchange.awaits_response());
    }
    // What we answer ourselves is no response of the server's.
    let mut driver = Driver::new(settings(), vec![Box::new(HeadStage)]);
    driver.request(&[POST, &[("mcp-session-id", "stolen")]].concat(), false);
    assert!(!driver.exchange.awaits_response());
}
