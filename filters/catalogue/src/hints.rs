//! What a tool says of itself (MCP 2025-03-26 and later, server/tools, `ToolAnnotations`).

use meshward_wire::json::{self, Span};

/// Whether a definition says that a call may run twice: the tool only reads, or to do it again does nothing more. One that
/// also says that it destroys something may not.
#[must_use]
pub fn may_repeat(text: &str, definition: Span) -> bool {
    let Some(annotations) = json::member(text, definition, "annotations") else { return false };
    let is_true = |key| json::member(text, annotations, key).is_some_and(|value| value.of(text) == "true");
    (is_true("readOnlyHint") || is_true("idempotentHint")) && !is_true("destructiveHint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_counts() {
        for (definition, repeats) in [
            (r#"{"name":"a"}"#, false),
            (r#"{"annotations":{}}"#, false),
            (r#"{"annotations":{"readOnlyHint":true}}"#, true),
            (r#"{"annotations":{"read\u004fnlyHint" : true }}"#, true),
            (r#"{"annotations":{"readOnlyHint":"true"}}"#, false),
            (r#"{"annotations":{"readOnlyHint":false,"idempotentHint":true}}"#, true),
            (r#"{"annotations":{"readOnlyHint":true,"destructiveHint":true}}"#, false),
            (r#"{"annotations":{"idempotentHint":true,"destructiveHint":true}}"#, false),
            (r#"{"annotations":{"destructiveHint":false}}"#, false),
            (r#"{"annotations":[{"readOnlyHint":true}],"readOnlyHint":true}"#, false),
        ] {
            let span = Span { start: 0, end: definition.len() };
            assert_eq!(may_repeat(definition, span), repeats, "{definition}");
        }
    }
}
