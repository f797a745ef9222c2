//! The `rate_limit_service` section of the configuration, as it is written.

use serde::Deserialize;

/// Which service counts for all proxies together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RateLimitServiceConfig {
    /// The host's name of the service: an Envoy cluster that speaks HTTP/2.
    pub cluster: String,
    /// The domain of its limits that is ours.
    #[serde(default = "usual_domain")]
    pub domain: String,
    /// How long an answer may take, in milliseconds. A call waits for it.
    #[serde(default = "usual_timeout")]
    pub timeout_ms: u32,
}

fn usual_domain() -> String {
    "meshward".to_owned()
}

const fn usual_timeout() -> u32 {
    100
}

/// The longest name of a cluster, in bytes: what tells a host of one then has no length beyond a byte.
const LONGEST_CLUSTER: usize = 123;
/// The longest domain, in bytes.
const LONGEST_DOMAIN: usize = 255;
/// The longest time that a call may be held up, in milliseconds.
const LONGEST_TIMEOUT: u32 = 60_000;

impl RateLimitServiceConfig {
    /// What the types cannot say: each fault with its path below the section, and a remedy.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, String)> {
        let bounds = [
            (
                !(1..=LONGEST_CLUSTER).contains(&self.cluster.len()),
                ("cluster", format!("name a cluster of the host's, in 1 to {LONGEST_CLUSTER} bytes")),
            ),
            (
                !(1..=LONGEST_DOMAIN).contains(&self.domain.len()),
                ("domain", format!("between 1 and {LONGEST_DOMAIN} bytes; services refuse an empty one")),
            ),
            (
                !(1..=LONGEST_TIMEOUT).contains(&self.timeout_ms),
                ("timeout_ms", format!("between 1 and {LONGEST_TIMEOUT} milliseconds: a call must not wait for ever")),
            ),
        ];
        bounds.into_iter().filter_map(|(is_wrong, fault)| is_wrong.then_some(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(cluster: &str, domain: &str, timeout_ms: u32) -> Vec<&'static str> {
        let config = RateLimitServiceConfig { cluster: cluster.to_owned(), domain: domain.to_owned(), timeout_ms };
        config.faults().map(|(path, _)| path).collect()
    }

    #[test]
    fn each_bound_holds_to_the_byte() {
        assert_eq!(faults("c", "d", 1), [""; 0]);
        assert_eq!(faults(&"c".repeat(123), &"d".repeat(255), 60_000), [""; 0]);
        assert_eq!(faults("", "", 0), ["cluster", "domain", "timeout_ms"]);
        assert_eq!(faults(&"c".repeat(124), &"d".repeat(256), 60_001), ["cluster", "domain", "timeout_ms"]);
    }
}
