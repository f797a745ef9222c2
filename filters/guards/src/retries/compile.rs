//! The section, compiled, and what it says of a message.

use std::time::Duration;

use meshward_engine::{Glob, Period};

use super::config::RetriesConfig;

/// The most rules.
const MAX_RULES: usize = 256;
/// The most retries.
const MAX_RETRIES: u32 = 10;
/// The longest time-out.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What MCP says only reads, or sends what it sent before: it may be done twice.
const READS: [&str; 10] = [
    "completion/complete",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tasks/get",
    "tools/list",
];

/// Which calls may be sent again, and how long answers may take.
#[derive(Debug)]
pub struct Retries {
    rules: Vec<Rule>,
    pub(super) pinned_annotations: bool,
    /// The value of `x-envoy-retry-on`.
    pub(super) on: String,
    pub(super) max_retries: u32,
    times: Times,
    /// The host lets the head wait for the body.
    pub(super) header_hold: bool,
}

#[derive(Debug)]
struct Rule {
    tools: Vec<Glob>,
    retry: Option<bool>,
    times: Times,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    /// To begin, each time.
    pub(super) per_try: Option<Duration>,
    /// To end, with all tries.
    pub(super) total: Option<Duration>,
}

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) retry: bool,
    pub(super) times: Times,
}

impl Plan {
    /// With another message in the same request: what holds for one must be good for the other.
    pub(super) fn join(self, other: Self) -> Self {
        // Without a bound for the one there is none for both.
        let longest = |one: Option<Duration>, other: Option<Duration>| Some(one?.max(other?));
        let times = Times {
            per_try: longest(self.times.per_try, other.times.per_try),
            total: longest(self.times.total, other.times.total),
        };
        Self { retry: self.retry && other.retry, times }
    }
}

impl Retries {
    /// Compiles a configuration. `header_hold`: the host lets the head wait for the body.
    ///
    /// # Errors
    /// All that is wrong with it: where in the section, and what.
    pub fn new(config: &RetriesConfig, header_hold: bool) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let mut times = |path: String, per_try: Option<Period>, total: Option<Period>| {
            let times = Times { per_try: per_try.map(|Period(time)| time), total: total.map(|Period(time)| time) };
            for (field, time) in [("try_timeout", times.per_try), ("timeout", times.total)] {
                if time.is_some_and(|time| time < Duration::from_millis(1) || time > LONGEST) {
                    errors.push((format!("{path}{field}"), "between 1ms and 24h".to_owned()));
                }
            }
            // Envoy takes no notice of a bound of each try that is not below that of all.
            if times.per_try.zip(times.total).is_some_and(|(per_try, total)| per_try >= total) {
                errors.push((format!("{path}try_timeout"), "shorter than `timeout`, which all tries share".to_owned()));
            }
            times
        };
        let of_all = times(String::new(), config.try_timeout, config.timeout);
        let rules: Vec<Rule> = config
            .rules
            .iter()
            .enumerate()
            .map(|(index, rule)| Rule {
                tools: rule.tools.iter().map(|pattern| Glob::new(pattern)).collect(),
                retry: rule.retry,
                times: times(
                    format!("rules[{index}]."),
                    rule.try_timeout.or(config.try_timeout),
                    rule.timeout.or(config.timeout),
                ),
            })
            .collect();
        for (index, _) in rules.iter().enumerate().filter(|(_, rule)| rule.tools.is_empty()) {
            errors.push((format!("rules[{index}].tools"), "name at least one tool; `*` is any".to_owned()));
        }
        if rules.len() > MAX_RULES {
            errors.push(("rules".to_owned(), format!("at most {MAX_RULES}")));
        }
        if !(1..=MAX_RETRIES).contains(&config.max_retries) {
            errors.push(("max_retries".to_owned(), format!("between 1 and {MAX_RETRIES}")));
        }
        if config.on.is_empty() {
            errors.push(("on".to_owned(), "name at least one condition, such as `connect-failure`".to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let on: Vec<_> = config.on.iter().map(|on| on.name()).collect();
        Ok(Self {
            rules,
            pinned_annotations: config.pinned_annotations,
            on: on.join(","),
            max_retries: config.max_retries,
            times: of_all,
            header_hold,
        })
    }

    /// What holds for a call of a tool; what an approved definition says is asked for if it decides.
    pub(super) fn tool(&self, name: &str, may_repeat: impl FnOnce() -> bool) -> Plan {
        let rule = self.rules.iter().find(|rule| rule.tools.iter().any(|tools| tools.matches(name)));
        let retry = rule.and_then(|rule| rule.retry);
        let retry = retry.unwrap_or_else(|| self.pinned_annotations && may_repeat());
        Plan { retry, times: rule.map_or(self.times, |rule| rule.times) }
    }

    /// What holds for another message.
    pub(super) fn other(&self, method: &str) -> Plan {
        let times = if method == "subscriptions/listen" { Times::default() } else { self.times };
        Plan { retry: READS.contains(&method), times }
    }
}
