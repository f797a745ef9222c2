//! What the stage adds to an exchange: a call as SDKs send it, whose context is in `_meta` alone, in both places, or nowhere.

use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use meshward_engine::{
    Batches, Direction, Effects, Endpoints, Exchange, Headers, Host, Input, Pipeline, Responses, Settings, Stage,
};
use meshward_trace::{TraceConfig, TraceStage};
use meshward_wire::limits::Limits;

/// A host with time standing still, and chance always the same.
#[derive(Debug)]
struct Still;

impl Host for Still {
    fn now(&self) -> u64 {
        0
    }
    fn random(&self, into: &mut [u8]) -> bool {
        into.fill(7);
        true
    }
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn body(context: bool) -> String {
    let context = if context { format!(r#","traceparent":"{PARENT}""#) } else { String::new() };
    format!(
        r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"get_weather","arguments":{{"query":"{}","limit":10}},"_meta":{{"progressToken":3{context}}}}}}}"#,
        "x".repeat(200)
    )
}

fn exchange(pipeline: &Rc<Pipeline>, head: Headers<'_>, body: &[u8], effects: &mut Effects) {
    let mut exchange = Exchange::new(Rc::clone(pipeline));
    for input in
        [Input::RequestHeaders { headers: head, end_of_stream: false }, Input::RequestBodyComplete { body }, Input::End]
    {
        effects.clear();
        exchange.handle(input, &mut Still, effects);
        black_box(&*effects);
    }
}

fn bench(criterion: &mut Criterion) {
    let pipeline = |stages: Vec<Box<dyn Stage>>| {
        let settings = Settings {
            direction: Direction::default(),
            endpoints: Endpoints::new(["/mcp"]),
            strict: false,
            header_hold: true,
            limits: Limits::default(),
            batches: Batches::Refuse,
            responses: Responses::Pass,
            origins: None,
            revisions: None,
            methods: None,
            max_response_bytes: 1 << 20,
        };
        Rc::new(Pipeline::new(settings, stages))
    };
    let mut lines: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":path", b"/mcp"),
        (b":authority", b"mcp.example"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"user-agent", b"python-httpx2/2.16.2"),
        (b"mcp-session-id", b"3d86f0b7c86742b8b7a7cbb31a5d5fcc"),
        (b"mcp-protocol-version", b"2025-11-25"),
        (b"x-request-id", b"25ee3d42-1ac4-48b2-9a36-4bb7ad0a5c4f"),
    ];
    let plain = lines.clone();
    lines.push((b"traceparent", PARENT.as_bytes()));
    let mut effects = Effects::default();
    let without = pipeline(Vec::new());
    let with = pipeline(vec![Box::new(TraceStage::new(&TraceConfig::default()))]);
    for (name, lines, context) in
        [("in _meta", &plain, true), ("in both places", &lines, true), ("nowhere", &plain, false)]
    {
        let body = body(context);
        for (stage, pipeline) in [("without the stage", &without), ("with it", &with)] {
            criterion.bench_function(&format!("a context {name}, {stage}"), |bencher| {
                bencher.iter(|| exchange(pipeline, Headers::new(lines), body.as_bytes(), &mut effects));
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
