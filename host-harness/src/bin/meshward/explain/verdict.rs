//! What came of a rehearsed request, in the shape that is printed.

use meshward::Config;
use meshward_policy::{Effect, Match, Mode, Trial};
use serde::Serialize;
use serde_json::Value;

use crate::rehearsal::Played;

/// What `explain --json` prints. Members are added, never changed.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// `allow` or `deny`: what the caller meets with.
    pub(crate) decision: &'static str,
    /// What decided: `rule`, `default`, `upkeep` (it only keeps the protocol up), `bound` (`policy.uris` or
    /// `policy.arguments`), `engine` (before the policy was asked) or `none` (there is no policy).
    pub(crate) by: &'static str,
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    /// The name of the reason, if it is refused, or would be but for shadow mode.
    pub(crate) reason: Option<&'static str>,
    /// It passes only because of shadow mode: the rule that would refuse it, or none for the default or a bound.
    pub(crate) shadow: Option<Shadow>,
    /// What the caller gets, if it is refused.
    pub(crate) reply: Option<ReplyShown>,
    /// Whether the tool, prompt or resource is in the lists that this caller gets; none for other messages.
    pub(crate) shown: Option<bool>,
    /// Every rule, in the order of the configuration.
    pub(crate) rules: Vec<RuleShown>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Shadow {
    pub(crate) rule: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReplyShown {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `error` (a JSON-RPC error), `result` (a tool's, with `isError`), or `unknown` (as though there were no such thing).
    pub(crate) shape: &'static str,
    /// The error's code.
    pub(crate) code: Option<i64>,
    /// The words.
    pub(crate) message: String,
    /// The whole message.
    pub(crate) body: Value,
}

#[derive(Debug, Serialize)]
pub(crate) struct RuleShown {
    pub(crate) rule: String,
    pub(crate) effect: &'static str,
    pub(crate) mode: &'static str,
    /// The resource, where a message is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    /// `yes`, `no`, or `doubt`: it cannot be known, so it matches if it denies.
    pub(crate) matched: &'static str,
    /// The part that kept it from matching, or left it in doubt: `direction`, `methods`, `names`, `revisions`, `principals`,
    /// `uri`, `clients`, `when`.
    pub(crate) part: Option<&'static str>,
    /// Whether the decision looked at it.
    pub(crate) needed: bool,
    /// The text of its condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<String>,
}

impl Verdict {
    /// What came of a request under a configuration.
    pub(crate) fn new(played: &Played, config: &Config) -> Self {
        // Of a batch, the message that is refused.
        let rulings = || played.explanations.iter().map(|explanation| &explanation.ruling);
        let ruling = rulings().find(|ruling| ruling.effect == Effect::Deny).or_else(|| rulings().next());
        let enforced = played.refusals.iter().find(|(_, shadow)| !shadow);
        let observed = played.refusals.iter().find(|(_, shadow)| *shadow);
        let reason = enforced.or(observed).map(|(reason, _)| *reason);
        let (by, rule) = match ruling {
            None if played.reply.is_some() => ("engine", None),
            None => ("none", None),
            Some(ruling) => match &ruling.rule {
                Some(rule) => ("rule", Some(rule.to_string())),
                None if ruling.effect == Effect::Deny && ruling.reason.name() != "denied" => ("bound", None),
                None if ruling.effect == Effect::Allow && !allows_by_default(config) => ("upkeep", None),
                None => ("default", None),
            },
        };
        let shadow = observed.filter(|_| played.reply.is_none()).map(|_| Shadow {
            rule: ruling
                .and_then(|ruling| match ruling.effect {
                    Effect::Deny => ruling.rule.as_ref(),
                    Effect::Allow => ruling.shadow.as_ref(),
                })
                .map(ToString::to_string),
        });
        let rules = played
            .explanations
            .iter()
            .flat_map(|explanation| &explanation.tried)
            .flat_map(|tried| tried.trials.iter().map(|trial| RuleShown::new(trial, tried.uri.clone(), config)));
        Self {
            decision: if played.reply.is_some() { "deny" } else { "allow" },
            by,
            rule,
            reason: reason.map(meshward_wire::refusal::Reason::name),
            shadow,
            reply: played.reply.as_ref().map(|reply| ReplyShown::new(reply.status, &reply.body)),
            shown: played.shown,
            rules: rules.collect(),
        }
    }
}

fn allows_by_default(config: &Config) -> bool {
    config.policy.as_ref().is_none_or(|policy| policy.default == Effect::Allow)
}

impl ReplyShown {
    fn new(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = body.get("error");
        let text = match error {
            Some(error) => error.get("message"),
            None => body.pointer("/result/content/0/text"),
        };
        Self {
            status,
            shape: match error {
                Some(error) if error.pointer("/data/reason").is_some() => "error",
                Some(_) => "unknown",
                None => "result",
            },
            code: error.and_then(|error| error.get("code")?.as_i64()),
            message: text.and_then(Value::as_str).unwrap_or_default().to_owned(),
            body,
        }
    }
}

impl RuleShown {
    fn new(trial: &Trial, uri: Option<String>, config: &Config) -> Self {
        let (matched, part) = match trial.matched {
            Match::Yes | Match::Open { .. } => ("yes", None),
            Match::No(part) => ("no", Some(part.name())),
            Match::Doubt(part) => ("doubt", Some(part.name())),
        };
        let written = config.policy.as_ref().and_then(|policy| policy.rules.get(trial.place));
        Self {
            rule: trial.rule.to_string(),
            effect: if trial.effect == Effect::Allow { "allow" } else { "deny" },
            mode: if trial.mode == Mode::Shadow { "shadow" } else { "enforce" },
            uri,
            matched,
            part,
            needed: trial.needed,
            when: written.and_then(|rule| rule.when.clone()),
        }
    }
}
