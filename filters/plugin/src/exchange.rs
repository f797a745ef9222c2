//! One HTTP stream: callbacks to inputs, effects to host calls.

use std::cell::Cell;
use std::rc::Rc;

use meshward_engine::{
    BodyDemand, CalloutOutcome, Effect, Effects, Exchange, Flow, HeaderEdit, Headers, Host, Input, Level, Outcome,
    Pipeline, Reply, StoreError,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, LogLevel, MapType};

use crate::abi;
use crate::callouts::{self, Token};
use crate::metrics::Metrics;
use crate::random;

/// For how many effects memory is kept.
const MOST_KEPT_EFFECTS: usize = 64;

/// The context of one stream.
pub(crate) struct HttpExchange {
    /// `None`: there is no configuration, or it went wrong; nothing passes.
    exchange: Option<Exchange>,
    /// Memory for effects, which all exchanges of the worker use in turn.
    effects: Rc<Cell<Effects>>,
    metrics: Rc<Metrics>,
    /// The request's body as far as the host has shown it, for when trailers end it.
    request_bytes: usize,
    response_bytes: usize,
    /// It went wrong in a way that no input can mend.
    failed: bool,
    /// It had its last input.
    is_over: bool,
    /// The engine's callout by the host's token.
    callouts: Vec<(Token, u32)>,
}

impl HttpExchange {
    pub(crate) fn new(pipeline: Option<Rc<Pipeline>>, effects: Rc<Cell<Effects>>, metrics: Rc<Metrics>) -> Self {
        Self {
            exchange: pipeline.map(Exchange::new),
            effects,
            metrics,
            request_bytes: 0,
            response_bytes: 0,
            failed: false,
            is_over: false,
            callouts: Vec::new(),
        }
    }

    /// Hands an input to the exchange and carries out what it asks for.
    fn handle(&mut self, input: Input<'_>, side: Side) -> Action {
        let Some(exchange) = &mut self.exchange else {
            return self.fail();
        };
        let mut effects = self.effects.take();
        effects.clear();
        exchange.handle(input, &mut ProxyHost, &mut effects);
        self.metrics.ticks().for_stages(exchange.pipeline());
        let mut not_called = None;
        let mut carried_out = true;
        for effect in effects.list.drain(..) {
            carried_out &= match effect {
                Effect::Reply(reply) => send(&reply),
                Effect::RequestHeader(edit) => apply(MapType::HttpRequestHeaders, &edit),
                Effect::ResponseHeader(edit) => apply(MapType::HttpResponseHeaders, &edit),
                Effect::ReplaceBody(bytes) => abi::replace_buffer(side.buffer(), &bytes).is_ok(),
                Effect::Callout(callout) => {
                    match callouts::begin(&callout) {
                        Some(token) => self.callouts.push((token, callout.id)),
                        None => not_called = Some(callout.id),
                    }
                    true
                }
                other => {
                    note(&self.metrics, other);
                    true
                }
            };
        }
        let flow = effects.flow;
        self.give_back(effects);
        self.metrics.tell();
        if !carried_out {
            // An edit that did not happen leaves something else than what was decided.
            return self.fail();
        }
        if let Some(id) = not_called {
            return self.handle(Input::CalloutResult { id, outcome: CalloutOutcome::Failed }, side);
        }
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Hold => Action::Pause,
        }
    }

    /// Hands the exchange its last input, once. Nothing is left to let through or to edit.
    fn last(&mut self, input: Input<'_>) {
        let Some(exchange) = &mut self.exchange else { return };
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let mut effects = self.effects.take();
        effects.clear();
        exchange.handle(input, &mut ProxyHost, &mut effects);
        self.metrics.ticks().for_stages(exchange.pipeline());
        for effect in effects.list.drain(..) {
            note(&self.metrics, effect);
        }
        self.give_back(effects);
        self.metrics.tell();
    }

    /// Keeps the memory for the next input, unless it has become large.
    fn give_back(&self, effects: Effects) {
        if effects.list.capacity() <= MOST_KEPT_EFFECTS {
            self.effects.set(effects);
        }
    }

    /// Another service has answered, or will not.
    fn answered(&mut self, token: Token, outcome: impl FnOnce() -> CalloutOutcome) {
        let Some(place) = self.callouts.iter().position(|(known, _)| *known == token) else { return };
        let (_, id) = self.callouts.swap_remove(place);
        if self.handle(Input::CalloutResult { id, outcome: outcome() }, Side::Request) == Action::Continue
            && abi::continue_request().is_err()
        {
            self.fail();
        }
    }

    /// The last resort: nothing goes on, now or later.
    fn fail(&mut self) -> Action {
        self.last(Input::Failed);
        self.exchange = None;
        // A host takes one answer to a request. Where the response has begun it makes a reset of it.
        let answered = std::mem::replace(&mut self.failed, true);
        if !answered && abi::reply(500, &[("content-type", "text/plain")], b"meshward: internal error").is_err() {
            abi::log(LogLevel::Error, "meshward: an exchange could not be answered and is held");
        }
        Action::Pause
    }

    fn request_body(&mut self, end: bool) -> Action {
        match self.exchange.as_ref().map(Exchange::request_demand) {
            Some(BodyDemand::Nothing) => self.after_decision(),
            Some(_) if !end && self.exchange.as_mut().is_some_and(|exchange| exchange.holds_on(self.request_bytes)) => {
                Action::Pause
            }
            Some(_) if !end => self.handle(Input::RequestBodyGrew { buffered: self.request_bytes }, Side::Request),
            Some(_) => match self.read(BufferType::HttpRequestBody, self.request_bytes) {
                Some(body) => self.handle(Input::RequestBodyComplete { body: &body }, Side::Request),
                None => self.fail(),
            },
            None => self.fail(),
        }
    }

    /// Only what was let through goes on, whatever else of the request arrives.
    fn after_decision(&self) -> Action {
        match self.exchange.as_ref().map(Exchange::outcome) {
            Some(Outcome::Passed | Outcome::Allowed) => Action::Continue,
            _ => Action::Pause,
        }
    }

    fn response_body(&mut self, shown: usize, end: bool) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        match exchange.response_demand() {
            BodyDemand::Nothing => Action::Continue,
            BodyDemand::Lengths => {
                exchange.response_passed(shown, end);
                Action::Continue
            }
            BodyDemand::Whole if !end => self.handle(Input::ResponseBodyGrew { buffered: shown }, Side::Response),
            BodyDemand::Whole => match self.read(BufferType::HttpResponseBody, shown) {
                Some(body) => self.handle(Input::ResponseBodyComplete { body: &body }, Side::Response),
                None => self.fail(),
            },
            BodyDemand::Chunks => match self.read(BufferType::HttpResponseBody, shown) {
                Some(chunk) => {
                    self.handle(Input::ResponseBodyChunk { chunk: &chunk, end_of_stream: end }, Side::Response)
                }
                None => self.fail(),
            },
        }
    }

    /// All of a body. `None`: the host shows less than it said, and what it hides cannot be judged.
    fn read(&self, buffer: BufferType, expected: usize) -> Option<Vec<u8>> {
        if expected == 0 {
            return Some(Vec::new());
        }
        abi::buffer(buffer, expected).ok().filter(|bytes| bytes.len() == expected)
    }
}

impl Context for HttpExchange {
    fn on_http_call_response(&mut self, token: u32, num_headers: usize, body_size: usize, _: usize) {
        self.answered(Token::Http(token), || callouts::http_answer(num_headers, body_size));
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        self.answered(Token::Grpc(token), || callouts::grpc_answer(status, size));
    }

    fn on_done(&mut self) -> bool {
        self.last(Input::End);
        true
    }
}

impl HttpContext for HttpExchange {
    fn on_log(&mut self) {
        self.last(Input::End);
    }

    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Ok(block) = abi::map(MapType::HttpRequestHeaders) else { return self.fail() };
        let Some(lines) = abi::lines(&block) else { return self.fail() };
        self.handle(Input::RequestHeaders { headers: Headers::new(&lines), end_of_stream }, Side::Request)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.request_bytes = size;
        self.request_body(end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.request_body(true)
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        if !self.exchange.as_ref().is_some_and(Exchange::awaits_response) {
            return Action::Continue;
        }
        let Ok(block) = abi::map(MapType::HttpResponseHeaders) else { return self.fail() };
        let Some(lines) = abi::lines(&block) else { return self.fail() };
        self.handle(Input::ResponseHeaders { headers: Headers::new(&lines), end_of_stream }, Side::Response)
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.response_bytes = size;
        self.response_body(size, end_of_stream)
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        // A held body is complete now, and so is one that is only watched.
        match self.exchange.as_ref().map(Exchange::response_demand) {
            Some(BodyDemand::Whole) => self.response_body(self.response_bytes, true),
            Some(BodyDemand::Chunks | BodyDemand::Lengths) => self.handle(Input::ResponseTrailers, Side::Response),
            Some(BodyDemand::Nothing) | None => Action::Continue,
        }
    }
}

/// Which body an effect speaks of.
#[derive(Debug, Clone, Copy)]
enum Side {
    Request,
    Response,
}

impl Side {
    const fn buffer(self) -> BufferType {
        match self {
            Self::Request => BufferType::HttpRequestBody,
            Self::Response => BufferType::HttpResponseBody,
        }
    }
}

/// What is counted and logged; it changes nothing of the exchange.
pub(crate) fn note(metrics: &Metrics, effect: Effect) {
    match effect {
        Effect::Report(report) => metrics.report(report),
        other => note_rarely(metrics, other),
    }
}

// Apart from what every exchange does.
#[inline(never)]
fn note_rarely(metrics: &Metrics, effect: Effect) {
    match effect {
        Effect::CountRefusal { reason, shadow } => metrics.refusal(reason, shadow),
        Effect::Count { counter, by } => metrics.count(counter, by),
        Effect::Measure { series, by } => metrics.measure(series, by),
        Effect::Log(Level::Info, line) => abi::log(LogLevel::Info, &line),
        Effect::Log(Level::Warn, line) => abi::log(LogLevel::Warn, &line),
        Effect::FilterState { key, value } => {
            if abi::set_property(key, &value).is_err() {
                abi::log(LogLevel::Warn, &format!("meshward: the host does not take `{key}`"));
            }
        }
        Effect::MeasureAll { series, by } => {
            series.iter().zip(by).for_each(|(series, by)| metrics.measure(Rc::clone(series), by))
        }
        Effect::Report(_)
        | Effect::Reply(_)
        | Effect::RequestHeader(_)
        | Effect::ResponseHeader(_)
        | Effect::ReplaceBody(_)
        | Effect::Callout(_) => {}
    }
}

fn send(reply: &Reply) -> bool {
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    abi::reply(reply.status, &headers, &reply.body).is_ok()
}

fn apply(map: MapType, edit: &HeaderEdit) -> bool {
    match edit {
        HeaderEdit::Remove(name) => abi::remove_field(map, name).is_ok(),
        HeaderEdit::Set(name, value) => abi::set_field(map, name, value).is_ok(),
        HeaderEdit::Add(name, value) => abi::add_field(map, name, value).is_ok(),
    }
}

/// The proxy as the engine sees it.
#[derive(Debug)]
pub(crate) struct ProxyHost;

impl Host for ProxyHost {
    fn now(&self) -> u64 {
        abi::now()
    }

    fn random(&self, into: &mut [u8]) -> bool {
        random::fill(into)
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        abi::property(path).ok()
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        abi::shared(key).ok()
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), StoreError> {
        abi::set_shared(key, value, version.unwrap_or(0)).map_err(|status| match status {
            abi::Status::CAS_MISMATCH => StoreError::Changed,
            _ => StoreError::Refused,
        })
    }
}
