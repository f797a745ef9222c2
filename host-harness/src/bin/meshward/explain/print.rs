//! A verdict for people.

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::verdict::{RuleShown, Verdict};

const ALLOW: Style = AnsiColor::Green.on_default().bold();
const DENY: Style = AnsiColor::Red.on_default().bold();

/// Writes a verdict: the decision, the reply, the rules.
pub(crate) fn print(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let style = if verdict.decision == "deny" { DENY } else { ALLOW };
    writeln!(out, "{style}{}{style:#} {}", verdict.decision, why(verdict))?;
    if let Some(shadow) = &verdict.shadow {
        let by = shadow.rule.as_ref().map_or_else(String::new, |rule| format!(" by rule `{rule}`"));
        writeln!(out, "shadow mode: it would be refused{by}")?;
    }
    if let Some(reply) = &verdict.reply {
        let code = reply.code.map(|code| format!(" {code}")).unwrap_or_default();
        writeln!(out, "the caller gets HTTP {}, {}{code}: {}", reply.status, reply.shape, reply.message)?;
    }
    match verdict.shown {
        Some(true) => writeln!(out, "lists show it to this caller")?,
        Some(false) => writeln!(out, "lists do not show it to this caller")?,
        None => {}
    }
    if !verdict.rules.is_empty() {
        writeln!(out, "\n{}", table(&verdict.rules))?;
    }
    Ok(())
}

fn why(verdict: &Verdict) -> String {
    let reason =
        verdict.reason.filter(|_| verdict.decision == "deny").map(|reason| format!(" ({reason})")).unwrap_or_default();
    match (verdict.by, &verdict.rule) {
        (_, Some(rule)) => format!("by rule `{rule}`{reason}"),
        ("upkeep", _) => "since it only keeps the protocol up".to_owned(),
        ("bound", _) if verdict.reason == Some("uri_refused") => format!("by `policy.uris`{reason}"),
        ("bound", _) => format!("by `policy.arguments`{reason}"),
        ("engine", _) => format!("before the policy is asked{reason}"),
        ("none", _) => "since there is no policy".to_owned(),
        _ => format!("by default: no rule decides{reason}"),
    }
}

fn table(rules: &[RuleShown]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["rule", "effect", "matches", "because of", "condition"]);
    for rule in rules {
        let shadow = if rule.mode == "shadow" { " (shadow)" } else { "" };
        let uri = rule.uri.as_ref().map(|uri| format!("{uri}: ")).unwrap_or_default();
        let matched = match (rule.matched, rule.needed) {
            ("doubt", _) => "in doubt",
            (matched, true) => matched,
            // It was beside the point.
            ("yes", false) => "yes, not needed",
            (matched, false) => matched,
        };
        table.add_row([
            rule.rule.clone(),
            format!("{}{shadow}", rule.effect),
            format!("{uri}{matched}"),
            rule.part.unwrap_or_default().to_owned(),
            rule.when.clone().unwrap_or_default(),
        ]);
    }
    table.trim_fmt()
}
