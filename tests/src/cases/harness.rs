//! The module in our own proxy-wasm host: a worker for each configuration and mode, fed frame by frame.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use bytes::Bytes;
use host_harness::{
    Event, Frame, HeaderMap, Host as Machine, HostOptions, HttpResponse, LogLine, MetricsSnapshot, Module, Optimize,
    PluginConfig, Properties, StreamId, Worker,
};

use super::case::{Build, Field, Mode, Side};
use super::counts;
use super::frames::{self, Frames};
use super::keys;
use super::left::{Left, PREFIX};
use super::observed::{ClientSaw, Observed, Run, UpstreamSaw};
use super::report::{Counts, Host, Played};
use super::service::{self, Said};

/// The host.
#[derive(Debug, Clone, Copy)]
pub struct HarnessHost;

impl Host for HarnessHost {
    fn name(&self) -> &'static str {
        "harness"
    }

    fn parses_http(&self) -> bool {
        false
    }

    fn play(&self, runs: &[Run<'_>]) -> Result<Played> {
        let mut modules: BTreeMap<Build, Module> = BTreeMap::new();
        let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let logged = Arc::clone(&lines);
        let sink = move |line: &LogLine| logged.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        let machine = Machine::new(HostOptions { log_sink: Some(Arc::new(sink)), ..HostOptions::default() });
        let mut workers: BTreeMap<(String, bool, Build), Worker> = BTreeMap::new();
        let mut fetched = BTreeSet::new();
        let mut observed = Vec::with_capacity(runs.len());
        let mut problems = Vec::new();
        for run in runs {
            let hold = run.mode == Mode::Hold;
            let document = run.case.document(run.mode);
            let build = run.case.module;
            let module = match modules.entry(build) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Module::from_file(&build.file()?, Optimize::Compile)?),
            };
            let worker = match workers.entry((document, hold, build)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let config = plugin(&entry.key().0, hold);
                    let urls = keys::urls(&entry.key().0);
                    match Worker::start(module, &config, &machine) {
                        Ok(mut worker) => {
                            if !urls.is_subset(&fetched) {
                                fetch(&mut worker);
                                fetched.extend(urls);
                            }
                            entry.insert(worker)
                        }
                        Err(error) => bail!("{}: {error}: {:?}", run.name(), error.logs),
                    }
                }
            };
            let mut seen = Exchange::play(worker, run);
            let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
            lines.iter().for_each(|line| seen.left.add_log_line(&line.message));
            observed.push(seen);
            if worker.failed() {
                problems.push(format!("{}: the VM trapped", run.name()));
            }
        }
        // What was measured last is told when a timer of the module's is due.
        for worker in workers.values_mut() {
            if let Some(time) = worker.next_timer() {
                std::thread::sleep(time);
                worker.run_timers();
            }
        }
        Ok(Played { observed, counts: counted(&machine.metrics()), problems })
    }
}

/// Every metric of the module.
fn counted(metrics: &MetricsSnapshot) -> Counts {
    let counts = metrics.histograms.iter().map(|(name, histogram)| (name.clone(), histogram.count));
    let values = metrics.counters.iter().chain(&metrics.gauges).map(|(name, value)| (name.clone(), *value));
    counts::of_metrics(values.chain(counts))
}

fn plugin(document: &str, hold: bool) -> PluginConfig {
    PluginConfig {
        name: "meshward".to_owned(),
        root_id: "meshward".to_owned(),
        vm_id: "meshward".to_owned(),
        clusters: [service::CLUSTER, keys::CLUSTER].map(str::to_owned).into(),
        configuration: document.to_owned().into(),
        allow_on_headers_stop_iteration: hold,
        // As in the sidecar that we ship.
        buffer_limit: 2 * 1024 * 1024,
        ..PluginConfig::default()
    }
}

/// What the module fetches before the first exchange, which comes at once.
fn fetch(worker: &mut Worker) {
    std::thread::sleep(worker.next_timer().unwrap_or_default());
    worker.run_timers();
    for event in worker.events() {
        let Event::HttpCall(call) = event else { continue };
        match keys::answer(call.headers.get_str(":path").unwrap_or_default()) {
            Some((status, body)) => {
                let mut headers = HeaderMap::new();
                headers.append(":status", status.to_string());
                let response = HttpResponse { headers, body: body.into(), trailers: HeaderMap::new() };
                worker.http_call_response(call.token, Some(response));
            }
            None => {
                std::thread::sleep(call.timeout.unwrap_or_default());
                worker.run_timers();
            }
        }
    }
    worker.events();
}

/// Both sides of an exchange while it is played.
#[derive(Debug, Default)]
struct Exchange {
    seen: Observed,
    /// The upstream has the whole request.
    delivered: bool,
    /// The client has the whole response, or it broke off.
    over: bool,
}

impl Exchange {
    fn play(worker: &mut Worker, run: &Run<'_>) -> Observed {
        let mut exchange = Self::default();
        let mut properties = Properties::new();
        for (path, value) in run.case.caller.properties(&run.case.request) {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            properties.set(&path, Bytes::from(value));
        }
        let stream = worker.open(properties);
        exchange.request(worker, stream, frames::request(run), run.case.request.breaks_off);
        if exchange.delivered && !exchange.over {
            exchange.respond(worker, stream, run);
        }
        if run.case.request.breaks_off || run.case.answer.breaks_off == Some(Side::Client) {
            worker.client_reset(stream);
        } else if run.case.answer.breaks_off == Some(Side::Upstream) {
            worker.upstream_reset(stream);
            exchange.drain(worker);
        } else if !exchange.over {
            exchange.seen.client.broken = Some("the response does not end".to_owned());
        }
        if let Some(info) = worker.close(stream) {
            let texts = info.filter_state.into_iter().filter_map(|(key, value)| {
                Some((key.strip_prefix(PREFIX)?.to_owned(), String::from_utf8_lossy(&value).into_owned()))
            });
            exchange.seen.left = Left(texts.collect());
        }
        // What is done at the end goes nowhere.
        worker.events();
        exchange.seen
    }

    fn request(&mut self, worker: &mut Worker, stream: StreamId, frames: Frames, breaks_off: bool) {
        let Frames { head, pieces, trailers } = frames;
        worker.request_headers(stream, map(&head), pieces.is_empty() && trailers.is_empty());
        self.drain(worker);
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.into_iter().enumerate() {
            if self.over {
                return;
            }
            let ends = index == last && trailers.is_empty() && !breaks_off;
            worker.request_data(stream, piece.into(), ends);
            self.drain(worker);
        }
        if !trailers.is_empty() && !self.over {
            worker.request_trailers(stream, map(&trailers));
            self.drain(worker);
        }
    }

    fn respond(&mut self, worker: &mut Worker, stream: StreamId, run: &Run<'_>) {
        let answer = &run.case.answer;
        let Frames { head, pieces, .. } = frames::answer(answer);
        worker.response_headers(stream, map(&head), pieces.is_empty());
        self.drain(worker);
        let last = pieces.len().saturating_sub(1);
        let mut sent = 0_usize;
        for (index, piece) in pieces.into_iter().enumerate() {
            if self.over {
                return;
            }
            if answer.waits && self.seen.client.body.len() < sent {
                self.seen.late.push(index.saturating_sub(1));
            }
            sent = sent.saturating_add(piece.len());
            worker.response_data(stream, piece.into(), index == last && answer.breaks_off.is_none());
            self.drain(worker);
        }
    }

    fn drain(&mut self, worker: &mut Worker) {
        let mut events: VecDeque<_> = worker.events().into();
        while let Some(event) = events.pop_front() {
            match event {
                Event::ToUpstream(_, frame) => self.upstream_gets(frame),
                Event::ToClient(_, frame) => self.client_gets(frame),
                Event::GrpcCall(call) => {
                    match service::answer(&call.message) {
                        Said::Message(message) => worker.grpc_message(call.token, message),
                        Said::Status(status) => worker.grpc_close(call.token, status, ""),
                        Said::Nothing => {
                            std::thread::sleep(call.timeout.unwrap_or_default());
                            worker.run_timers();
                        }
                    }
                    events.extend(worker.events());
                }
                // It was told that the answer is late.
                Event::CancelCallout(_) => {}
                other => self.seen.client.broken = Some(format!("nobody answers {other:?}")),
            }
        }
    }

    fn upstream_gets(&mut self, frame: Frame) {
        if let Frame::Headers { headers, end_stream } = frame {
            let pseudo = |name: &str| headers.get_str(name).unwrap_or_default().to_owned();
            self.seen.upstream.push(UpstreamSaw {
                method: pseudo(":method"),
                path: pseudo(":path"),
                headers: fields(&headers),
                body: Vec::new(),
                complete: end_stream,
            });
            self.delivered = end_stream;
            return;
        }
        let Some(saw) = self.seen.upstream.last_mut() else { return };
        match frame {
            Frame::Headers { .. } | Frame::Reset(_) => {}
            Frame::Data { data, end_stream } => {
                saw.body.extend_from_slice(&data);
                saw.complete |= end_stream;
            }
            Frame::Trailers(_) => saw.complete = true,
        }
        self.delivered = saw.complete;
    }

    fn client_gets(&mut self, frame: Frame) {
        let client: &mut ClientSaw = &mut self.seen.client;
        match frame {
            Frame::Headers { headers, end_stream } => {
                client.status = headers.status();
                client.headers = fields(&headers);
                self.over |= end_stream;
            }
            Frame::Data { data, end_stream } => {
                client.body.extend_from_slice(&data);
                self.over |= end_stream;
            }
            Frame::Trailers(_) => self.over = true,
            Frame::Reset(reason) => {
                client.broken = Some(format!("reset: {reason:?}"));
                self.over = true;
            }
        }
    }
}

fn map(fields: &[Field]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name, value.clone());
    }
    map
}

fn fields(map: &HeaderMap) -> Vec<Field> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    map.iter().map(|(name, value)| (text(name), text(value))).collect()
}
