//! What is measured: groups of proxies that get the same requests, and what is to be read from each.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    fresh::Fresh,
    policies::{self, CONDITION, CONDITION_FAILS, CONDITION_HOLDS, Framing, List},
    proxies::{LISTS, Variant},
    request::Request,
    signed::{self, Algorithm},
};

/// Proxies side by side.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    /// What its figures should be.
    pub(crate) target: &'static str,
    /// The first one is the plain Envoy, to which the others add.
    pub(crate) variants: Vec<Variant>,
    pub(crate) cases: Vec<Case>,
    /// Comparisons among what is added.
    pub(crate) compare: &'static [Compare],
    /// How many rounds there are: more where differences are small.
    pub(crate) rounds: usize,
    /// Each round starts the proxies anew, and has their differences: where these are a few microseconds.
    pub(crate) anew: bool,
}

impl Group {
    /// Leaves out the proxies whose name does not contain this, but for those that others are compared with.
    pub(crate) fn keep(&mut self, text: &str) {
        let first = self.compare.iter().map(|compare| compare.with).max().unwrap_or_default();
        let mut index = 0..;
        self.variants.retain(|variant| index.next() <= Some(first) || variant.name().contains(text));
    }
}

/// What a proxy adds, beside what another one of its group adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compare {
    /// The place of the other one; those behind it are compared with it.
    pub(crate) with: usize,
    pub(crate) show: Show,
    /// The column's head.
    pub(crate) head: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// The quotient of the medians.
    Ratio,
    /// The difference in microseconds, round by round.
    Difference,
}

/// One thing to measure.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Request,
    pub(crate) connections: u16,
    /// The list that is asked for.
    pub(crate) list: Option<List>,
    /// The bytes to which the cost per byte is related: of the request's body, or of the list's.
    pub(crate) bytes: usize,
}

impl Case {
    fn call(name: &str, request: Request, connections: u16) -> Self {
        let bytes = request.body.len();
        Self { name: name.to_owned(), request, connections, list: None, bytes }
    }

    fn list(list: List) -> Self {
        let framing = if list.framing == Framing::Json { "JSON" } else { "SSE" };
        Self {
            name: format!("list of {}, {framing}", list.tools),
            request: Request::list(&list.path()),
            connections: 4,
            list: Some(list),
            bytes: list.text().len(),
        }
    }

    /// A list that is held against pins.
    fn pinned_list(list: List) -> Self {
        let listed = Self::list(list);
        Self { name: listed.name.replacen("list", "pinned list", 1), ..listed }
    }

    /// The text of a list as the result of a call.
    fn result(list: List) -> Self {
        let listed = Self::list(list);
        let name = listed.name.replacen("list", "result", 1);
        Self { name, request: Request::call(&list.path(), "get_user", CONDITION_HOLDS), ..listed }
    }
}

/// Everything, with Meshward's module and others that shall be measured beside it.
///
/// The upstream reads the whole body before it answers. What is called direct is answered by the proxy itself: without the
/// cost of a hop, small differences show.
pub(crate) fn groups(module: &Path, others: &[(String, PathBuf)]) -> Result<Vec<Group>> {
    let mut first = vec![Variant::plain(), Variant::native(), Variant::meshward(module)];
    first.extend(others.iter().map(|(name, file)| Variant::other(name, file)));
    let refused = || Request::call("/direct", "delete_repo", CONDITION_HOLDS);
    let with = |name: &str, policy| Variant::with_policy(name, module, policy);
    let condition = |name: &str, module: &Path| {
        Variant::with_policy(name, module, policies::of_sidecar(Some(CONDITION))).denying(Request::call(
            "/direct",
            "get_user",
            CONDITION_FAILS,
        ))
    };
    // For each caller, and far above what comes.
    let rate = json!({ "name": "calls", "key": ["principal"], "per_second": 1_000_000 });
    let at_once = json!({ "name": "under-way", "key": ["principal"], "concurrent": 1_000_000 });
    let limited =
        |name: &str, limits: &[&Value]| with(name, policies::of_sidecar(None)).with_section("limits", json!(limits));
    let mut conditions = vec![
        Variant::plain(),
        Variant::native(),
        with("meshward, no condition", policies::of_sidecar(None)).denying(refused()),
        condition("meshward, condition", module),
    ];
    conditions.extend(others.iter().map(|(name, file)| condition(&format!("{name}, condition"), file)));
    let observing = |sections: &[&'static str]| {
        Variant::meshward(module).called(&format!("with {}", sections.join(", "))).with_sections(sections)
    };
    let mut observed = vec![
        Variant::plain(),
        Variant::meshward(module),
        observing(&["trace"]),
        observing(&["metrics"]),
        observing(&["trace", "metrics"]),
        observing(&["trace", "metrics", "audit", "spans"]),
    ];
    for (name, file) in others {
        observed.push(Variant::other(name, file));
        let with = format!("{name} with trace, metrics");
        observed.push(Variant::other(&with, file).with_sections(&["trace", "metrics"]));
    }
    let proofs = |title: &'static str, name: &str, fresh: Fresh| -> Result<Group> {
        let token = fresh.verified_token()?;
        Ok(Group {
            title,
            target: "none is set: what a proof costs beside the same policy without it",
            variants: vec![
                Variant::plain().behind(&token),
                Variant::meshward(module).behind(&token),
                Variant::meshward(module)
                    .called("with a proof each")
                    .behind(&token)
                    .with_section("replay", Fresh::demanded()),
            ],
            cases: vec![Case::call(name, Request::of_size("/direct", 400).fresh(fresh), 16)],
            compare: &[
                Compare { with: 1, show: Show::Ratio, head: "× without" },
                Compare { with: 1, show: Show::Difference, head: "µs over without" },
            ],
            rounds: 5,
            anew: false,
        })
    };
    Ok(vec![
        Group {
            title: "A call",
            target: "at most 0.8 of what the native filter and RBAC add, and no more than they per byte",
            variants: first,
            cases: vec![
                Case::call("400 B", Request::of_size("/mcp", 400), 16),
                Case::call("400 B, direct", Request::of_size("/direct", 400), 16),
                Case::call("64 KiB", Request::of_size("/mcp", 64 * 1024), 8),
                Case::call("1 MiB", Request::of_size("/mcp", 1024 * 1024), 4),
            ],
            compare: &[Compare { with: 1, show: Show::Ratio, head: "× native's" }],
            rounds: 5,
            anew: false,
        },
        Group {
            title: "A condition on three arguments",
            target: "less than 10 µs over the same policy without it, and less in all than the native filter and RBAC add",
            variants: conditions,
            cases: vec![Case::call("condition, direct", Request::call("/direct", "get_user", CONDITION_HOLDS), 16)],
            compare: &[
                Compare { with: 1, show: Show::Ratio, head: "× native's" },
                Compare { with: 2, show: Show::Difference, head: "µs over no condition" },
            ],
            rounds: 7,
            anew: true,
        },
        Group {
            title: "Many rules",
            target: "a call costs at most twice as much with 1,000 rules and 10,000 names as with 10 rules",
            variants: vec![
                Variant::plain(),
                with("meshward, 10 rules", policies::of_rules(10)).denying(refused()),
                with("meshward, 1,000 rules", policies::of_rules(1_000)).denying(refused()),
            ],
            cases: vec![Case::call("rules, direct", Request::call("/direct", "get_user", CONDITION_HOLDS), 16)],
            compare: &[
                Compare { with: 1, show: Show::Ratio, head: "× 10 rules'" },
                Compare { with: 1, show: Show::Difference, head: "µs over 10 rules" },
            ],
            rounds: 7,
            anew: true,
        },
        Group {
            title: "Traces, metrics, audit records",
            target: "less than 8 µs for traces and metrics together",
            variants: observed,
            // Where there is no trace yet one begins, and the request is edited; where there is one, nothing is. An answer in plain text
            // is only measured, one in JSON is read.
            cases: vec![
                Case::call("observed, direct", Request::of_size("/direct", 400), 16),
                Case::call("observed in a trace, direct", Request::of_size("/direct", 400).in_trace(), 16),
                Case::call("observed with JSON, direct", Request::of_size("/direct-json", 400).in_trace(), 16),
            ],
            compare: &[Compare { with: 1, show: Show::Difference, head: "µs over meshward" }],
            rounds: 7,
            anew: true,
        },
        Group {
            title: "Signed requests",
            target: "none is set: what a signature costs beside the same policy without it",
            variants: vec![
                Variant::plain(),
                Variant::meshward(module),
                Variant::meshward(module)
                    .called("verifying HMAC")
                    .with_section("replay", signed::verified(Algorithm::Hmac)),
                Variant::meshward(module)
                    .called("verifying Ed25519")
                    .with_section("replay", signed::verified(Algorithm::Ed25519)),
            ],
            cases: vec![Case::call("signed 4 KiB, direct", Request::of_size("/direct", 4096).signed(), 16)],
            compare: &[
                Compare { with: 1, show: Show::Ratio, head: "× unverified" },
                Compare { with: 1, show: Show::Difference, head: "µs over unverified" },
            ],
            rounds: 5,
            anew: false,
        },
        Group {
            title: "Signed requests, each with a nonce",
            target: "none is set: what it costs to let a nonce pass once",
            variants: vec![
                Variant::plain(),
                Variant::meshward(module),
                Variant::meshward(module)
                    .called("verifying HMAC")
                    .with_section("replay", signed::verified(Algorithm::Hmac)),
                Variant::meshward(module)
                    .called("verifying HMAC, nonces once")
                    .with_section("replay", signed::verified_once()),
            ],
            cases: vec![Case::call(
                "signed 4 KiB with a nonce, direct",
                Request::of_size("/direct", 4096).fresh(Fresh::Nonce),
                16,
            )],
            compare: &[
                Compare { with: 1, show: Show::Difference, head: "µs over unverified" },
                Compare { with: 2, show: Show::Difference, head: "µs over nonces ignored" },
            ],
            rounds: 5,
            anew: false,
        },
        proofs("Tokens with their key (DPoP, ES256)", "proof ES256, direct", Fresh::Es256)?,
        proofs("Tokens with their key (DPoP, EdDSA)", "proof EdDSA, direct", Fresh::EdDsa)?,
        Group {
            title: "Lists, half of the tools hidden",
            target: "the same per byte for 200 tools as for 2,000",
            variants: vec![
                Variant::plain(),
                with("meshward, unread", policies::of_lists("pass")),
                with("meshward, filtered", policies::of_lists("filter")).filtering_lists(),
            ],
            cases: LISTS.into_iter().map(Case::list).collect(),
            compare: &[Compare { with: 1, show: Show::Difference, head: "µs over unread" }],
            rounds: 3,
            anew: false,
        },
        Group {
            title: "Lists and calls, held against pins",
            target: "none is set",
            variants: vec![
                Variant::plain(),
                with("meshward, unread", policies::of_lists("pass")),
                with("meshward, pins", policies::of_lists("pass"))
                    .with_section("pins", json!({ "trust": "first_use" })),
                with("meshward, pins and definitions", policies::of_lists("pass"))
                    .with_section("pins", json!({ "trust": "first_use" }))
                    .with_section("definitions", json!({})),
            ],
            cases: LISTS
                .into_iter()
                .take(2)
                .map(Case::pinned_list)
                .chain([Case::call(
                    "pinned call, direct",
                    Request::call("/direct", "search_000000", CONDITION_HOLDS),
                    16,
                )])
                .collect(),
            compare: &[Compare { with: 1, show: Show::Difference, head: "µs over unread" }],
            rounds: 5,
            anew: false,
        },
        Group {
            title: "Limits",
            target: "none is set",
            variants: vec![
                Variant::plain(),
                with("meshward, no limit", policies::of_sidecar(None)),
                limited("meshward, per second", &[&rate]),
                limited("meshward, at once", &[&at_once]),
                limited("meshward, both", &[&rate, &at_once]),
            ],
            cases: vec![Case::call("limited, direct", Request::call("/direct", "get_user", CONDITION_HOLDS), 16)],
            compare: &[Compare { with: 1, show: Show::Difference, head: "µs over no limit" }],
            rounds: 9,
            anew: true,
        },
        Group {
            title: "Results, searched for the secrets that come with the module",
            target: "100 MB/s or more",
            variants: vec![
                Variant::plain(),
                with("meshward, unread", policies::of_sidecar(None)),
                with("meshward, read strictly", policies::of_sidecar(None)).reading_strictly(),
                with("meshward, searched", policies::of_sidecar(None)).with_section("results", json!({})),
                with("meshward, searched for personal data too", policies::of_sidecar(None))
                    .with_section("results", json!({ "builtin": ["secrets", "personal_data"] })),
            ],
            cases: LISTS.into_iter().skip(2).map(Case::result).collect(),
            compare: &[
                Compare { with: 1, show: Show::Difference, head: "µs over unread" },
                Compare { with: 2, show: Show::Difference, head: "µs over read" },
            ],
            rounds: 5,
            anew: false,
        },
    ])
}
