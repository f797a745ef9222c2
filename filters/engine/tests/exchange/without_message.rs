//! Requests without a message: a service may be asked about them too, and nothing of them goes on before it has answered.

use crate::report::Recorder;
use crate::support::*;
use meshward_engine::*;
use meshward_wire::refusal::Reason;

const METHODS: [&str; 3] = ["GET", "DELETE", "OPTIONS"];

fn driver(header_hold: bool) -> Driver {
    Driver::new(Settings { header_hold, ..settings() }, vec![Box::new(TestStage)])
}

fn head(method: &'static str, word: &'static str) -> [(&'static str, &'static str); 3] {
    [(":method", method), (":path", "/mcp"), ("x-kept", word)]
}

fn answered(status: u16) -> CalloutOutcome {
    CalloutOutcome::Answered { status, body: Vec::new() }
}

fn asked(effects: &Effects) -> Option<u32> {
    effects.list.iter().find_map(|effect| match effect {
        Effect::Callout(callout) => Some(callout.id),
        _ => None,
    })
}

fn assert_nothing_but_hold(driver: &Driver) {
    assert_eq!((driver.effects.flow, driver.effects.list.as_slice()), (Flow::Hold, &[][..]));
}

#[test]
fn a_stage_decides_on_the_head() {
    for (header_hold, method) in [false, true].into_iter().flat_map(|hold| METHODS.map(|method| (hold, method))) {
        let mut driver = driver(header_hold);
        driver.request(&head(method, "deny"), true);
        let (status, reason, body) = driver.refusal().unwrap();
        assert_eq!((status, &*reason, body.get("id")), (403, "denied", None), "{method}");
        for word in ["observe", "get"] {
            let mut driver = self::driver(header_hold);
            driver.request(&head(method, word), true);
            assert_eq!(
                (driver.effects.flow, driver.exchange.outcome()),
                (Flow::Continue, Outcome::Allowed),
                "{method}"
            );
            let observed = Effect::CountRefusal { reason: Reason::Denied, shadow: true };
            assert_eq!(driver.effects.list.contains(&observed), word == "observe");
        }
    }
}

#[test]
fn the_head_waits_for_a_service_with_header_hold_and_without() {
    for (header_hold, method) in [false, true].into_iter().flat_map(|hold| METHODS.map(|method| (hold, method))) {
        for (outcome, passes) in [(answered(200), true), (answered(403), false), (CalloutOutcome::Failed, false)] {
            let mut driver = driver(header_hold);
            driver.request(&head(method, "ask"), true);
            let id = asked(&driver.effects).unwrap();
            assert_eq!((driver.effects.flow, driver.exchange.outcome()), (Flow::Hold, Outcome::Open), "{method}");
            assert_eq!(driver.handle(Input::CalloutResult { id: id + 1, outcome: answered(200) }).flow, Flow::Hold);
            driver.handle(Input::CalloutResult { id, outcome: outcome.clone() });
            assert_eq!(driver.exchange.outcome() == Outcome::Allowed, passes, "{outcome:?}");
            assert_eq!(driver.effects.flow == Flow::Continue, passes);
            assert_eq!(driver.refusal().is_none(), passes);
            let edit = Effect::RequestHeader(HeaderEdit::Set("x-answered", b"1".to_vec()));
            assert!(driver.effects.list.contains(&edit), "the head is still at hand");
            driver.handle(Input::CalloutResult { id, outcome });
            assert_nothing_but_hold(&driver);
        }
        let mut driver = driver(header_hold);
        driver.request(&head(method, "ask"), true);
        driver.host.now.set(4_999_999);
        driver.handle(Input::Tick);
        assert_nothing_but_hold(&driver);
        driver.host.now.set(5_000_000);
        driver.handle(Input::Tick);
        assert!(driver.refusal().is_some(), "a service that never answers has failed");
    }
}

#[test]
fn a_body_that_may_follow_must_be_empty_before_and_after_the_answer() {
    let end = || Input::RequestBodyComplete { body: b"" };
    for header_hold in [false, true] {
        let waiting = || {
            let mut driver = driver(header_hold);
            driver.request(&head("GET", "ask"), false);
            let id = asked(&driver.effects).unwrap();
            assert_eq!((driver.effects.flow, driver.exchange.request_demand()), (Flow::Hold, BodyDemand::Whole));
            assert_eq!(driver.handle(Input::RequestBodyGrew { buffered: 0 }).flow, Flow::Hold);
            (driver, id)
        };
        // Its end comes first, or the answer.
        let (mut driver, id) = waiting();
        assert_eq!(driver.handle(end()).flow, Flow::Hold);
        driver.handle(Input::CalloutResult { id, outcome: answered(200) });
        assert_eq!((driver.effects.flow, driver.exchange.outcome()), (Flow::Continue, Outcome::Allowed));

        let (mut driver, id) = waiting();
        driver.handle(Input::CalloutResult { id, outcome: answered(200) });
        // Where the host stops everything with the head, the body only comes when that goes on.
        let flow = if header_hold { Flow::Hold } else { Flow::Continue };
        assert_eq!((driver.effects.flow, driver.exchange.outcome()), (flow, Outcome::Open));
        driver.handle(end());
        assert_eq!((driver.effects.flow, driver.exchange.outcome()), (Flow::Continue, Outcome::Allowed));

        // So do bytes that nobody may send: none of them goes on, whatever the answer is.
        for bytes in [Input::RequestBodyGrew { buffered: 1 }, Input::RequestBodyComplete { body: b"{" }] {
            let (mut driver, id) = waiting();
            driver.handle(bytes);
            assert_eq!(driver.refusal().map(|r| r.1).as_deref(), Some("body_not_allowed"));
            driver.handle(Input::CalloutResult { id, outcome: answered(200) });
            assert_nothing_but_hold(&driver);
        }
        let (mut driver, id) = waiting();
        driver.handle(Input::CalloutResult { id, outcome: answered(200) });
        driver.handle(Input::RequestBodyComplete { body: b"{" });
        assert_eq!(driver.refusal().map(|r| r.1).as_deref(), Some("body_not_allowed"));
    }
}

#[test]
fn a_client_may_go_away_while_its_head_waits() {
    let (recorder, ending) = (Recorder::default(), EndingStage::default());
    let pipeline = Pipeline::new(settings(), vec![Box::new(ending.clone()), Box::new(TestStage)]);
    let mut driver = Driver::of(pipeline.observed_by(Box::new(recorder.clone())));
    driver.request(&head("GET", "ask"), true);
    assert_eq!(ending.counts(), [1, 0]);
    driver.handle(Input::End);
    assert_eq!((driver.exchange.outcome(), ending.counts()), (Outcome::Failed, [1, 1]));
    driver.handle(Input::CalloutResult { id: 0, outcome: answered(200) });
    assert_nothing_but_hold(&driver);
    assert_eq!((driver.exchange.outcome(), ending.counts()), (Outcome::Failed, [1, 1]));
    assert_eq!(recorder.report().outcome, Outcome::Failed);
}

#[test]
fn each_stage_asks_in_its_turn_and_is_asked_once() {
    let (first, last) = (TurnStage::default(), TurnStage::default());
    let stages: Vec<Box<dyn Stage>> =
        vec![Box::new(first.clone()), Box::new(TestStage), Box::new(TestStage), Box::new(last.clone())];
    let mut driver = Driver::new(settings(), stages);
    driver.request(&head("DELETE", "ask"), true);
    for id in [0, 1] {
        assert_eq!((asked(&driver.effects), driver.effects.flow), (Some(id), Flow::Hold));
        assert_eq!((first.counts(), last.counts()), ([1, 1], [1, 0]));
        driver.handle(Input::CalloutResult { id, outcome: answered(200) });
    }
    assert_eq!((driver.effects.flow, driver.exchange.outcome()), (Flow::Continue, Outcome::Allowed));
    assert_eq!((first.counts(), last.counts()), ([1, 1], [1, 1]));
}

#[test]
fn nobody_is_asked_about_a_head_that_a_later_stage_condemns() {
    let stages: Vec<Box<dyn Stage>> = vec![Box::new(TestStage), Box::new(EndingStage::default())];
    let mut driver = Driver::new(settings(), stages);
    driver.request(&[&head("GET", "ask")[..], &[("mcp-session-id", "refused")]].concat(), true);
    assert_eq!(asked(&driver.effects), None);
    assert_eq!(driver.refusal().map(|r| r.0), Some(404));
}
