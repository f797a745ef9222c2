//! Whether a rule, and each part of it, can match anything.

use meshward_wire::method::Method;
use meshward_wire::revision::Revision;

use super::topic::{Named, Spelling, Topic, patterns};
use super::{Concern, Permitted, Sketch, Warnings};
use crate::config::Effect;
use crate::subject::Direction;
use crate::truth::Truth;

/// Says which parts of a rule match nothing; whether the rule as a whole may match something. `all`: the topics of its
/// direction.
pub(super) fn review(rule: &Sketch<'_>, all: &[Topic], permitted: Permitted<'_>, warnings: &mut Warnings) -> bool {
    if rule.topics.is_empty() {
        let field = if rule.config.methods.is_some() { "methods" } else { "" };
        warnings.add(&rule.path(field), Concern::NeverMatches, nothing_in_common(rule));
        return false;
    }
    methods(rule, all, warnings);
    names(rule, warnings);
    let speakable = revisions(rule, permitted, warnings);
    permitted_methods(rule, permitted, warnings);
    condition(rule, warnings) && speakable
}

/// Why no message has both what a rule names and one of its methods.
fn nothing_in_common(rule: &Sketch<'_>) -> String {
    let named: Vec<String> = kinds(rule).map(|(field, _)| format!("`{field}`")).collect();
    match (rule.config.uri.is_some(), named.is_empty()) {
        (true, _) if rule.config.methods.is_none() || !named.is_empty() && rule.config.resources.is_none() => {
            "it never matches: `uri` is about resources, and the rule names none: leave `uri` out, or write `resources`"
                .to_owned()
        }
        (true, true) => {
            "it never matches: no message with one of these methods has a URI: leave `methods` out".to_owned()
        }
        _ => format!(
            "it never matches: no message with one of these methods names any of {}: leave `methods` out, and the rule \
             speaks of the methods that do",
            named.join(", ")
        ),
    }
}

/// The kinds of things that a rule names.
fn kinds<'r>(rule: &'r Sketch<'_>) -> impl Iterator<Item = (&'static str, Named)> + 'r {
    [("tools", Named::Tool), ("prompts", Named::Prompt), ("resources", Named::Resource)]
        .into_iter()
        .filter(|(_, named)| patterns(rule.config, *named).is_some())
}

/// Methods that are about nothing the rule names.
fn methods(rule: &Sketch<'_>, all: &[Topic], warnings: &mut Warnings) {
    for (number, pattern) in rule.config.methods.iter().flatten().enumerate() {
        if all.iter().any(|topic| topic.has_method(pattern) && topic.fits_names(rule.config)) {
            continue;
        }
        let about: Vec<String> = kinds(rule).map(|(field, _)| format!("`{field}`")).collect();
        let about = if about.is_empty() { "`uri`".to_owned() } else { about.join(", ") };
        let message = format!(
            "`{pattern}` never matches here: it is about none of {about}; name it in a rule of its own, or leave it out"
        );
        warnings.add(&rule.path(&format!("methods[{number}]")), Concern::NeverMatches, message);
    }
}

/// Things that no method of the rule is about.
fn names(rule: &Sketch<'_>, warnings: &mut Warnings) {
    for (field, named) in kinds(rule) {
        if !rule.topics.iter().any(|topic| topic.named == named) {
            let why = if rule.config.uri.is_some() && named != Named::Resource {
                "`uri` is about resources alone"
            } else {
                "none of the rule's methods is about them"
            };
            let message = format!("`{field}` never match here: {why}; name them in a rule of their own");
            warnings.add(&rule.path(field), Concern::NeverMatches, message);
        }
    }
}

/// Revisions that never come so far, and methods that the others do not have. `false`: none comes.
fn revisions(rule: &Sketch<'_>, permitted: Permitted<'_>, warnings: &mut Warnings) -> bool {
    let may_come = |revision: Revision| {
        permitted.revisions.is_none_or(|permitted| {
            // What says no revision is taken for 2025-03-26, and may be of the one before.
            permitted.contains(&revision)
                || revision == Revision::V2025_03_26 && permitted.contains(&Revision::V2024_11_05)
        })
    };
    let Some(named) = &rule.config.revisions else {
        methods_of(rule, &Revision::ALL.into_iter().filter(|is| may_come(*is)).collect::<Vec<_>>(), warnings);
        return true;
    };
    let come: Vec<Revision> =
        named.iter().filter_map(|name| Revision::parse(name)).filter(|revision| may_come(*revision)).collect();
    if come.is_empty() {
        let message = "it never matches: `protocol.revisions` permits none of these: permit one, or leave the rule out";
        warnings.add(&rule.path("revisions"), Concern::NeverMatches, message);
        return false;
    }
    for (number, name) in named.iter().enumerate() {
        if Revision::parse(name).is_some_and(|revision| !may_come(revision)) {
            let message = format!("`{name}` never matches: `protocol.revisions` does not permit it");
            warnings.add(&rule.path(&format!("revisions[{number}]")), Concern::NeverMatches, message);
        }
    }
    methods_of(rule, &come, warnings);
    true
}

/// Methods that clients have in none of some revisions.
fn methods_of(rule: &Sketch<'_>, revisions: &[Revision], warnings: &mut Warnings) {
    if rule.config.direction == Direction::Server {
        return;
    }
    for (number, pattern) in rule.config.methods.iter().flatten().enumerate() {
        let known = rule.topics.iter().find_map(|topic| match topic.method {
            Spelling::Known(method) if method.name == pattern => Some(method),
            _ => None,
        });
        let Some(method) = known.filter(|method| Revision::ALL.iter().any(|is| method.from_client.contains(*is)))
        else {
            continue;
        };
        if !revisions.iter().any(|revision| method.from_client.contains(*revision)) {
            let message = format!("clients do not send `{pattern}` in any revision that comes here");
            warnings.add(&rule.path(&format!("methods[{number}]")), Concern::Unlikely, message);
        }
    }
}

/// Whether `protocol.methods` lets anything pass that the rule speaks of.
fn permitted_methods(rule: &Sketch<'_>, permitted: Permitted<'_>, warnings: &mut Warnings) {
    let Some(permitted) = permitted.methods.filter(|_| rule.config.direction == Direction::Client) else { return };
    let passes = |topic: &Topic| match topic.method {
        Spelling::Known(method) => permitted.iter().any(|glob| glob.matches(method.name)),
        Spelling::Other | Spelling::OtherNotification => {
            permitted.iter().any(|glob| glob.literal().is_none_or(|name| !is_known(name)))
        }
    };
    if !rule.topics.iter().any(passes) {
        let message = "`protocol.methods` refuses every message that the rule speaks of: add the method there, or leave \
                       the rule out";
        warnings.add(&rule.path(""), Concern::Unlikely, message);
    }
}

fn is_known(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| Method::lookup(name).is_some())
}

/// What the condition comes to whatever the message is. `false`: the rule never matches.
fn condition(rule: &Sketch<'_>, warnings: &mut Warnings) -> bool {
    let Some(condition) = rule.condition() else { return true };
    let (truth, path) = (condition.at_most(), rule.path("when"));
    let allows = rule.config.effect == Effect::Allow;
    match truth {
        // What is in doubt denies before the condition is looked at.
        Truth::FALSE if !allows && (rule.config.clients.is_some() || rule.config.uri.is_some()) => {
            let message = "it is false whatever the message is, so the rule denies only where the client or the URI is in \
                           doubt";
            warnings.add(&path, Concern::Unlikely, message);
            return true;
        }
        Truth::FALSE => {
            warnings.add(
                &path,
                Concern::NeverMatches,
                "it is false whatever the message is, so the rule never matches",
            );
        }
        truth if allows && !truth.can_be_true() => {
            let message = "it never holds, whatever the message is, so the rule allows nothing";
            warnings.add(&path, Concern::NeverMatches, message);
        }
        Truth::TRUE => {
            warnings.add(&path, Concern::Unlikely, "it is true whatever the message is: leave it out");
            return true;
        }
        Truth::ERROR => {
            let message = "it cannot be evaluated, whatever the message is, so the rule denies whatever the rest of it \
                           matches: leave it out, or correct it";
            warnings.add(&path, Concern::Unlikely, message);
            return true;
        }
        _ => return true,
    }
    false
}
