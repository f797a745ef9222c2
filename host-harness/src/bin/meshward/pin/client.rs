//! As much of an MCP client as it takes to list a server's tools.
//!
//! The answers are read as the module reads them, and not into a library's own types: those leave out what they do not
//! know, and a hash is of everything that the server says.

use std::io::Read as _;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use meshward_catalogue::Digest;
use meshward_wire::json;
use meshward_wire::limits::Limits;
use meshward_wire::listing::{ListKind, Listing};
use meshward_wire::message::{Body, Kind, Message, Reader};
use meshward_wire::revision::Revision;
use meshward_wire::sse::Decoder;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::failure::Failure;

/// The longest response that is read.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// A server whose list does not end is not followed for ever.
const MAX_PAGES: usize = 1000;
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A tool as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) hash: Digest,
}

/// A connection to a server.
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    /// Those of the caller, and what the protocol asks for.
    headers: Vec<(HeaderName, HeaderValue)>,
    next_id: u32,
    /// Requests carry what a session would remember.
    is_stateless: bool,
}

/// Why a request came to nothing.
enum Refused {
    /// The server answers with an error of JSON-RPC.
    ByServer(Failure),
    Otherwise(Failure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ByServer(failure) | Refused::Otherwise(failure) => failure,
        }
    }
}

impl Client {
    pub(super) fn new(
        url: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
        ca: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Whoever answers elsewhere is not the server that was asked for.
            .max_redirects(0)
            .user_agent(concat!("meshward/", env!("CARGO_PKG_VERSION")))
            .timeout_per_call(Some(timeout));
        if let Some(pem) = ca {
            let certificates = certificates(pem)?;
            config =
                config.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build());
        }
        let agent = config.build().new_agent();
        Ok(Self { agent, url: url.to_owned(), headers, next_id: 1, is_stateless: false })
    }

    /// Begins a session, where the server has sessions.
    pub(super) fn open(&mut self, revision: Option<Revision>) -> Result<(), Failure> {
        let newest = Revision::ALL.into_iter().rev();
        let with_sessions = || newest.clone().find(|revision| !revision.requires_mirrored_headers());
        let stateless = revision.filter(|revision| revision.requires_mirrored_headers());
        if let Some(revision) = stateless {
            self.go_stateless(revision);
            return Ok(());
        }
        let Some(revision) = revision.or_else(with_sessions) else {
            return Err(Failure::runtime("no protocol revision is known"));
        };
        let params =
            format!("\"protocolVersion\":\"{}\",\"capabilities\":{{}},\"clientInfo\":{CLIENT_INFO}", revision.as_str());
        let agreed = self.request("initialize", &params, |text, result| {
            json::member(text, result, "protocolVersion")
                .and_then(|version| json::string(text, version))
                .map(String::from)
        });
        match agreed {
            Ok(agreed) => {
                let agreed = agreed
                    .ok_or_else(|| Failure::runtime("the server does not say which protocol revision it speaks"))?;
                let version = HeaderValue::from_str(&agreed).map_err(Failure::runtime)?;
                self.headers.push((VERSION, version));
                self.notify("notifications/initialized")
            }
            // One that knows no sessions.
            Err(Refused::ByServer(failure)) => {
                match newest.clone().find(|revision| revision.requires_mirrored_headers()) {
                    Some(revision) => {
                        self.go_stateless(revision);
                        Ok(())
                    }
                    None => Err(failure),
                }
            }
            Err(Refused::Otherwise(failure)) => Err(failure),
        }
    }

    fn go_stateless(&mut self, revision: Revision) {
        self.is_stateless = true;
        self.headers.push((VERSION, HeaderValue::from_static(revision.as_str())));
    }

    /// All tools, page by page; the function is told of each page.
    pub(super) fn tools(&mut self, mut on_page: impl FnMut(usize, usize)) -> Result<Vec<Tool>, Failure> {
        let (mut tools, mut cursor): (Vec<Tool>, Option<String>) = (Vec::new(), None);
        for page in 1..=MAX_PAGES {
            let params = cursor.take().map(|cursor| format!("\"cursor\":{}", json_string(&cursor))).unwrap_or_default();
            let (listed, next) = self.request("tools/list", &params, |text, result| {
                let next = json::member(text, result, "nextCursor").and_then(|next| json::string(text, next));
                (read_tools(text, result), next.map(String::from))
            })?;
            let listed = listed?;
            on_page(page, listed.len());
            tools.extend(listed);
            cursor = next;
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(Failure::runtime(format!("the server's list has more than {MAX_PAGES} pages")))
    }

    /// Ends the session. A server need not allow that.
    pub(super) fn close(self) {
        if self.headers.iter().any(|(name, _)| *name == SESSION) {
            let mut request = self.agent.delete(&self.url);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let _: Result<_, _> = request.call();
        }
    }

    fn notify(&mut self, method: &str) -> Result<(), Failure> {
        let response = self.send(method, format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}"))?;
        if response.status().is_success() { Ok(()) } else { Err(unexpected(method, response.status())) }
    }

    /// Sends a request and reads what the function wants of its result.
    fn request<T>(
        &mut self,
        method: &str,
        params: &str,
        read: impl FnOnce(&str, json::Span) -> T,
    ) -> Result<T, Refused> {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let version = self.headers.iter().find(|(name, _)| *name == VERSION).and_then(|(_, value)| value.to_str().ok());
        let meta = version.filter(|_| self.is_stateless).map(|version| {
            format!(
                "\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"{version}\",\"io.modelcontextprotocol/clientInfo\":{CLIENT_INFO},\
                 \"io.modelcontextprotocol/clientCapabilities\":{{}}}}"
            )
        });
        let params = [Some(params.to_owned()), meta].into_iter().flatten().filter(|part| !part.is_empty());
        let params = params.collect::<Vec<_>>().join(",");
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{{params}}}}}");
        let response = self.send(method, body).map_err(Refused::Otherwise)?;
        let status = response.status();
        if let Some(session) = response.headers().get(SESSION).filter(|_| method == "initialize") {
            self.headers.push((SESSION, session.clone()));
        }
        let answer = Answer::read(response, id).map_err(Refused::Otherwise)?;
        let Some(answer) = answer else { return Err(Refused::Otherwise(unexpected(method, status))) };
        let mut reader = reader();
        let Ok(Body::One(message)) = reader.read(&answer.0) else {
            return Err(Refused::Otherwise(Failure::runtime(format!("the answer to {method} cannot be read"))));
        };
        match message.result() {
            Some(result) => Ok(read(message.text(), result)),
            None => Err(Refused::ByServer(refusal(method, &message))),
        }
    }

    fn send(&self, method: &str, body: String) -> Result<http::Response<ureq::Body>, Failure> {
        let mut request = self.agent.post(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.is_stateless {
            request = request.header("mcp-method", method);
        }
        let request =
            request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json, text/event-stream");
        request.send(body).map_err(|error| Failure::runtime(format!("{method}: {error}")))
    }
}

const CLIENT_INFO: &str = concat!("{\"name\":\"meshward-pin\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");

fn reader() -> Reader {
    Reader::new(Limits { max_bytes: MAX_RESPONSE_BYTES, ..Limits::default() })
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unexpected(method: &str, status: http::StatusCode) -> Failure {
    let hint = match status.as_u16() {
        401 | 403 => "; say who you are, such as with --header 'Authorization: Bearer …'",
        300..=399 => "; give the address that it leads to",
        404 | 405 => "; is this the path of an MCP endpoint?",
        _ => "",
    };
    Failure::runtime(format!("{method}: the server answers with HTTP status {status}{hint}"))
}

/// The server's own words are shown, but nothing else of the error.
fn refusal(method: &str, message: &Message<'_>) -> Failure {
    let text = message.text();
    let member = |name| message.error().and_then(|error| json::member(text, error, name));
    let code = message.error_code().unwrap_or("?");
    let words = member("message").and_then(|words| json::string(text, words)).unwrap_or_default();
    let words: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
    Failure::runtime(format!("{method}: the server answers with error {code}: {words}"))
}

/// The tools of a result, as the module reads them.
fn read_tools(text: &str, result: json::Span) -> Result<Vec<Tool>, Failure> {
    let listing = Listing::read(text, result, ListKind::Tools).map_err(|unlistable| {
        Failure::runtime(format!("the server's list cannot be read in one way only: {unlistable}"))
    })?;
    let tool = |entry: &meshward_wire::listing::Entry<'_>| {
        let hash = Digest::of_definition(text, entry.span);
        let hash =
            hash.ok_or_else(|| Failure::runtime(format!("the definition of {:?} is nested too deeply", entry.name)))?;
        Ok(Tool { name: entry.name.clone().into_owned(), hash })
    };
    listing.entries.iter().map(tool).collect()
}

/// The text of the message that answers a request.
struct Answer(Vec<u8>);

impl Answer {
    /// `None`: there is none.
    fn read(response: http::Response<ureq::Body>, id: u32) -> Result<Option<Self>, Failure> {
        let mime = response.body().mime_type().unwrap_or_default().to_ascii_lowercase();
        let mut body = response.into_body().into_reader().take(MAX_RESPONSE_BYTES as u64);
        let broken = |error: std::io::Error| Failure::runtime(format!("the response breaks off: {error}"));
        match mime.as_str() {
            "application/json" => {
                let mut bytes = Vec::new();
                body.read_to_end(&mut bytes).map_err(broken)?;
                Ok(Some(Self(bytes)).filter(|answer| answer.answers(id)))
            }
            "text/event-stream" => {
                let mut decoder = Decoder::new(MAX_RESPONSE_BYTES);
                let mut chunk = [0; 16 << 10];
                loop {
                    let read = body.read(&mut chunk).map_err(broken)?;
                    let mut blocks = decoder.feed(chunk.get(..read).unwrap_or_default());
                    while let Some(block) = blocks.next_block().map_err(Failure::runtime)? {
                        let data = block.data().map(|data| Self(data.into_owned()));
                        if let Some(answer) = data.filter(|answer| answer.answers(id)) {
                            return Ok(Some(answer));
                        }
                    }
                    if read == 0 {
                        return Ok(None);
                    }
                }
            }
            _ => Ok(None),
        }
    }

    fn answers(&self, id: u32) -> bool {
        let mut reader = reader();
        let Ok(Body::One(message)) = reader.read(&self.0) else { return false };
        let is_answer = matches!(message.kind(), Kind::Response | Kind::Error);
        // An error may say no id, where the server could not read it.
        is_answer && message.id().is_none_or(|answered| answered.raw() == id.to_string())
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Failure> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| Failure::usage(format!("--ca: {error}")))? {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(Failure::usage("--ca: there is no certificate in this file")),
        false => Ok(certificates),
    }
}
