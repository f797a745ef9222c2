//! Reading requests of 400 B to 1 MiB, with `serde_json::Value` beside it for the ratio.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use meshward_wire::limits::Limits;
use meshward_wire::message::Reader;

/// A `tools/call` of about `bytes` bytes, as a stateless client sends it.
fn call(bytes: usize, argument: &str) -> String {
    let head = concat!(
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get","_meta":{"io.modelcontextprotocol/protocolVersion":"#,
        r#""2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"mcp","version":"0.1.0"},"progressToken":2},"arguments":{"items":["#,
    );
    let mut body = head.to_owned();
    while body.len() < bytes.saturating_sub(argument.len()) {
        body.push_str(argument);
        body.push(',');
    }
    body.push_str("0]}}}");
    body
}

fn read(c: &mut Criterion) {
    let text = format!("\"{}\"", "All work and no play makes Jack a dull boy. ".repeat(5));
    let object = r#"{"id":17,"price":-12.5e3,"tags":["a","b"],"ok":true,"note":null}"#;
    for (shape, argument) in [("text", text.as_str()), ("structure", object)] {
        let mut group = c.benchmark_group(format!("read/{shape}"));
        for bytes in [400, 4 << 10, 64 << 10, 1 << 20] {
            let body = call(bytes, argument);
            let mut reader = Reader::new(Limits { max_bytes: 2 << 20, ..Limits::default() });
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_with_input(BenchmarkId::new("meshward", bytes), &body, |b, body| {
                b.iter(|| black_box(reader.read(black_box(body.as_bytes()))).is_ok());
            });
            group.bench_with_input(BenchmarkId::new("serde_json_value", bytes), &body, |b, body| {
                b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body.as_bytes())).is_ok());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
