//! The methods of the five protocol revisions: which exist, who sends them, and what they are about.
//!
//! The source is each revision's schema (`ClientRequest`, `ClientNotification`, `ServerRequest`, `ServerNotification`),
//! and for `tasks/*` after 2025-11-25 the Tasks extension (SEP-2663). A method that is not in the table is no error
//! here: servers and clients may agree on more.

use std::ops::BitOr;

use crate::revision::Revision;

/// A set of revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revisions(u8);

impl Revisions {
    /// None.
    pub const NONE: Self = Self(0);
    /// 2024-11-05 to 2025-11-25.
    pub const SESSIONS: Self = Self(0b0_1111);
    /// 2025-06-18 and 2025-11-25.
    const SINCE_2025_06: Self = Self(0b0_1100);
    /// 2025-11-25 alone.
    const V2025_11: Self = Self(0b0_1000);
    /// 2026-07-28 alone.
    pub const STATELESS: Self = Self(0b1_0000);
    /// All five.
    pub const ALL: Self = Self(0b1_1111);

    /// Whether a revision is among them.
    #[must_use]
    pub const fn contains(self, revision: Revision) -> bool {
        let bit = match revision {
            Revision::V2024_11_05 => 0b0_0001,
            Revision::V2025_03_26 => 0b0_0010,
            Revision::V2025_06_18 => 0b0_0100,
            Revision::V2025_11_25 => 0b0_1000,
            Revision::V2026_07_28 => 0b1_0000,
        };
        self.0 & bit != 0
    }
}

impl BitOr for Revisions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether a method is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It has an id, and is answered.
    Request,
    /// It has none, and is not.
    Notification,
}

/// What a method is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It keeps the protocol going or lists what there is.
    Upkeep,
    /// It does something, or reads something, in the name of the caller.
    Operation,
}

/// What a method is about, and so which member of `params` says which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A tool, by `params.name`.
    Tool,
    /// A prompt, by `params.name`.
    Prompt,
    /// A resource, by `params.uri`.
    Resource,
    /// A prompt or a resource template, by `params.ref`.
    Reference,
    /// A task, by `params.taskId`.
    Task,
    /// Resources, by `params.notifications.resourceSubscriptions`.
    Subscriptions,
    /// Nothing with a name.
    None,
}

impl TargetKind {
    /// The member of `params` that names it with a string: the source of `Mcp-Name`.
    ///
    /// 2026-07-28 requires that header for `tools/call`, `prompts/get` and `resources/read`, the Tasks extension for
    /// its methods, and clients are known to send it for the subscriptions of a session too.
    #[must_use]
    pub const fn named_by(self) -> Option<&'static str> {
        match self {
            Self::Tool | Self::Prompt => Some("name"),
            Self::Resource => Some("uri"),
            Self::Task => Some("taskId"),
            Self::Reference | Self::Subscriptions | Self::None => None,
        }
    }
}

/// A method that a revision, or one of MCP's own extensions, defines.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// Whether it is answered.
    pub kind: Kind,
    /// What it is for.
    pub class: Class,
    /// What it is about.
    pub target: TargetKind,
    /// The revisions in which clients send it.
    pub from_client: Revisions,
    /// The revisions in which servers send it. In 2026-07-28 a server's questions are not messages but part of a result
    /// (basic/patterns/mrtr), so they are not counted.
    pub from_server: Revisions,
}

impl Method {
    /// Looks a method up, to the letter.
    #[must_use]
    pub fn lookup(name: &str) -> Option<&'static Self> {
        // Few of them are as long as the name, so most are told apart without a look at their letters.
        METHODS.iter().find(|method| method.name == name)
    }

    /// Every method, in the order of their names.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        METHODS
    }

    /// Whether 2026-07-28 requires `Mcp-Name` for it (Streamable HTTP, Standard Request Headers).
    #[must_use]
    pub fn requires_name_header(&self) -> bool {
        matches!(self.name, "tools/call" | "resources/read" | "prompts/get")
    }
}

const fn request(name: &'static str, class: Class, target: TargetKind, from_client: Revisions) -> Method {
    Method { name, kind: Kind::Request, class, target, from_client, from_server: Revisions::NONE }
}

const fn asked(name: &'static str, from_server: Revisions) -> Method {
    let (class, target, from_client) = (Class::Operation, TargetKind::None, Revisions::NONE);
    Method { name, kind: Kind::Request, class, target, from_client, from_server }
}

const fn notification(name: &'static str, from_client: Revisions, from_server: Revisions) -> Method {
    Method { name, kind: Kind::Notification, class: Class::Upkeep, target: TargetKind::None, from_client, from_server }
}

const fn both(method: Method, from_server: Revisions) -> Method {
    Method { from_server, ..method }
}

/// Sorted by name.
static METHODS: &[Method] = {
    use Class::{Operation, Upkeep};
    use TargetKind::{None, Prompt, Reference, Resource, Subscriptions, Task, Tool};
    const NONE: Revisions = Revisions::NONE;
    const ALL: Revisions = Revisions::ALL;
    const SESSIONS: Revisions = Revisions::SESSIONS;
    const STATELESS: Revisions = Revisions::STATELESS;
    const TASKS: Revisions = Revisions::V2025_11;
    /// In 2025-11-25, and since in the Tasks extension.
    const TASKS_STILL: Revisions = Revisions(TASKS.0 | STATELESS.0);
    &[
        request("completion/complete", Operation, Reference, ALL),
        asked("elicitation/create", Revisions::SINCE_2025_06),
        request("initialize", Upkeep, None, SESSIONS),
        request("logging/setLevel", Upkeep, None, SESSIONS),
        notification("notifications/cancelled", ALL, ALL),
        notification("notifications/elicitation/complete", NONE, Revisions::V2025_11),
        notification("notifications/initialized", SESSIONS, NONE),
        notification("notifications/message", NONE, ALL),
        notification("notifications/progress", SESSIONS, ALL),
        notification("notifications/prompts/list_changed", NONE, ALL),
        notification("notifications/resources/list_changed", NONE, ALL),
        notification("notifications/resources/updated", NONE, ALL),
        notification("notifications/roots/list_changed", SESSIONS, NONE),
        notification("notifications/subscriptions/acknowledged", NONE, STATELESS),
        notification("notifications/tasks", NONE, STATELESS),
        notification("notifications/tasks/status", TASKS, TASKS),
        notification("notifications/tools/list_changed", NONE, ALL),
        both(request("ping", Upkeep, None, SESSIONS), SESSIONS),
        request("prompts/get", Operation, Prompt, ALL),
        request("prompts/list", Upkeep, None, ALL),
        request("resources/list", Upkeep, None, ALL),
        request("resources/read", Operation, Resource, ALL),
        request("resources/subscribe", Operation, Resource, SESSIONS),
        request("resources/templates/list", Upkeep, None, ALL),
        request("resources/unsubscribe", Operation, Resource, SESSIONS),
        asked("roots/list", SESSIONS),
        asked("sampling/createMessage", SESSIONS),
        request("server/discover", Upkeep, None, STATELESS),
        request("subscriptions/listen", Operation, Subscriptions, STATELESS),
        both(request("tasks/cancel", Operation, Task, TASKS_STILL), TASKS),
        both(request("tasks/get", Operation, Task, TASKS_STILL), TASKS),
        both(request("tasks/list", Operation, None, TASKS), TASKS),
        both(request("tasks/result", Operation, Task, TASKS), TASKS),
        request("tasks/update", Operation, Task, STATELESS),
        request("tools/call", Operation, Tool, ALL),
        request("tools/list", Upkeep, None, ALL),
    ]
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `revision sender kind method`, one a line; how it was made stands in its head.
    const FIXTURE: &str = include_str!("../tests/fixtures/methods.txt");

    fn row(revision: Revision, sender: &str, method: &Method) -> String {
        let kind = if method.kind == Kind::Request { "request" } else { "notification" };
        format!("{} {sender} {kind} {}", revision.as_str(), method.name)
    }

    #[test]
    fn the_table_is_what_the_schemas_define() {
        let defined: BTreeSet<String> =
            FIXTURE.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let mut table = BTreeSet::new();
        for method in Method::all() {
            for revision in Revision::ALL {
                if method.from_client.contains(revision) {
                    table.insert(row(revision, "client", method));
                }
                if method.from_server.contains(revision) {
                    table.insert(row(revision, "server", method));
                }
            }
        }
        assert_eq!(table.difference(&defined).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the schemas");
        assert_eq!(defined.difference(&table).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the table");
    }

    #[test]
    fn every_method_is_found_and_nothing_else() {
        assert!(Method::all().windows(2).all(|pair| pair[0].name < pair[1].name), "sorted, without duplicates");
        for method in Method::all() {
            assert!(std::ptr::eq(Method::lookup(method.name).unwrap(), method));
        }
        for name in ["", "Tools/call", "tools/call ", "tools/call\0", "tools", "tools/callx", "zzz", "a"] {
            assert_eq!(Method::lookup(name), None, "{name:?}");
        }
    }

    #[test]
    fn what_is_about_something_is_an_operation() {
        for method in Method::all() {
            let notification = method.kind == Kind::Notification;
            assert_eq!(notification, method.name.starts_with("notifications/"), "{}", method.name);
            assert!(!notification || method.class == Class::Upkeep, "{}", method.name);
            assert!(method.target == TargetKind::None || method.class == Class::Operation, "{}", method.name);
            assert!(!method.requires_name_header() || method.target.named_by().is_some(), "{}", method.name);
        }
        let required: Vec<_> = Method::all().iter().filter(|method| method.requires_name_header()).collect();
        assert_eq!(required.len(), 3);
    }
}
