//! A host without a world, a stage that does as the message says, and a driver that treats an exchange as Envoy does.

use std::cell::Cell;
use std::rc::Rc;

use meshward_engine::*;
use meshward_wire::limits::Limits;
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;

#[derive(Debug, Default)]
pub struct TestHost {
    pub now: Cell<u64>,
}

impl Host for TestHost {
    fn now(&self) -> u64 {
        self.now.get()
    }
}

/// Tools decide by their name: `deny`, `observe`, `ask`, `edit`; anything else passes. So does `x-kept` on a request without a message.
/// Results are judged by a word in them: `replace`, `drop`, `refuse` or `edit`.
#[derive(Debug)]
pub struct TestStage;

/// The same, but it only wants to know of responses.
#[derive(Debug)]
pub struct ObservingStage;

#[derive(Debug)]
struct TestExchange {
    reads: Reads,
    of_interest: bool,
}

impl Stage for ObservingStage {
    fn name(&self) -> &'static str {
        "observing"
    }
    fn reads_responses(&self) -> Reads {
        Reads::Observes
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(TestExchange { reads: Reads::Observes, of_interest: true })
    }
}

impl Stage for TestStage {
    fn name(&self) -> &'static str {
        "test"
    }
    fn edits_requests(&self) -> bool {
        true
    }
    fn reads_responses(&self) -> Reads {
        Reads::Judges
    }
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::Named(vec!["x-kept".into()])
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(TestExchange { reads: Reads::Judges, of_interest: true })
    }
}

impl StageExchange for TestExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        assert_eq!(scope.headers.path(), "/mcp");
        assert_eq!(scope.headers.text("x-not-kept"), None);
        self.of_interest = matches!(call.target, Target::Tool(_));
        let Target::Tool(name) = &call.target else { return Verdict::Pass };
        let decision = Decision { rule: Some("r".into()), ..Decision::new(Reason::Denied) };
        match &**name {
            "deny" => Verdict::Refuse(decision),
            "deny-in-words" => {
                Verdict::Refuse(Decision { refusal: Refusal::Error { message: Some("no".into()) }, ..decision })
            }
            "deny-as-result" => {
                Verdict::Refuse(Decision { refusal: Refusal::ToolResult { message: None }, ..decision })
            }
            "hide" => Verdict::Refuse(Decision { refusal: Refusal::Unknown, ..decision }),
            "observe" => Verdict::Observe(decision),
            "ask" => Verdict::Ask(question()),
            "ask-by-grpc" => Verdict::Ask(Callout {
                id: 0,
                cluster: "judge".into(),
                request: CalloutRequest::Grpc { service: "a.Judge", method: "Judge", message: vec![8, 1] },
                timeout_ms: 5,
            }),
            "later" => Verdict::Refuse(Decision { retry_after: Some(3), ..decision }),
            "edit" => {
                scope.splices.set_meta(call.message, &[("t", "1")]);
                Verdict::Pass
            }
            "clash" => {
                scope.splices.set_meta(call.message, &[("t", "1")]);
                scope.splices.set_meta(call.message, &[("t", "1")]);
                Verdict::Pass
            }
            _ => Verdict::Pass,
        }
    }

    fn resumed(&mut self, _: &Call<'_>, outcome: &CalloutOutcome, _: &mut Scope<'_>) -> Verdict {
        answered(outcome)
    }

    fn request_without_message(&mut self, answer: Option<&CalloutOutcome>, scope: &mut Scope<'_>) -> Verdict {
        assert!(scope.can_edit_request_head());
        let word = scope.headers.text("x-kept");
        assert!(answer.is_none() || word.as_deref() == Some("ask"), "only who asks is answered");
        match (answer, word.as_deref()) {
            (Some(outcome), _) => {
                scope.edit_request_head(HeaderEdit::Set("x-answered", b"1".to_vec()));
                answered(outcome)
            }
            (None, Some("deny")) => Verdict::Refuse(Decision::new(Reason::Denied)),
            (None, Some("observe")) => Verdict::Observe(Decision::new(Reason::Denied)),
            (None, Some("ask")) => Verdict::Ask(question()),
            (None, _) => Verdict::Pass,
        }
    }

    fn reads_response(&self) -> Reads {
        if self.of_interest { self.reads } else { Reads::Nothing }
    }

    fn response_head(&mut self, head: Headers<'_>, _: &mut Scope<'_>) {
        assert!(head.first(":status").is_some_and(|status| status.starts_with(b"2")));
    }

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        assert!(asked.methods_of(message.id()).all(|method| method.is_some()));
        let text = message.span().of(message.text());
        if message.kind() == Kind::Response && text.contains("replace") {
            Answer::Replace(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}".to_vec())
        } else if text.contains("drop") {
            Answer::Drop
        } else if text.contains("refuse") {
            Answer::Refuse(Decision::new(Reason::ConditionFailed))
        } else {
            if let Some(result) = message.result().filter(|_| text.contains("edit")) {
                scope.splices.insert_member(message.text(), result, "edited", "true");
            }
            Answer::Pass
        }
    }
}

fn question() -> Callout {
    let request = CalloutRequest::Http { headers: vec![(":method".into(), "GET".into())], body: Vec::new() };
    Callout { id: 0, cluster: "judge".into(), request, timeout_ms: 5 }
}

fn answered(outcome: &CalloutOutcome) -> Verdict {
    match outcome {
        CalloutOutcome::Answered { status: 200, .. } => Verdict::Pass,
        CalloutOutcome::Grpc { status: 0, message } if *message == [1] => Verdict::Pass,
        _ => Verdict::Refuse(Decision::new(Reason::InternalError)),
    }
}

/// Counts how often its exchanges are opened and ended. It refuses the session `refused` by the head alone.
#[derive(Debug, Clone, Default)]
pub struct EndingStage(pub Rc<[Cell<u32>; 2]>);

impl Stage for EndingStage {
    fn name(&self) -> &'static str {
        "ending"
    }
    fn open(&self) -> Box<dyn StageExchange> {
        self.0[0].set(self.0[0].get() + 1);
        Box::new(self.clone())
    }
}

impl StageExchange for EndingStage {
    fn request_head(&mut self, head: Headers<'_>, _: &mut Scope<'_>) -> HeadVerdict {
        match head.first("mcp-session-id") {
            Some(b"refused") => {
                HeadVerdict::Refuse(Decision { retry_after: Some(60), ..Decision::new(Reason::SessionMoved) })
            }
            _ => HeadVerdict::Pass,
        }
    }

    fn request(&mut self, _: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        Verdict::Pass
    }

    fn ended(&mut self, scope: &mut Scope<'_>) {
        assert!(!scope.can_edit_request_head());
        scope.log(Level::Info, "over".to_owned());
        self.0[1].set(self.0[1].get() + 1);
    }
}

/// Wants to be called every so many milliseconds, calls another service each time, and counts both.
#[derive(Debug, Clone, Default)]
pub struct TickingStage {
    pub period: Rc<Cell<Option<u32>>>,
    pub ticks: Rc<Cell<u32>>,
    pub ended: Rc<Cell<u32>>,
}

impl Stage for TickingStage {
    fn name(&self) -> &'static str {
        "ticking"
    }
    fn ticker(&self) -> Option<&dyn Ticker> {
        Some(self)
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(EndingStage::default())
    }
}

impl Ticker for TickingStage {
    fn period(&self) -> Option<u32> {
        self.period.get()
    }
    fn tick(&self, scope: &mut TickScope<'_>) {
        self.ticks.set(self.ticks.get() + 1);
        let call = CalloutRequest::Http { headers: Vec::new(), body: Vec::new() };
        scope.call(7, Callout { id: 0, cluster: "keys".to_owned(), request: call, timeout_ms: 1 });
    }
    fn called(&self, call: u16, outcome: &CalloutOutcome, _: &mut TickScope<'_>) {
        assert_eq!((call, outcome), (7, &CalloutOutcome::Failed));
        self.ended.set(self.ended.get() + 1);
    }
}

impl EndingStage {
    /// Opened, and ended.
    pub fn counts(&self) -> [u32; 2] {
        [self.0[0].get(), self.0[1].get()]
    }
}

/// Counts how often it is asked about a head, and then about a request without a message.
#[derive(Debug, Clone, Default)]
pub struct TurnStage(pub Rc<[Cell<u32>; 2]>);

impl TurnStage {
    pub fn counts(&self) -> [u32; 2] {
        [self.0[0].get(), self.0[1].get()]
    }
}

impl Stage for TurnStage {
    fn name(&self) -> &'static str {
        "turn"
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(self.clone())
    }
}

impl StageExchange for TurnStage {
    fn request_head(&mut self, _: Headers<'_>, _: &mut Scope<'_>) -> HeadVerdict {
        self.0[0].set(self.0[0].get() + 1);
        HeadVerdict::Pass
    }
    fn request_without_message(&mut self, answer: Option<&CalloutOutcome>, _: &mut Scope<'_>) -> Verdict {
        assert_eq!(answer, None);
        self.0[1].set(self.0[1].get() + 1);
        Verdict::Pass
    }
    fn request(&mut self, _: &Call<'_>, _: &mut Scope<'_>) -> Verdict {
        Verdict::Pass
    }
}

/// Edits the request's head, when it comes and when the message is decided.
#[derive(Debug)]
pub struct HeadStage;

#[derive(Debug)]
struct HeadExchange;

impl Stage for HeadStage {
    fn name(&self) -> &'static str {
        "head"
    }
    fn edits_response_heads(&self) -> bool {
        true
    }
    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(HeadExchange)
    }
}

impl StageExchange for HeadExchange {
    fn request_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) -> HeadVerdict {
        assert!(scope.can_edit_request_head());
        if let Some(seen) = head.first("x-seen") {
            scope.edit_request_head(HeaderEdit::Set("x-head", seen.to_vec()));
        }
        let moved = Decision::new(Reason::SessionMoved);
        match head.first("mcp-session-id") {
            None => HeadVerdict::Pass,
            Some(b"stolen") => HeadVerdict::Refuse(moved),
            Some(b"observed") => HeadVerdict::Observe(moved),
            Some(session) => {
                scope.edit_request_head(HeaderEdit::Set("mcp-session-id", session.to_ascii_uppercase()));
                HeadVerdict::Pass
            }
        }
    }

    fn edit_response_head(&mut self, head: Headers<'_>, scope: &mut Scope<'_>) {
        if let Some(session) = head.first("mcp-session-id") {
            scope.edit_response_head(HeaderEdit::Set("mcp-session-id", session.to_ascii_lowercase()));
        }
    }

    fn request(&mut self, _: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        *scope.trace_id = Some(TraceId([7; 16]));
        scope.edit_request_head(HeaderEdit::Set("x-late", b"1".to_vec()));
        Verdict::Pass
    }
}

pub fn settings() -> Settings {
    Settings {
        direction: Direction::Inbound,
        endpoints: Endpoints::new(["/mcp"]),
        strict: false,
        header_hold: false,
        limits: Limits { max_bytes: 1000, ..Limits::default() },
        batches: Batches::Refuse,
        responses: Responses::Pass,
        origins: None,
        revisions: None,
        methods: None,
        max_response_bytes: 1000,
    }
}

/// An exchange and the effects of the last input.
#[derive(Debug)]
pub struct Driver {
    pub exchange: Exchange,
    pub host: TestHost,
    pub effects: Effects,
}

impl Driver {
    pub fn new(settings: Settings, stages: Vec<Box<dyn Stage>>) -> Self {
        Self::of(Pipeline::new(settings, stages))
    }

    pub fn of(pipeline: Pipeline) -> Self {
        let exchange = Exchange::new(Rc::new(pipeline));
        Self { exchange, host: TestHost::default(), effects: Effects::default() }
    }

    pub fn handle(&mut self, input: Input<'_>) -> &Effects {
        self.effects.clear();
        self.exchange.handle(input, &mut self.host, &mut self.effects);
        &self.effects
    }

    pub fn request(&mut self, head: &[(&str, &str)], end_of_stream: bool) -> &Effects {
        let lines: Vec<_> = head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        self.handle(Input::RequestHeaders { headers: Headers::new(&lines), end_of_stream })
    }

    pub fn response(&mut self, head: &[(&str, &str)], end_of_stream: bool) -> &Effects {
        let lines: Vec<_> = head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        self.handle(Input::ResponseHeaders { headers: Headers::new(&lines), end_of_stream })
    }

    /// The refusal among the last effects: status and reason.
    pub fn refusal(&self) -> Option<(u16, String, serde_json::Value)> {
        self.effects.list.iter().find_map(|effect| match effect {
            Effect::Reply(reply) => {
                assert_eq!(self.effects.flow, Flow::Hold);
                let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
                let first = body.get(0).unwrap_or(&body);
                let reason = first["error"]["data"]["reason"].as_str().unwrap().to_owned();
                Some((reply.status, reason, body))
            }
            _ => None,
        })
    }

    pub fn replaced(&self) -> Option<String> {
        self.effects.list.iter().find_map(|effect| match effect {
            Effect::ReplaceBody(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
            _ => None,
        })
    }
}

pub const POST: &[(&str, &str)] = &[(":method", "POST"), (":path", "/mcp"), ("content-type", "application/json")];

pub fn call(tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}
