//! One request through the engine itself, without a proxy: the reader, the stages and the replies are those of the module,
//! and every decision of the policy is kept with its reasons.

mod caller;
mod message;

use std::cell::RefCell;
use std::rc::Rc;

use meshward::Config;
use meshward_engine::{BodyDemand, Effect, Effects, Exchange, Headers, Input, Pipeline, Reply};
use meshward_policy::Explanation;
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;
use serde_json::{Value, json};

pub(crate) use self::caller::Caller;
use self::caller::World;
use self::message::Spoken;
pub(crate) use self::message::{Ask, Manner};

/// A configuration, ready to be tried.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    config: Config,
    pipeline: Rc<Pipeline>,
    heard: Rc<RefCell<Vec<Explanation>>>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Played {
    /// What the caller gets instead of the server's answer; `None`: the request goes on.
    pub(crate) reply: Option<Reply>,
    /// Why it was refused; or, in shadow mode, would have been.
    pub(crate) refusals: Vec<(Reason, bool)>,
    /// What the policy was asked, and said.
    pub(crate) explanations: Vec<Explanation>,
    /// Whether what it names would be in a list; `None`: it names nothing that is listed.
    pub(crate) shown: Option<bool>,
}

impl Rehearsal {
    /// Compiles a configuration.
    pub(crate) fn new(config: Config) -> Result<Self, String> {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let listener = Rc::clone(&heard);
        let pipeline = config
            .explained_pipeline(move |_, explanation| listener.borrow_mut().push(explanation))
            .map_err(|error| error.to_string())?;
        Ok(Self { config, pipeline: Rc::new(pipeline), heard })
    }

    /// The configuration.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Plays one request.
    pub(crate) fn play(&self, ask: &Ask, manner: &Manner, caller: &Caller) -> Result<Played, String> {
        let revision = self.revision(manner)?;
        let spoken = ask.spoken(manner, revision);
        let shown = listed(&spoken.body).map(|(list, entry)| self.shows(list, &entry, manner, caller)).transpose()?;
        let (seen, _) = self.exchange(&spoken, caller, None);
        Ok(Played { shown, ..seen })
    }

    fn revision(&self, manner: &Manner) -> Result<Revision, String> {
        let known = || Revision::ALL.map(Revision::as_str).join(", ");
        if let Some(name) = &manner.revision {
            return Revision::parse(name).ok_or_else(|| format!("unknown revision `{name}`; known are {}", known()));
        }
        let permitted = self.config.protocol.revisions.as_ref();
        let mut newest = Revision::ALL.into_iter().rev();
        newest
            .find(|revision| permitted.is_none_or(|names| names.iter().any(|name| name == revision.as_str())))
            .ok_or_else(|| "no revision is permitted".to_owned())
    }

    /// Whether a list that holds one thing still holds it when its caller gets it.
    fn shows(&self, list: List, entry: &Value, manner: &Manner, caller: &Caller) -> Result<bool, String> {
        let ask = Ask::Method { method: list.method.to_owned(), params: None };
        let spoken = ask.spoken(manner, self.revision(manner)?);
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {list.member: [entry]}}).to_string();
        let (seen, answer) = self.exchange(&spoken, caller, Some(answer));
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let entries = answer.pointer(&format!("/result/{}", list.member)).and_then(Value::as_array);
        Ok(seen.reply.is_none() && entries.is_some_and(|entries| !entries.is_empty()))
    }

    /// One exchange; with what becomes of the server's answer.
    fn exchange(&self, spoken: &Spoken, caller: &Caller, answer: Option<String>) -> (Played, Vec<u8>) {
        self.heard.borrow_mut().clear();
        let path = self.config.endpoints.first().map_or("/", |endpoint| endpoint.path.as_str());
        let mut lines = vec![
            (":method".to_owned(), "POST".to_owned()),
            (":path".to_owned(), path.to_owned()),
            (":authority".to_owned(), "localhost".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        let own = caller.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let said = spoken.headers.iter().cloned();
        for (name, value) in said.chain(own) {
            lines.retain(|(known, _)| *known != name);
            lines.push((name, value));
        }
        let mut play = Play {
            exchange: Exchange::new(Rc::clone(&self.pipeline)),
            world: World::new(caller, &self.config.identity),
            reply: None,
            refusals: Vec::new(),
        };
        let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        play.handle(Input::RequestHeaders { headers: Headers::new(&lines), end_of_stream: false });
        if play.reply.is_none() && play.exchange.request_demand() == BodyDemand::Whole {
            play.handle(Input::RequestBodyComplete { body: spoken.body.as_bytes() });
        }
        let mut answer = answer.unwrap_or_default().into_bytes();
        if play.reply.is_none() && !answer.is_empty() && play.exchange.awaits_response() {
            let lines: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"application/json")];
            play.handle(Input::ResponseHeaders { headers: Headers::new(&lines), end_of_stream: false });
            let replaced = match play.exchange.response_demand() {
                BodyDemand::Whole => play.handle(Input::ResponseBodyComplete { body: &answer }),
                BodyDemand::Chunks => play.handle(Input::ResponseBodyChunk { chunk: &answer, end_of_stream: true }),
                BodyDemand::Nothing | BodyDemand::Lengths => None,
            };
            answer = replaced.unwrap_or(answer);
        }
        play.handle(Input::End);
        let Play { reply, refusals, .. } = play;
        (Played { reply, refusals, explanations: self.heard.take(), shown: None }, answer)
    }
}

/// One exchange under way.
struct Play {
    exchange: Exchange,
    world: World,
    reply: Option<Reply>,
    refusals: Vec<(Reason, bool)>,
}

impl Play {
    /// Hands in what happens; the body that goes on instead, if it is another.
    fn handle(&mut self, input: Input<'_>) -> Option<Vec<u8>> {
        let mut effects = Effects::default();
        self.exchange.handle(input, &mut self.world, &mut effects);
        let mut replaced = None;
        for effect in effects.list {
            match effect {
                Effect::Reply(reply) => self.reply = Some(reply),
                Effect::CountRefusal { reason, shadow } => self.refusals.push((reason, shadow)),
                Effect::ReplaceBody(bytes) => replaced = Some(bytes),
                Effect::RequestHeader(_)
                | Effect::ResponseHeader(_)
                | Effect::Callout(_)
                | Effect::Count { .. }
                | Effect::Measure { .. }
                | Effect::MeasureAll { .. }
                | Effect::Report(_)
                | Effect::FilterState { .. }
                | Effect::Log(..) => {}
            }
        }
        replaced
    }
}

/// A method that lists.
#[derive(Debug, Clone, Copy)]
struct List {
    method: &'static str,
    member: &'static str,
}

/// The list in which stands what a message names, and its entry there.
fn listed(body: &str) -> Option<(List, Value)> {
    let message: Value = serde_json::from_str(body).ok()?;
    let params = message.get("params")?;
    match message.get("method")?.as_str()? {
        "tools/call" => Some((
            List { method: "tools/list", member: "tools" },
            json!({"name": params.get("name")?.as_str()?, "inputSchema": {"type": "object"}}),
        )),
        "prompts/get" => {
            Some((List { method: "prompts/list", member: "prompts" }, json!({"name": params.get("name")?.as_str()?})))
        }
        "resources/read" => Some((
            List { method: "resources/list", member: "resources" },
            json!({"name": "resource", "uri": params.get("uri")?.as_str()?}),
        )),
        _ => None,
    }
}
