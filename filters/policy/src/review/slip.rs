//! What matches, or refuses, otherwise than its writer thought.

use meshward_engine::Glob;
use meshward_wire::method::{Kind, Method, Revisions};

use super::topic::Named;
use super::{Concern, Sketch, Warnings};
use crate::config::{Effect, RefuseAs};
use crate::subject::Direction;

/// Says what looks like a slip.
pub(super) fn review(rule: &Sketch<'_>, warnings: &mut Warnings) {
    for (number, pattern) in rule.config.methods.iter().flatten().enumerate() {
        if let Some(message) = method(pattern, rule.config.direction) {
            warnings.add(&rule.path(&format!("methods[{number}]")), Concern::Unlikely, message);
        }
    }
    if rule.config.effect == Effect::Deny && !rule.topics.is_empty() {
        refusal(rule, warnings);
    }
}

/// Whether a side sends a method, so that a rule in that direction speaks of it.
fn is_sent(method: &Method, by: Direction) -> bool {
    match by {
        Direction::Client => method.from_client != Revisions::NONE,
        // A server's notifications are not decided.
        Direction::Server => method.from_server != Revisions::NONE && method.kind == Kind::Request,
    }
}

/// What is odd about a pattern that matches no method of MCP in its direction. Methods of others' own are not.
fn method(pattern: &str, direction: Direction) -> Option<String> {
    let glob = Glob::new(pattern);
    let mut matched = Method::all().iter().filter(|method| glob.matches(method.name)).peekable();
    if matched.peek().is_some() {
        let mut sent = matched.clone().filter(|method| is_sent(method, direction));
        return match (sent.next(), direction) {
            (Some(_), _) => None,
            (None, Direction::Client) => Some(format!(
                "only servers send `{pattern}`, and the rule speaks of clients: write `direction: server` if it is about \
                 a server's own requests"
            )),
            (None, Direction::Server) if matched.all(|method| method.kind == Kind::Notification) => {
                Some(format!("a server's notifications are not decided, so `{pattern}` does nothing here"))
            }
            (None, Direction::Server) => {
                Some(format!("only clients send `{pattern}`, and the rule speaks of servers: leave out `direction`"))
            }
        };
    }
    if let Some(known) = nearest(pattern, direction) {
        return Some(format!("MCP has no method `{pattern}` (did you mean `{known}`?)"));
    }
    let namespace = pattern.split_once('/')?.0;
    let is_ours = Method::all().iter().any(|method| method.name.split_once('/').is_some_and(|(is, _)| is == namespace));
    is_ours.then(|| format!("MCP has no method like `{pattern}`"))
}

/// The method that was most likely meant.
fn nearest(pattern: &str, direction: Direction) -> Option<&'static str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase());
    let sent = Method::all().iter().filter(|method| is_sent(method, direction)).map(|method| method.name);
    sent.map(|name| (distance(name), name)).min().filter(|(distance, _)| *distance <= 2).map(|(_, name)| name)
}

/// Refusals in a shape that nobody gets.
fn refusal(rule: &Sketch<'_>, warnings: &mut Warnings) {
    let config = rule.config;
    if config.direction == Direction::Server {
        let fields = [
            ("refuse_as", config.refuse_as.is_some()),
            ("message", config.message.is_some()),
            ("hide", config.hide == Some(true)),
        ];
        for (field, _) in fields.into_iter().filter(|(_, given)| *given) {
            let message = "no caller is answered where a server's own request is refused: leave it out";
            warnings.add(&rule.path(field), Concern::NoEffect, message);
        }
        return;
    }
    let speaks_of = |named: Named| rule.topics.iter().any(|topic| topic.named == named);
    if config.refuse_as == Some(RefuseAs::Result) && !speaks_of(Named::Tool) {
        let message = "only the call of a tool has a result to answer with, and the rule speaks of none: its refusals are \
                       errors";
        warnings.add(&rule.path("refuse_as"), Concern::NoEffect, message);
    }
    if config.hide == Some(true) && rule.topics.iter().all(|topic| topic.named == Named::Nothing) {
        let message = "what the rule speaks of has no name that could be unknown: its refusals say that they are";
        warnings.add(&rule.path("hide"), Concern::NoEffect, message);
    }
}
