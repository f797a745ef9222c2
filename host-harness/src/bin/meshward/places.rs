//! Which place of a YAML file a path of the document stands for.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A place in a file; both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: u64,
    /// The character in it.
    pub(crate) column: u64,
}

impl Place {
    /// The beginning of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place the YAML library names; it has none for what an alias repeats, for instance.
    pub(crate) fn of(location: Location) -> Self {
        if location == Location::UNKNOWN {
            Self::START
        } else {
            Self { line: location.line(), column: location.column() }
        }
    }
}

/// The places of all keys and elements of a document.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_path: HashMap<String, Place>,
}

impl Places {
    /// Finds them in a text that is known to be good YAML; in another one there are none.
    pub(crate) fn of(text: &str) -> Self {
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let mut places = Self::default();
        if let Ok(root) = serde_saphyr::from_str_with_options::<Node>(text, options) {
            root.note("", &mut places.by_path);
        }
        places
    }

    /// The place of `policy.rules[2].effect`; of what it is missing from, if it is not there.
    pub(crate) fn find(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.by_path.get(path) {
                return *place;
            }
            match path.rfind(['.', '[']).and_then(|end| path.get(..end)) {
                Some(parent) => path = parent,
                None => return Place::START,
            }
        }
    }
}

/// A value, as far as its parts have places.
enum Node {
    Mapping(Vec<(Spanned<String>, Node)>),
    Sequence(Vec<Spanned<Node>>),
    Scalar,
}

impl Node {
    fn note(&self, path: &str, places: &mut HashMap<String, Place>) {
        match self {
            Self::Mapping(entries) => {
                for (key, value) in entries {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}", key.value);
                    value.note(&path, places);
                    places.insert(path, Place::of(key.referenced));
                }
            }
            Self::Sequence(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    element.value.note(&path, places);
                    places.insert(path, Place::of(element.referenced));
                }
            }
            Self::Scalar => {}
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Node::Mapping(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    elements.push(element);
                }
                Ok(Node::Sequence(elements))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_str<E>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Node::Scalar)
            }
        }

        deserializer.deserialize_any(NodeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\n\
        apiVersion: meshward/v1\n\
        endpoints: [{ path: /mcp }, { path: 7 }]\n\
        policy:\n  \
          default: ~\n  \
          rules:\n    \
            - name: one\n      \
              effect: allow\n    \
            - { name: two, weight: 1.5, on: true }\n";

    #[test]
    fn keys_and_elements_have_places() {
        let places = Places::of(TEXT);
        for (path, line, column) in [
            ("apiVersion", 2, 1),
            ("endpoints[1]", 3, 29),
            ("endpoints[1].path", 3, 31),
            ("policy.default", 5, 3),
            ("policy.rules[0]", 7, 7),
            ("policy.rules[0].effect", 8, 7),
            ("policy.rules[1].weight", 9, 20),
        ] {
            assert_eq!(places.find(path), Place { line, column }, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_missing_from_its_parent() {
        let places = Places::of(TEXT);
        assert_eq!(places.find("policy.rules[0].tools"), Place { line: 7, column: 7 });
        assert_eq!(places.find("policy.rules[7]"), places.find("policy.rules"));
        assert_eq!(places.find("replay"), Place::START);
        assert_eq!(places.find("."), Place::START);
    }
}
