//! The policies that are measured, and the lists of tools that they filter.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A condition on three arguments.
pub(crate) const CONDITION: &str = r#"args.amount <= 100 && args.currency in ["EUR", "USD"] && args.note.size() < 200"#;
/// What it looks at, among what else a call may carry. Good enough for it, and not.
pub(crate) const CONDITION_HOLDS: &str =
    r#"{"amount":42.5,"currency":"EUR","note":"duplicate of order A-1","order":"A-1","lines":[1,2,3]}"#;
pub(crate) const CONDITION_FAILS: &str =
    r#"{"amount":420.5,"currency":"EUR","note":"duplicate of order A-1","order":"A-1","lines":[1,2,3]}"#;

/// The policy of `envoy-config/`, with a condition or without.
pub(crate) fn of_sidecar(when: Option<&str>) -> Value {
    let mut readers =
        json!({ "name": "readers", "effect": "allow", "methods": ["tools/call"], "tools": ["search", "get_*"] });
    if let (Some(rule), Some(when)) = (readers.as_object_mut(), when) {
        rule.insert("when".to_owned(), json!(when));
    }
    json!({
        "default": "deny",
        "rules": [readers, { "name": "no-delete", "effect": "deny", "tools": ["delete_repo"] }],
    })
}

/// `rules` rules of ten names each, a third of them patterns; every tenth rule denies. The last of them allows `get_user`.
pub(crate) fn of_rules(rules: usize) -> Value {
    let rule = |number: usize| {
        let tool = |tool: usize| match tool % 3 {
            1 => format!("team{number:04}_list{tool}_*"),
            2 => format!("team{number:04}_*_get{tool}"),
            _ => format!("team{number:04}_tool{tool:05}"),
        };
        let is_last = number.saturating_add(1) == rules;
        let own = is_last.then(|| "get_user".to_owned());
        json!({
            "name": format!("team{number}"),
            "effect": if number.is_multiple_of(10) { "deny" } else { "allow" },
            "methods": ["tools/call"],
            "tools": (0..if is_last { 9 } else { 10 }).map(tool).chain(own).collect::<Vec<_>>(),
        })
    };
    json!({ "default": "deny", "rules": (0..rules).map(rule).collect::<Vec<_>>() })
}

/// Who may use every second tool of a list, with lists filtered or passed unread.
pub(crate) fn of_lists(lists: &str) -> Value {
    json!({
        "default": "deny",
        "lists": lists,
        "rules": [{ "name": "readers", "effect": "allow", "tools": ["search_*"] }],
    })
}

/// How the results of lists travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Json,
    Sse,
}

/// A result that lists tools, of 1 KiB each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub(crate) tools: usize,
    pub(crate) framing: Framing,
}

/// What every entry of a list begins with.
const ENTRY: &str = r#"{"name":""#;

impl List {
    /// Where the upstream has it.
    pub(crate) fn path(self) -> String {
        format!("/list/{}/{}", self.tools, if self.framing == Framing::Json { "json" } else { "sse" })
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self.framing {
            Framing::Json => "application/json",
            Framing::Sse => "text/event-stream",
        }
    }

    /// The response's body, as servers write it: descriptions, and schemas with a few properties.
    pub(crate) fn text(self) -> String {
        let mut text = r#"{"jsonrpc":"2.0","id":17,"result":{"resultType":"complete","tools":["#.to_owned();
        let description = "Finds what matches a query, page by page, and says where it stands. ".repeat(3);
        let property = r#"{"type":"string","description":"One of the fields by which to narrow the search down."}"#;
        for tool in 0..self.tools {
            let comma = if tool == 0 { "" } else { "," };
            let name = if tool.is_multiple_of(2) { "search" } else { "admin" };
            let _ = write!(
                text,
                r#"{comma}{ENTRY}{name}_{tool:06}","title":"Search","description":"{description}","inputSchema":{{"type":"object","properties":{{"query":{property}"#,
            );
            for field in 0..6 {
                let _ = write!(text, r#","field_{field}":{property}"#);
            }
            text.push_str(r#"},"required":["query"]},"annotations":{"readOnlyHint":true}}"#);
        }
        text.push_str(r#"],"ttlMs":300000,"cacheScope":"public"}}"#);
        match self.framing {
            Framing::Json => text,
            Framing::Sse => format!("event: message\ndata: {text}\n\n"),
        }
    }

    /// How many tools are in an answer.
    pub(crate) fn count(answer: &str) -> usize {
        answer.matches(ENTRY).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json_of_a_kibibyte_for_each_tool() {
        let text = List { tools: 200, framing: Framing::Json }.text();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["result"]["tools"].as_array().unwrap().len(), 200);
        assert_eq!(List::count(&text), 200);
        assert!((200 * 1024..210 * 1024).contains(&text.len()), "{} bytes", text.len());
    }

    #[test]
    fn many_rules_have_ten_names_each() {
        let policy = of_rules(1_000);
        let rules = policy["rules"].as_array().unwrap();
        assert_eq!(rules.iter().map(|rule| rule["tools"].as_array().unwrap().len()).sum::<usize>(), 10_000);
        assert_eq!(rules[999]["tools"][9], "get_user");
        assert_eq!(rules[999]["effect"], "allow");
    }
}
