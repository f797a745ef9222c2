//! Whatever clients and servers send, the number of series stays at its bound.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use meshward_catalogue::{Catalogue, CatalogueConfig, CatalogueStage};
use meshward_engine::*;
use meshward_metrics::{Label, Metric, Metrics, MetricsConfig};
use meshward_wire::limits::Limits;

#[derive(Debug, Default)]
struct World {
    store: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
}

impl Host for World {
    fn now(&self) -> u64 {
        0
    }
    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.store.borrow().get(key).cloned()
    }
    fn store_set(&self, key: &str, value: &[u8], _: Option<u32>) -> Result<(), StoreError> {
        let mut store = self.store.borrow_mut();
        let version = store.get(key).map_or(0, |(_, version)| *version);
        store.insert(key.to_owned(), (value.to_vec(), version + 1));
        Ok(())
    }
}

/// A worker, and the series that it has measured, with their values.
struct Worker {
    pipeline: Rc<Pipeline>,
    world: World,
    effects: Effects,
    seen: BTreeMap<String, i64>,
    /// Series by the places of their memory: each is made once.
    made: BTreeSet<*const Series>,
}

const POST: [(&[u8], &[u8]); 3] = [(b":method", b"POST"), (b":path", b"/mcp"), (b"content-type", b"application/json")];

impl Worker {
    fn new(config: &MetricsConfig, catalogue: Option<CatalogueConfig>) -> Self {
        let settings = Settings {
            direction: Direction::Inbound,
            endpoints: Endpoints::new(["/mcp"]),
            strict: false,
            header_hold: false,
            limits: Limits::default(),
            batches: Batches::Refuse,
            responses: Responses::Pass,
            origins: None,
            revisions: None,
            methods: None,
            max_response_bytes: 1 << 20,
        };
        let catalogue = catalogue.map(|config| Rc::new(Catalogue::new(&config).unwrap()));
        let stages = catalogue.iter().map(|catalogue| {
            let stage: Box<dyn Stage> = Box::new(CatalogueStage::new(Rc::clone(catalogue)));
            stage
        });
        let pipeline = Pipeline::new(settings, stages.collect());
        let metrics = Metrics::new(config, Direction::Inbound, ["configured"], [], catalogue);
        Self {
            pipeline: Rc::new(pipeline.observed_by(Box::new(metrics))),
            world: World::default(),
            effects: Effects::default(),
            seen: BTreeMap::new(),
            made: BTreeSet::new(),
        }
    }

    fn exchange(&mut self, request: &str, response: &str) {
        let mut exchange = Exchange::new(Rc::clone(&self.pipeline));
        let head = [(&b":status"[..], &b"200"[..]), (b"content-type", b"application/json")];
        for input in [
            Input::RequestHeaders { headers: Headers::new(&POST), end_of_stream: false },
            Input::RequestBodyComplete { body: request.as_bytes() },
            Input::ResponseHeaders { headers: Headers::new(&head), end_of_stream: false },
            Input::ResponseBodyChunk { chunk: response.as_bytes(), end_of_stream: true },
            Input::End,
        ] {
            self.effects.clear();
            exchange.handle(input, &mut self.world, &mut self.effects);
            for effect in std::mem::take(&mut self.effects.list) {
                if let Effect::Report(report) = effect {
                    report.tell(&mut self.world, &mut self.effects);
                } else {
                    self.effects.list.push(effect);
                }
            }
            for effect in &self.effects.list {
                let measured: Vec<(&Rc<Series>, i64)> = match effect {
                    Effect::Measure { series, by } => vec![(series, *by)],
                    Effect::MeasureAll { series, by } => series.iter().zip(*by).collect(),
                    _ => continue,
                };
                for (series, by) in measured {
                    if self.made.insert(Rc::as_ptr(series)) {
                        assert!(self.seen.insert(series.name().to_owned(), 0).is_none(), "{} twice", series.name());
                    }
                    *self.seen.get_mut(series.name()).unwrap() += by;
                }
            }
        }
    }

    fn tools(&self) -> BTreeSet<String> {
        let tool = |name: &String| Some(name.split_once("gen_ai_tool_name=.=")?.1.split_once(";.;")?.0.to_owned());
        self.seen.keys().filter_map(tool).collect()
    }
}

fn call(tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

#[test]
fn a_million_names_make_no_series() {
    const CALLS: u64 = 1_000_000;
    let labels = [MetricsConfig::default().labels, vec![Label::Endpoint]].concat();
    let mut worker = Worker::new(&MetricsConfig { labels, ..MetricsConfig::default() }, None);
    let mut state = 1_u64;
    let mut hostile = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:x};.;outcome=.=ok;.;", state >> 8)
    };
    for _ in 0..1000 {
        worker.exchange(&call(&hostile()), RESULT);
    }
    let (series, memory) = (worker.seen.clone(), worker.made.len());
    for _ in 1000..CALLS {
        worker.exchange(&call(&hostile()), RESULT);
    }
    assert_eq!(worker.seen.keys().collect::<Vec<_>>(), series.keys().collect::<Vec<_>>());
    assert_eq!(worker.made.len(), memory);
    assert_eq!(worker.tools(), BTreeSet::from(["other".to_owned()]));
    let requests = worker.seen.iter().find(|(name, _)| name.starts_with("meshward_requests.")).unwrap();
    assert_eq!(*requests.1, CALLS.cast_signed());
    worker.exchange(&call("configured"), RESULT);
    assert!(worker.tools().contains("configured"));
}

#[test]
fn servers_make_a_bounded_number() {
    for (most, tools) in [(20, 20), (21, 20), (300, 290)] {
        let catalogue = CatalogueConfig { max_tools: tools, ..CatalogueConfig::default() };
        let config = MetricsConfig { max_series: most, ..MetricsConfig::default() };
        let mut worker = Worker::new(&config, Some(catalogue));
        let names: Vec<_> = (0..400).map(|number| format!("tool-{number}")).collect();
        let listed: Vec<_> =
            names.iter().map(|name| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#)).collect();
        let list = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, listed.join(","));
        worker.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, &list);
        for (number, name) in names.iter().enumerate() {
            // Every tool fails with another code, which is the server's to choose.
            let error = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{number},"message":""}}}}"#);
            worker.exchange(&call(name), &error);
        }
        assert!(worker.seen.len() <= most + Metric::ALL.len(), "{}", worker.seen.len());
        assert!(worker.seen.len() >= most, "{}", worker.seen.len());
        let named = worker.tools();
        assert!(named.contains("other") && named.contains("tool-0") && named.len() <= tools + 1, "{}", named.len());
        assert!(worker.seen["meshward_series_overflow.total"] > 0);
        let requests = worker.seen.iter().filter(|(name, _)| name.starts_with("meshward_requests."));
        assert_eq!(requests.map(|(_, count)| count).sum::<i64>(), 401);
    }
}
