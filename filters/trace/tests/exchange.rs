//! The stage in an exchange: whatever comes, what goes on is the same message with a context that is well-formed.

use std::rc::Rc;

use meshward_engine::{
    Batches, Direction, Effect, Effects, Endpoints, Exchange, HeaderEdit, Headers, Host, Input, Outcome, Pipeline,
    Responses, Settings,
};
use meshward_trace::{Rule, TraceConfig, TraceStage};
use meshward_wire::limits::Limits;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[derive(Debug)]
struct TestHost {
    random: Option<u8>,
}

impl Host for TestHost {
    fn now(&self) -> u64 {
        0
    }
    fn random(&self, into: &mut [u8]) -> bool {
        self.random.inspect(|byte| into.fill(*byte)).is_some()
    }
}

/// What went on of a request, if it did: its header fields and its message.
struct Sent {
    head: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trace_id: Option<String>,
}

fn send(config: &TraceConfig, hold: bool, random: Option<u8>, head: &[(&str, &str)], body: &str) -> Option<Sent> {
    let settings = Settings {
        direction: Direction::default(),
        endpoints: Endpoints::new(["/mcp"]),
        strict: false,
        header_hold: hold,
        limits: Limits::default(),
        batches: Batches::Refuse,
        responses: Responses::Pass,
        origins: None,
        revisions: None,
        methods: None,
        max_response_bytes: 1 << 20,
    };
    let mut exchange = Exchange::new(Rc::new(Pipeline::new(settings, vec![Box::new(TraceStage::new(config))])));
    let length = body.len().to_string();
    let usual =
        [(":method", "POST"), (":path", "/mcp"), ("content-type", "application/json"), ("content-length", &length)];
    let mut lines: Vec<(String, Vec<u8>)> =
        usual.iter().chain(head).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let mut host = TestHost { random };
    let (mut effects, mut sent) = (Effects::default(), body.as_bytes().to_vec());
    let views: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
    exchange.handle(
        Input::RequestHeaders { headers: Headers::new(&views), end_of_stream: false },
        &mut host,
        &mut effects,
    );
    let mut edits = std::mem::take(&mut effects.list);
    exchange.handle(Input::RequestBodyComplete { body: body.as_bytes() }, &mut host, &mut effects);
    assert!(hold || !effects.list.iter().any(|effect| matches!(effect, Effect::RequestHeader(_))));
    edits.append(&mut effects.list);
    for effect in edits {
        match effect {
            Effect::RequestHeader(HeaderEdit::Remove(name)) => lines.retain(|(n, _)| n != name),
            Effect::RequestHeader(HeaderEdit::Set(name, value)) => {
                lines.retain(|(n, _)| n != name);
                lines.push((name.to_owned(), value));
            }
            Effect::RequestHeader(HeaderEdit::Add(name, value)) => lines.push((name.to_owned(), value)),
            Effect::ReplaceBody(bytes) => sent = bytes,
            _ => {}
        }
    }
    let trace_id = exchange.trace_id().map(|id| id.to_string());
    (exchange.outcome() == Outcome::Allowed).then_some(Sent { head: lines, body: sent, trace_id })
}

fn is_traceparent(value: &str) -> bool {
    let fields: Vec<_> = value.split('-').collect();
    let lower = |text: &str, length| text.len() == length && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
    matches!(fields.as_slice(), [version, trace, span, flags, ..]
        if lower(version, 2) && lower(trace, 32) && lower(span, 16) && lower(flags, 2) && trace.contains(|c| c != '0'))
}

/// What a place may have: nothing, one that is right, and a lot that is not.
fn parent() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "00-[1-9a-f]{32}-[1-9a-f]{16}-0[0-3]".prop_map(Some),
        "(00|01)-[0-9a-fA-F]{31,33}-[0-9a-f]{16}-0[0-3]".prop_map(Some),
        "[ -~]{0,60}".prop_map(Some),
    ]
}

fn member() -> impl Strategy<Value = (String, Value)> {
    let key = prop_oneof![Just("tracestate".to_owned()), Just("baggage".to_owned()), "[a-z/.\"\\\\é]{1,8}"];
    let value = prop_oneof![
        "[a-z]=[!-~]{0,9}(,[a-z@A]{1,3}=[ -~]{0,9}){0,3}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!({"traceparent": ["x", {}]})),
    ];
    (key, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn all_but_the_context_is_the_same_and_the_context_is_well_formed(
        in_head in parent(),
        in_meta in parent(),
        members in proptest::collection::vec(member(), 0..4),
        state in proptest::option::of("[a-z=,]{0,12}"),
        rule in prop_oneof![Just(Rule::Convention), Just(Rule::Meta), Just(Rule::Header), Just(Rule::Restart)],
        (hold, begins, pretty, has_meta) in any::<(bool, bool, bool, bool)>(),
    ) {
        let mut meta: Map<String, Value> = members.into_iter().collect();
        meta.extend(in_meta.map(|parent| ("traceparent".to_owned(), parent.into())));
        let mut message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get", "arguments": {"a": [1, "é"]}}});
        if has_meta {
            message["params"]["_meta"] = Value::Object(meta);
        }
        let body = if pretty { serde_json::to_string_pretty(&message) } else { serde_json::to_string(&message) }.unwrap();
        let mut head: Vec<(&str, &str)> = in_head.iter().map(|parent| ("traceparent", parent.as_str())).collect();
        head.extend(state.iter().map(|state| ("tracestate", state.as_str())));
        let config = TraceConfig { rule, ..TraceConfig::default() };
        let sent = send(&config, hold, begins.then_some(7), &head, &body).unwrap();

        let mut after: Value = serde_json::from_slice(&sent.body).unwrap();
        let field = |name: &str| -> Vec<String> {
            sent.head.iter().filter(|(n, _)| n == name).map(|(_, v)| String::from_utf8(v.clone()).unwrap()).collect()
        };
        // The length is true, or not said.
        prop_assert!(field("content-length").iter().all(|length| *length == sent.body.len().to_string()));
        prop_assert_eq!(field("content-length").len(), usize::from(hold));
        // The context is well-formed in both places; without a parent there is no tracestate.
        let in_meta = after.pointer("/params/_meta/traceparent").map(|parent| parent.as_str().unwrap().to_owned());
        prop_assert!(in_meta.iter().all(|parent| is_traceparent(parent)), "{:?}", in_meta);
        prop_assert!(field("traceparent").iter().all(|parent| is_traceparent(parent)) && field("traceparent").len() <= 1);
        prop_assert!(in_meta.is_some() || after.pointer("/params/_meta/tracestate").is_none());
        prop_assert!(!field("traceparent").is_empty() || field("tracestate").is_empty());
        // Where a trace can begin, each request has one, and it is the one that is reported.
        prop_assert!(in_meta.is_some() || !begins);
        prop_assert_eq!(in_meta.and_then(|parent| parent.get(3..35).map(str::to_owned)), sent.trace_id);
        // A client's own is kept but by the rules that say otherwise.
        let own = message.pointer("/params/_meta/traceparent").and_then(Value::as_str).filter(|own| {
            is_traceparent(own) && own.starts_with("00-") && own.len() == 55 && !own.contains("0000000000000000-0")
        });
        if let (Some(own), Rule::Convention | Rule::Meta) = (own, rule) {
            prop_assert_eq!(after.pointer("/params/_meta/traceparent").and_then(Value::as_str), Some(own));
        }
        // Nothing else is touched.
        for value in [&mut after, &mut message] {
            let params = value["params"].as_object_mut().unwrap();
            if let Some(meta) = params.get_mut("_meta").and_then(Value::as_object_mut) {
                meta.retain(|name, _| !["traceparent", "tracestate", "baggage"].contains(&name.as_str()));
                if meta.is_empty() {
                    params.remove("_meta");
                }
            }
        }
        prop_assert_eq!(after, message);
    }
}

#[test]
fn a_body_whose_context_is_right_in_both_places_is_not_edited() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body =
        format!(r#"{{ "jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"traceparent":"{parent}"}}}}}}"#);
    for rule in [Rule::Convention, Rule::Meta, Rule::Header] {
        let config = TraceConfig { rule, ..TraceConfig::default() };
        let sent = send(&config, true, None, &[("traceparent", parent)], &body).unwrap();
        assert_eq!((sent.body.as_slice(), sent.head.len()), (body.as_bytes(), 5));
        assert_eq!(sent.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    }
}
