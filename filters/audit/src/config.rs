//! The `audit` section of the configuration, as it is written.

use meshward_engine::Size;
use serde::Deserialize;

use crate::digest::sha256;
use crate::redact;

/// The audit record: one for each message that is decided.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Where records go.
    pub output: Output,
    /// How the session is told.
    pub session: SessionMode,
    /// The claims of a caller's verified token that are recorded, where they are texts.
    pub claims: Vec<String>,
    /// Record the SHA-256 of a call's arguments.
    pub digest: bool,
    /// Record the arguments of calls, without what `redact` takes out.
    pub arguments: bool,
    /// Record the results of calls, likewise.
    pub results: bool,
    /// Members of arguments and results that are taken out, besides those whose names say that they are secret: by name,
    /// wherever they are (`card_number`, `*_key`), or by path (`/arguments/card/number`, `/result/content/*/text`). In names
    /// case, `_` and `-` do not matter.
    pub redact: Vec<String>,
    /// The longest record.
    pub max_record_bytes: Size,
    /// The most records of one HTTP exchange that are kept for the access log: of the client's messages, and of requests of the
    /// server's own. Of more, the first are kept, and one that says how many are missing: the one that was refused, or the last.
    pub max_records: usize,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            output: Output::default(),
            session: SessionMode::default(),
            claims: vec!["iss".to_owned(), "sub".to_owned()],
            digest: true,
            arguments: false,
            results: false,
            redact: Vec::new(),
            max_record_bytes: Size(8 << 10),
            max_records: 64,
        }
    }
}

/// Where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Into the filter state of the HTTP exchange, as `wasm.meshward.audit`, for the host's access log: one record a line.
    #[default]
    FilterState,
    /// Into the host's log, each in a line that begins with `audit `.
    Log,
    /// Both.
    Both,
}

/// How a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// By the SHA-256 of its id. Whoever has an id is in the session: it should not be in a log.
    #[default]
    Hash,
    /// By its id.
    Plain,
    /// Not at all.
    Omit,
}

impl SessionMode {
    /// A session's id as it is told.
    #[must_use]
    pub(crate) fn shown(self, id: &str) -> Option<String> {
        match self {
            Self::Hash => Some(format!("sha256:{}", sha256(id.as_bytes()))),
            Self::Plain => Some(id.to_owned()),
            Self::Omit => None,
        }
    }
}

/// The bounds of `max_record_bytes`: below, not even what every record has would fit.
const RECORD_BYTES: std::ops::RangeInclusive<usize> = 2 << 10..=256 << 10;

impl AuditConfig {
    /// Everything the types cannot say: the place from this section on, and what is wrong there.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if !RECORD_BYTES.contains(&self.max_record_bytes.0) {
            faults.push(("max_record_bytes".to_owned(), "between 2KiB and 256KiB".to_owned()));
        }
        if !(1..=1000).contains(&self.max_records) {
            faults.push(("max_records".to_owned(), "between 1 and 1000".to_owned()));
        }
        if self.claims.len() > 16 {
            faults.push(("claims".to_owned(), "at most 16 claims".to_owned()));
        }
        for (index, entry) in self.redact.iter().enumerate() {
            if let Some(what) = redact::fault(entry) {
                faults.push((format!("redact[{index}]"), what.to_owned()));
            }
        }
        faults
    }
}
