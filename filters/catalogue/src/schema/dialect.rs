//! The drafts of JSON Schema that are known, and where their schemas hold schemas.

/// A draft of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    Draft6,
    Draft7,
    Draft2019,
    Draft2020,
}

/// What a keyword's value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A schema.
    One,
    /// An array of schemas.
    List,
    /// A schema or an array of them.
    OneOrList,
    /// An object of schemas.
    Map,
    /// An object of schemas and arrays of strings.
    MixedMap,
}

impl Dialect {
    /// By the value of `$schema`.
    pub(super) fn of(uri: &str) -> Option<Self> {
        let uri = uri.strip_suffix('#').unwrap_or(uri);
        let place = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
        Some(match place {
            "json-schema.org/draft/2020-12/schema" => Self::Draft2020,
            "json-schema.org/draft/2019-09/schema" => Self::Draft2019,
            "json-schema.org/draft-07/schema" => Self::Draft7,
            "json-schema.org/draft-06/schema" => Self::Draft6,
            _ => return None,
        })
    }

    /// `$ref` stands alone: what is beside it is ignored.
    pub(super) fn ref_stands_alone(self) -> bool {
        self <= Self::Draft7
    }

    /// What a keyword holds, if it is one that holds schemas.
    pub(super) fn holds(self, keyword: &str) -> Option<Holds> {
        let (since, until, holds) = match keyword {
            "additionalProperties" | "contains" | "not" | "propertyNames" => {
                (Self::Draft6, Self::Draft2020, Holds::One)
            }
            "allOf" | "anyOf" | "oneOf" => (Self::Draft6, Self::Draft2020, Holds::List),
            "properties" | "patternProperties" | "definitions" => (Self::Draft6, Self::Draft2020, Holds::Map),
            "items" if self == Self::Draft2020 => (Self::Draft2020, Self::Draft2020, Holds::One),
            "items" => (Self::Draft6, Self::Draft2019, Holds::OneOrList),
            "additionalItems" => (Self::Draft6, Self::Draft2019, Holds::One),
            "dependencies" => (Self::Draft6, Self::Draft7, Holds::MixedMap),
            "if" | "then" | "else" => (Self::Draft7, Self::Draft2020, Holds::One),
            "unevaluatedItems" | "unevaluatedProperties" => (Self::Draft2019, Self::Draft2020, Holds::One),
            "dependentSchemas" | "$defs" => (Self::Draft2019, Self::Draft2020, Holds::Map),
            "prefixItems" => (Self::Draft2020, Self::Draft2020, Holds::List),
            _ => return None,
        };
        (since <= self && self <= until).then_some(holds)
    }
}
