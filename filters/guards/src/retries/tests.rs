use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use meshward_catalogue::{Catalogue, CatalogueConfig};
use meshward_engine::{
    Batches, Direction, Effect, Effects, Endpoints, Exchange, HeaderEdit, Headers, Host, Input, Pipeline, Responses,
    Settings, Stage, StoreError,
};
use meshward_wire::limits::Limits;
use serde_json::json;

use super::{Retries, RetriesConfig, RetriesStage};
use crate::{Guards, GuardsStage, PinsConfig};

/// The store that all workers share.
#[derive(Debug, Default)]
struct TestHost(RefCell<BTreeMap<String, Vec<u8>>>);

impl Host for TestHost {
    fn now(&self) -> u64 {
        1
    }
    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).map(|value| (value.clone(), 1))
    }
    fn store_set(&self, key: &str, value: &[u8], _: Option<u32>) -> Result<(), StoreError> {
        self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }
}

fn pipeline(config: serde_json::Value, hold: bool) -> Rc<Pipeline> {
    let config: RetriesConfig = serde_json::from_value(config).unwrap();
    let pins: PinsConfig = serde_json::from_value(json!({"trust": "first_use"})).unwrap();
    let guards = Guards::new(Some(&pins), None, ["/mcp"]).unwrap();
    let nothing = CatalogueConfig { learn: false, ..CatalogueConfig::default() };
    let catalogue = guards.remember_in(Catalogue::new(&nothing).unwrap());
    let guards = GuardsStage::new(guards, Rc::new(catalogue));
    let retries = RetriesStage::new(Retries::new(&config, hold).unwrap(), guards.approved());
    let settings = Settings {
        direction: Direction::default(),
        endpoints: Endpoints::new(["/mcp"]),
        strict: false,
        header_hold: hold,
        limits: Limits::default(),
        batches: Batches::Inspect,
        responses: Responses::Pass,
        origins: None,
        revisions: None,
        methods: None,
        max_response_bytes: 1 << 20,
    };
    let stages: Vec<Box<dyn Stage>> = vec![Box::new(guards), Box::new(retries)];
    Rc::new(Pipeline::new(settings, stages))
}

type Lines = BTreeMap<String, String>;

fn edit(lines: &mut Lines, effects: &mut Effects) {
    for effect in effects.list.drain(..) {
        match effect {
            Effect::RequestHeader(HeaderEdit::Remove(name)) => drop(lines.remove(name)),
            Effect::RequestHeader(HeaderEdit::Set(name, value)) => {
                lines.insert(name.to_owned(), String::from_utf8(value).unwrap());
            }
            _ => {}
        }
    }
}

/// The `x-envoy-` fields with which a request goes on; the answer is the server's.
fn sent(
    pipeline: &Rc<Pipeline>,
    host: &mut TestHost,
    method: &str,
    client: &[(&str, &str)],
    body: &str,
    answer: &str,
) -> Lines {
    let mut exchange = Exchange::new(Rc::clone(pipeline));
    let mut effects = Effects::default();
    let usual = [(":method", method), (":path", "/mcp"), ("content-type", "application/json")];
    let mut lines: Lines = client.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let views: Vec<_> = usual.iter().chain(client).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let end_of_stream = body.is_empty();
    exchange.handle(Input::RequestHeaders { headers: Headers::new(&views), end_of_stream }, host, &mut effects);
    edit(&mut lines, &mut effects);
    if !end_of_stream {
        effects.clear();
        exchange.handle(Input::RequestBodyComplete { body: body.as_bytes() }, host, &mut effects);
        edit(&mut lines, &mut effects);
        effects.clear();
        let head = [(&b":status"[..], &b"200"[..]), (b"content-type", b"application/json")];
        exchange.handle(
            Input::ResponseHeaders { headers: Headers::new(&head), end_of_stream: false },
            host,
            &mut effects,
        );
        effects.clear();
        exchange.handle(Input::ResponseBodyComplete { body: answer.as_bytes() }, host, &mut effects);
    }
    lines.retain(|name, _| name.starts_with("x-envoy-"));
    lines
}

fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string()
}

fn lines(expected: &[(&str, &str)]) -> Lines {
    expected.iter().map(|(name, value)| (format!("x-envoy-{name}"), (*value).to_owned())).collect()
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[
    {"name":"reads","inputSchema":{},"annotations":{"readOnlyHint":true}},
    {"name":"sets","inputSchema":{},"annotations":{"idempotentHint":true}},
    {"name":"drops","inputSchema":{},"annotations":{"idempotentHint":true,"destructiveHint":true}},
    {"name":"says_nothing","inputSchema":{}}]}}"#;

/// The same, but that a tool now says of itself that it only reads.
fn changed() -> String {
    LIST.replace(
        r#"{"name":"says_nothing","inputSchema":{}}"#,
        r#"{"name":"says_nothing","inputSchema":{},"annotations":{"readOnlyHint":true}}"#,
    )
}

const NEVER: &[(&str, &str)] = &[("max-retries", "0"), ("upstream-rq-timeout-ms", "0")];
const AGAIN: &[(&str, &str)] = &[
    ("max-retries", "2"),
    ("retry-on", "connect-failure,refused-stream,reset,gateway-error"),
    ("upstream-rq-timeout-ms", "0"),
];

#[test]
fn what_approved_tools_say_decides() {
    let (pipeline, mut host) = (pipeline(json!({}), true), TestHost::default());
    let mut go = |body: &str, answer: &str| sent(&pipeline, &mut host, "POST", &[], body, answer);
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    // Nothing is known yet.
    assert_eq!(go(&call("reads"), "{}"), lines(NEVER));
    assert_eq!(go(&list, LIST), lines(AGAIN));
    for (tool, expected) in
        [("reads", AGAIN), ("sets", AGAIN), ("drops", NEVER), ("says_nothing", NEVER), ("unheard_of", NEVER)]
    {
        assert_eq!(go(&call(tool), "{}"), lines(expected), "{tool}");
    }
    // A server may change its mind, but that was not approved.
    go(&list, &changed());
    for (tool, expected) in [("reads", AGAIN), ("says_nothing", &[])] {
        assert_eq!(go(&call(tool), "{}"), lines(expected), "{tool}");
    }
}

#[test]
fn rules_decide_before_annotations() {
    let config = json!({
        "rules": [
            {"tools": ["reads"], "retry": false, "timeout": "30s"},
            {"tools": ["say*", "reads"], "retry": true, "try_timeout": "250ms"},
            {"tools": ["sets"], "timeout": "2s"},
        ],
        "on": ["5xx"], "max_retries": 10, "try_timeout": "1s",
    });
    let (pipeline, mut host) = (pipeline(config, true), TestHost::default());
    let mut go = |body: &str| sent(&pipeline, &mut host, "POST", &[], body, LIST);
    go(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let (timeout, per_try) = ("upstream-rq-timeout-ms", "upstream-rq-per-try-timeout-ms");
    let again = [("max-retries", "10"), ("retry-on", "5xx")];
    let with = |more: [(&'static str, &'static str); 2]| lines(&[again, more].concat());
    assert_eq!(go(&call("reads")), lines(&[("max-retries", "0"), (timeout, "30000"), (per_try, "1000")]));
    assert_eq!(go(&call("says_nothing")), with([(timeout, "0"), (per_try, "250")]));
    assert_eq!(go(&call("sets")), with([(timeout, "2000"), (per_try, "1000")]));
    // Of several messages, all must be such.
    let [reads, says, sets] = ["reads", "says_nothing", "sets"].map(call);
    assert_eq!(go(&format!("[{says},{sets}]")), with([(timeout, "0"), (per_try, "1000")]));
    for batch in [format!("[{says},{reads}]"), format!("[{reads},{says}]")] {
        assert_eq!(go(&batch), lines(&[("max-retries", "0"), (timeout, "0"), (per_try, "1000")]));
    }
}

#[test]
fn methods_that_read_may_run_twice_and_streams_have_no_end() {
    let config = json!({"timeout": "20s", "try_timeout": "5s"});
    let (pipeline, mut host) = (pipeline(config, true), TestHost::default());
    let mut go = |method: &str, body: &str| sent(&pipeline, &mut host, method, &[], body, "{}");
    let request = |method: &str, params: serde_json::Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let bounded = [("upstream-rq-timeout-ms", "20000"), ("upstream-rq-per-try-timeout-ms", "5000")];
    let never = lines(&[&[("max-retries", "0")], &bounded[..]].concat());
    let again = lines(&[&AGAIN[..2], &bounded[..]].concat());
    for (body, expected) in [
        (request("resources/read", json!({"uri": "file:///a"})), &again),
        (request("prompts/list", json!({})), &again),
        (
            request(
                "initialize",
                json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}),
            ),
            &never,
        ),
        (request("logging/setLevel", json!({"level": "info"})), &never),
        (request("someone/elses", json!({})), &never),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(), &lines(NEVER)),
        (r#"{"jsonrpc":"2.0","id":"s","result":{}}"#.to_owned(), &lines(NEVER)),
    ] {
        assert_eq!(&go("POST", &body), expected, "{body}");
    }
    let listen = request("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    assert_eq!(go("POST", &listen), lines(NEVER));
    assert_eq!(go("GET", ""), lines(&[("upstream-rq-timeout-ms", "0")]));
    assert_eq!(go("DELETE", ""), lines(&[]));
}

#[test]
fn clients_have_no_say() {
    let theirs = [
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-max-retries",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-retry-grpc-on",
        "x-envoy-retry-on",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-stream-duration-ms",
    ]
    .map(|name| (name, "5"));
    for hold in [true, false] {
        let (pipeline, mut host) = (pipeline(json!({}), hold), TestHost::default());
        assert_eq!(sent(&pipeline, &mut host, "POST", &theirs, &call("drops"), "{}"), lines(NEVER), "{hold}");
        assert_eq!(sent(&pipeline, &mut host, "DELETE", &theirs, "", ""), lines(&[]), "{hold}");
    }
    // Without header hold the head goes on before it is known what may run twice.
    let (pipeline, mut host) =
        (pipeline(json!({"rules": [{"tools": ["*"], "retry": true}]}), false), TestHost::default());
    assert_eq!(sent(&pipeline, &mut host, "POST", &theirs, &call("a"), "{}"), lines(NEVER));
}

#[test]
fn a_configuration_is_right_or_refused() {
    let errors = |config: serde_json::Value| {
        let config: RetriesConfig = serde_json::from_value(config).unwrap();
        let errors = Retries::new(&config, true).map(|_| ()).err().unwrap_or_default();
        errors.into_iter().map(|(path, message)| format!("{path}: {message}")).collect::<Vec<_>>()
    };
    let rules = |count| vec![json!({"tools": ["a"]}); count];
    for right in [json!({}), json!({"max_retries": 10, "timeout": "24h", "try_timeout": "1ms", "rules": rules(256)})] {
        assert_eq!(errors(right), [""; 0]);
    }
    let wrong = json!({"max_retries": 11, "timeout": "25h", "on": [], "rules": rules(257)});
    assert_eq!(errors(wrong).len(), 4 + 257);
    let wrong = json!({"max_retries": 0, "timeout": "1s", "try_timeout": "1s", "rules": [{"tools": []}]});
    assert_eq!(
        errors(wrong),
        [
            "try_timeout: shorter than `timeout`, which all tries share",
            "rules[0].try_timeout: shorter than `timeout`, which all tries share",
            "rules[0].tools: name at least one tool; `*` is any",
            "max_retries: between 1 and 10",
        ]
    );
    assert!(serde_json::from_value::<RetriesConfig>(json!({"timeout": 5})).is_err());
    assert_eq!(
        serde_json::from_value::<RetriesConfig>(json!({"timeout": "5s"})).unwrap().timeout.unwrap().0,
        Duration::from_secs(5)
    );
}
