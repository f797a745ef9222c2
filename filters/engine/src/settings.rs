//! What the engine itself is told: endpoints, bounds, and how strict it is.

use meshward_wire::limits::Limits;
use meshward_wire::revision::{self, Revision};

use crate::endpoint::Endpoints;
use crate::glob::Glob;
use crate::stage::Reads;

/// The engine's settings, compiled from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose side the proxy is on.
    pub direction: Direction,
    /// Where MCP is spoken.
    pub endpoints: Endpoints,
    /// Refuse what is no endpoint instead of passing it.
    pub strict: bool,
    /// The host lets request headers wait while the body arrives (Envoy's `allow_on_headers_stop_iteration`).
    pub header_hold: bool,
    /// Bounds of one request body.
    pub limits: Limits,
    /// Whether JSON-RPC batches are decided at all.
    pub batches: Batches,
    /// How the server's messages are read.
    pub responses: Responses,
    /// The origins whose pages may send requests (the `Origin` header; RFC 6454, section 7). `None`: any.
    pub origins: Option<Vec<Glob>>,
    /// The revisions that may be spoken. `None`: all that are known.
    pub revisions: Option<Vec<Revision>>,
    /// The methods that clients may send. `None`: any.
    pub methods: Option<Vec<Glob>>,
    /// Bound of a response body that is held, and of one server-sent event, in bytes.
    pub max_response_bytes: usize,
}

impl Settings {
    /// How responses are read where no stage reads them.
    pub(crate) fn reads_responses(&self) -> Reads {
        match self.responses {
            Responses::Pass => Reads::Nothing,
            Responses::Strict => Reads::Judges,
        }
    }

    /// Whether a page of an origin may send requests.
    pub(crate) fn permits_origin(&self, origin: &[u8]) -> bool {
        self.origins.as_ref().is_none_or(|permitted| {
            std::str::from_utf8(origin).is_ok_and(|origin| permitted.iter().any(|glob| glob.matches(origin)))
        })
    }

    /// Whether a revision may be spoken.
    pub(crate) fn permits_revision(&self, revision: Revision) -> bool {
        self.revisions.as_ref().is_none_or(|permitted| permitted.contains(&revision))
    }

    /// Whether clients may send a method.
    pub(crate) fn permits_method(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|permitted| permitted.iter().any(|glob| glob.matches(method)))
    }

    /// The permitted revisions as a JSON array, newest first; of those, what a request can ask for by itself.
    pub(crate) fn supported_json(&self, is_stateless: bool) -> String {
        let all = Revision::ALL.into_iter().rev().filter(|revision| self.permits_revision(*revision));
        let named = all.filter(|revision| !is_stateless || revision.era() == revision::Era::Stateless);
        let quoted: Vec<_> = named.map(|revision| format!("\"{}\"", revision.as_str())).collect();
        format!("[{}]", quoted.join(","))
    }
}

/// On which side of the exchange the proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Direction {
    /// Before a server: whoever calls is a stranger.
    #[default]
    Inbound,
    /// Behind a client: it calls others.
    Outbound,
}

/// What becomes of a JSON-RPC batch, in a revision that has batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batches {
    /// It is refused.
    #[default]
    Refuse,
    /// Each message in it is decided; one that is refused refuses them all.
    Inspect,
}

/// How the server's messages are read where no stage needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Responses {
    /// Not at all.
    #[default]
    Pass,
    /// As strictly as the client's: what cannot be read is replaced by an error.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supported_list_is_what_is_permitted_newest_first() {
        let settings = |revisions| Settings {
            direction: Direction::Inbound,
            endpoints: Endpoints::default(),
            strict: false,
            header_hold: false,
            limits: Limits::default(),
            batches: Batches::Refuse,
            responses: Responses::Pass,
            origins: None,
            revisions,
            methods: None,
            max_response_bytes: 1,
        };
        let all = r#"["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"]"#;
        assert_eq!(settings(None).supported_json(false), all);
        assert_eq!(settings(None).supported_json(true), r#"["2026-07-28"]"#);
        let some = settings(Some(vec![Revision::V2025_06_18, Revision::V2025_11_25]));
        assert_eq!(some.supported_json(false), r#"["2025-11-25","2025-06-18"]"#);
        assert_eq!(some.supported_json(true), "[]");
    }
}
