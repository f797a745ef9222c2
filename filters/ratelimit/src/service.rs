//! The question.

use std::fmt::{self, Debug, Formatter};

use meshward_engine::{Callout, CalloutRequest};
use prost::Message;

use crate::config::RateLimitServiceConfig;
use crate::proto;

/// A rate limit service that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    cluster: String,
    domain: String,
    timeout_ms: u32,
}

/// What is counted: all calls with the same entries together.
#[derive(Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Names and values. The values are hidden from `Debug`.
    pub entries: Vec<(String, String)>,
    /// The limit, in place of one that the service is configured with. Envoy's own service heeds it, Limitador does not.
    pub limit: Option<Override>,
}

/// A limit that comes with the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// How many calls.
    pub requests_per_unit: u32,
    /// In which time.
    pub unit: Unit,
}

/// `envoy.type.v3.RateLimitUnit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A second.
    Second = 1,
    /// A minute.
    Minute = 2,
    /// An hour.
    Hour = 3,
    /// A day.
    Day = 4,
}

impl Service {
    /// A service, as a sound section names it.
    #[must_use]
    pub fn new(config: &RateLimitServiceConfig) -> Self {
        let RateLimitServiceConfig { cluster, domain, timeout_ms } = config.clone();
        Self { cluster, domain, timeout_ms }
    }

    /// Counts one hit for each descriptor, and asks whether all are within their limits.
    #[must_use]
    pub fn ask(&self, descriptors: &[Descriptor]) -> Callout {
        let question = proto::RateLimitRequest {
            domain: self.domain.clone(),
            descriptors: descriptors.iter().map(Descriptor::to_proto).collect(),
            hits_addend: 1,
        };
        Callout {
            id: 0,
            cluster: self.cluster.clone(),
            request: CalloutRequest::Grpc {
                service: "envoy.service.ratelimit.v3.RateLimitService",
                method: "ShouldRateLimit",
                message: question.encode_to_vec(),
            },
            timeout_ms: self.timeout_ms,
        }
    }
}

impl Descriptor {
    /// What is counted under these names and values, by the service's own limits.
    #[must_use]
    pub const fn new(entries: Vec<(String, String)>) -> Self {
        Self { entries, limit: None }
    }

    fn to_proto(&self) -> proto::RateLimitDescriptor {
        let entries = self.entries.iter().map(|(key, value)| proto::Entry { key: key.clone(), value: value.clone() });
        let limit = self.limit.map(|Override { requests_per_unit, unit }| proto::RateLimitOverride {
            requests_per_unit,
            unit: match unit {
                Unit::Second => 1,
                Unit::Minute => 2,
                Unit::Hour => 3,
                Unit::Day => 4,
            },
        });
        proto::RateLimitDescriptor { entries: entries.collect(), limit }
    }
}

impl Debug for Descriptor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.entries.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Descriptor").field("names", &names).field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_what_the_protocol_says() {
        let config = RateLimitServiceConfig { cluster: "limits".to_owned(), domain: "d".to_owned(), timeout_ms: 20 };
        let limit = Override { requests_per_unit: 300, unit: Unit::Day };
        let plain = Descriptor::new(vec![("tool".to_owned(), "a".to_owned())]);
        let limited = Descriptor { limit: Some(limit), ..Descriptor::new(vec![]) };
        let callout = Service::new(&config).ask(&[plain, limited]);
        let CalloutRequest::Grpc { service, method, message } = callout.request else { panic!("not gRPC") };
        assert_eq!((callout.cluster.as_str(), callout.timeout_ms), ("limits", 20));
        assert_eq!((service, method), ("envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit"));
        let entry: &[u8] = b"\x12\x0b\x0a\x09\x0a\x04tool\x12\x01a";
        let with_limit: &[u8] = b"\x12\x07\x12\x05\x08\xac\x02\x10\x04";
        assert_eq!(message, [b"\x0a\x01d", entry, with_limit, b"\x18\x01"].concat());
    }

    #[test]
    fn values_are_not_shown() {
        let descriptor = Descriptor::new(vec![("session".to_owned(), "s3cret".to_owned())]);
        assert!(!format!("{descriptor:?}").contains("s3cret"));
        assert!(format!("{descriptor:?}").contains("session"));
    }
}
