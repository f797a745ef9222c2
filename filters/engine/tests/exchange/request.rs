//! The request side: what passes, what is refused, and when.

use crate::support::*;
use meshward_engine::*;
use meshward_wire::refusal::Reason;

fn with(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    POST.iter()
        .copied()
        .filter(|(name, _)| !extra.iter().any(|(n, _)| n == name && *n != "x-keep"))
        .chain(extra.iter().copied())
        .collect()
}

#[test]
fn heads_are_refused_before_any_body() {
    for (head, status, reason) in [
        (with(&[(":path", "/mcp/")]), 404, "path_lookalike"),
        (with(&[(":method", "PUT")]), 405, "method_not_allowed"),
        (with(&[(":method", "post")]), 405, "method_not_allowed"),
        (with(&[(":method", "HEAD")]), 405, "method_not_allowed"),
        (with(&[("content-type", "text/plain")]), 415, "unsupported_media_type"),
        (with(&[("content-encoding", "gzip")]), 415, "unsupported_content_encoding"),
        (with(&[("x-http-method-override", "GET")]), 400, "method_override"),
        (with(&[("x_http_method_override", "GET")]), 400, "method_override"),
        (with(&[(":path", "/other"), ("x_original_url", "/mcp")]), 404, "path_lookalike"),
        (with(&[("upgrade", "websocket")]), 400, "upgrade_not_allowed"),
        (with(&[(":path", "/mcp/x")]), 404, "path_lookalike"),
        (with(&[("content-length", "1001")]), 413, "body_too_large"),
        (with(&[(":path", "/other"), ("x-original-url", "/mcp")]), 404, "path_lookalike"),
        (
            with(&[(":path", "/other"), ("x-rewrite-url", "/mcp"), ("x-keep", ""), ("x-rewrite-url", "/b")]),
            404,
            "path_lookalike",
        ),
        (with(&[("content-length", "0")]), 400, "empty_body"),
        (with(&[(":method", "GET"), ("content-length", "1")]), 400, "body_not_allowed"),
    ] {
        let mut driver = Driver::new(settings(), vec![]);
        driver.request(&head, false);
        let (got_status, got_reason, body) = driver.refusal().unwrap_or_else(|| panic!("{head:?} passed"));
        assert_eq!((got_status, &*got_reason), (status, reason), "{head:?}");
        assert_eq!(body.get("id"), None);
        assert!(matches!(driver.exchange.outcome(), Outcome::Denied(_)));
        driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
        assert_eq!((driver.effects.flow, driver.effects.list.len()), (Flow::Hold, 0), "nothing goes on after a reply");
    }
}

#[test]
fn what_is_not_mcp_passes_unless_strict() {
    for (path, method) in
        [("/healthz", "GET"), ("/", "POST"), ("/.well-known/oauth-protected-resource", "GET"), ("*", "OPTIONS")]
    {
        let mut driver = Driver::new(settings(), vec![]);
        assert_eq!(driver.request(&[(":method", method), (":path", path)], false), &Effects::default());
        assert_eq!(
            (driver.exchange.request_demand(), driver.exchange.outcome()),
            (BodyDemand::Nothing, Outcome::Passed)
        );
        let mut driver = Driver::new(Settings { strict: true, ..settings() }, vec![]);
        driver.request(&[(":method", method), (":path", path)], false);
        assert_eq!(driver.refusal().map(|r| r.0), Some(404));
    }
}

#[test]
fn a_method_without_a_body_passes_and_one_with_a_body_does_not() {
    for method in ["GET", "DELETE", "OPTIONS"] {
        let head = [(":method", method), (":path", "/mcp?x=1")];
        let mut driver = Driver::new(settings(), vec![]);
        assert_eq!(driver.request(&head, true), &Effects::default());
        assert_eq!(driver.exchange.outcome(), Outcome::Allowed);

        let mut driver = Driver::new(settings(), vec![]);
        driver.request(&head, false);
        driver.handle(Input::RequestBodyComplete { body: b"" });
        assert_eq!((driver.effects.flow, driver.exchange.outcome()), (Flow::Continue, Outcome::Allowed));

        for grows in [true, false] {
            let mut driver = Driver::new(settings(), vec![]);
            driver.request(&head, false);
            driver.handle(if grows {
                Input::RequestBodyGrew { buffered: 1 }
            } else {
                Input::RequestBodyComplete { body: b"{" }
            });
            assert_eq!(driver.refusal().map(|r| r.1).as_deref(), Some("body_not_allowed"), "{method}");
        }
    }
}

#[test]
fn headers_wait_only_where_the_host_can_hold_them() {
    for hold in [false, true] {
        let mut driver = Driver::new(Settings { header_hold: hold, ..settings() }, vec![]);
        let flow = if hold { Flow::Hold } else { Flow::Continue };
        assert_eq!(driver.request(POST, false).flow, flow);
        assert_eq!(driver.handle(Input::RequestBodyGrew { buffered: 10 }).flow, Flow::Hold);
        assert_eq!(driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() }), &Effects::default());
        assert_eq!(driver.exchange.outcome(), Outcome::Allowed);
    }
}

#[test]
fn bodies_are_bounded_at_the_edge() {
    for (buffered, passes) in [(999, true), (1000, true), (1001, false)] {
        let mut driver = Driver::new(settings(), vec![]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyGrew { buffered });
        assert_eq!(driver.refusal().is_none(), passes, "{buffered}");
    }
}

#[test]
fn messages_are_refused_with_their_id() {
    let call_with = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":"x1",{rest}}}"#);
    for (head, body, status, reason, id) in [
        (vec![], call("deny"), 200, "denied", "7"),
        (vec![], r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"deny"}}"#.into(), 403, "denied", ""),
        (vec![], call_with(r#""method":"tools/call""#), 400, "invalid_params", "\"x1\""),
        (vec![], call_with(r#""method":"tools/call","params":{"name":1}"#), 400, "invalid_params", "\"x1\""),
        (
            vec![],
            call_with(r#""method":"tools/call","params":{"name":"a","arguments":[]}"#),
            400,
            "invalid_params",
            "\"x1\"",
        ),
        (vec![], call_with(r#""method":"ping","params":{"_meta":1}"#), 400, "invalid_params", "\"x1\""),
        (vec![], call_with(r#""method":"resources/read","params":{"name":"a"}"#), 400, "invalid_params", "\"x1\""),
        (vec![], call_with(r#""method":"prompts/get","params":{"uri":"a"}"#), 400, "invalid_params", "\"x1\""),
        (
            vec![],
            call_with(r#""method":"completion/complete","params":{"ref":{"type":"x","name":"a"}}"#),
            400,
            "invalid_params",
            "\"x1\"",
        ),
        (vec![], r#"{"jsonrpc":"2.0","id":7 "#.into(), 400, "truncated_json", "7"),
        (vec![], format!("[{}]", call("get")), 400, "batch_refused", ""),
        (vec![("mcp-protocol-version", "1999-01-01")], call("get"), 400, "unsupported_protocol_version", "7"),
        (vec![], call("clash"), 500, "internal_error", "7"),
    ] {
        let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
        driver.request(&with(&head), false);
        driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
        let (got_status, got_reason, reply) = driver.refusal().unwrap_or_else(|| panic!("{body} passed"));
        assert_eq!((got_status, &*got_reason), (status, reason), "{body}");
        assert_eq!(reply.get("id").map(ToString::to_string).unwrap_or_default(), id, "{body}");
    }
}

#[test]
fn observing_counts_and_lets_pass() {
    let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: call("observe").as_bytes() });
    assert_eq!((driver.effects.flow, driver.exchange.outcome()), (Flow::Continue, Outcome::Allowed));
    assert!(driver.effects.list.iter().any(|effect| matches!(effect, Effect::CountRefusal { shadow: true, .. })));
}

#[test]
fn edits_take_the_length_away_or_set_it_where_the_head_is_held() {
    let length = |edit| Effect::RequestHeader(edit);
    let edited = call("edit").replace(r#""name""#, r#""_meta":{"t":1},"name""#);
    for (header_hold, declared) in [(false, true), (false, false), (true, true), (true, false)] {
        let mut driver = Driver::new(Settings { header_hold, ..settings() }, vec![Box::new(TestStage)]);
        let declared_length = call("edit").len().to_string();
        let lines: &[(&str, &str)] = if declared { &[("content-length", &declared_length)] } else { &[] };
        driver.request(&[POST, lines, &[("accept-encoding", "gzip")]].concat(), false);
        let removed = length(HeaderEdit::Remove("content-length"));
        assert_eq!(driver.effects.list.contains(&removed), declared && !header_hold);
        assert!(driver.effects.list.contains(&Effect::RequestHeader(HeaderEdit::Remove("accept-encoding"))));
        driver.handle(Input::RequestBodyComplete { body: call("edit").as_bytes() });
        let set = length(HeaderEdit::Set("content-length", edited.len().to_string().into_bytes()));
        assert_eq!(driver.effects.list.contains(&set), declared && header_hold);
        assert_eq!(driver.replaced().unwrap(), edited);
    }
    // What is not edited keeps its length where the head is held.
    let mut driver = Driver::new(Settings { header_hold: true, ..settings() }, vec![Box::new(TestStage)]);
    driver.request(&[POST, &[("content-length", "70")]].concat(), false);
    driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
    assert_eq!((driver.effects.flow, driver.effects.list.len()), (Flow::Continue, 0));
}

#[test]
fn a_stage_sees_the_head_and_edits_it_while_it_can() {
    for header_hold in [false, true] {
        let mut driver = Driver::new(Settings { header_hold, ..settings() }, vec![Box::new(HeadStage)]);
        driver.request(&[POST, &[("x-seen", "1")]].concat(), false);
        assert_eq!(driver.effects.list, [Effect::RequestHeader(HeaderEdit::Set("x-head", b"1".to_vec()))]);
        assert_eq!(driver.exchange.trace_id(), None);
        driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
        let late = Effect::RequestHeader(HeaderEdit::Set("x-late", b"1".to_vec()));
        assert_eq!(driver.effects.list.contains(&late), header_hold);
        assert_eq!(driver.exchange.trace_id(), Some(TraceId([7; 16])));
    }
    for method in ["GET", "DELETE", "OPTIONS"] {
        let mut driver = Driver::new(settings(), vec![Box::new(HeadStage)]);
        driver.request(&[(":method", method), (":path", "/mcp"), ("x-seen", "1")], true);
        assert_eq!(driver.effects.list, [Effect::RequestHeader(HeaderEdit::Set("x-head", b"1".to_vec()))], "{method}");
    }
}

#[test]
fn a_stage_refuses_by_the_head_alone() {
    for header_hold in [false, true] {
        for method in ["POST", "GET", "DELETE"] {
            let head = [&[(":method", method)], &POST[1..], &[("mcp-session-id", "stolen")]].concat();
            let mut driver = Driver::new(Settings { header_hold, ..settings() }, vec![Box::new(HeadStage)]);
            driver.request(&head, method != "POST");
            let (status, reason, body) = driver.refusal().unwrap();
            assert_eq!((status, &*reason, body.get("id")), (404, "session_unknown", None), "{method}");
            assert_eq!(driver.exchange.outcome(), Outcome::Denied(Reason::SessionMoved));
            let counted = Effect::CountRefusal { reason: Reason::SessionMoved, shadow: false };
            assert!(driver.effects.list.contains(&counted));
        }
    }
    let mut driver = Driver::new(settings(), vec![Box::new(HeadStage)]);
    driver.request(&with(&[("mcp-session-id", "observed")]), false);
    assert!(driver.effects.list.contains(&Effect::CountRefusal { reason: Reason::SessionMoved, shadow: true }));
    driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
    assert_eq!(driver.exchange.outcome(), Outcome::Allowed);
}

/// Says which session it sees in the body phase.
#[derive(Debug)]
struct SessionStage;

#[derive(Debug)]
struct SessionExchange;

impl Stage for SessionStage {
    fn name(&self) -> &'static str {
        "session"
    }
    fn edits_requests(&self) -> bool {
        true
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(SessionExchange)
    }
}

impl StageExchange for SessionExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        let session = format!("\"{}\"", scope.headers.text("mcp-session-id").unwrap());
        scope.splices.set_meta(call.message, &[("s", &session)]);
        Verdict::Pass
    }
}

#[test]
fn later_stages_see_the_head_as_it_goes_on() {
    let mut driver = Driver::new(settings(), vec![Box::new(HeadStage), Box::new(SessionStage)]);
    driver.request(&with(&[("Mcp-Session-Id", "abc")]), false);
    driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
    assert!(driver.replaced().unwrap().contains(r#""s":"ABC""#));
}

#[test]
fn one_refused_message_refuses_its_batch() {
    let settings = || Settings { batches: Batches::Inspect, ..settings() };
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let other = call("get").replace(":7", ":\"8\"");

    let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
    driver.request(POST, false);
    let body = format!("[{notification},{},{other}]", call("deny"));
    driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
    let (status, _, reply) = driver.refusal().unwrap();
    let ids: Vec<_> = reply
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["id"].to_string(), e["error"]["data"]["reason"].to_string()))
        .collect();
    assert_eq!(status, 200);
    assert_eq!(ids, [("7".into(), "\"denied\"".into()), ("\"8\"".into(), "\"batch_refused\"".into())]);

    let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: format!("[{notification},{other}]").as_bytes() });
    assert_eq!(driver.exchange.outcome(), Outcome::Allowed);

    let mut driver = Driver::new(settings(), vec![]);
    driver.request(POST, false);
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}"#;
    driver.handle(Input::RequestBodyComplete { body: format!("[{initialize}]").as_bytes() });
    assert_eq!(driver.refusal().map(|r| r.1).as_deref(), Some("batch_refused"), "`initialize` is no part of a batch");

    for head in [("mcp-protocol-version", "2025-06-18"), ("mcp-method", "tools/call")] {
        let mut driver = Driver::new(settings(), vec![]);
        driver.request(&with(&[head]), false);
        driver.handle(Input::RequestBodyComplete { body: format!("[{other}]").as_bytes() });
        assert!(driver.refusal().is_some(), "{head:?}");
    }
}

#[test]
fn a_callout_holds_the_request_until_it_ends() {
    let answered = |status| CalloutOutcome::Answered { status, body: Vec::new() };
    for (outcome, passes) in [(answered(200), true), (answered(403), false), (CalloutOutcome::Failed, false)] {
        let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call("ask").as_bytes() });
        assert_eq!(driver.effects.flow, Flow::Hold);
        let Some(Effect::Callout(Callout { id, .. })) = driver.effects.list.first() else {
            panic!("{:?}", driver.effects)
        };
        let id = *id;
        assert_eq!(driver.handle(Input::CalloutResult { id: id + 1, outcome: answered(200) }).flow, Flow::Hold);
        driver.handle(Input::CalloutResult { id, outcome });
        assert_eq!(driver.exchange.outcome() == Outcome::Allowed, passes);
        assert_eq!(driver.effects.flow == Flow::Continue, passes);
    }
    let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: call("ask").as_bytes() });
    driver.host.now.set(4_999_999);
    assert_eq!(driver.handle(Input::Tick).flow, Flow::Hold);
    assert!(driver.refusal().is_none());
    driver.host.now.set(5_000_000);
    driver.handle(Input::Tick);
    assert_eq!(
        driver.refusal().map(|r| r.1).as_deref(),
        Some("internal_error"),
        "a service that never answers has failed"
    );
}

#[test]
fn a_call_of_grpc_is_answered_in_its_own_words() {
    let ended = |status, message: &[u8]| CalloutOutcome::Grpc { status, message: message.to_vec() };
    for (outcome, passes) in
        [(ended(0, &[1]), true), (ended(0, &[]), false), (ended(14, &[]), false), (CalloutOutcome::Failed, false)]
    {
        let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call("ask-by-grpc").as_bytes() });
        let Some(Effect::Callout(callout)) = driver.effects.list.first() else { panic!("{:?}", driver.effects) };
        let request = CalloutRequest::Grpc { service: "a.Judge", method: "Judge", message: vec![8, 1] };
        assert_eq!(*callout, Callout { id: 0, cluster: "judge".into(), request, timeout_ms: 5 });
        driver.handle(Input::CalloutResult { id: 0, outcome });
        assert_eq!(driver.exchange.outcome() == Outcome::Allowed, passes);
    }
}

#[test]
fn stages_hear_once_that_an_exchange_is_over() {
    // What happens after a request was let through, and whether the stages have heard of its end then.
    type Steps = fn(&mut Driver);
    let ways: [(&str, Steps); 7] = [
        ("the response is complete", |driver| {
            driver.response(&[(":status", "200"), ("content-type", "application/json")], false);
            driver.handle(Input::ResponseBodyComplete { body: b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}" });
            driver.handle(Input::End);
        }),
        ("a stream is cut", |driver| {
            driver.response(&[(":status", "200"), ("content-type", "text/event-stream")], false);
            driver.handle(Input::ResponseBodyChunk { chunk: b"data: {", end_of_stream: false });
            driver.handle(Input::End);
        }),
        ("the client goes away", |driver| {
            driver.handle(Input::End);
        }),
        ("the upstream resets, and the host answers", |driver| {
            driver.response(&[(":status", "503")], false);
            driver.handle(Input::End);
        }),
        ("the host cannot do as we say", |driver| {
            driver.handle(Input::Failed);
        }),
        ("both", |driver| {
            driver.handle(Input::Failed);
            driver.handle(Input::End);
        }),
        ("it is told twice", |driver| {
            driver.handle(Input::End);
            driver.handle(Input::End);
        }),
    ];
    for (way, steps) in ways {
        let ending = EndingStage::default();
        let mut driver = Driver::new(settings(), vec![Box::new(ending.clone()), Box::new(TestStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call("get").as_bytes() });
        assert_eq!(ending.counts(), [1, 0], "{way}");
        steps(&mut driver);
        assert_eq!(ending.counts(), [1, 1], "{way}");
    }

    let refused = |head: &[(&'static str, &'static str)], body: Option<&str>| {
        let ending = EndingStage::default();
        let mut driver = Driver::new(settings(), vec![Box::new(ending.clone()), Box::new(TestStage)]);
        driver.request(&with(head), false);
        if let Some(body) = body {
            driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
        }
        assert!(driver.refusal().is_some());
        let said = driver.effects.list.iter().any(|effect| *effect == Effect::Log(Level::Info, "over".to_owned()));
        let counts = ending.counts();
        driver.response(&[(":status", "200")], true);
        driver.handle(Input::End);
        assert_eq!(ending.counts(), counts, "not again at the end");
        (counts, said)
    };
    assert_eq!(refused(&[("mcp-session-id", "refused")], None), ([1, 1], true), "by its own head");
    assert_eq!(refused(&[], Some(&call("deny"))), ([1, 1], true), "by a later stage");
    assert_eq!(refused(&[], Some("[")), ([1, 1], true), "by the engine");
    assert_eq!(refused(&[("content-encoding", "gzip")], None), ([0, 0], false), "before any part was opened");
}

#[test]
fn a_refusal_says_when_to_try_again() {
    let reply = |head: &[(&'static str, &'static str)], body: Option<&str>| {
        let mut driver = Driver::new(settings(), vec![Box::new(EndingStage::default()), Box::new(TestStage)]);
        driver.request(&with(head), false);
        if let Some(body) = body {
            driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
        }
        let after = driver.effects.list.iter().find_map(|effect| match effect {
            Effect::Reply(reply) => reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|h| h.1.clone()),
            _ => None,
        });
        let (status, _, body) = driver.refusal().unwrap();
        (status, after, body["error"]["data"]["retryAfter"].clone())
    };
    assert_eq!(reply(&[], Some(&call("later"))), (200, Some("3".into()), 3.into()));
    assert_eq!(reply(&[], Some(&call("deny"))), (200, None, serde_json::Value::Null));
    assert_eq!(reply(&[("mcp-session-id", "refused")], None), (404, Some("60".into()), serde_json::Value::Null));
}

#[test]
fn a_refusal_has_the_shape_that_was_decided() {
    let error = |words: &str| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{{\"code\":-31403,\"message\":\"{words}\",\"data\":{{\"reason\":\"denied\"}}}}}}"
        )
    };
    for (tool, expected) in [
        ("deny", error("This operation is not permitted")),
        ("deny-in-words", error("no")),
        (
            "deny-as-result",
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\
             \"This operation is not permitted\"}],\"isError\":true}}"
                .to_owned(),
        ),
        (
            "hide",
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,\"message\":\"Unknown tool: hide\"}}".to_owned(),
        ),
    ] {
        let mut driver = Driver::new(settings(), vec![Box::new(TestStage)]);
        driver.request(POST, false);
        driver.handle(Input::RequestBodyComplete { body: call(tool).as_bytes() });
        let reply = driver.effects.list.iter().find_map(|effect| match effect {
            Effect::Reply(reply) => Some((reply.status, String::from_utf8(reply.body.clone()).unwrap())),
            _ => None,
        });
        assert_eq!(reply, Some((200, expected)), "{tool}");
    }
}

/// Refuses bodies that say so, and says of what goes on how long it is.
#[derive(Debug)]
struct BodyStage;

#[derive(Debug)]
struct BodyExchange;

impl Stage for BodyStage {
    fn name(&self) -> &'static str {
        "body"
    }
    fn sees_bodies(&self) -> bool {
        true
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(BodyExchange)
    }
}

impl StageExchange for BodyExchange {
    fn request_body(&mut self, body: &[u8], scope: &mut Scope<'_>) -> HeadVerdict {
        let text = std::str::from_utf8(body).unwrap();
        scope.answer_with("www-authenticate", "Test".to_owned());
        match text {
            _ if text.contains("altered") => HeadVerdict::Refuse(Decision::new(Reason::Denied)),
            _ if text.contains("observed") => HeadVerdict::Observe(Decision::new(Reason::Denied)),
            _ => HeadVerdict::Pass,
        }
    }
    fn request_leaves(&mut self, body: &[u8], scope: &mut Scope<'_>) {
        scope.edit_request_head(HeaderEdit::Set("x-length", body.len().to_string().into_bytes()));
    }
    fn request(&mut self, _: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        Verdict::Pass
    }
}

#[test]
fn stages_see_the_body_as_it_came_and_as_it_goes_on() {
    let stages = || -> Vec<Box<dyn Stage>> { vec![Box::new(BodyStage), Box::new(TestStage)] };
    let length = |effects: &Effects| {
        effects.list.iter().find_map(|effect| match effect {
            Effect::RequestHeader(HeaderEdit::Set("x-length", value)) => {
                Some(String::from_utf8(value.clone()).unwrap())
            }
            _ => None,
        })
    };

    for (tool, passes) in [("get", true), ("edit", true), ("observed", true), ("deny", false), ("altered", false)] {
        for header_hold in [true, false] {
            let mut driver = Driver::new(Settings { header_hold, ..settings() }, stages());
            driver.request(POST, false);
            driver.handle(Input::RequestBodyComplete { body: call(tool).as_bytes() });
            assert_eq!(driver.exchange.outcome() == Outcome::Allowed, passes, "{tool}");
            let leaves = driver.replaced().unwrap_or_else(|| call(tool)).len().to_string();
            assert_eq!(length(&driver.effects), (passes && header_hold).then_some(leaves), "{tool}");
            let challenged = driver.effects.list.iter().any(|effect| {
                matches!(effect, Effect::Reply(reply) if reply.headers.contains(&("www-authenticate", "Test".to_owned())))
            });
            assert_eq!(challenged, tool == "altered", "{tool}: only who refuses now says what the caller is to do");
        }
    }

    let mut driver = Driver::new(settings(), stages());
    driver.request(&[(":method", "GET"), (":path", "/mcp")], true);
    assert_eq!(length(&driver.effects).as_deref(), Some("0"));
    assert!(!driver.effects.list.iter().any(|effect| matches!(effect, Effect::Reply(_))));
}

#[test]
fn stages_are_called_as_often_as_the_most_impatient_wants() {
    let (one, other) = (TickingStage::default(), TickingStage::default());
    let stages: Vec<Box<dyn Stage>> = vec![Box::new(TestStage), Box::new(one.clone()), Box::new(other.clone())];
    let pipeline = Pipeline::new(settings(), stages);
    let mut host = TestHost::default();
    for (periods, expected, ticks) in
        [([None, None], None, [0, 0]), ([Some(50), None], Some(50), [1, 0]), ([Some(50), Some(20)], Some(20), [2, 1])]
    {
        one.period.set(periods[0]);
        other.period.set(periods[1]);
        assert_eq!(pipeline.tick_period(), expected);
        let (mut effects, mut after) = (Effects::default(), Effects::default());
        pipeline.tick(&mut host, &mut effects);
        assert_eq!([one.ticks.get(), other.ticks.get()], ticks);
        // Each call comes back to whose it is.
        for effect in effects.list.iter().rev() {
            let Effect::Callout(callout) = effect else { panic!("{effect:?}") };
            pipeline.called(callout.id, &CalloutOutcome::Failed, &mut host, &mut after);
        }
        assert_eq!([one.ended.get(), other.ended.get()], ticks);
        assert_eq!(after, Effects::default());
    }
    assert_eq!(Pipeline::new(settings(), vec![Box::new(TestStage)]).tick_period(), None);
}
