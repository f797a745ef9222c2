//! For any sequence of inputs: never an answer that holds for ever, never two replies, nothing on after a reply.

use crate::report::Recorder;
use crate::support::*;
use meshward_engine::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Grew(usize),
    Complete(String),
    Answer(u32, bool),
    Tick(u64),
    ResponseHead(usize, bool),
    ResponseGrew(usize),
    ResponseComplete(String),
    Chunk(String, bool),
}

fn bodies() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["get", "deny", "observe", "ask", "ask-by-grpc", "edit", "clash", "later"])
            .prop_map(call),
        Just(String::new()),
        Just("[".to_owned()),
        Just(format!("[{},{}]", call("ask"), call("ask"))),
        Just(format!("[{},{}]", call("get"), call("deny"))),
        ".{0,20}",
    ]
}

fn responses() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#.to_owned()),
        Just("data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"replace\":1}}\n\n".to_owned()),
        "[a-z:\\n\\r ]{0,30}",
        Just("x".repeat(700)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_usize..1200).prop_map(Step::Grew),
        bodies().prop_map(Step::Complete),
        (0_u32..3, any::<bool>()).prop_map(|(id, ok)| Step::Answer(id, ok)),
        (0_u64..10_000_000).prop_map(Step::Tick),
        (0_usize..4, any::<bool>()).prop_map(|(head, end)| Step::ResponseHead(head, end)),
        (0_usize..1200).prop_map(Step::ResponseGrew),
        responses().prop_map(Step::ResponseComplete),
        (responses(), any::<bool>()).prop_map(|(chunk, end)| Step::Chunk(chunk, end)),
    ];
    prop::collection::vec(step, 0..12)
}

const RESPONSE_HEADS: [&[(&str, &str)]; 4] = [
    &[(":status", "200"), ("content-type", "application/json")],
    &[(":status", "200"), ("content-type", "text/event-stream")],
    &[(":status", "200"), ("content-type", "text/html")],
    &[(":status", "500")],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_exchange_has_an_outcome(
        hold: bool, strict: bool, inspect: bool, failed: bool, path in 0_usize..3, end: bool, steps in steps(),
        method in prop::sample::select(vec!["POST", "GET", "DELETE"]),
        word in prop::sample::select(vec!["get", "deny", "observe", "ask"]),
    ) {
        let settings = Settings {
            header_hold: hold,
            responses: if strict { Responses::Strict } else { Responses::Pass },
            batches: if inspect { Batches::Inspect } else { Batches::Refuse },
            ..settings()
        };
        let recorder = Recorder::default();
        let ending = EndingStage::default();
        let pipeline = Pipeline::new(settings, vec![Box::new(ending.clone()), Box::new(TestStage)]);
        let mut driver = Driver::of(pipeline.observed_by(Box::new(recorder.clone())));
        let path = ["/mcp", "/other", "/MCP"][path];
        let head = [(":method", method), (":path", path), ("content-type", "application/json"), ("x-kept", word)];
        driver.request(&head, end);
        let mut replies = usize::from(driver.refusal().is_some());
        let asked = |effects: &Effects| effects.list.iter().find_map(|effect| match effect {
            Effect::Callout(callout) => Some(callout.id),
            _ => None,
        });
        let mut waiting = asked(&driver.effects);
        prop_assert!(waiting.is_none() || driver.effects.flow == Flow::Hold);
        for step in steps {
            let replied = replies > 0;
            let request_side = matches!(step, Step::Grew(_) | Step::Complete(_) | Step::Answer(..));
            match step {
                Step::Grew(buffered) => driver.handle(Input::RequestBodyGrew { buffered }),
                Step::Complete(body) => driver.handle(Input::RequestBodyComplete { body: body.as_bytes() }),
                Step::Answer(id, ok) => {
                    waiting = waiting.filter(|awaited| *awaited != id);
                    let outcome = if ok { CalloutOutcome::Answered { status: 200, body: vec![] } } else { CalloutOutcome::Failed };
                    driver.handle(Input::CalloutResult { id, outcome })
                }
                Step::Tick(more) => {
                    let now = driver.host.now.get() + more;
                    driver.host.now.set(now);
                    driver.handle(Input::Tick)
                }
                Step::ResponseHead(head, end) => driver.response(RESPONSE_HEADS[head], end),
                Step::ResponseGrew(buffered) => driver.handle(Input::ResponseBodyGrew { buffered }),
                Step::ResponseComplete(body) => driver.handle(Input::ResponseBodyComplete { body: body.as_bytes() }),
                Step::Chunk(chunk, end_of_stream) => driver.handle(Input::ResponseBodyChunk { chunk: chunk.as_bytes(), end_of_stream }),
            };
            replies += usize::from(driver.effects.list.iter().any(|effect| matches!(effect, Effect::Reply(_))));
            prop_assert!(replies <= 1);
            prop_assert_eq!(ending.counts()[1], if replies == 1 { ending.counts()[0] } else { 0 });
            if replied && request_side {
                prop_assert_eq!(driver.effects.flow, Flow::Hold, "something went on after a reply");
            }
            waiting = asked(&driver.effects).or(waiting);
            if waiting.is_some() && request_side {
                prop_assert_eq!(driver.effects.flow, Flow::Hold, "something went on before the answer");
            }
        }
        // Whatever is still asked for comes: the rest of the body, and no answer from anyone. Then all is decided.
        if driver.exchange.outcome() == Outcome::Open {
            let body = if method == "POST" { call("get") } else { String::new() };
            driver.handle(Input::RequestBodyComplete { body: body.as_bytes() });
            for _ in 0..4 {
                let now = driver.host.now.get() + 10_000_000;
                driver.host.now.set(now);
                driver.handle(Input::Tick);
            }
        }
        prop_assert_ne!(driver.exchange.outcome(), Outcome::Open, "paused for ever, waiting for {:?}", waiting);
        let has_none = method != "POST" && driver.exchange.outcome() == Outcome::Allowed;
        let is_failed = failed && driver.exchange.outcome() != Outcome::Passed;
        driver.handle(if is_failed { Input::Failed } else { Input::End });
        driver.handle(Input::End);
        let [opened, ended] = ending.counts();
        prop_assert!(opened <= 1);
        prop_assert_eq!(opened, ended, "every part is ended once");
        if driver.exchange.outcome() != Outcome::Passed {
            let report = recorder.report();
            prop_assert!(recorder.told().last().is_some_and(|last| last == "ended"));
            prop_assert_eq!(report.outcome, driver.exchange.outcome());
            prop_assert_eq!(report.messages.is_empty(), has_none);
            prop_assert!(report.messages.iter().all(|message| message.decision != Decided::Open));
        }
        prop_assert_eq!(driver.exchange.request_demand(), BodyDemand::Nothing);
        prop_assert_eq!(driver.exchange.response_demand(), BodyDemand::Nothing);
    }
}
