//! A case as it is played: defaults filled in, bodies put together and cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::body::cut;
use super::caller::Caller;
use super::format::{AnswerSpec, CaseSpec, Cuts, FieldLines, RequestSpec};
pub use super::format::{
    Answered, Build, Edited, ErrorSpec, Expect, Framing, Http, Mode, Refused, RefusedBatch, Replaced, ReplacedPart,
    Side,
};
use super::left::LeftSpec;

/// A field line.
pub type Field = (String, String);

/// One exchange and what must be seen of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// `<area>/<file>`, with `: <variant>` where the file has variants.
    pub name: String,
    /// Where it is written.
    pub file: PathBuf,
    /// The module's configuration without `header_hold`, which the mode decides.
    pub config: Value,
    /// It is a step: the variants of its file are played one after another.
    pub in_order: bool,
    /// Which module plays it.
    pub module: Build,
    /// With and without header hold.
    pub modes: Vec<Mode>,
    /// Downstream protocols.
    pub http: Vec<Http>,
    /// Who the client is.
    pub caller: Caller,
    /// What the client sends.
    pub request: Request,
    /// What the upstream answers.
    pub answer: Answer,
    /// What must be seen.
    pub expect: Expect,
    /// Reasons counted though the message passes.
    pub shadow: Vec<String>,
    /// Entries taken out of lists, by the list's method.
    pub hidden: BTreeMap<String, u64>,
    /// Entries that are left only because the policy is in shadow mode, likewise.
    pub would_hide: BTreeMap<String, u64>,
    /// What the guards find about the server's tools.
    pub findings: BTreeMap<String, u64>,
    /// Likewise, where the guards only observe.
    pub observed_findings: BTreeMap<String, u64>,
    /// Conditions that cannot be evaluated, by the effect of their rule.
    pub failed_conditions: BTreeMap<String, u64>,
    /// What is measured, by series.
    pub metrics: BTreeMap<String, u64>,
    /// What is left with the host for its access log and its tracer.
    pub leaves: LeftSpec,
    /// Envoy answers this itself.
    pub envoy_answers: Option<u16>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// The field lines in order; neither `host` nor anything about framing.
    pub headers: Vec<Field>,
    /// The body in pieces; `None` for no body at all.
    pub pieces: Option<Vec<Vec<u8>>>,
    /// How its length is told.
    pub framing: Framing,
    /// The client goes away before it has said that this is all.
    pub breaks_off: bool,
    /// The trailer fields.
    pub trailers: Vec<Field>,
    /// The bytes to write instead.
    pub raw: Option<Vec<u8>>,
}

impl Request {
    /// The whole body, empty where there is none.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.pieces.iter().flatten().flatten().copied().collect()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The field lines, without framing.
    pub headers: Vec<Field>,
    /// The body in pieces; empty for an answer without content.
    pub pieces: Vec<Vec<u8>>,
    /// How its length is told.
    pub framing: Framing,
    /// A piece waits until the client has those before it.
    pub waits: bool,
    /// Who goes away when the client has all of the body, of which no end comes.
    pub breaks_off: Option<Side>,
}

impl Answer {
    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.pieces.iter().flatten().copied().collect()
    }
}

/// What an MCP client's POST brings along.
const USUAL: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

/// The result of a tool call.
const USUAL_ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}"#;

impl Case {
    pub(super) fn resolve(name: String, file: PathBuf, mut spec: CaseSpec) -> Result<Self> {
        if spec.about.trim().is_empty() {
            bail!("`about` is empty");
        }
        if spec.modes.is_empty() || spec.http.is_empty() {
            bail!("`modes` and `http` name at least one each");
        }
        let answer = answer(spec.answer).context("answer")?;
        let mut request = request(spec.request).context("request")?;
        if spec.http.contains(&Http::One) && !request.trailers.is_empty() && request.framing == Framing::Length {
            bail!("request: trailers over HTTP/1.1 need `framing: chunked`");
        }
        let is_cut = |breaks_off: bool, framing, body: Option<&Vec<Vec<u8>>>| {
            !breaks_off || framing == Framing::Chunked && body.is_some_and(|pieces| !pieces.is_empty())
        };
        if !is_cut(request.breaks_off, request.framing, request.pieces.as_ref())
            || !is_cut(answer.breaks_off.is_some(), answer.framing, Some(&answer.pieces))
        {
            bail!("what breaks off has a body, and is `chunked`");
        }
        if request.raw.is_some() && spec.http != [Http::One] {
            bail!("request: raw bytes are HTTP/1.1: the case needs `http: [1]`");
        }
        spec.caller.validate(&request)?;
        request.headers.extend(spec.caller.prove(&request, &name)?);
        Ok(Self {
            name,
            file,
            config: spec.config,
            in_order: spec.in_order,
            module: spec.module,
            modes: spec.modes,
            http: spec.http,
            caller: spec.caller,
            request,
            answer,
            expect: spec.expect,
            shadow: spec.shadow,
            hidden: spec.hidden,
            would_hide: spec.would_hide,
            findings: spec.findings,
            observed_findings: spec.observed_findings,
            failed_conditions: spec.failed_conditions,
            metrics: spec.metrics,
            leaves: spec.leaves,
            envoy_answers: spec.envoy_answers,
        })
    }

    /// The sequence it is a step of, by its file.
    #[must_use]
    pub fn sequence(&self) -> Option<&Path> {
        self.in_order.then_some(self.file.as_path())
    }

    /// The configuration document for one mode.
    #[must_use]
    pub fn document(&self, mode: Mode) -> String {
        let mut config = self.config.clone();
        if let Value::Object(members) = &mut config {
            members.insert("header_hold".to_owned(), Value::Bool(mode == Mode::Hold));
        }
        config.to_string()
    }
}

fn request(spec: RequestSpec) -> Result<Request> {
    let given = fields(&spec.headers)?;
    let has_body = spec.body.is_some();
    let usual = USUAL
        .iter()
        .filter(|(name, _)| *name != "content-type" || has_body)
        .filter(|(name, _)| !given.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)))
        .filter(|(name, _)| !spec.without.iter().any(|n| n == name))
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    // What raw bytes say of header fields is nobody's business but Envoy's.
    let headers = if spec.raw.is_some() { Vec::new() } else { usual.chain(given.iter().cloned()).collect() };
    let pieces = spec.body.as_ref().map(|body| pieces(body.bytes()?, &spec.cuts)).transpose().context("body")?;
    Ok(Request {
        method: spec.method.unwrap_or_else(|| "POST".to_owned()),
        path: spec.path.unwrap_or_else(|| "/mcp".to_owned()),
        headers,
        pieces,
        framing: spec.framing,
        breaks_off: spec.breaks_off,
        trailers: fields(&spec.trailers)?,
        raw: spec.raw.map(|raw| raw.bytes()).transpose().context("raw")?,
    })
}

fn answer(spec: AnswerSpec) -> Result<Answer> {
    let mut headers = fields(&spec.headers)?;
    let body = match &spec.body {
        Some(body) => body.bytes().context("body")?,
        None if matches!(spec.status, None | Some(200)) => USUAL_ANSWER.as_bytes().to_vec(),
        None => Vec::new(),
    };
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.insert(0, ("content-type".to_owned(), "application/json".to_owned()));
    }
    let pieces = if body.is_empty() { Vec::new() } else { pieces(body, &spec.cuts).context("body")? };
    Ok(Answer {
        status: spec.status.unwrap_or(200),
        headers,
        pieces,
        framing: spec.framing,
        waits: spec.waits,
        breaks_off: spec.breaks_off,
    })
}

fn pieces(body: Vec<u8>, cuts: &Cuts) -> Result<Vec<Vec<u8>>> {
    match cuts {
        _ if body.is_empty() => Ok(vec![body]),
        Cuts::Whole => Ok(vec![body]),
        Cuts::Every(_) => Ok(body.into_iter().map(|byte| vec![byte]).collect()),
        Cuts::At(at) => cut(body, at),
    }
}

/// Field lines, one of each map.
pub(super) fn fields(lines: &FieldLines) -> Result<Vec<Field>> {
    lines
        .iter()
        .map(|line| {
            let mut entries = line.iter();
            match (entries.next(), entries.next()) {
                (Some((name, value)), None) => Ok((name.clone(), value.clone())),
                _ => bail!("a field line has one name: `- name: value`"),
            }
        })
        .collect()
}
