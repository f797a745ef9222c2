//! What was seen of one exchange, whichever host played it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::{Case, Field, Http, Mode};
use super::left::Left;

/// A case in one mode over one protocol.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The case.
    pub case: &'a Case,
    /// With or without header hold.
    pub mode: Mode,
    /// The downstream protocol.
    pub http: Http,
}

impl Run<'_> {
    /// A name for people.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} [{}]", self.case.name, self.place())
    }

    /// The mode and the protocol.
    #[must_use]
    pub fn place(&self) -> String {
        let mode = if self.mode == Mode::Hold { "hold" } else { "no hold" };
        let http = if self.http == Http::One { "HTTP/1.1" } else { "HTTP/2" };
        format!("{mode}, {http}")
    }
}

/// Every run of these cases, in order.
#[must_use]
pub fn runs(cases: &[Case]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    for steps in cases.chunk_by(|one, next| one.sequence().is_some() && one.sequence() == next.sequence()) {
        // All steps of a sequence have the modes and protocols of their file.
        let Some(first) = steps.first() else { continue };
        for &mode in &first.modes {
            for &http in &first.http {
                runs.extend(steps.iter().map(|case| Run { case, mode, http }));
            }
        }
    }
    runs
}

/// Both ends of one exchange.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What the client got.
    pub client: ClientSaw,
    /// Every request that reached the upstream because of this one.
    pub upstream: Vec<UpstreamSaw>,
    /// Pieces of the answer that the client did not get before the next one was sent, where the case asks for it.
    pub late: Vec<usize>,
    /// What the module left with the host.
    pub left: Left,
    /// A real router sent the request on: it took the header fields that are meant for it.
    pub is_routed: bool,
}

/// A response, as far as it came.
#[derive(Debug, Clone, Default)]
pub struct ClientSaw {
    /// The HTTP status; `None` when no response came.
    pub status: Option<u16>,
    /// The field lines, names in lower case.
    pub headers: Vec<Field>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
    /// Why the response is not complete.
    pub broken: Option<String>,
}

/// A request, as far as it came.
#[derive(Debug, Clone, Default)]
pub struct UpstreamSaw {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// The field lines, names in lower case.
    pub headers: Vec<Field>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
    /// It came to its end.
    pub complete: bool,
}

/// The values of one name.
pub(super) fn values<'a>(fields: &'a [Field], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

/// What two hosts must agree on.
#[derive(Debug, PartialEq, Eq)]
pub struct Essence {
    status: Option<u16>,
    content_type: Vec<String>,
    allow: Vec<String>,
    body: Vec<u8>,
    upstream: Vec<(String, String, Vec<u8>)>,
    left: (Vec<Value>, BTreeMap<String, String>),
}

impl Observed {
    /// The part that does not depend on the host: a request that was cut off counts as none, and its body (which would
    /// be a failure) as seen.
    #[must_use]
    pub fn essence(&self) -> Essence {
        let own = |name| values(&self.client.headers, name).into_iter().map(str::to_owned).collect();
        Essence {
            status: self.client.status,
            content_type: own("content-type"),
            allow: own("allow"),
            body: self.client.body.clone(),
            upstream: self
                .upstream
                .iter()
                .filter(|saw| saw.complete || !saw.body.is_empty())
                .map(|saw| (saw.method.clone(), saw.path.clone(), saw.body.clone()))
                .collect(),
            left: self.left.essence(),
        }
    }
}
