//! The catalogue as a stage of the exchange: it learns from lists, and holds calls against what it knows.

use std::rc::Rc;

use meshward_engine::{
    Answer, Asked, Call, Decision, KeptHeaders, Reads, Refusal, Scope, Stage, StageExchange, Target, Verdict,
};
use meshward_wire::annotations;
use meshward_wire::json::Span;
use meshward_wire::listing::ListKind;
use meshward_wire::message::{Kind, Message};
use meshward_wire::mirrored::{self, Param};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::Revision;

use crate::catalogue::Catalogue;
use crate::config::{SchemaMode, UnknownTools};
use crate::server::ServerKey;
use crate::tool::Tool;
use crate::violation::Violation;

/// Learns what the server says its tools are, and checks the arguments and mirrored headers of their calls.
#[derive(Debug)]
pub struct CatalogueStage {
    catalogue: Rc<Catalogue>,
    learns: bool,
}

/// The catalogue's part in one exchange.
#[derive(Debug)]
struct CatalogueExchange {
    catalogue: Rc<Catalogue>,
    learns: bool,
    /// The client's messages have come.
    decided: bool,
    /// Among them is one whose answer tells of tools, or of changes to them.
    awaits_tools: bool,
}

impl CatalogueStage {
    /// A stage for a catalogue, which learns from lists.
    #[must_use]
    pub fn new(catalogue: Rc<Catalogue>) -> Self {
        let learns = catalogue.learns();
        Self { catalogue, learns }
    }

    /// One that leaves that to another stage, which does.
    #[must_use]
    pub const fn taught_elsewhere(catalogue: Rc<Catalogue>) -> Self {
        Self { catalogue, learns: false }
    }
}

impl Stage for CatalogueStage {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    fn reads_responses(&self) -> Reads {
        if self.learns { Reads::Observes } else { Reads::Nothing }
    }

    fn open(&self) -> Box<dyn StageExchange> {
        let catalogue = Rc::clone(&self.catalogue);
        Box::new(CatalogueExchange { catalogue, learns: self.learns, decided: false, awaits_tools: false })
    }
}

impl StageExchange for CatalogueExchange {
    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        self.decided = true;
        let method = call.method.map_or("", |method| method.name);
        self.awaits_tools |= matches!(method, "tools/list" | "subscriptions/listen");
        match &call.target {
            Target::Tool(name) if method == "tools/call" => self.tool_call(call, name, scope),
            _ => Verdict::Pass,
        }
    }

    fn reads_response(&self) -> Reads {
        // A stream opened by GET brings changes, and in old revisions lists too.
        let of_interest = self.learns && (self.awaits_tools || !self.decided);
        if of_interest { Reads::Observes } else { Reads::Nothing }
    }

    fn response(&mut self, message: &Message<'_>, asked: &Asked, scope: &mut Scope<'_>) -> Answer {
        match message.kind() {
            Kind::Notification if message.method().as_deref() == Some("notifications/tools/list_changed") => {
                self.catalogue.forget(&*scope.host, &ServerKey::behind(&*scope.host, scope.headers));
            }
            Kind::Response => self.learn(message, asked, scope),
            Kind::Request | Kind::Notification | Kind::Error => {}
        }
        Answer::Pass
    }
}

impl CatalogueExchange {
    fn tool_call(&self, call: &Call<'_>, name: &str, scope: &Scope<'_>) -> Verdict {
        let Some(tool) = self.catalogue.tool(&*scope.host, &ServerKey::behind(&*scope.host, scope.headers), name)
        else {
            return match self.catalogue.unknown_tools() {
                UnknownTools::Allow => Verdict::Pass,
                UnknownTools::Refuse => Verdict::Refuse(Decision::new(Reason::ToolUnknown)),
            };
        };
        let text = call.message.text();
        let arguments = call.message.arguments().filter(|span| span.of(text).starts_with('{'));
        if let Err(reason) = mirrored_parameters(&tool, call, arguments, scope.headers) {
            return Verdict::Refuse(Decision::new(reason));
        }
        let Err(violation) = tool.check_arguments(arguments.map(|span| span.of(text))) else { return Verdict::Pass };
        let reason = match violation {
            Violation::Unusable(_) => Reason::SchemaUnusable,
            _ => Reason::ArgumentsInvalid,
        };
        // A model that reads what is wrong can mend it (MCP 2025-11-25, server/tools, Error Handling).
        let refusal = Refusal::ToolResult { message: Some(violation.to_string().into()) };
        let decision = Decision { refusal, ..Decision::new(reason) };
        match self.catalogue.schema_mode() {
            SchemaMode::Enforce => Verdict::Refuse(decision),
            SchemaMode::Observe | SchemaMode::Off => Verdict::Observe(decision),
        }
    }

    /// Takes in a result that lists tools.
    fn learn(&self, message: &Message<'_>, asked: &Asked, scope: &Scope<'_>) {
        let Some(result) = message.result() else { return };
        let text = message.text();
        if !asked.lists(message, result).is_ok_and(|kinds| kinds.contains(&ListKind::Tools)) {
            return;
        }
        let Some(Ok(listing)) = message.listing(ListKind::Tools) else { return };
        let tools = listing.entries.iter().map(|entry| (&*entry.name, entry.span));
        self.catalogue.learn(&*scope.host, &ServerKey::behind(&*scope.host, scope.headers), text, tools);
    }
}

/// Holds `Mcp-Param-*` headers against the arguments that the tool's schema has them mirror (MCP 2026-07-28,
/// basic/transports/streamable-http, Server Behavior for Custom Headers).
fn mirrored_parameters(
    tool: &Tool,
    call: &Call<'_>,
    arguments: Option<Span>,
    headers: &KeptHeaders,
) -> Result<(), Reason> {
    let annotated = tool.mirrored();
    if annotated.is_empty() {
        return Ok(());
    }
    let values = match arguments {
        Some(arguments) => annotations::arguments_at(call.message.text(), arguments, annotated),
        None => vec![None; annotated.len()],
    };
    let params: Vec<Param<'_>> =
        annotated.iter().zip(values).map(|(annotation, value)| Param { header: &annotation.header, value }).collect();
    let required = call.revision.is_some_and(Revision::requires_mirrored_headers);
    mirrored::check_params(headers.iter(), &params, required).map_err(|condemned| condemned.reason())
}
