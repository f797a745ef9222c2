//! A record as JSON. It is what `serde_json` makes of it, to the byte, at a fraction of the work: names of fields and words of closed
//! lists have no letters to be looked at.

use std::fmt::Display;
use std::io::Write as _;

use crate::record::{Kind, Note, Record, Ruling};

/// Writes a record, without what is JSON already.
pub(crate) fn record(record: &Record) -> Vec<u8> {
    // All of its fields, so that none is forgotten.
    let Record {
        audit,
        time,
        direction,
        sender,
        endpoint,
        principal,
        client,
        session,
        request_id,
        trace_id,
        revision,
        kind,
        method,
        id,
        batch,
        tool,
        prompt,
        resources,
        decision,
        shadow,
        phase,
        stage,
        rule,
        reason,
        rulings,
        hidden,
        would_hide,
        notes,
        outcome,
        is_error,
        jsonrpc_code,
        http_status,
        message_bytes,
        request_bytes,
        response_bytes,
        decided_us,
        answered_us,
        duration_us,
        arguments_bytes,
        arguments_sha256,
        arguments: _,
        result: _,
        cut,
        missing,
    } = record;
    let mut object = Object { out: Vec::with_capacity(1024), is_begun: false };
    object.word("audit", Some(audit.name()));
    object.text("time", Some(time));
    object.word("direction", Some(direction.name()));
    object.word("sender", Some(sender.name()));
    object.text("endpoint", endpoint.as_deref());
    if !principal.is_empty() {
        object.object("principal", |object| {
            object.text("peer", principal.peer.as_deref());
            object.text("source", principal.source.as_deref());
            if !principal.claims.is_empty() {
                object.object("claims", |claims| {
                    principal.claims.iter().for_each(|(name, value)| claims.member(name, value));
                });
            }
        });
    }
    object.text("client", client.as_deref());
    object.text("session", session.as_deref());
    object.text("request_id", request_id.as_deref());
    object.text("trace_id", trace_id.as_deref());
    object.word("revision", *revision);
    object.word("kind", kind.map(Kind::name));
    object.text("method", method.as_deref());
    object.text("id", id.as_deref());
    if let Some(batch) = batch {
        object.object("batch", |object| {
            object.number("index", Some(batch.index));
            object.number("of", Some(batch.of));
        });
    }
    object.text("tool", tool.as_deref());
    object.text("prompt", prompt.as_deref());
    object.list("resources", resources, |out, uri| text(out, uri));
    object.word("decision", Some(decision.name()));
    object.flag("shadow", Some(*shadow));
    object.word("phase", Some(phase.name()));
    object.word("stage", *stage);
    object.text("rule", rule.as_deref());
    object.word("reason", *reason);
    object.list("rulings", rulings, ruling);
    object.number("hidden", Some(*hidden).filter(|count| *count > 0));
    object.number("would_hide", Some(*would_hide).filter(|count| *count > 0));
    object.list("notes", notes, note);
    object.word("outcome", Some(outcome.name()));
    object.flag("is_error", *is_error);
    object.number("jsonrpc_code", *jsonrpc_code);
    object.number("http_status", *http_status);
    object.number("message_bytes", *message_bytes);
    object.number("request_bytes", Some(*request_bytes));
    object.number("response_bytes", Some(*response_bytes));
    object.number("decided_us", *decided_us);
    object.number("answered_us", *answered_us);
    object.number("duration_us", *duration_us);
    object.number("arguments_bytes", *arguments_bytes);
    object.text("arguments_sha256", arguments_sha256.as_deref());
    object.list("cut", cut, |out, field| text(out, field));
    object.number("missing", Some(*missing).filter(|count| *count > 0));
    object.end()
}

fn note(out: &mut Vec<u8>, note: &Note) {
    let mut object = Object { out: std::mem::take(out), is_begun: false };
    object.word("name", Some(note.name));
    object.text("value", Some(&note.value));
    *out = object.end();
}

fn ruling(out: &mut Vec<u8>, ruling: &Ruling) {
    let mut object = Object { out: std::mem::take(out), is_begun: false };
    object.word("stage", Some(ruling.stage));
    object.word("phase", Some(ruling.phase.name()));
    object.word("decision", Some(ruling.decision.name()));
    object.flag("shadow", Some(ruling.shadow));
    object.text("rule", ruling.rule.as_deref());
    object.word("reason", ruling.reason);
    *out = object.end();
}

/// An object that is being written.
struct Object {
    out: Vec<u8>,
    is_begun: bool,
}

impl Object {
    fn begin_member(&mut self) {
        self.out.push(if std::mem::replace(&mut self.is_begun, true) { b',' } else { b'{' });
    }

    fn name(&mut self, name: &'static str) {
        self.begin_member();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A word of ours, which has no letter to be escaped.
    fn word(&mut self, name: &'static str, word: Option<&'static str>) {
        if let Some(word) = word {
            self.name(name);
            self.out.push(b'"');
            self.out.extend_from_slice(word.as_bytes());
            self.out.push(b'"');
        }
    }

    fn text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            text(&mut self.out, value);
        }
    }

    /// A member whose name is not ours.
    fn member(&mut self, name: &str, value: &str) {
        self.begin_member();
        text(&mut self.out, name);
        self.out.push(b':');
        text(&mut self.out, value);
    }

    fn number(&mut self, name: &'static str, number: Option<impl Display>) {
        if let Some(number) = number {
            self.name(name);
            // There is always room in memory.
            let _ = write!(self.out, "{number}");
        }
    }

    fn flag(&mut self, name: &'static str, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.name(name);
            self.out.extend_from_slice(if flag { b"true" } else { b"false" });
        }
    }

    fn object(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        let mut object = Self { out: std::mem::take(&mut self.out), is_begun: false };
        write(&mut object);
        self.out = object.end();
    }

    fn list<T>(&mut self, name: &'static str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        if items.is_empty() {
            return;
        }
        self.name(name);
        for (index, item) in items.iter().enumerate() {
            self.out.push(if index == 0 { b'[' } else { b',' });
            write(&mut self.out, item);
        }
        self.out.push(b']');
    }

    fn end(mut self) -> Vec<u8> {
        if !self.is_begun {
            self.out.push(b'{');
        }
        self.out.push(b'}');
        self.out
    }
}

/// A text, escaped where it has to be.
fn text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().fold(true, |plain, b| plain & matches!(b, b' '..=b'~') & (b != b'"') & (b != b'\\')) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // There is always room in memory.
        let _ = serde_json::to_writer(out, text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::{Batch, Decision, Direction, Form, Outcome, Phase, Principal, Sender};

    fn least() -> Record {
        Record {
            audit: Form::V1,
            time: "2026-11-21T15:09:06.996102Z".to_owned(),
            direction: Direction::Inbound,
            sender: Sender::Client,
            endpoint: None,
            principal: Principal::default(),
            client: None,
            session: None,
            request_id: None,
            trace_id: None,
            revision: None,
            kind: None,
            method: None,
            id: None,
            batch: None,
            tool: None,
            prompt: None,
            resources: Vec::new(),
            decision: Decision::Allow,
            shadow: false,
            phase: Phase::Request,
            stage: None,
            rule: None,
            reason: None,
            rulings: Vec::new(),
            hidden: 0,
            would_hide: 0,
            notes: Vec::new(),
            outcome: Outcome::Failed,
            is_error: None,
            jsonrpc_code: None,
            http_status: None,
            message_bytes: None,
            request_bytes: 0,
            response_bytes: 0,
            decided_us: None,
            answered_us: None,
            duration_us: None,
            arguments_bytes: None,
            arguments_sha256: None,
            arguments: None,
            result: None,
            cut: Vec::new(),
            missing: 0,
        }
    }

    /// Every field, each with another value.
    fn most() -> Record {
        let some = |text: &str| Some(text.to_owned());
        let ruling = |rule| Ruling {
            stage: "policy",
            phase: Phase::Response,
            decision: Decision::Deny,
            shadow: true,
            rule,
            reason: Some("denied"),
        };
        let claims = [("sub", "al\"ice"), ("a\u{1}b", "é")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Record {
            direction: Direction::Outbound,
            sender: Sender::Server,
            endpoint: some("/mcp"),
            principal: Principal {
                peer: some("spiffe://x/ns/a"),
                source: some("10.0.0.1"),
                claims: BTreeMap::from(claims),
            },
            client: some("a \\ client\n"),
            session: some("sha256:00"),
            request_id: some("r-1"),
            trace_id: some("0af7"),
            revision: Some("2025-11-25"),
            kind: Some(Kind::Request),
            method: some("tools/call"),
            id: some("\"7\""),
            batch: Some(Batch { index: 1, of: 2 }),
            tool: some("délete"),
            prompt: some("\u{2028}"),
            resources: vec!["file:///a".to_owned(), "\u{7f}".to_owned()],
            decision: Decision::None,
            shadow: true,
            phase: Phase::Response,
            stage: Some("engine"),
            rule: some("no-\"delete\""),
            reason: Some("denied"),
            rulings: vec![ruling(None), ruling(some("r"))],
            hidden: 3,
            would_hide: 4,
            notes: vec![Note { name: "a", value: "\t".to_owned() }, Note { name: "b", value: String::new() }],
            is_error: Some(false),
            jsonrpc_code: Some(-31403),
            http_status: Some(200),
            message_bytes: Some(5),
            request_bytes: 6,
            response_bytes: 7,
            decided_us: Some(8),
            answered_us: Some(9),
            duration_us: Some(10),
            arguments_bytes: Some(11),
            arguments_sha256: some("ab"),
            arguments: some("{}"),
            result: some("[]"),
            cut: vec!["tool", "principal.claims"],
            missing: 12,
            ..least()
        }
    }

    #[test]
    fn it_is_what_serde_json_writes() {
        let kinds = [Kind::Request, Kind::Notification, Kind::Response, Kind::Error].map(Some);
        let outcomes = [
            Outcome::Pending,
            Outcome::Refused,
            Outcome::Answered,
            Outcome::Delivered,
            Outcome::Unanswered,
            Outcome::Failed,
        ];
        let claimless = Principal { claims: BTreeMap::new(), ..most().principal };
        let records = [least(), most(), Record { principal: claimless, ..least() }]
            .into_iter()
            .chain(kinds.map(|kind| Record { kind, ..least() }))
            .chain(outcomes.map(|outcome| Record { outcome, ..least() }))
            .chain([Decision::Allow, Decision::Deny].map(|decision| Record { decision, ..most() }));
        for one in records {
            let ours = String::from_utf8(record(&one)).unwrap();
            assert_eq!(ours, serde_json::to_string(&one).unwrap());
        }
    }
}
