//! The names MCP gives to members, and what a case-insensitive reader takes for them.
//!
//! Go's `encoding/json` matches members without regard to case, by Unicode simple folding: to it `Name` is `name`, and so
//! is a name written with LATIN SMALL LETTER LONG S or KELVIN SIGN.

/// Members of a JSON-RPC message.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// Members of `params` in the five revisions' schemas, for any method.
const PARAMS: &[&str] = &[
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "clientInfo",
    "context",
    "createdAt",
    "cursor",
    "data",
    "elicitationId",
    "includeContext",
    "inputResponses",
    "lastUpdatedAt",
    "level",
    "logger",
    "maxTokens",
    "message",
    "messages",
    "metadata",
    "mode",
    "modelPreferences",
    "name",
    "notifications",
    "pollInterval",
    "progress",
    "progressToken",
    "protocolVersion",
    "reason",
    "ref",
    "requestId",
    "requestState",
    "requestedSchema",
    "status",
    "statusMessage",
    "stopSequences",
    "systemPrompt",
    "task",
    "taskId",
    "temperature",
    "toolChoice",
    "tools",
    "total",
    "ttl",
    "uri",
    "url",
];

/// Members of `params.ref`, which names a prompt or resource as `params.name` and `params.uri` do.
const REFERENCE: [&str; 3] = ["type", "name", "uri"];

/// Whether a member of the envelope only resembles a known one.
pub(super) fn resembles_envelope(name: &str) -> bool {
    resembles(name, &ENVELOPE)
}

/// Whether a member of `params` only resembles a known one.
pub(super) fn resembles_params(name: &str) -> bool {
    resembles(name, PARAMS)
}

/// Whether a member of `params.ref` only resembles a known one.
pub(super) fn resembles_reference(name: &str) -> bool {
    resembles(name, &REFERENCE)
}

/// Whether a laxer reader takes a member's name for one of these, though it is none of them.
#[must_use]
pub fn resembles(name: &str, known: &[&str]) -> bool {
    // A reader of C strings takes what stands before a NUL for the whole name.
    let (name, cut) = name.split_once('\0').map_or((name, false), |(name, _)| (name, true));
    if known.contains(&name) {
        return cut;
    }
    if name.is_ascii() {
        return known.iter().any(|known| known.len() == name.len() && known.eq_ignore_ascii_case(name));
    }
    known.iter().any(|known| {
        let mut folded = name.chars().map(fold);
        known.chars().all(|c| folded.next() == Some(c.to_ascii_lowercase())) && folded.next().is_none()
    })
}

const fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variants_of_known_names_resemble_them() {
        for name in [
            "Name",
            "NAME",
            "URI",
            "Arguments",
            "argument\u{17f}",
            "tas\u{212a}",
            "_META",
            "progresstoken",
            "name\0",
            "Name\0x",
        ] {
            assert!(resembles_params(name), "{name}");
        }
        for name in ["name", "names", "nam", "nàme", "x-name", "", "progressToken", "\u{17f}", "x\0name"] {
            assert!(!resembles_params(name), "{name}");
        }
        assert!(resembles_envelope("ID") && resembles_envelope("param\u{17f}") && !resembles_envelope("Ids"));
    }
}
