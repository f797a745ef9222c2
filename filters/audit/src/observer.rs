//! The audit as an observer of exchanges: when records are written, and where they go.

use std::fmt;
use std::rc::Rc;

use meshward_engine::{ExchangeObserver, HeaderDemand, Level, MessageReport, Moment, Observer, Report, Target, View};
use meshward_identity::{Identity, Wanted};

use crate::compose::Composer;
use crate::config::{AuditConfig, Output};
use crate::excerpt::{Excerpt, Excerpts};
use crate::line::line;
use crate::record::{Principal, Record};
use crate::text::{MAX_TEXT_BYTES, clipped};

/// The name under which records are left with the host; in Envoy the filter state `wasm.meshward.audit`.
pub const FILTER_STATE: &str = "meshward.audit";
/// How lines in the host's log begin.
pub const LOG_PREFIX: &str = "audit ";
/// The header field with the HTTP request's id.
const REQUEST_ID: &str = "x-request-id";

/// Records every message that is decided.
pub struct Audit {
    shared: Rc<Shared>,
}

struct Shared {
    config: AuditConfig,
    excerpts: Excerpts,
    identity: Identity,
}

impl Audit {
    /// An observer by this section of the configuration; `identity` says where callers are read from.
    #[must_use]
    pub fn new(config: AuditConfig, identity: Identity) -> Self {
        let excerpts = Excerpts::new(&config);
        Self { shared: Rc::new(Shared { config, excerpts, identity }) }
    }
}

// What is derived would be a part of the module that nobody calls.
impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

impl fmt::Debug for AuditExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditExchange")
    }
}

impl Observer for Audit {
    fn headers(&self) -> HeaderDemand {
        HeaderDemand::Named(vec![REQUEST_ID.to_owned()])
    }

    fn times_decisions(&self) -> bool {
        true
    }

    fn open(&self) -> Box<dyn ExchangeObserver> {
        Box::new(AuditExchange {
            shared: Rc::clone(&self.shared),
            principal: None,
            excerpts: Vec::new(),
            server: ServerLines::default(),
        })
    }
}

/// What is kept of one exchange.
struct AuditExchange {
    shared: Rc<Shared>,
    /// Read when it is first needed: at the end of an exchange a host may know less.
    principal: Option<Principal>,
    /// Of the messages of the report.
    excerpts: Vec<Excerpt>,
    /// Of the server's own requests.
    server: ServerLines,
}

/// The records of the server's own requests, as they are written.
#[derive(Default)]
struct ServerLines {
    lines: Vec<Vec<u8>>,
    /// How many there were.
    seen: usize,
}

impl ExchangeObserver for AuditExchange {
    fn see(&mut self, moment: &Moment<'_>, report: &Report, view: &mut View<'_>) {
        match moment {
            Moment::Decided { index, call } => {
                self.know_caller(view);
                self.excerpts.resize_with(*index, Excerpt::default);
                self.excerpts.push(call.map(|call| self.shared.excerpts.of_call(call)).unwrap_or_default());
                self.leave_now_and_then(report.messages.len(), report, view);
            }
            Moment::Answered { index, message } => {
                let is_about_something = report.messages.get(*index).is_some_and(is_about_something);
                if let Some(excerpt) = self.excerpts.get_mut(*index).filter(|_| is_about_something) {
                    self.shared.excerpts.add_result(message, excerpt);
                }
            }
            Moment::ServerRequest { message, report: request } => {
                self.know_caller(view);
                let message_bytes = Some(message.span().len() as u64);
                self.server_request(request, Excerpt { message_bytes, ..Excerpt::default() }, report, view);
            }
            Moment::ResponseStarted => {}
            Moment::Ended => {
                self.know_caller(view);
                if self.logs() {
                    let lines: Vec<_> =
                        (0..report.messages.len()).map(|index| self.message(index, 0, report, view)).collect();
                    lines.into_iter().for_each(|line| log(view, &line));
                }
                self.leave(report, view);
            }
        }
    }
}

impl AuditExchange {
    fn logs(&self) -> bool {
        self.shared.config.output != Output::FilterState
    }

    fn know_caller(&mut self, view: &View<'_>) {
        if self.principal.is_none() {
            self.principal = Some(self.shared.principal(view));
        }
    }

    fn server_request(&mut self, request: &MessageReport, excerpt: Excerpt, report: &Report, view: &mut View<'_>) {
        let record = self.composer(report, view).server_request(request, excerpt, view.host.now());
        if self.logs() {
            log(view, &self.line(record.clone()));
        }
        if self.shared.config.output == Output::Log {
            return;
        }
        self.server.seen = self.server.seen.saturating_add(1);
        let missing = self.server.seen.saturating_sub(self.shared.config.max_records);
        if missing > 0 {
            self.server.lines.pop();
        }
        let line = self.line(Record { missing: missing as u64, ..record });
        self.server.lines.push(line);
        self.leave_now_and_then(self.server.seen, report, view);
    }

    /// Leaves the records as they are now, so that the access log has them whatever becomes of the exchange, or of the
    /// module: at the first of them, and each time there are twice as many. The end has them all.
    fn leave_now_and_then(&self, count: usize, report: &Report, view: &mut View<'_>) {
        if count.is_power_of_two() {
            self.leave(report, view);
        }
    }

    fn leave(&self, report: &Report, view: &mut View<'_>) {
        if self.shared.config.output == Output::Log {
            return;
        }
        let (count, most) = (report.messages.len(), self.shared.config.max_records);
        let missing = count.saturating_sub(most);
        let kept = count.min(most).saturating_sub(1);
        // Of those behind, the one that refused its batch says most.
        let last = report.messages.iter().skip(kept).position(|message| message.refusal().is_some());
        let last = last.map(|place| place.saturating_add(kept)).or_else(|| count.checked_sub(1));
        let mut lines: Vec<_> = (0..kept).map(|index| self.message(index, 0, report, view)).collect();
        lines.extend(last.map(|last| self.message(last, missing, report, view)));
        lines.extend(self.server.lines.iter().cloned());
        if !lines.is_empty() {
            view.filter_state(FILTER_STATE, lines.join(&b'\n'));
        }
    }

    /// The line of one of the client's messages.
    fn message(&self, index: usize, missing: usize, report: &Report, view: &View<'_>) -> Vec<u8> {
        let Some(message) = report.messages.get(index) else { return Vec::new() };
        let excerpt = self.excerpts.get(index).cloned().unwrap_or_default();
        let record = self.composer(report, view).message(index, message, excerpt);
        self.line(Record { missing: missing as u64, ..record })
    }

    fn line(&self, record: Record) -> Vec<u8> {
        line(record, self.shared.config.max_record_bytes.0)
    }

    fn composer<'a>(&'a self, report: &'a Report, view: &'a View<'_>) -> Composer<'a> {
        Composer {
            report,
            principal: self.principal.as_ref().unwrap_or(&NOBODY),
            session: report.session.as_deref().and_then(|id| self.shared.config.session.shown(id)),
            request_id: view.headers.all(REQUEST_ID).next().and_then(|id| std::str::from_utf8(id).ok()),
        }
    }
}

/// Who is not known.
static NOBODY: Principal = Principal { peer: None, source: None, claims: std::collections::BTreeMap::new() };

impl Shared {
    fn principal(&self, view: &View<'_>) -> Principal {
        let wanted = Wanted { peer: true, source: true, claims: !self.config.claims.is_empty() };
        let caller = self.identity.caller(wanted, &*view.host);
        let claims = caller.claims.unwrap_or_default();
        let named = self.config.claims.iter().filter_map(|name| {
            let text = claims.get(name)?.as_str()?;
            Some((name.clone(), clipped(text, MAX_TEXT_BYTES).0.to_owned()))
        });
        Principal {
            peer: caller.peer,
            source: caller.source.map(|address| address.to_string()),
            claims: named.collect(),
        }
    }
}

/// Whether a message is about a tool, a prompt or a resource.
fn is_about_something(message: &MessageReport) -> bool {
    !matches!(message.target, None | Some(Target::None))
}

fn log(view: &mut View<'_>, line: &[u8]) {
    view.log(Level::Info, format!("{LOG_PREFIX}{}", String::from_utf8_lossy(line)));
}
