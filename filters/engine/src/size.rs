//! Sizes as people write them.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A number of bytes: an integer, or a text with a unit (`512KiB`, `1MiB`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number of bytes, or a text such as `512KiB` or `1MiB`")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Size, E> {
        usize::try_from(bytes).map(Size).map_err(|_| E::custom("the size is too large"))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
        u64::try_from(bytes).map_err(|_| E::custom("a size cannot be negative")).and_then(|bytes| self.visit_u64(bytes))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text.get(digits.len()..).unwrap_or_default().trim();
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(E::custom(format_args!("unknown unit `{unit}`; use `B`, `KiB`, `MiB` or `GiB`"))),
        };
        let bytes = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        self.visit_u64(bytes.ok_or_else(|| E::custom("expected a number of bytes such as `512KiB` or `1MiB`"))?)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number of bytes: an integer, or a text with a unit (`512KiB`, `1MiB`).",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (json, bytes) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("\"4096\"", Some(4096)),
            ("\"1KiB\"", Some(1024)),
            ("\"2 MiB\"", Some(2 << 20)),
            ("\"1GiB\"", Some(1 << 30)),
            ("\"1MB\"", None),
            ("\"MiB\"", None),
            ("\"-1\"", None),
            ("-1", None),
            ("1.5", None),
            ("\"99999999999999999999\"", None),
            ("\"99999999999GiB\"", None),
        ] {
            assert_eq!(serde_json::from_str::<Size>(json).ok().map(|s| s.0), bytes, "{json}");
        }
    }
}
