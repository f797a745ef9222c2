//! `meshward.wasm` itself in the host: what Cranelift compiles and the ABI carries, not what the filter decides (that is
//! for the cases). Needs the module that `cargo xtask build` writes, or the one that `MESHWARD_WASM` names.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use bytes::Bytes;
    use host_harness::{
        Event, Frame, HeaderMap, Host, Module, Optimize, PluginConfig, Properties, StartError, StreamId, Worker,
    };

    const POLICY: &str = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"/mcp"}],
        "policy":{"default":"deny","rules":[{"name":"readers","effect":"allow","methods":["tools/call"],"tools":["search"]}]}}"#;

    fn module() -> &'static Module {
        static MODULE: OnceLock<Module> = OnceLock::new();
        MODULE.get_or_init(|| {
            let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/meshward/meshward.wasm");
            let path = std::env::var_os("MESHWARD_WASM").map_or(built, PathBuf::from);
            Module::from_file(&path, Optimize::Compile)
                .unwrap_or_else(|error| panic!("{error}; `cargo xtask build` makes the module"))
        })
    }

    fn start(host: &Host, configuration: &'static str) -> Result<Worker, StartError> {
        let config = PluginConfig {
            name: "meshward".into(),
            root_id: "meshward".into(),
            configuration: Bytes::from_static(configuration.as_bytes()),
            ..PluginConfig::default()
        };
        Worker::start(module(), &config, host)
    }

    fn call(tool: &str) -> Bytes {
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
            .into()
    }

    fn post(worker: &mut Worker, body: &Bytes, chunk: usize) -> (StreamId, Vec<Event>) {
        let id = worker.open(Properties::new());
        let headers: HeaderMap = [
            (":method", "POST"),
            (":path", "/mcp"),
            (":scheme", "http"),
            (":authority", "test"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("content-length", &body.len().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
        worker.request_headers(id, headers, false);
        for piece in body.chunks(chunk) {
            worker.request_data(id, Bytes::copy_from_slice(piece), false);
        }
        worker.request_data(id, Bytes::new(), true);
        (id, worker.events())
    }

    fn bodies(events: &[Event]) -> (Vec<u8>, Vec<u8>) {
        let (mut up, mut client) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::ToUpstream(_, Frame::Data { data, .. }) => up.extend_from_slice(data),
                Event::ToClient(_, Frame::Data { data, .. }) => client.extend_from_slice(data),
                _ => {}
            }
        }
        (up, client)
    }

    #[test]
    fn an_allowed_call_arrives_byte_for_byte_however_it_is_cut() {
        let mut worker = start(&Host::default(), POLICY).unwrap();
        let body = call("search");
        for chunk in [1, 7, body.len()] {
            let (_, events) = post(&mut worker, &body, chunk);
            assert_eq!(bodies(&events), (body.to_vec(), Vec::new()), "in pieces of {chunk}");
        }
    }

    #[test]
    fn a_denied_call_is_answered_and_its_body_goes_nowhere() {
        let host = Host::default();
        let mut worker = start(&host, POLICY).unwrap();
        for chunk in [1, 1000] {
            let (id, events) = post(&mut worker, &call("delete_repo"), chunk);
            let (up, client) = bodies(&events);
            assert_eq!(up, b"");
            let client = String::from_utf8(client).unwrap();
            assert!(client.contains(r#""id":7"#) && client.contains("-31403"), "{client}");
            assert!(worker.close(id).is_some());
        }
        assert_eq!(host.stats().vm_failures, 0, "{:?}", host.logs());
    }

    #[test]
    fn a_wrong_configuration_stops_the_load_with_its_errors_in_the_log() {
        let error = start(&Host::default(), r#"{"apiVersion":"meshward/v1","polcy":{}}"#).unwrap_err();
        let logged: String = error.logs.iter().map(|line| line.message.as_str()).collect();
        assert!(logged.contains("polcy"), "{error}: {logged}");
    }

    /// Names that nobody has heard of, as many as a hostile client likes: what it calls is denied or goes on, and the series and the
    /// memory stay what they were.
    #[test]
    fn whatever_names_a_client_makes_up_series_and_memory_stay() {
        const CALLS: usize = 30_000;
        let observed = r#"{"apiVersion":"meshward/v1","endpoints":[{"path":"/mcp"}],"trace":{},"metrics":{},"audit":{},"spans":{},
            "policy":{"default":"deny","rules":[{"name":"some","effect":"allow","tools":["a*","search"]}]}}"#;
        let host = Host::default();
        let mut worker = start(&host, observed).unwrap();
        let series = |host: &Host| {
            let metrics = host.metrics();
            metrics.counters.len() + metrics.gauges.len() + metrics.histograms.len()
        };
        let mut state = 1_u64;
        let mut before = (0, 0);
        for number in 0..CALLS {
            if number == CALLS / 10 {
                before = (series(&host), worker.memory_bytes());
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (id, _) = post(&mut worker, &call(&format!("{state:016x};.;outcome=.=ok;.;")), 4096);
            worker.close(id);
        }
        assert!(before.0 > 0 && before.1 > 0);
        // Under load what was measured is told together, when the module's timer is due.
        std::thread::sleep(worker.next_timer().unwrap());
        worker.run_timers();
        assert_eq!((series(&host), worker.memory_bytes()), before);
        let requests: Vec<_> =
            host.metrics().counters.into_iter().filter(|(name, _)| name.starts_with("meshward_requests.")).collect();
        assert!(requests.iter().all(|(name, _)| name.contains("gen_ai_tool_name=.=other;.;")), "{requests:?}");
        assert_eq!(requests.iter().map(|(_, count)| count).sum::<u64>(), CALLS as u64);
        assert_eq!(host.stats().vm_failures, 0);
    }

    #[test]
    fn workers_share_metrics_and_stand_alone_otherwise() {
        let host = Host::default();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let host = host.clone();
                std::thread::spawn(move || {
                    let mut worker = start(&host, POLICY).unwrap();
                    for _ in 0..50 {
                        let (id, _) = post(&mut worker, &call("delete_repo"), 64);
                        worker.close(id);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(host.stats().vm_starts, 4);
        assert_eq!(host.stats().vm_failures, 0);
        let refusals: Vec<u64> = host.metrics().counters.into_values().collect();
        assert_eq!(refusals, [200], "one counter, of the one reason");
    }
}
