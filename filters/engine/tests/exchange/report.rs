//! What observers are told: every message once, with its decision, its rulings and its answer.

use std::cell::RefCell;
use std::rc::Rc;

use meshward_engine::*;
use meshward_wire::message::{Kind, OwnedId};
use meshward_wire::refusal::Reason;

use crate::support::*;

/// What was told, in a word each, and the report at the end.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Rc<RefCell<(Vec<String>, Option<Report>)>>);

impl Recorder {
    pub fn told(&self) -> Vec<String> {
        self.0.borrow().0.clone()
    }

    pub fn report(&self) -> Report {
        self.0.borrow().1.clone().unwrap()
    }
}

impl Observer for Recorder {
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
    }

    fn times_decisions(&self) -> bool {
        true
    }

    fn open(&self) -> Box<dyn ExchangeObserver> {
        Box::new(self.clone())
    }
}

impl ExchangeObserver for Recorder {
    fn see(&mut self, moment: &Moment<'_>, report: &Report, _: &mut View<'_>) {
        let (told, end) = &mut *self.0.borrow_mut();
        told.push(match moment {
            Moment::Decided { index, call } => {
                let message = &report.messages[*index];
                assert_eq!(*index + 1, report.messages.len());
                assert_eq!(call.is_some(), message.target.is_some());
                format!("{index} {:?}", message.decision)
            }
            Moment::ResponseStarted => format!("status {}", report.response.status.unwrap()),
            Moment::Answered { index, message } => {
                assert_eq!(message.kind() == Kind::Error, matches!(answer(report, *index), AnswerKind::Error { .. }));
                format!("{index} answered {:?}", answer(report, *index))
            }
            Moment::ServerRequest { report, .. } => {
                format!("asked {} {:?}", report.method.unwrap().name, report.decision)
            }
            Moment::Ended => {
                assert_eq!(*end, None, "told twice");
                *end = Some(report.clone());
                "ended".to_owned()
            }
        });
    }
}

fn answer(report: &Report, index: usize) -> AnswerKind {
    report.messages[index].answer.unwrap().is
}

fn observed(settings: Settings, stages: Vec<Box<dyn Stage>>) -> (Driver, Recorder) {
    let recorder = Recorder::default();
    let pipeline = Pipeline::new(settings, stages).observed_by(Box::new(recorder.clone()));
    (Driver::of(pipeline), recorder)
}

fn ask(driver: &mut Driver, body: &str) {
    driver.request(POST, false);
    driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
}

const OK: AnswerKind = AnswerKind::Result { is_error: false };

#[test]
fn each_decision_is_reported_with_what_was_said_of_it() {
    for (tool, decision, effect) in [
        ("get", Decided::Allowed, None),
        ("observe", Decided::Observed(Reason::Denied), Some(RulingEffect::WouldRefuse(Reason::Denied))),
        ("deny", Decided::Denied(Reason::Denied), Some(RulingEffect::Refuses(Reason::Denied))),
        ("clash", Decided::Failed, None),
    ] {
        let (mut driver, recorder) = observed(settings(), vec![Box::new(TestStage)]);
        ask(&mut driver, &call(tool));
        driver.handle(Input::End);
        driver.handle(Input::End);
        let report = recorder.report();
        let [message] = &report.messages[..] else { panic!("{report:?}") };
        assert_eq!(message.decision, decision, "{tool}");
        let ruling = effect.map(|effect| Ruling { stage: "test", on: Phase::Request, effect, rule: Some("r".into()) });
        assert_eq!(message.rulings, Vec::from_iter(ruling), "{tool}");
        assert_eq!(message.kind, Some(Kind::Request));
        assert_eq!(message.method.unwrap().name, "tools/call");
        assert_eq!(message.target, Some(Target::Tool(tool.into())));
        assert_eq!(message.id, Some(OwnedId::from_raw("7")));
        let sent = call(tool).len() as u64;
        assert_eq!((report.request_bytes, report.parsed_bytes), (sent, sent));
        assert_eq!(report.endpoint.as_deref(), Some("/mcp"));
        assert_eq!(report.response.is_complete, matches!(decision, Decided::Denied(_) | Decided::Failed));
    }
}

#[test]
fn the_answer_to_what_is_refused_is_ours() {
    let error = |code| Some(AnswerKind::Error { code: Some(code) });
    for (tool, answer) in [
        ("get", None),
        ("deny", error(-31403)),
        ("deny-in-words", error(-31403)),
        ("deny-as-result", Some(AnswerKind::Result { is_error: true })),
        ("hide", error(-32602)),
        ("clash", error(-32603)),
    ] {
        let (mut driver, recorder) = observed(settings(), vec![Box::new(TestStage)]);
        driver.request(POST, false);
        driver.host.now.set(5);
        driver.handle(Input::RequestBodyComplete { body: call(tool).as_bytes() });
        let reply = driver.effects.list.iter().find_map(|effect| match effect {
            Effect::Reply(reply) => Some(serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap()),
            _ => None,
        });
        assert_eq!(reply.is_some(), answer.is_some());
        driver.handle(Input::End);
        let given = recorder.report().messages[0].answer;
        assert_eq!(given, answer.map(|is| AnswerReport { at: 5, is }), "{tool}");
        if let (Some(body), Some(AnswerKind::Error { code })) = (reply, answer) {
            assert_eq!(body["error"]["code"].as_i64(), code, "{tool}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_a_message_too() {
    let head = |method, path| vec![(":method", method), (":path", path), ("content-type", "application/json")];
    for (head, body, reason, endpoint) in [
        (head("POST", "/mcp"), Some("{"), Reason::TruncatedJson, true),
        (head("POST", "/mcp"), Some(""), Reason::EmptyBody, true),
        (head("POST", "/MCP"), None, Reason::PathLookalike, false),
        (head("PUT", "/mcp"), None, Reason::MethodNotAllowed, true),
    ] {
        let (mut driver, recorder) = observed(settings(), vec![Box::new(TestStage)]);
        driver.request(&head, false);
        if let Some(body) = body {
            driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
        }
        driver.handle(Input::End);
        let report = recorder.report();
        let [message] = &report.messages[..] else { panic!("{report:?}") };
        assert_eq!((message.kind, message.decision), (None, Decided::Denied(reason)));
        let code = Some(reason.code().into());
        assert_eq!(message.answer.map(|answer| answer.is), Some(AnswerKind::Error { code }));
        assert_eq!(report.endpoint.is_some(), endpoint);
        assert_eq!(report.response.status, Some(reason.http_status()));
    }
    let (mut driver, recorder) = observed(settings(), vec![Box::new(TestStage)]);
    driver.request(&head("POST", "/other"), false);
    driver.handle(Input::End);
    assert_eq!(recorder.told(), Vec::<String>::new(), "what is not MCP");
}

#[test]
fn every_message_of_a_batch_is_reported() {
    let inspect = || Settings { batches: Batches::Inspect, ..settings() };
    let with_id = |id: &str, tool: &str| call(tool).replace("\"id\":7", &format!("\"id\":{id}"));
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    for (tools, told, decisions) in [
        (
            ["get", "deny", "get"],
            vec!["0 Allowed", "1 Denied(Denied)", "2 Denied(BatchRefused)"],
            [
                Decided::Denied(Reason::BatchRefused),
                Decided::Denied(Reason::Denied),
                Decided::Denied(Reason::BatchRefused),
            ],
        ),
        (["get", "ask", "get"], vec!["0 Allowed", "1 Allowed", "2 Allowed"], [Decided::Allowed; 3]),
    ] {
        let (mut driver, recorder) = observed(inspect(), vec![Box::new(TestStage)]);
        let [a, b, c] = tools;
        ask(&mut driver, &format!("[{},{},{}]", with_id("1", a), with_id("\"2\"", b), with_id("3", c)));
        driver.handle(Input::CalloutResult { id: 0, outcome: CalloutOutcome::Answered { status: 200, body: vec![] } });
        driver.handle(Input::End);
        assert_eq!(recorder.told(), [told, vec!["ended"]].concat());
        let decided: Vec<_> = recorder.report().messages.iter().map(|message| message.decision).collect();
        assert_eq!(decided, decisions);
    }
    let (mut driver, recorder) = observed(inspect(), vec![]);
    ask(&mut driver, &format!("[{},{note},{}]", with_id("1", "a"), with_id("1", "b")));
    driver.response(&[(":status", "200"), ("content-type", "application/json")], false);
    let body = r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":1,"error":{"code":-5,"message":""}}]"#;
    driver.handle(Input::ResponseBodyChunk { chunk: body.as_bytes(), end_of_stream: true });
    driver.handle(Input::End);
    let answers: Vec<_> = recorder.report().messages.iter().map(|m| m.answer.map(|answer| answer.is)).collect();
    assert_eq!(answers, [Some(OK), None, Some(AnswerKind::Error { code: Some(-5) })]);
}

#[test]
fn answers_are_read_and_never_held() {
    let json = |status| vec![(":status", status), ("content-type", "application/json"), ("mcp-session-id", "s")];
    let error = r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"}}"#;
    let text = [(":status", "200"), ("content-type", "text/plain")];
    let result = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[]{rest}}}}}"#);
    for (head, body, answer, unread) in [
        (&json("200")[..], result(""), Some(OK), false),
        (&json("200"), result(r#","isError":false"#), Some(OK), false),
        (&json("200"), result(r#","isError":true"#), Some(AnswerKind::Result { is_error: true }), false),
        (&json("404"), error.to_owned(), Some(AnswerKind::Error { code: Some(-32601) }), false),
        (&json("500"), "{".to_owned(), None, true),
        (&json("200"), format!("{}{}", result(""), " ".repeat(1000)), None, true),
        (&json("200"), result("").replace('7', "8"), None, false),
        (&text, "hello".to_owned(), None, true),
    ] {
        // Also where a stage wants to know of the response; and whatever the cut.
        for stages in [vec![], vec![Box::new(ObservingStage) as Box<dyn Stage>]] {
            for cut in [0, 1, body.len() / 2, body.len()] {
                let (mut driver, recorder) = observed(settings(), stages_like(&stages));
                ask(&mut driver, &call("get"));
                driver.response(head, false);
                for (chunk, end_of_stream) in [(&body.as_bytes()[..cut], false), (&body.as_bytes()[cut..], true)] {
                    match driver.exchange.response_demand() {
                        BodyDemand::Chunks => {
                            driver.handle(Input::ResponseBodyChunk { chunk, end_of_stream });
                        }
                        BodyDemand::Lengths => driver.exchange.response_passed(chunk.len(), end_of_stream),
                        demand => panic!("{demand:?}"),
                    };
                    assert_eq!(driver.effects, Effects::default(), "nothing is held or changed");
                }
                driver.handle(Input::End);
                let report = recorder.report();
                assert_eq!(report.messages[0].answer.map(|answer| answer.is), answer, "{body}");
                let response = report.response;
                assert_eq!((response.bytes, response.is_unread), (body.len() as u64, unread), "{body}");
                assert!(response.is_complete);
                assert_eq!((report.session.is_some(), response.gives_session), (head.len() == 3, head.len() == 3));
            }
        }
    }
}

fn stages_like(stages: &[Box<dyn Stage>]) -> Vec<Box<dyn Stage>> {
    stages.iter().map(|_| Box::new(ObservingStage) as Box<dyn Stage>).collect()
}

#[test]
fn streams_are_counted_while_they_flow() {
    let method = |name: &str, id: &str| format!("data: {{\"jsonrpc\":\"2.0\",{id}\"method\":\"{name}\"}}\n\n");
    let stream = [
        "id: 1\ndata:\n\n: comment\n\n",
        &method("notifications/progress", ""),
        &method("notifications/progress", ""),
        &method("notifications/cancelled", ""),
        &method("notifications/message", ""),
        &method("roots/list", "\"id\":1,"),
        "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n",
    ]
    .concat();
    // Judged events wait for their ends, observed ones do not.
    for stages in [vec![], vec![Box::new(TestStage) as Box<dyn Stage>]] {
        let waits = !stages.is_empty();
        let (mut driver, recorder) = observed(settings(), stages);
        ask(&mut driver, &call("get"));
        driver.response(&[(":status", "200"), ("content-type", "text/event-stream")], false);
        for (at, chunk) in stream.as_bytes().chunks(1).enumerate() {
            driver.host.now.set(at as u64);
            driver.handle(Input::ResponseBodyChunk { chunk, end_of_stream: false });
            assert!(waits || driver.effects == Effects::default());
        }
        driver.handle(Input::End);
        let report = recorder.report();
        let expected = ResponseReport {
            status: Some(200),
            has_started: true,
            gives_session: false,
            is_stream: true,
            first_event: Some(stream.find("progress\"}\n\n").unwrap() as u64 + 11),
            bytes: stream.len() as u64,
            events: 6,
            progress: 2,
            cancelled: 1,
            requests: 1,
            is_unread: false,
            is_complete: false,
        };
        assert_eq!(report.response, expected);
        assert_eq!(report.messages[0].answer, Some(AnswerReport { at: stream.len() as u64 - 1, is: OK }));
        assert_eq!(
            recorder.told()[2..],
            ["asked roots/list Allowed", "0 answered Result { is_error: false }", "ended"]
        );
    }
}

#[test]
fn a_refused_answer_is_reported_as_it_came_and_as_it_was_judged() {
    let (mut driver, recorder) = observed(settings(), vec![Box::new(TestStage)]);
    ask(&mut driver, &call("get"));
    driver.response(&[(":status", "200"), ("content-type", "application/json")], false);
    driver.handle(Input::ResponseBodyComplete { body: br#"{"jsonrpc":"2.0","id":7,"result":{"x":"refuse"}}"# });
    driver.handle(Input::End);
    let message = &recorder.report().messages[0];
    assert_eq!((message.decision, message.answer.map(|answer| answer.is)), (Decided::Allowed, Some(OK)));
    let refusal = message.refusal().unwrap();
    assert_eq!((refusal.on, refusal.effect), (Phase::Response, RulingEffect::Refuses(Reason::ConditionFailed)));
}

#[test]
fn what_breaks_off_is_reported_once() {
    // Before the body came, before the answer came, and where the host failed.
    let (mut driver, recorder) = observed(settings(), vec![]);
    driver.request(POST, false);
    driver.handle(Input::RequestBodyGrew { buffered: 3 });
    driver.handle(Input::End);
    let report = recorder.report();
    assert_eq!((report.request_bytes, report.outcome), (3, Outcome::Failed));
    assert_eq!(report.messages, [MessageReport { decision: Decided::Failed, ..MessageReport::default() }]);

    let (mut driver, recorder) = observed(settings(), vec![]);
    ask(&mut driver, &call("get"));
    driver.host.now.set(9);
    driver.handle(Input::End);
    let report = recorder.report();
    assert_eq!((report.messages[0].decision, report.messages[0].answer), (Decided::Allowed, None));
    assert_eq!((report.decided, report.ended, report.response), (Some(0), Some(9), ResponseReport::default()));

    let (mut driver, recorder) = observed(settings(), vec![]);
    ask(&mut driver, &call("get"));
    driver.handle(Input::Failed);
    driver.handle(Input::End);
    assert_eq!(recorder.told(), ["0 Allowed", "ended"]);
    let report = recorder.report();
    assert_eq!((report.messages[0].decision, report.outcome), (Decided::Failed, Outcome::Failed));
}

#[test]
fn streams_of_the_servers_own_and_ends_of_sessions_are_reported() {
    let with = |method| [(":method", method), (":path", "/mcp"), ("mcp-session-id", "s")];
    let (mut driver, recorder) = observed(settings(), vec![]);
    driver.request(&with("GET"), true);
    driver.response(&[(":status", "200"), ("content-type", "text/event-stream")], false);
    driver.handle(Input::ResponseBodyChunk { chunk: b"data: {}\n\n", end_of_stream: false });
    driver.handle(Input::ResponseTrailers);
    driver.handle(Input::End);
    let report = recorder.report();
    assert_eq!((report.http_method, report.session.as_deref()), (HttpMethod::Get, Some("s")));
    assert!(!report.response.gives_session, "the client's own");
    assert_eq!((report.response.events, report.response.is_complete), (1, true));
    assert!(report.response.is_unread, "`{{}}` is no message");
    assert_eq!(report.messages, []);

    let (mut driver, recorder) = observed(settings(), vec![]);
    driver.request(&with("DELETE"), true);
    driver.response(&[(":status", "204")], true);
    driver.handle(Input::End);
    let report = recorder.report();
    assert_eq!((report.http_method, report.response.status), (HttpMethod::Delete, Some(204)));
    assert_eq!(recorder.told(), ["status 204", "ended"]);
}

/// A recorder that hears of the end late.
#[derive(Debug, Clone, Default)]
struct LateRecorder(Recorder);

impl Observer for LateRecorder {
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
    }

    fn hears_late(&self) -> bool {
        true
    }

    fn open(&self) -> Box<dyn ExchangeObserver> {
        self.0.open()
    }
}

/// The late reports among the effects, which are there in its place.
fn late(driver: &mut Driver) -> Vec<LateReport> {
    let report = |effect| if let Effect::Report(report) = effect { Some(report) } else { None };
    std::mem::take(&mut driver.effects.list).into_iter().filter_map(report).collect()
}

#[test]
fn who_hears_late_is_told_by_whoever_has_the_report() {
    let (at_once, later) = (Recorder::default(), LateRecorder::default());
    let pipeline = Pipeline::new(settings(), vec![]).observed_by(Box::new(at_once.clone()));
    let mut driver = Driver::of(pipeline.observed_by(Box::new(later.clone())));
    ask(&mut driver, &call("get"));
    driver.response(&[(":status", "200"), ("content-type", "text/plain")], true);
    assert_eq!(late(&mut driver).len(), 0);
    driver.handle(Input::End);
    let reports = late(&mut driver);
    driver.handle(Input::End);
    assert_eq!(late(&mut driver).len(), 0, "one report of one exchange");
    assert_eq!(at_once.told(), ["0 Allowed", "status 200", "ended"]);
    assert_eq!(later.0.told(), ["0 Allowed", "status 200"]);

    // Another exchange of the worker does not touch what waits.
    driver.exchange = Exchange::new(Rc::clone(driver.exchange.pipeline()));
    ask(&mut driver, &call("deny"));
    let [report]: [LateReport; 1] = reports.try_into().unwrap();
    report.tell(&mut driver.host, &mut driver.effects);
    assert_eq!(later.0.told().last().unwrap(), "ended");
    let report = later.0.report();
    assert_eq!((report.messages.len(), report.response.status), (1, Some(200)));
}

#[test]
fn what_nobody_hears_late_is_not_reported_late() {
    let (mut driver, recorder) = observed(settings(), vec![]);
    ask(&mut driver, &call("get"));
    driver.handle(Input::End);
    assert_eq!(late(&mut driver).len(), 0);
    assert_eq!(recorder.told(), ["0 Allowed", "ended"]);
}
