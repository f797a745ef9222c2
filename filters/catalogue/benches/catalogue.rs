//! What the catalogue costs: finding a tool that was used before, holding three arguments against its schema, compiling
//! the schema, and learning a list of 2,000 tools (2 MiB).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use meshward_catalogue::{Catalogue, CatalogueConfig, Learned, SchemaMode, ServerKey};
use meshward_engine::{Host, StoreError};
use meshward_wire::json::{Span, elements, member, string};

/// A store as a host has it.
#[derive(Debug, Default)]
struct Store(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl Host for Store {
    fn now(&self) -> u64 {
        1_000
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).cloned()
    }

    fn store_set(&self, key: &str, value: &[u8], _: Option<u32>) -> Result<(), StoreError> {
        let mut values = self.0.borrow_mut();
        let version = values.get(key).map_or(1, |(_, version)| version.saturating_add(1));
        values.insert(key.to_owned(), (value.to_vec(), version));
        Ok(())
    }
}

/// A list of tools as SDKs write them, of about 1 KiB each.
fn list(tools: usize) -> String {
    let mut text = "[".to_owned();
    let described = "One of the fields by which to narrow the search down, among all that there are.";
    for tool in 0..tools {
        let _ = write!(
            text,
            r#"{}{{"name":"search_{tool:05}","description":"{described}","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","minLength":1,"maxLength":200}},"limit":{{"type":"integer","minimum":1,"maximum":100}},"order":{{"enum":["newest","oldest","best"]}}"#,
            if tool == 0 { "" } else { "," }
        );
        for field in 0..5 {
            let _ = write!(text, r#","field_{field}":{{"type":"string","description":"{described}"}}"#);
        }
        text.push_str(r#"},"required":["query"],"additionalProperties":false}}"#);
    }
    text.push(']');
    text
}

/// The names of a list and their entries, which a stage has at hand.
fn entries(text: &str) -> Vec<(String, Span)> {
    let name = |entry| Some((string(text, member(text, entry, "name")?)?.into_owned(), entry));
    elements(text, Span { start: 0, end: text.len() }).filter_map(name).collect()
}

fn learn(catalogue: &Catalogue, store: &Store, server: &ServerKey, text: &str, tools: &[(String, Span)]) -> Learned {
    catalogue.learn(store, server, text, tools.iter().map(|(name, entry)| (name.as_str(), *entry)))
}

fn catalogue() -> Option<Catalogue> {
    Catalogue::new(&CatalogueConfig { schema: SchemaMode::Enforce, ..CatalogueConfig::default() }).ok()
}

fn bench(criterion: &mut Criterion) {
    let (server, store) = (ServerKey::new(b"search", "/mcp"), Store::default());
    let text = list(2000);
    let tools = entries(&text);
    let Some(used) = catalogue() else { return };
    let learned = learn(&used, &store, &server, &text, &tools);
    assert_eq!(learned, Learned { new: 2000, ..Learned::default() });
    let arguments = r#"{"query":"a text to look for","limit":20,"order":"best"}"#;
    let Some(tool) = used.tool(&store, &server, "search_01000") else { return };
    assert_eq!(tool.check_arguments(Some(arguments)), Ok(()));

    let mut group = criterion.benchmark_group("catalogue");
    group.bench_function("a tool that was used before", |bench| {
        bench.iter(|| used.tool(&store, &server, black_box("search_01000")));
    });
    group.bench_function("three arguments", |bench| {
        bench.iter(|| tool.check_arguments(black_box(Some(arguments))));
    });
    group.bench_function("a tool that is new to a worker, compiled", |bench| {
        let first = || {
            let worker = catalogue();
            // The index is read once.
            worker.as_ref().map(|worker| worker.tool(&store, &server, "search_00000"));
            worker
        };
        let second = |worker: Option<Catalogue>| worker.map(|worker| worker.tool(&store, &server, "search_01000"));
        bench.iter_batched(first, second, BatchSize::SmallInput);
    });
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
    group.bench_function("2,000 tools learned", |bench| {
        let fresh = || (catalogue(), Store::default());
        bench.iter_batched(
            fresh,
            |(worker, store)| worker.map(|worker| learn(&worker, &store, &server, &text, &tools)),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("2,000 tools that are known already", |bench| {
        bench.iter(|| learn(&used, &store, &server, &text, &tools));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
