//! Where the ids of tasks stand in messages (MCP 2025-11-25, schema; the Tasks extension of 2026-07-28, SEP-2663).
//!
//! Both sides make tasks: a server for a client's calls, a client for a server's questions. What is looked for here are the ids of the
//! server's.

use std::borrow::Cow;

use meshward_wire::json::{self, Span, ValueKind, unescape};
use meshward_wire::message::{Kind, Message, resembles};

/// The member of `_meta` that says to which task a message belongs (2025-11-25, basic/utilities/tasks, Related Task Metadata).
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// The member that has an id, wherever there is one.
const ID: &str = "taskId";
/// Of the filter of `subscriptions/listen`, and of the answer to it.
const IDS: &str = "taskIds";

/// The method that lists tasks.
pub(super) const LIST: &str = "tasks/list";
/// How the methods begin that are about one task.
pub(super) const METHODS: &str = "tasks/";

/// What a client says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Presented<'m> {
    /// An id. `may_be_own`: it may be that of a task which the client itself made.
    Id { at: Span, id: Cow<'m, str>, may_be_own: bool },
    /// No id where one must be, or something that some server may take for one.
    NoId,
}

/// What a message of the client says of tasks of the server's.
pub(super) fn presented<'m>(message: &Message<'m>) -> Vec<Presented<'m>> {
    let text = message.text();
    let mut found = Vec::new();
    if let Some(method) = message.method() {
        let params = message.params();
        let member = |name| params.and_then(|params| json::member(text, params, name));
        if method.starts_with(METHODS) && method != LIST {
            let is_known = matches!(&*method, "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update");
            found.extend(member(ID).map(|id| presented_id(text, id, false)));
            if found.is_empty() && is_known {
                found.push(Presented::NoId);
            }
        } else if method == "subscriptions/listen"
            && let Some(filter) = member("notifications")
        {
            listened(text, filter, &mut found);
        }
        // A request is answered to who sent it, and a server may send on behalf of the task that it names: it must be the sender's.
        // What else a client says of a task may be about one that the client made for the server.
        let may_be_own = message.kind() != Kind::Request;
        for (key, value) in message.meta_members() {
            related(text, *key, *value, may_be_own, &mut found);
        }
    }
    for member in message.result().into_iter().flat_map(|result| json::members(text, result)) {
        match &*unescape(member.key.of(text)) {
            "_meta" => {
                for member in json::members(text, member.value) {
                    related(text, member.key, member.value, true, &mut found);
                }
            }
            name if resembles(name, &["_meta"]) => found.push(Presented::NoId),
            _ => {}
        }
    }
    found
}

fn presented_id(text: &str, value: Span, may_be_own: bool) -> Presented<'_> {
    json::string(text, value).map_or(Presented::NoId, |id| Presented::Id { at: value, id, may_be_own })
}

/// The tasks of which a client wants to hear.
fn listened<'m>(text: &'m str, filter: Span, found: &mut Vec<Presented<'m>>) {
    for member in json::members(text, filter) {
        let name = unescape(member.key.of(text));
        match json::kind(text, member.value) {
            _ if resembles(&name, &[IDS]) => found.push(Presented::NoId),
            _ if name != IDS => {}
            Some(ValueKind::Array) => {
                found.extend(json::elements(text, member.value).map(|id| presented_id(text, id, false)));
            }
            Some(ValueKind::Null) => {}
            _ => found.push(Presented::NoId),
        }
    }
}

/// The task that a member of `_meta` names, if it is the one that does.
fn related<'m>(text: &'m str, key: Span, value: Span, may_be_own: bool, found: &mut Vec<Presented<'m>>) {
    let key = unescape(key.of(text));
    if key != RELATED {
        if resembles(&key, &[RELATED]) {
            found.push(Presented::NoId);
        }
        return;
    }
    let mut id = Presented::NoId;
    for member in json::members(text, value) {
        let name = unescape(member.key.of(text));
        if name == ID {
            id = presented_id(text, member.value, may_be_own);
        } else if resembles(&name, &[ID]) {
            found.push(Presented::NoId);
        }
    }
    found.push(id);
}

/// Ids that the server gives out, each with its place. `lists`: those of a list too. `is_known`: what was asked for is something that
/// MCP has, or not known here, so that a task in the place of the result is one of MCP's.
pub(super) fn given<'m>(message: &Message<'m>, is_known: bool, lists: bool) -> Vec<(Span, Cow<'m, str>)> {
    let text = message.text();
    let mut ids = Ids { text, found: Vec::new() };
    match message.method().as_deref() {
        // Of a server's request about a task, `taskId` is the client's.
        Some("notifications/tasks/status" | "notifications/tasks") => {
            ids.found.extend(message.params().and_then(|params| ids.member(params)));
        }
        Some("notifications/subscriptions/acknowledged") => {
            let member = |object, name| json::member(text, object, name);
            let filter = message.params().and_then(|params| member(params, "notifications"));
            let list = filter.and_then(|filter| member(filter, IDS));
            for id in list.into_iter().flat_map(|list| json::elements(text, list)) {
                ids.found.extend(ids.id(id));
            }
        }
        _ => {}
    }
    ids.related(message.meta_members().iter().copied());
    if let Some(result) = message.result() {
        if is_known {
            ids.task(result);
        }
        for member in json::members(text, result) {
            match &*unescape(member.key.of(text)) {
                "_meta" => ids.related(json::members(text, member.value).map(|member| (member.key, member.value))),
                "task" => ids.task(member.value),
                "tasks" if is_known && lists => {
                    json::elements(text, member.value).for_each(|task| ids.task(task));
                }
                _ => {}
            }
        }
    }
    ids.found
}

struct Ids<'m> {
    text: &'m str,
    found: Vec<(Span, Cow<'m, str>)>,
}

impl<'m> Ids<'m> {
    fn id(&self, value: Span) -> Option<(Span, Cow<'m, str>)> {
        json::string(self.text, value).map(|id| (value, id))
    }

    fn member(&self, object: Span) -> Option<(Span, Cow<'m, str>)> {
        self.id(json::member(self.text, object, ID)?)
    }

    fn related(&mut self, meta: impl Iterator<Item = (Span, Span)>) {
        for (key, value) in meta {
            if json::writes(key.of(self.text), RELATED) {
                self.found.extend(self.member(value));
            }
        }
    }

    /// The id of an object that is a task: with a status beside it (`Task`). A result is one where a task was asked for, and where one takes
    /// the place of another result (2026-07-28); it is looked at, not who asked, since a stream may be another request's.
    fn task(&mut self, object: Span) {
        let (mut id, mut has_status) = (None, false);
        for member in json::members(self.text, object) {
            match &*unescape(member.key.of(self.text)) {
                ID => id = self.id(member.value),
                "status" => has_status = json::kind(self.text, member.value) == Some(ValueKind::String),
                _ => {}
            }
        }
        self.found.extend(id.filter(|_| has_status));
    }
}

/// Where the answer to `initialize` says that the server lists tasks.
pub(super) fn listing_capability(message: &Message<'_>) -> Option<json::Member> {
    let text = message.text();
    let capabilities = json::member(text, message.result()?, "capabilities")?;
    let tasks = json::member(text, capabilities, "tasks")?;
    json::members(text, tasks).find(|member| json::writes(member.key.of(text), "list"))
}

#[cfg(test)]
mod tests;
