//! Deciding a call with few rules and with many, at their worst, and a list of 2,000 tools through the whole exchange.

use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;
use std::rc::Rc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use meshward_engine::{
    Batches, Effect, Effects, Endpoints, Exchange, Headers, Host, Input, KeptHeaders, Pipeline, Responses, Settings,
    Target,
};
use meshward_identity::{Caller, Identity, IdentityConfig};
use meshward_policy::{Direction, Known, Policy, PolicyStage, Subject};
use meshward_wire::limits::Limits;
use meshward_wire::revision::Revision;
use serde_json::{Value, json};

/// `rules` rules of `names` names each; every third name is a pattern if `patterns`.
fn named(rules: usize, names: usize, patterns: bool) -> Value {
    let rule = |rule: usize| {
        let name = |name: usize| match (patterns, name % 3) {
            (true, 1) => format!("team{rule:04}_list{name}_*"),
            (true, 2) => format!("team{rule:04}_*_get{name}"),
            _ => format!("team{rule:04}_tool{name:05}"),
        };
        json!({
            "name": format!("team{rule}"), "effect": if rule.is_multiple_of(10) { "deny" } else { "allow" },
            "tools": (0..names).map(name).collect::<Vec<_>>(),
        })
    };
    json!({ "rules": (0..rules).map(rule).collect::<Vec<_>>() })
}

/// Rules that all have to be looked at: `part` of each.
fn all_alike(rules: usize, part: &dyn Fn(usize) -> Value) -> Value {
    let rule = |number: usize| {
        let mut rule = json!({ "name": format!("rule{number}"), "effect": "allow" });
        if let (Some(rule), Value::Object(part)) = (rule.as_object_mut(), part(number)) {
            rule.extend(part);
        }
        rule
    };
    json!({ "rules": (0..rules).map(rule).collect::<Vec<_>>() })
}

fn compile(config: Value) -> Option<Policy> {
    Policy::compile(&serde_json::from_value(config).ok()?, &[]).ok()
}

fn call<'a>(tool: &'a str, caller: &'a Caller, headers: &'a KeptHeaders) -> Subject<'a> {
    Subject {
        method: "tools/call",
        direction: Direction::Client,
        upkeep: false,
        target: Target::Tool(tool.into()),
        is_template: false,
        client: Some("bench"),
        revision: Some(Revision::V2026_07_28),
        session: None,
        arguments: Known::Absent,
        meta: Known::Absent,
        caller,
        headers,
    }
}

fn decide(c: &mut Criterion) {
    let caller = Caller { peer: Some("spiffe://example.org/ns/agents/sa/billing".to_owned()), ..Caller::default() };
    let headers = KeptHeaders::default();
    let mut group = c.benchmark_group("decide");
    let peer = |n: usize| json!({ "principals": [format!("spiffe://example.org/ns/team{n}/*")] });
    let last = "team0999_tool00009";
    for (name, config, tool) in [
        ("10-rules/100-names", named(10, 10, false), "team0009_tool00009"),
        ("1000-rules/10000-names", named(1_000, 10, false), last),
        ("10-rules/100-names-and-patterns", named(10, 10, true), "team0009_tool00009"),
        ("1000-rules/10000-names-and-patterns", named(1_000, 10, true), last),
        ("10-rules/by-pattern", named(10, 10, true), "team0009_x_get8"),
        ("1000-rules/by-pattern", named(1_000, 10, true), "team0999_x_get8"),
        ("10-rules/no-match", named(10, 10, true), "delete_everything_now"),
        ("1000-rules/no-match", named(1_000, 10, true), "delete_everything_now"),
        ("1-rule/10000-names", named(2, 10_000, false), "team0001_tool09999"),
        // From here on every rule has to be looked at: this grows with their number.
        ("worst/1000-rules-without-names", all_alike(1_000, &|_| json!({ "clients": ["other"] })), last),
        ("worst/1000-rules-with-principals", all_alike(1_000, &peer), last),
        ("worst/1000-rules-of-ends", all_alike(1_000, &|n| json!({ "tools": [format!("*_end{n}")] })), last),
    ] {
        let Some(policy) = compile(config) else { continue };
        let subject = call(tool, &caller, &headers);
        group.bench_function(name, |b| b.iter(|| policy.decide(black_box(&subject), &mut |_, _, _| {})));
    }
    group.finish();
}

/// A host without a world.
struct NoHost(Cell<u64>);

impl Host for NoHost {
    fn now(&self) -> u64 {
        self.0.replace(self.0.get().saturating_add(1))
    }
}

/// A result that lists tools of 1 KiB, every second of which begins with `admin`.
fn list(tools: usize) -> String {
    let mut text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":["#.to_owned();
    let description = "Finds what matches a query, page by page, and says where it stands. ".repeat(11);
    for tool in 0..tools {
        let _ = write!(
            text,
            r#"{}{{"name":"{}_{tool:06}","description":"{description}","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string"}},"limit":{{"type":"integer"}}}},"required":["query"]}}}}"#,
            if tool == 0 { "" } else { "," },
            if tool.is_multiple_of(2) { "search" } else { "admin" },
        );
    }
    text.push_str("]}}");
    text
}

/// One exchange that asks for a list and gets `body`: what goes on to the client.
fn filtered(pipeline: &Rc<Pipeline>, body: &[u8]) -> Option<Vec<u8>> {
    let ask = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
    let request: &[(&[u8], &[u8])] = &[
        (b":method", b"POST"),
        (b":path", b"/mcp"),
        (b"content-type", b"application/json"),
        (b"mcp-protocol-version", b"2025-11-25"),
    ];
    let response: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"application/json")];
    let mut exchange = Exchange::new(Rc::clone(pipeline));
    let (mut host, mut effects) = (NoHost(Cell::new(0)), Effects::default());
    for input in [
        Input::RequestHeaders { headers: Headers::new(request), end_of_stream: false },
        Input::RequestBodyComplete { body: ask },
        Input::ResponseHeaders { headers: Headers::new(response), end_of_stream: false },
        Input::ResponseBodyComplete { body },
    ] {
        effects.clear();
        exchange.handle(input, &mut host, &mut effects);
    }
    effects.list.into_iter().find_map(|effect| match effect {
        Effect::ReplaceBody(body) => Some(body),
        _ => None,
    })
}

fn lists(c: &mut Criterion) {
    let mut group = c.benchmark_group("list");
    group.sample_size(20);
    let rules = json!({ "rules": [{ "name": "readers", "effect": "allow", "tools": ["search_*"] }] });
    let mut many = named(1_000, 10, true);
    if let Some(list) = many.pointer_mut("/rules").and_then(Value::as_array_mut) {
        list.push(json!({ "name": "readers", "effect": "allow", "tools": ["search_*"] }));
    }
    for (name, config) in [("1-rule", rules), ("1001-rules", many)] {
        for tools in [200, 2_000] {
            let Some(policy) = compile(config.clone()) else { continue };
            let identity = Identity::new(&IdentityConfig::default());
            let settings = Settings {
                direction: meshward_engine::Direction::Inbound,
                endpoints: Endpoints::new(["/mcp"]),
                strict: false,
                header_hold: true,
                limits: Limits::default(),
                batches: Batches::Refuse,
                responses: Responses::Pass,
                origins: None,
                revisions: None,
                methods: None,
                max_response_bytes: 16 << 20,
            };
            let pipeline = Rc::new(Pipeline::new(settings, vec![Box::new(PolicyStage::new(policy, identity))]));
            let body = list(tools);
            // Half of it goes, or this measures something else.
            assert!(
                filtered(&pipeline, body.as_bytes())
                    .is_some_and(|left| left.len() < (body.len() / 3).saturating_mul(2))
            );
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(BenchmarkId::new(name, tools), |b| {
                b.iter(|| filtered(&pipeline, black_box(body.as_bytes())));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide, lists);
criterion_main!(benches);
