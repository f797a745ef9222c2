//! What a host's tracer names and labels its span of an exchange with, by OpenTelemetry's conventions for MCP.
//!
//! Each is left under the name of its attribute as soon as it is known, since a span ends before an exchange does. Of a batch
//! it is the first message that counts.

use std::borrow::Cow;

use meshward_engine::{
    AnswerKind, Decided, Direction, ExchangeObserver, HeaderDemand, MessageReport, Moment, Observer, Report, Target,
    View, is_failure,
};
use meshward_wire::json;
use serde::Deserialize;

use crate::config::SessionMode;
use crate::text::{MAX_TEXT_BYTES, clipped, shown_uri};

/// The name under which the span's name is left; in Envoy the filter state `wasm.meshward.span`.
pub const SPAN_NAME: &str = "meshward.span";

/// What spans of MCP are named and labelled with.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SpansConfig {
    /// How the session is told (`mcp.session.id`).
    pub session: SessionMode,
}

/// Names and labels spans.
#[derive(Debug)]
pub struct Spans {
    config: SpansConfig,
}

impl Spans {
    /// An observer by this section of the configuration.
    #[must_use]
    pub const fn new(config: SpansConfig) -> Self {
        Self { config }
    }
}

impl Observer for Spans {
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::None
    }

    fn open(&self) -> Box<dyn ExchangeObserver> {
        Box::new(SpansExchange { config: self.config })
    }
}

/// Nothing is kept of an exchange.
#[derive(Debug)]
struct SpansExchange {
    config: SpansConfig,
}

impl ExchangeObserver for SpansExchange {
    fn see(&mut self, moment: &Moment<'_>, report: &Report, view: &mut View<'_>) {
        let Some(message) = report.messages.first() else { return };
        match moment {
            Moment::Decided { index: 0, .. } => self.name(message, report, view),
            Moment::Answered { index: 0, .. } => {
                if let Some(answer) = message.answer {
                    leave_result(&Failure::of_answer(answer.is, message, report.direction), view);
                }
            }
            Moment::ResponseStarted => {
                if let Some(status) = report.response.status.filter(|status| *status >= 400) {
                    leave(view, "error.type", status.to_string());
                }
            }
            Moment::Decided { .. } | Moment::Answered { .. } | Moment::ServerRequest { .. } | Moment::Ended => {}
        }
    }
}

impl SpansExchange {
    fn name(&self, message: &MessageReport, report: &Report, view: &mut View<'_>) {
        let method = message.method.map(|method| method.name).or(message.other_method.as_deref());
        if let Some(method) = method {
            let method = shown(method);
            let mut name = method.clone().into_owned();
            match &message.target {
                Some(Target::Tool(tool)) => {
                    let tool = shown(tool);
                    name = format!("{name} {tool}");
                    leave(view, "gen_ai.tool.name", tool);
                    if method == "tools/call" {
                        leave(view, "gen_ai.operation.name", "execute_tool");
                    }
                }
                Some(Target::Prompt(prompt)) => {
                    let prompt = shown(prompt);
                    name = format!("{name} {prompt}");
                    leave(view, "gen_ai.prompt.name", prompt);
                }
                // A URI is in no name: there are too many.
                Some(Target::Resource(uri)) => leave(view, "mcp.resource.uri", shown(&shown_uri(uri))),
                Some(Target::Resources(_) | Target::None) | None => {}
            }
            leave(view, "mcp.method.name", method);
            leave(view, SPAN_NAME, name);
        }
        if let Some(id) = message.id.as_ref().filter(|_| message.is_request()) {
            let letters = id.raw();
            let text = letters.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(json::unescape);
            leave(view, "jsonrpc.request.id", shown(&text.unwrap_or(Cow::Borrowed(letters))));
        }
        if let Some(revision) = message.revision {
            leave(view, "mcp.protocol.version", revision.as_str());
        }
        if let Some(session) = report.session.as_deref().and_then(|id| self.config.session.shown(id)) {
            leave(view, "mcp.session.id", shown(&session));
        }
        if let Decided::Denied(reason) = message.decision {
            let failure = match message.answer {
                Some(answer) => Failure::of_answer(answer.is, message, report.direction),
                None => Failure::of_code(Some(i64::from(reason.shown().code())), report.direction),
            };
            leave_result(&failure, view);
        }
    }
}

/// How an operation failed, if it did.
struct Failure {
    code: Option<i64>,
    error_type: Option<String>,
}

impl Failure {
    fn of_answer(answer: AnswerKind, message: &MessageReport, side: Direction) -> Self {
        match answer {
            AnswerKind::Result { is_error } => {
                let is_error = is_error && message.method.is_some_and(|method| method.name == "tools/call");
                Self { code: None, error_type: is_error.then(|| "tool_error".to_owned()) }
            }
            AnswerKind::Error { code } => Self::of_code(code, side),
        }
    }

    /// A server has not failed where its client was wrong: these codes are no errors of its own.
    fn of_code(code: Option<i64>, side: Direction) -> Self {
        let error_type =
            is_failure(side, code).then(|| code.map_or_else(|| "_OTHER".to_owned(), |code| code.to_string()));
        Self { code, error_type }
    }
}

fn leave_result(failure: &Failure, view: &mut View<'_>) {
    if let Some(code) = failure.code {
        leave(view, "rpc.response.status_code", code.to_string());
    }
    if let Some(error_type) = &failure.error_type {
        leave(view, "error.type", error_type.as_str());
    }
}

/// A text of a client's as it may stand in a span: bounded, and without control characters. It is UTF-8: a host that puts
/// anything else into a span makes a message that no collector reads, with all other spans in it.
fn shown(text: &str) -> Cow<'_, str> {
    let (text, _) = clipped(text, MAX_TEXT_BYTES);
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn leave(view: &mut View<'_>, key: &'static str, text: impl AsRef<str>) {
    view.filter_state(key, text.as_ref().as_bytes().to_vec());
}
