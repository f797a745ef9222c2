//! The engine itself, without a host: what the plugin does with host calls is done here with values.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use meshward::Config;
use meshward_engine::{
    BodyDemand, Callout, CalloutOutcome, CalloutRequest, Counter, Effect, Effects, Exchange, Flow, HeaderEdit, Headers,
    Host as World, Input, MetricKind, Pipeline, Reply, Series, StoreError,
};

use super::caller::Property;
use super::case::{Field, Side};
use super::counts;
use super::frames::{self, Frames};
use super::keys;
use super::observed::{ClientSaw, Observed, Run, UpstreamSaw};
use super::report::{Counted, Host, Played};
use super::service::{self, Said};

/// The host.
#[derive(Debug, Clone, Copy)]
pub struct NativeHost;

impl Host for NativeHost {
    fn name(&self) -> &'static str {
        "native"
    }

    fn parses_http(&self) -> bool {
        false
    }

    fn play(&self, runs: &[Run<'_>]) -> Result<Played> {
        let mut pipelines: BTreeMap<String, Rc<Pipeline>> = BTreeMap::new();
        let mut played = Played::default();
        let store = Store::default();
        for run in runs {
            let document = run.case.document(run.mode);
            let pipeline = match pipelines.get(&document) {
                Some(pipeline) => Rc::clone(pipeline),
                None => {
                    let config =
                        Config::from_json(document.as_bytes()).map_err(|errors| anyhow!("{}: {errors}", run.name()))?;
                    let pipeline = Rc::new(config.pipeline("meshward", &|_| None).map_err(|error| anyhow!("{error}"))?);
                    pipeline.start(&Surroundings::new(Vec::new(), &store));
                    fetch(&pipeline, &store);
                    pipelines.insert(document, Rc::clone(&pipeline));
                    pipeline
                }
            };
            let mut played_one = One::new(pipeline, run, &store);
            played_one.play(run);
            for (key, by) in played_one.counted {
                let counted = played.counts.entry(key).or_default();
                *counted = counted.saturating_add_signed(by);
            }
            played.observed.push(played_one.seen);
        }
        played.counts.retain(|_, count| *count > 0);
        Ok(played)
    }
}

/// One exchange.
#[derive(Debug)]
struct One {
    exchange: Exchange,
    world: Surroundings,
    seen: Observed,
    counted: Vec<(Counted, i64)>,
    /// A reply took the place of the exchange.
    replied: bool,
}

/// What stages fetch before the first exchange, which comes at once.
fn fetch(pipeline: &Pipeline, store: &Store) {
    let (mut world, mut effects) = (Surroundings::new(Vec::new(), store), Effects::default());
    pipeline.tick(&mut world, &mut effects);
    for effect in std::mem::take(&mut effects.list) {
        let Effect::Callout(callout) = effect else { continue };
        let answer = match &callout.request {
            CalloutRequest::Http { headers, .. } if callout.cluster == keys::CLUSTER => {
                keys::answer(&value(headers, ":path"))
            }
            _ => None,
        };
        let outcome = match answer {
            Some((status, body)) => CalloutOutcome::Answered { status, body },
            None => CalloutOutcome::Failed,
        };
        pipeline.called(callout.id, &outcome, &mut world, &mut effects);
    }
}

/// How a call to another service ends: there is one.
fn outcome(callout: &Callout) -> CalloutOutcome {
    const DEADLINE_EXCEEDED: u32 = 4;
    let CalloutRequest::Grpc { message, .. } = &callout.request else { return CalloutOutcome::Failed };
    if callout.cluster != service::CLUSTER {
        return CalloutOutcome::Failed;
    }
    match service::answer(message) {
        Said::Message(message) => CalloutOutcome::Grpc { status: 0, message: message.to_vec() },
        Said::Status(status) => CalloutOutcome::Grpc { status, message: Vec::new() },
        Said::Nothing => CalloutOutcome::Grpc { status: DEADLINE_EXCEEDED, message: Vec::new() },
    }
}

/// What came of one input.
struct Step {
    go_on: bool,
    /// The body or chunk to go on instead.
    replacement: Option<Vec<u8>>,
    edits: Vec<HeaderEdit>,
}

impl One {
    fn new(pipeline: Rc<Pipeline>, run: &Run<'_>, store: &Store) -> Self {
        Self {
            exchange: Exchange::new(pipeline),
            world: Surroundings::new(run.case.caller.properties(&run.case.request), store),
            seen: Observed::default(),
            counted: Vec::new(),
            replied: false,
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Step {
        let (mut effects, mut called) = (Effects::default(), None);
        self.exchange.handle(input, &mut self.world, &mut effects);
        let mut step = Step { go_on: effects.flow == Flow::Continue, replacement: None, edits: Vec::new() };
        let mut list = VecDeque::from(effects.list);
        while let Some(effect) = list.pop_front() {
            match effect {
                Effect::Reply(reply) => self.reply(reply),
                Effect::RequestHeader(edit) | Effect::ResponseHeader(edit) => step.edits.push(edit),
                Effect::ReplaceBody(bytes) => step.replacement = Some(bytes),
                Effect::CountRefusal { reason, shadow } => {
                    self.counted.push((Counted::Refused(reason.name().to_owned(), shadow), 1));
                }
                Effect::Count { counter: Counter::Hidden { list, shadow }, by } => {
                    self.counted.push((Counted::Hidden(list.to_owned(), shadow), by.cast_signed()));
                }
                Effect::Count { counter: Counter::ToolFinding { finding, shadow }, by } => {
                    self.counted.push((Counted::ToolFinding(finding.to_owned(), shadow), by.cast_signed()));
                }
                Effect::Count { counter: Counter::ConditionFailed { allows }, by } => {
                    let effect = if allows { "allow" } else { "deny" };
                    self.counted.push((Counted::FailedCondition(effect.to_owned()), by.cast_signed()));
                }
                Effect::Count { counter: Counter::ContextDropped { place, part }, by } => {
                    let series = format!("meshward_trace_context_dropped_total{{part=\"{part}\",place=\"{place}\"}}");
                    self.counted.push((Counted::Measured(series), by.cast_signed()));
                }
                Effect::Measure { series, by } => self.measured(&series, by),
                Effect::MeasureAll { series, by } => {
                    series.iter().zip(by).for_each(|(series, by)| self.measured(series, by));
                }
                Effect::Report(report) => {
                    let mut late = Effects::default();
                    report.tell(&mut self.world, &mut late);
                    list.extend(late.list);
                }
                Effect::FilterState { key, value } => {
                    let text = String::from_utf8_lossy(&value).into_owned();
                    self.seen.left.0.insert(key.to_owned(), text);
                }
                Effect::Log(_, line) => self.seen.left.add_log_line(&line),
                Effect::Callout(callout) => called = Some(callout),
            }
        }
        match called {
            Some(callout) => {
                let then = self.handle(Input::CalloutResult { id: callout.id, outcome: outcome(&callout) });
                step.edits.extend(then.edits);
                Step { edits: step.edits, ..then }
            }
            None => step,
        }
    }

    fn measured(&mut self, series: &Series, by: i64) {
        let by = if series.kind() == MetricKind::Histogram { 1 } else { by };
        self.counted.push((counts::measured(series.name()), by));
    }

    fn reply(&mut self, reply: Reply) {
        self.replied = true;
        self.seen.client = ClientSaw {
            status: Some(reply.status),
            headers: reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: reply.body,
            broken: None,
        };
    }

    fn play(&mut self, run: &Run<'_>) {
        self.request(frames::request(run), run.case.request.breaks_off);
        if run.case.request.breaks_off {
            self.handle(Input::End);
            return;
        }
        let delivered = self.seen.upstream.last().is_some_and(|saw| saw.complete);
        if delivered && !self.replied {
            self.response(run);
        } else if !self.replied {
            self.seen.client.broken = Some("the request is held for ever".to_owned());
        }
        self.handle(Input::End);
    }

    fn request(&mut self, frames: Frames, breaks_off: bool) {
        let Frames { mut head, pieces, trailers } = frames;
        let end_of_stream = pieces.is_empty() && trailers.is_empty();
        let step = self.handle(Input::RequestHeaders { headers: Headers::new(&lines(&head)), end_of_stream });
        if self.replied {
            return;
        }
        edit(&mut head, step.edits);
        let mut saw = UpstreamSaw {
            method: value(&head, ":method"),
            path: value(&head, ":path"),
            headers: head,
            body: Vec::new(),
            complete: end_of_stream && step.go_on,
        };
        let mut sent = step.go_on;
        let last = pieces.len().saturating_sub(1);
        let mut held = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            held.extend_from_slice(&piece);
            let complete = index == last && !breaks_off;
            // Trailers end the body without another piece of it.
            let step = match self.exchange.request_demand() {
                BodyDemand::Nothing => Step { go_on: true, replacement: None, edits: Vec::new() },
                _ if complete && trailers.is_empty() => self.handle(Input::RequestBodyComplete { body: &held }),
                _ => self.handle(Input::RequestBodyGrew { buffered: held.len() }),
            };
            if !self.forward_request(step, &mut held, &mut saw, &mut sent) {
                break;
            }
            saw.complete = complete && trailers.is_empty() && sent;
        }
        if !trailers.is_empty() && !self.replied {
            let step = match self.exchange.request_demand() {
                BodyDemand::Nothing => Step { go_on: true, replacement: None, edits: Vec::new() },
                _ => self.handle(Input::RequestBodyComplete { body: &held }),
            };
            saw.complete = self.forward_request(step, &mut held, &mut saw, &mut sent) && sent;
        }
        if sent {
            self.seen.upstream.push(saw);
        }
    }

    /// Lets a piece go on, with what is held; `false` when the exchange is over.
    fn forward_request(&mut self, step: Step, held: &mut Vec<u8>, saw: &mut UpstreamSaw, sent: &mut bool) -> bool {
        if self.replied {
            return false;
        }
        if *sent && !step.edits.is_empty() {
            self.seen.client.broken = Some("a head was edited that had gone".to_owned());
        }
        edit(&mut saw.headers, step.edits);
        if step.go_on {
            saw.body.extend(step.replacement.unwrap_or_else(|| std::mem::take(held)));
            held.clear();
            *sent = true;
        } else if let Some(replacement) = step.replacement {
            *held = replacement;
        }
        true
    }

    fn response(&mut self, run: &Run<'_>) {
        let answer = &run.case.answer;
        let Frames { mut head, pieces, .. } = frames::answer(answer);
        if self.exchange.awaits_response() {
            let headers = lines(&head);
            let step = self
                .handle(Input::ResponseHeaders { headers: Headers::new(&headers), end_of_stream: pieces.is_empty() });
            edit(&mut head, step.edits);
        }
        self.seen.client.status = value(&head, ":status").parse().ok();
        self.seen.client.headers = head;
        let last = pieces.len().saturating_sub(1);
        let ends = |index| index == last && answer.breaks_off.is_none();
        let mut held = Vec::new();
        let mut sent = 0_usize;
        for (index, piece) in pieces.into_iter().enumerate() {
            if answer.waits && self.seen.client.body.len() < sent {
                self.seen.late.push(index.saturating_sub(1));
            }
            sent = sent.saturating_add(piece.len());
            held.extend_from_slice(&piece);
            let step = match self.exchange.response_demand() {
                BodyDemand::Nothing => Step { go_on: true, replacement: None, edits: Vec::new() },
                BodyDemand::Lengths => {
                    self.exchange.response_passed(held.len(), ends(index));
                    Step { go_on: true, replacement: None, edits: Vec::new() }
                }
                BodyDemand::Whole if ends(index) => self.handle(Input::ResponseBodyComplete { body: &held }),
                BodyDemand::Whole => self.handle(Input::ResponseBodyGrew { buffered: held.len() }),
                BodyDemand::Chunks => {
                    self.handle(Input::ResponseBodyChunk { chunk: &held, end_of_stream: ends(index) })
                }
            };
            if step.go_on {
                self.seen.client.body.extend(step.replacement.unwrap_or_else(|| std::mem::take(&mut held)));
                held.clear();
            }
        }
        if answer.breaks_off == Some(Side::Upstream) {
            self.seen.client.broken = Some("the upstream is gone".to_owned());
        } else if !held.is_empty() {
            self.seen.client.broken = Some("the response is held for ever".to_owned());
        }
    }
}

fn lines(fields: &[Field]) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn value(fields: &[Field], name: &str) -> String {
    fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn edit(fields: &mut Vec<Field>, edits: Vec<HeaderEdit>) {
    for edit in edits {
        match edit {
            HeaderEdit::Remove(name) => fields.retain(|(n, _)| n != name),
            HeaderEdit::Set(name, value) => {
                fields.retain(|(n, _)| n != name);
                fields.push((name.to_owned(), String::from_utf8_lossy(&value).into_owned()));
            }
            HeaderEdit::Add(name, value) => {
                fields.push((name.to_owned(), String::from_utf8_lossy(&value).into_owned()))
            }
        }
    }
}

/// A world with the system's time, and with the same chance each time; it knows the caller, and what others have left in the store.
#[derive(Debug)]
struct Surroundings {
    properties: Vec<Property>,
    store: Store,
    /// Where the sequence of bytes that nobody foresees is.
    chance: Cell<u64>,
}

/// The store that all exchanges share: values and their versions, which begin at 1.
type Store = Rc<RefCell<BTreeMap<String, (Vec<u8>, u32)>>>;

impl Surroundings {
    fn new(properties: Vec<Property>, store: &Store) -> Self {
        Self { properties, store: Rc::clone(store), chance: Cell::new(0) }
    }
}

impl World for Surroundings {
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn random(&self, into: &mut [u8]) -> bool {
        for byte in into {
            // SplitMix64: well mixed, and the same each time.
            let mut next = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.chance.set(next);
            next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            [*byte, ..] = (next ^ (next >> 31)).to_le_bytes();
        }
        true
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone())
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.store.borrow().get(key).cloned()
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        let mut store = self.store.borrow_mut();
        let now = store.get(key).map(|(_, version)| *version);
        if version.is_some() && now.is_some() && version != now {
            return Err(StoreError::Changed);
        }
        store.insert(key.to_owned(), (value.to_vec(), now.unwrap_or(0).wrapping_add(1)));
        Ok(())
    }
}
