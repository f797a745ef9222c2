//! Spans of time as people write them.

use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A span of time: a text with a unit (`250ms`, `30s`, `5m`, `1h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In nanoseconds, as [`crate::Host::now`] counts.
    #[must_use]
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PeriodVisitor)
    }
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a span of time with its unit, such as `250ms`, `30s`, `5m` or `1h`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let milliseconds: u64 = match text.get(digits.len()..).unwrap_or_default().trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            unit => return Err(E::custom(format_args!("unknown unit `{unit}`; use `ms`, `s`, `m` or `h`"))),
        };
        let period = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds));
        let period = period.ok_or_else(|| E::custom("expected a span of time such as `30s` or `5m`"))?;
        Ok(Period(Duration::from_millis(period)))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A span of time: a text with a unit (`250ms`, `30s`, `5m`, `1h`).",
            "type": "string",
            "pattern": "^[0-9]+ *(ms|s|m|h)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (json, milliseconds) in [
            ("\"0s\"", Some(0)),
            ("\"250ms\"", Some(250)),
            ("\"30s\"", Some(30_000)),
            ("\"5 m\"", Some(300_000)),
            ("\"2h\"", Some(7_200_000)),
            ("\"30\"", None),
            ("30", None),
            ("\"s\"", None),
            ("\"-1s\"", None),
            ("\"1.5s\"", None),
            ("\"1d\"", None),
            ("\"99999999999999999999s\"", None),
            ("\"9999999999999999999h\"", None),
        ] {
            let read = serde_json::from_str::<Period>(json).ok();
            assert_eq!(read, milliseconds.map(Duration::from_millis).map(Period), "{json}");
        }
        assert_eq!(Period::seconds(2).nanoseconds(), 2_000_000_000);
    }
}
