//! From the configuration to a policy: everything that is wrong is found, and everything is compiled.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::rc::Rc;

use meshward_engine::{Glob, HeaderDemand, Refusal};
use meshward_identity::Wanted;
use meshward_wire::limits::Limits;
use meshward_wire::revision::Revision;

use crate::condition::Condition;
use crate::config::{ArgumentsConfig, Effect, PolicyConfig, RefuseAs, RuleConfig};
use crate::decide::{Bound, Policy};
use crate::index::Index;
use crate::principal::Principal;
use crate::rule::{Rule, Targets};
use crate::subject::Direction;
use crate::uri::{UriConfig, UriRules};

/// The most rules: a policy that has more is generated, and should be several.
const MOST_RULES: usize = 10_000;
/// The longest words for a refusal, in bytes.
const LONGEST_MESSAGE: usize = 1_000;

/// Something that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, below `policy` (`rules[2].when`).
    pub path: String,
    /// What, and what to write instead.
    pub message: String,
}

impl Policy {
    /// Compiles a policy. `trusted_headers`: those whose fields principals may name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(config: &PolicyConfig, trusted_headers: &[String]) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        if config.rules.len() > MOST_RULES {
            faults.add("rules", format!("at most {MOST_RULES} rules"));
        }
        let mut names = HashSet::new();
        let mut rules: Vec<Rule> = Vec::with_capacity(config.rules.len().min(MOST_RULES));
        for (index, rule) in config.rules.iter().take(MOST_RULES).enumerate() {
            let path = format!("rules[{index}]");
            if rule.name.is_empty() {
                faults.add(&format!("{path}.name"), "give the rule a name; it is shown in logs");
            } else if !names.insert(&rule.name) {
                faults.add(&format!("{path}.name"), format!("another rule is called `{}` too", rule.name));
            }
            rules.push(faults.rule(rule, index, &config.uris, trusted_headers));
        }
        let uris = faults.uris(&config.uris, "uris");
        let arguments = config.arguments.iter().enumerate().map(|(index, bound)| faults.bound(bound, index)).collect();
        if config.hide && (config.refuse_as != RefuseAs::Error || config.message.is_some()) {
            faults
                .add("hide", "what is hidden is refused in a server's own words: leave out `refuse_as` and `message`");
        }
        faults.message(config.message.as_deref(), "message");
        let Some(uris) = uris.filter(|_| faults.0.is_empty()) else { return Err(faults.0) };
        rules.sort_by_key(|rule| Reverse(rule.effect == Effect::Deny));
        let (mut wanted, mut headers) = (Wanted::default(), HeaderDemand::None);
        for rule in &rules {
            let (more, fields) = rule.wants();
            wanted.peer |= more.peer;
            wanted.source |= more.source;
            wanted.claims |= more.claims;
            headers = headers.join(fields);
        }
        Ok(Self {
            mode: config.mode,
            lists: config.lists,
            default: config.default,
            server_requests: config.server_requests,
            index: Index::new(&rules),
            wants_client: rules.iter().any(Rule::wants_client),
            max_name_bytes: Limits::default().max_name_bytes,
            depends_on_caller: rules.iter().any(Rule::depends_on_caller),
            rules,
            uris,
            arguments,
            refusal: refusal(config.refuse_as, config.message.as_deref(), config.hide),
            wanted,
            headers,
            listener: None,
        })
    }
}

/// Compiles one rule that is no policy's: faults have their paths below the rule.
pub(crate) fn rule_alone(config: &RuleConfig, trusted_headers: &[String]) -> Result<Rule, Vec<Fault>> {
    let mut faults = Faults::default();
    let rule = faults.rule(config, 0, &UriConfig::default(), trusted_headers);
    if faults.0.is_empty() {
        return Ok(rule);
    }
    let below = |path: &str| path.strip_prefix("rules[0].").unwrap_or(path).to_owned();
    Err(faults.0.into_iter().map(|fault| Fault { path: below(&fault.path), ..fault }).collect())
}

fn refusal(refuse_as: RefuseAs, message: Option<&str>, hide: bool) -> Refusal {
    let message = message.map(Rc::from);
    match refuse_as {
        _ if hide => Refusal::Unknown,
        RefuseAs::Error => Refusal::Error { message },
        RefuseAs::Result => Refusal::ToolResult { message },
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(Fault { path: path.to_owned(), message: message.into() });
    }

    fn rule(&mut self, rule: &RuleConfig, place: usize, uris: &UriConfig, trusted_headers: &[String]) -> Rule {
        let path = format!("rules[{place}]");
        let at = |field: &str| format!("{path}.{field}");
        if rule.direction == Direction::Server {
            for (field, given) in [
                ("tools", rule.tools.is_some()),
                ("prompts", rule.prompts.is_some()),
                ("resources", rule.resources.is_some()),
                ("uri", rule.uri.is_some()),
            ] {
                if given {
                    self.add(&at(field), "a server's own requests name none: use `methods` (`sampling/createMessage`)");
                }
            }
        }
        if rule.effect == Effect::Allow {
            for (field, given) in [
                ("refuse_as", rule.refuse_as.is_some()),
                ("message", rule.message.is_some()),
                ("hide", rule.hide.is_some()),
            ] {
                if given {
                    self.add(&at(field), "a rule that allows refuses nobody: leave it out");
                }
            }
        } else if rule.hide == Some(true) && (rule.refuse_as.is_some() || rule.message.is_some()) {
            self.add(
                &at("hide"),
                "what is hidden is refused in a server's own words: leave out `refuse_as` and `message`",
            );
        }
        self.message(rule.message.as_deref(), &at("message"));
        let principals = rule.principals.as_ref().map(|principals| {
            if principals.is_empty() {
                self.add(&at("principals"), "an empty list is nobody: name somebody, or leave it out");
            }
            let compiled = principals.iter().enumerate().map(|(index, principal)| {
                let path = at(&format!("principals[{index}]"));
                Principal::new(principal, trusted_headers, &mut |below, message| {
                    self.add(&format!("{path}{below}"), message)
                })
            });
            compiled.collect()
        });
        let condition = rule.when.as_ref().and_then(|source| match Condition::compile(source) {
            Ok(condition) => Some(condition),
            Err(messages) => {
                for message in messages {
                    self.add(&at("when"), message);
                }
                None
            }
        });
        // What the policy excepts for all URIs, a rule need not except again.
        let uri = rule.uri.as_ref().and_then(|uri| {
            let mut uri = uri.clone();
            uri.allow.extend(uris.allow.iter().copied());
            self.uris(&uri, &at("uri"))
        });
        Rule {
            place,
            name: Rc::from(rule.name.as_str()),
            effect: rule.effect,
            mode: rule.mode,
            direction: rule.direction,
            methods: self.globs(rule.methods.as_ref(), &at("methods")),
            targets: Targets {
                tools: self.globs(rule.tools.as_ref(), &at("tools")),
                prompts: self.globs(rule.prompts.as_ref(), &at("prompts")),
                resources: self.globs(rule.resources.as_ref(), &at("resources")),
            },
            uri,
            principals,
            clients: self.globs(rule.clients.as_ref(), &at("clients")),
            revisions: self.revisions(rule.revisions.as_ref(), &at("revisions")),
            condition,
            refusal: refusal(
                rule.refuse_as.unwrap_or_default(),
                rule.message.as_deref(),
                rule.hide.unwrap_or_default(),
            ),
        }
    }

    fn message(&mut self, message: Option<&str>, path: &str) {
        if message.is_some_and(|message| message.is_empty() || message.len() > LONGEST_MESSAGE) {
            self.add(path, format!("between 1 and {LONGEST_MESSAGE} bytes; leave it out for our own words"));
        }
    }

    fn globs(&mut self, patterns: Option<&Vec<String>>, path: &str) -> Option<Vec<Glob>> {
        let patterns = patterns?;
        if patterns.is_empty() {
            self.add(path, "an empty list matches nothing: name something, or leave it out");
        }
        for (index, pattern) in patterns.iter().enumerate() {
            if pattern.is_empty() {
                self.add(&format!("{path}[{index}]"), "an empty pattern matches nothing; `*` matches all");
            }
        }
        Some(patterns.iter().map(|pattern| Glob::new(pattern)).collect())
    }

    fn revisions(&mut self, names: Option<&Vec<String>>, path: &str) -> Option<Vec<Revision>> {
        let names = names?;
        if names.is_empty() {
            self.add(path, "an empty list matches nothing: name a revision, or leave it out");
        }
        let mut revisions = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match Revision::parse(name) {
                Some(revision) => revisions.push(revision),
                None => {
                    let known: Vec<_> = Revision::ALL.iter().map(|known| format!("`{}`", known.as_str())).collect();
                    self.add(
                        &format!("{path}[{index}]"),
                        format!("unknown revision `{name}`; known are {}", known.join(", ")),
                    );
                }
            }
        }
        Some(revisions)
    }

    fn uris(&mut self, config: &UriConfig, path: &str) -> Option<UriRules> {
        match UriRules::new(config) {
            Ok(rules) => Some(rules),
            Err(errors) => {
                for error in errors {
                    self.add(&format!("{path}.{}", error.path), error.message);
                }
                None
            }
        }
    }

    fn bound(&mut self, bound: &ArgumentsConfig, index: usize) -> Bound {
        let path = format!("arguments[{index}]");
        Bound {
            tools: self.globs(Some(&bound.tools), &format!("{path}.tools")).unwrap_or_default(),
            max_bytes: bound.max_bytes.0,
        }
    }
}
