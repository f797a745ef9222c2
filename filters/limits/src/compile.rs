//! From the configuration to limits: everything that is wrong is found, and everything is compiled.

use std::collections::BTreeSet;

use meshward_engine::HeaderDemand;
use meshward_identity::Wanted;
use meshward_policy::Selection;
use meshward_ratelimit::{Override, RateLimitServiceConfig, Service, Unit};

use crate::config::{LimitConfig, OnFull, Scope};
use crate::key::KeyPart;
use crate::limit::{Counted, Limit};
use crate::place::values;
use crate::rate::Rate;
use crate::rates::Rates;
use crate::slots::Slots;

/// The limits of a configuration.
#[derive(Debug)]
pub struct Limits {
    pub(crate) limits: Vec<Limit>,
    pub(crate) service: Option<Service>,
    pub(crate) wanted: Wanted,
    pub(crate) headers: HeaderDemand,
    pub(crate) looks_into_arguments: bool,
}

/// The most limits: each message is held against all of them.
const MOST_LIMITS: usize = 64;
/// The longest name, in bytes: it is a label's value.
const LONGEST_NAME: usize = 64;
/// The most parts of a key.
const MOST_PARTS: usize = 8;
/// The largest number of calls.
const MOST_CALLS: u32 = 1_000_000;
/// The most keys that are counted apart.
const MOST_KEYS: u32 = 1_000_000;
/// How many keys are counted apart by default.
const USUAL_KEYS: u32 = 10_000;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60_000_000_000;

impl Limits {
    /// Compiles limits. `trusted_headers`: those whose fields principals may name.
    ///
    /// # Errors
    /// All that is wrong with them: where in the document, and what.
    pub fn compile(
        configs: &[LimitConfig],
        service: Option<&RateLimitServiceConfig>,
        trusted_headers: &[String],
    ) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        if configs.len() > MOST_LIMITS {
            faults.push(("limits".to_owned(), format!("at most {MOST_LIMITS} limits")));
        }
        let mut limits = Vec::new();
        for (place, config) in configs.iter().enumerate() {
            let mut add = |field: &str, message: String| {
                let dot = if field.is_empty() { "" } else { "." };
                faults.push((format!("limits[{place}]{dot}{field}"), message));
            };
            if !names.insert(&config.name) {
                add("name", format!("another limit is called `{}` too", config.name));
            }
            limits.extend(limit(config, service.is_some(), trusted_headers, &mut add));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (mut wanted, mut headers, mut looks_into_arguments) = (Wanted::default(), HeaderDemand::None, false);
        let mut want = |more: Wanted, fields: HeaderDemand, arguments: bool| {
            wanted.peer |= more.peer;
            wanted.source |= more.source;
            wanted.claims |= more.claims;
            headers = std::mem::replace(&mut headers, HeaderDemand::None).join(fields);
            looks_into_arguments |= arguments;
        };
        for limit in &limits {
            let (more, fields) = limit.selection.wants();
            want(more, fields, limit.selection.wants_arguments());
            for part in &limit.key {
                let (more, fields, arguments, _) = part.wants();
                want(more, fields, arguments);
            }
        }
        Ok(Self { limits, service: service.map(Service::new), wanted, headers, looks_into_arguments })
    }
}

fn limit(
    config: &LimitConfig,
    has_service: bool,
    trusted_headers: &[String],
    add: &mut dyn FnMut(&str, String),
) -> Option<Limit> {
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    if config.name.is_empty() || config.name.len() > LONGEST_NAME || !is_name(&config.name) {
        add("name", format!("between 1 and {LONGEST_NAME} of a-z, 0-9, `-` and `_`: it is a label in metrics"));
    }
    if config.key.len() > MOST_PARTS {
        add("key", format!("at most {MOST_PARTS} parts"));
    }
    let mut key = Vec::new();
    for (place, source) in config.key.iter().enumerate() {
        let at = format!("key[{place}]");
        match KeyPart::compile(source) {
            Ok(part) if part.wants().3 => add(&at, CLIENT.to_owned()),
            Ok(part) => key.push(part),
            Err(messages) => messages.into_iter().for_each(|message| add(&at, message)),
        }
    }
    let selection = match Selection::compile(&config.rule(), trusted_headers) {
        Ok(selection) if selection.wants_client() => {
            add("when", CLIENT.to_owned());
            return None;
        }
        Ok(selection) => Some(selection),
        Err(faults) => {
            faults.into_iter().for_each(|fault| add(&fault.path, fault.message));
            None
        }
    };
    for (field, number, most) in [
        ("per_second", config.per_second, MOST_CALLS),
        ("per_minute", config.per_minute, MOST_CALLS),
        ("burst", config.burst, MOST_CALLS),
        ("concurrent", config.concurrent, MOST_CALLS),
        ("max_keys", config.max_keys, MOST_KEYS),
    ] {
        if number.is_some_and(|number| !(1..=most).contains(&number)) {
            add(field, format!("between 1 and {most}"));
        }
    }
    let counted = match config.scope {
        Scope::Proxy => here(config, add),
        Scope::Service => there(config, has_service, add),
    };
    Some(Limit {
        name: config.name.as_str().into(),
        mode: config.mode,
        selection: selection?,
        key,
        on_failure: config.on_failure,
        counted,
        series: Limit::series(&config.name),
    })
}

/// A client's name is remembered by the policy alone, and anybody can give any.
const CLIENT: &str = "a client says its own name, and could say another for each call: use what is proved of it";

fn here(config: &LimitConfig, add: &mut dyn FnMut(&str, String)) -> Counted {
    let has_rate = config.per_second.is_some() || config.per_minute.is_some();
    if !has_rate && config.concurrent.is_none() {
        add("", "a limit limits something: `per_second`, `per_minute` or `concurrent`".to_owned());
    }
    if config.burst.is_some() && !has_rate {
        add("burst", "it belongs to `per_second` or `per_minute`".to_owned());
    }
    let values = values(config.max_keys.unwrap_or(USUAL_KEYS));
    let rate = |calls: Option<u32>, period| calls.map(|calls| Rate::new(calls, period, config.burst.unwrap_or(calls)));
    let rates = [rate(config.per_second, SECOND), rate(config.per_minute, MINUTE)];
    let prefix = |kind: &str| format!("meshward/limits/{}/{kind}", config.name);
    Counted::Here {
        rates: has_rate.then(|| Rates::new(prefix("rate"), values, rates)),
        slots: config.concurrent.map(|limit| Slots::new(prefix("slot"), values, limit)),
        on_full: config.on_full.unwrap_or(OnFull::Share),
    }
}

fn there(config: &LimitConfig, has_service: bool, add: &mut dyn FnMut(&str, String)) -> Counted {
    if !has_service {
        add("scope", "name the service in `rate_limit_service`".to_owned());
    }
    for (field, given) in [
        ("burst", config.burst.is_some()),
        ("concurrent", config.concurrent.is_some()),
        ("max_keys", config.max_keys.is_some()),
        ("on_full", config.on_full.is_some()),
    ] {
        if given {
            add(field, "the service counts as it is configured: leave it out, or use `scope: proxy`".to_owned());
        }
    }
    let limit = match (config.per_second, config.per_minute) {
        (Some(_), Some(_)) => {
            add("per_minute", "the service takes one limit with a question: write another for the minute".to_owned());
            None
        }
        (Some(calls), None) => Some(Override { requests_per_unit: calls, unit: Unit::Second }),
        (None, Some(calls)) => Some(Override { requests_per_unit: calls, unit: Unit::Minute }),
        (None, None) => None,
    };
    Counted::There(limit)
}

#[cfg(test)]
mod tests;
