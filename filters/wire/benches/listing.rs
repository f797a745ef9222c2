//! Filtering lists of 200 to 20,000 tools of 1 KiB each: time in proportion to their number, beside the strict reader,
//! which has to come first.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use meshward_wire::annotations;
use meshward_wire::json::Span;
use meshward_wire::limits::Limits;
use meshward_wire::listing::{ListKind, Listing};
use meshward_wire::message::{Body, Reader};
use meshward_wire::splice::Splices;

/// A response that lists tools as SDKs write them: a description, and a schema with a few properties.
fn response(tools: usize) -> String {
    let mut text = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":["#.to_owned();
    let description = "Finds what matches a query, page by page, and says where it stands. ".repeat(3);
    let property = r#""type":"string","description":"One of the fields by which to narrow the search down.""#;
    for tool in 0..tools {
        let separator = if tool == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{separator}{{"name":"search_{tool:06}","title":"Search","description":"{description}","inputSchema":{{"type":"object","properties":{{"tenant":{{{property},"x-mcp-header":"Tenant"}}"#,
        );
        for field in 0..6 {
            let _ = write!(text, r#","field_{field}":{{{property}}}"#);
        }
        text.push_str(r#"},"required":["tenant"]},"annotations":{"readOnlyHint":true}}"#);
    }
    text.push_str(r#"],"nextCursor":"bmV4dA==","ttlMs":300000,"cacheScope":"public"}}"#);
    text
}

fn reader() -> Reader {
    Reader::new(Limits { max_bytes: usize::MAX, ..Limits::default() })
}

/// The result of a response, for which the bench has checked that it reads.
fn result(text: &str) -> Option<Span> {
    match reader().read(text.as_bytes()) {
        Ok(Body::One(message)) => message.result(),
        _ => None,
    }
}

/// What a filter does with a list that the strict reader let through, keeping every second tool.
fn filter(text: &str, result: Span) -> Option<Vec<u8>> {
    let listing = Listing::read(text, result, ListKind::Tools).ok()?;
    let mut splices = Splices::default();
    for (index, entry) in listing.entries.iter().enumerate() {
        if index % 2 == 0 {
            splices.remove_element(entry.span);
        }
    }
    listing.make_private(text, &mut splices);
    splices.apply(text.as_bytes()).ok()
}

fn list(c: &mut Criterion) {
    let mut group = c.benchmark_group("listing");
    group.sample_size(20);
    for tools in [200, 2_000, 20_000] {
        let text = response(tools);
        let Some(result) = result(&text) else { continue };
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut reader = reader();
        group.bench_with_input(BenchmarkId::new("strict_reader", tools), &text, |b, text| {
            b.iter(|| black_box(reader.read(black_box(text.as_bytes()))).is_ok());
        });
        group.bench_with_input(BenchmarkId::new("read", tools), &text, |b, text| {
            b.iter(|| Listing::read(black_box(text), result, ListKind::Tools).map(|listing| listing.entries.len()));
        });
        group.bench_with_input(BenchmarkId::new("read_and_remove_half", tools), &text, |b, text| {
            b.iter(|| filter(black_box(text), result));
        });
        let schemas: Vec<Span> = Listing::read(&text, result, ListKind::Tools)
            .map(|listing| listing.entries.iter().filter_map(|entry| entry.input_schema).collect())
            .unwrap_or_default();
        group.throughput(Throughput::Bytes(schemas.iter().map(|schema| schema.len() as u64).sum()));
        group.bench_with_input(BenchmarkId::new("annotations", tools), &text, |b, text| {
            b.iter(|| schemas.iter().all(|schema| annotations::read(black_box(text), *schema).is_ok()));
        });
    }
    group.finish();
}

criterion_group!(benches, list);
criterion_main!(benches);
