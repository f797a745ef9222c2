//! The stage: messages whose senders say when they were made, by which nonce they are unlike all others, and which number they have.

use std::borrow::Cow;
use std::rc::Rc;

use meshward_engine::{
    Call, Callout, CalloutOutcome, Decision, HeadVerdict, HeaderDemand, Headers, Host, KeptHeaders, Mode, Scope, Stage,
    StageExchange, Verdict,
};
use meshward_identity::Identity;
use meshward_wire::json;
use meshward_wire::message::{Kind, Message};
use meshward_wire::refusal::Reason;

use crate::binding::{Owners, demand};
use crate::config::{FreshnessConfig, Leniency, SequenceConfig};
use crate::field::Field;
use crate::memory::Memory;
use crate::nonces::{Nonces, Window};
use crate::sequence::{Numbered, Sequence};

/// What nonces of this kind are remembered under.
const SCOPE: &[u8] = b"freshness\0";
/// The field that carries a session's id (MCP 2025-11-25, basic, transports, Session Management).
const SESSION: &str = "mcp-session-id";
const SECOND: f64 = 1e9;

/// Refuses what was sent before, or long ago.
#[derive(Debug)]
pub struct FreshnessStage {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    owners: Owners,
    nonce: Option<Field>,
    timestamp: Option<Field>,
    sequence: Option<(Field, Sequence)>,
    /// In nanoseconds.
    max_age: u64,
    skew: u64,
    nonces: Rc<Nonces>,
}

impl FreshnessStage {
    /// A stage for a section of the configuration that has no faults.
    ///
    /// # Errors
    /// What is wrong with an attribute of callers.
    pub(crate) fn new(
        config: &FreshnessConfig,
        identity: Identity,
        nonces: Rc<Nonces>,
        memory: &Rc<Memory>,
    ) -> Result<Self, &'static str> {
        let FreshnessConfig { mode, bound_to, nonce, timestamp, sequence, max_age, skew } = config;
        let numbers = |config: &SequenceConfig| (config.field.clone(), Sequence::new(config, Rc::clone(memory)));
        let shared = Shared {
            mode: *mode,
            owners: Owners::new(bound_to, identity)?,
            nonce: nonce.clone(),
            timestamp: timestamp.clone(),
            sequence: sequence.as_ref().map(numbers),
            max_age: max_age.nanoseconds(),
            skew: skew.nanoseconds(),
            nonces,
        };
        Ok(Self { shared: Rc::new(shared) })
    }
}

impl Stage for FreshnessStage {
    fn name(&self) -> &'static str {
        "freshness"
    }

    fn headers(&self) -> HeaderDemand {
        let mut names = self.shared.owners.headers();
        names.extend(self.shared.fields().filter_map(Field::header));
        demand(names)
    }

    fn start(&self, host: &dyn Host) {
        self.shared.nonces.start(host);
    }

    fn open(&self) -> Box<dyn StageExchange> {
        Box::new(FreshnessExchange { shared: Rc::clone(&self.shared), lacks_message: false, checked: false })
    }
}

impl Shared {
    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.nonce.iter().chain(&self.timestamp).chain(self.sequence.iter().map(|(field, _)| field))
    }

    /// All that is asked for stands in header fields, which speak for a whole request.
    fn speaks_in_headers(&self) -> bool {
        self.fields().all(|field| matches!(field, Field::Header(_)))
    }

    /// Whether it is fresh, as far as this proxy knows, and what the service is asked.
    fn check(
        &self,
        message: Option<&Message<'_>>,
        headers: &KeptHeaders,
        host: &dyn Host,
    ) -> Result<Option<Callout>, Reason> {
        let now = host.now();
        let window = match &self.timestamp {
            None => Window { from: None, until: now.saturating_add(self.max_age) },
            Some(field) => {
                let created = field.read(message, headers).and_then(|text| nanoseconds(&text));
                let created = created.ok_or(Reason::FreshnessMissing)?;
                let window = Window {
                    from: Some(created.saturating_sub(self.skew)),
                    until: created.saturating_add(self.max_age).saturating_add(self.skew),
                };
                if window.from.is_some_and(|from| now < from) {
                    return Err(Reason::MessageFromFuture);
                }
                if window.until < now {
                    return Err(Reason::MessageTooOld);
                }
                window
            }
        };
        // All is read before anything is remembered.
        let read = |field: &Field| field.read(message, headers).map(Cow::into_owned).ok_or(Reason::FreshnessMissing);
        let nonce = self.nonce.as_ref().map(read).transpose()?;
        if let Some((field, sequence)) = &self.sequence {
            let number = read(field)?.parse().map_err(|_| Reason::FreshnessMissing)?;
            self.number(sequence, number, window, headers, host)?;
        }
        let Some(nonce) = nonce else { return Ok(None) };
        let scope = [SCOPE, &self.owners.owner(host, headers)].concat();
        self.nonces.accept_everywhere(host, &scope, nonce.as_bytes(), window)
    }
}

impl Shared {
    /// A number comes, of a session; where there is none, of a caller.
    fn number(
        &self,
        sequence: &Sequence,
        number: u64,
        window: Window,
        headers: &KeptHeaders,
        host: &dyn Host,
    ) -> Result<(), Reason> {
        let mut sender = self.owners.owner(host, headers);
        for session in headers.all(SESSION) {
            sender.extend((session.len() as u64).to_be_bytes());
            sender.extend(session);
        }
        let (allowed, reason) = match sequence.enter(host, &sender, number, window.from) {
            Ok(Numbered::First) => return Ok(()),
            Ok(Numbered::Again) => return Err(Reason::SequenceReused),
            Ok(Numbered::BeforeMemory) => (self.nonces.restart(), Reason::NonceBeforeStart),
            Ok(Numbered::Full) => (self.nonces.unsure(), Reason::NoncesFull),
            Err(_) => (self.nonces.unsure(), Reason::NoncesUnavailable),
        };
        if allowed == Leniency::Accept { Ok(()) } else { Err(reason) }
    }
}

/// Seconds since 1970, with or without a fraction. A double is exact to less than a microsecond until 2106.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive, and what is too large becomes the largest"
)]
fn nanoseconds(text: &str) -> Option<u64> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.starts_with(|c: char| c.is_ascii_digit());
    let seconds = json::double(text).filter(|_| is_plain)?;
    Some((seconds * SECOND) as u64)
}

/// The stage's part in one exchange.
#[derive(Debug)]
struct FreshnessExchange {
    shared: Rc<Shared>,
    /// A GET or DELETE: its head is all there is.
    lacks_message: bool,
    /// The header fields were looked at, which speak for all messages.
    checked: bool,
}

impl FreshnessExchange {
    fn check(&self, message: Option<&Message<'_>>, scope: &Scope<'_>) -> Verdict {
        match self.shared.check(message, scope.headers, &*scope.host) {
            Ok(Some(callout)) => Verdict::Ask(callout),
            checked => self.verdict(checked.map(drop)),
        }
    }

    fn answered(&self, ended: &CalloutOutcome) -> Verdict {
        self.verdict(self.shared.nonces.answered(ended))
    }

    fn verdict(&self, checked: Result<(), Reason>) -> Verdict {
        match (checked.map_err(Decision::new), self.shared.mode) {
            (Ok(()), _) => Verdict::Pass,
            (Err(decision), Mode::Enforce) => Verdict::Refuse(decision),
            (Err(decision), Mode::Observe) => Verdict::Observe(decision),
        }
    }
}

impl StageExchange for FreshnessExchange {
    fn request_head(&mut self, head: Headers<'_>, _: &mut Scope<'_>) -> HeadVerdict {
        // A browser's OPTIONS says nothing of its own.
        self.lacks_message = matches!(head.first(":method"), Some(b"GET" | b"DELETE"));
        HeadVerdict::Pass
    }

    fn request_without_message(&mut self, answer: Option<&CalloutOutcome>, scope: &mut Scope<'_>) -> Verdict {
        match answer {
            Some(ended) => self.answered(ended),
            None if self.lacks_message && self.shared.speaks_in_headers() => self.check(None, scope),
            None => Verdict::Pass,
        }
    }

    fn request(&mut self, call: &Call<'_>, scope: &mut Scope<'_>) -> Verdict {
        let in_headers = self.shared.speaks_in_headers();
        // An answer of the client's has no `params`.
        let is_asking = matches!(call.message.kind(), Kind::Request | Kind::Notification);
        if self.checked || !in_headers && !is_asking {
            return Verdict::Pass;
        }
        self.checked = in_headers;
        self.check(Some(call.message), scope)
    }

    fn resumed(&mut self, _: &Call<'_>, ended: &CalloutOutcome, _: &mut Scope<'_>) -> Verdict {
        self.answered(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        for (text, time) in [
            ("0", Some(0)),
            ("1763760000", Some(1_763_760_000_000_000_000)),
            ("1763760000.5", Some(1_763_760_000_500_000_000)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("+1", None),
            ("1e9", None),
            (".5", None),
            ("1.2.3", None),
            ("", None),
            ("2025-11-21T00:00:00Z", None),
        ] {
            assert_eq!(nanoseconds(text), time, "{text}");
        }
    }
}
