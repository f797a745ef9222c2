//! Where a message says something of its own: a header field, or a key of `params._meta`.

use std::borrow::Cow;

use meshward_engine::KeptHeaders;
use meshward_wire::json::{self, ValueKind};
use meshward_wire::message::Message;
use serde::Deserialize;

/// A place in a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// A header field, by its name. It speaks for a whole request, GET and DELETE too.
    Header(String),
    /// A key of `params._meta`. It speaks for its message.
    Meta(String),
}

/// The longest value, in bytes.
const MOST_BYTES: usize = 256;

impl Field {
    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            // RFC 9110, section 5.6.2, without what no header is called.
            Self::Header(name) => {
                let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                let is_name = (1..=MOST_BYTES).contains(&name.len()) && name.bytes().all(is_letter);
                (!is_name).then_some("this is no name of a header field")
            }
            Self::Meta(key) => {
                let is_key = (1..=MOST_BYTES).contains(&key.len());
                (!is_key).then_some("a key of `_meta` has between 1 and 256 bytes")
            }
        }
    }

    /// The header field that it is, in lower case.
    pub(crate) fn header(&self) -> Option<String> {
        match self {
            Self::Header(name) => Some(name.to_ascii_lowercase()),
            Self::Meta(_) => None,
        }
    }

    /// Whether anything stands there.
    pub(crate) fn is_there(&self, message: Option<&Message<'_>>, headers: &KeptHeaders) -> bool {
        match self {
            Self::Header(name) => headers.all(name).next().is_some(),
            Self::Meta(key) => message.is_some_and(|message| message.meta_value(key).is_some()),
        }
    }

    /// What stands there: a text, or a number to the letter. `None`: nothing, twice, empty, or too long.
    pub(crate) fn read<'m>(
        &'m self,
        message: Option<&'m Message<'m>>,
        headers: &'m KeptHeaders,
    ) -> Option<Cow<'m, str>> {
        let value = match self {
            Self::Header(name) => {
                let mut lines = headers.all(name);
                let first = lines.next().filter(|_| lines.next().is_none())?;
                Cow::Borrowed(std::str::from_utf8(first).ok()?)
            }
            Self::Meta(key) => {
                let message = message?;
                let (text, value) = (message.text(), message.meta_value(key)?);
                match json::kind(text, value)? {
                    ValueKind::String => json::string(text, value)?,
                    ValueKind::Number => Cow::Borrowed(value.of(text)),
                    _ => return None,
                }
            }
        };
        (1..=MOST_BYTES).contains(&value.len()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use meshward_wire::limits::Limits;
    use meshward_wire::message::{Body, Reader};

    use super::*;

    #[test]
    fn a_value_is_read_where_it_stands() {
        let headers: KeptHeaders = [
            (&b"x-n"[..], &b"abc"[..]),
            (b"x-twice", b"1"),
            (b"x-twice", b"1"),
            (b"x-empty", b""),
            (b"x-bytes", b"\xff"),
            (b"x-longest", &[b'a'; 256]),
            (b"x-too-long", &[b'a'; 257]),
        ]
        .into_iter()
        .collect();
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"a/n":"\u0061b","a/t":17.5,"a/o":{},"a/e":""}}}"#;
        let mut reader = Reader::new(Limits::default());
        let Ok(Body::One(message)) = reader.read(text.as_bytes()) else { panic!("it is one message") };
        let header = |name: &str| Field::Header(name.to_owned());
        let meta = |key: &str| Field::Meta(key.to_owned());
        for (field, value) in [
            (header("X-N"), Some("abc")),
            (header("x-twice"), None),
            (header("x-empty"), None),
            (header("x-bytes"), None),
            (header("x-none"), None),
            (header("x-longest"), Some("a".repeat(256).as_str())),
            (header("x-too-long"), None),
            (meta("a/n"), Some("ab")),
            (meta("a/t"), Some("17.5")),
            (meta("a/o"), None),
            (meta("a/e"), None),
            (meta("a/none"), None),
        ] {
            assert_eq!(field.read(Some(&message), &headers).as_deref(), value, "{field:?}");
            let is_absent = matches!(&field, Field::Header(name) | Field::Meta(name) if name.ends_with("none"));
            assert_eq!(field.is_there(Some(&message), &headers), !is_absent, "{field:?}");
            if matches!(field, Field::Meta(_)) {
                assert_eq!(field.read(None, &headers), None);
            }
        }
    }

    #[test]
    fn names_are_names() {
        for (field, is_sound) in [
            (Field::Header("X-Nonce".to_owned()), true),
            (Field::Header(String::new()), false),
            (Field::Header(":path".to_owned()), false),
            (Field::Header("a b".to_owned()), false),
            (Field::Meta("com.example/nonce".to_owned()), true),
            (Field::Meta(String::new()), false),
            (Field::Meta("x".repeat(257)), false),
        ] {
            assert_eq!(field.fault().is_none(), is_sound, "{field:?}");
        }
    }
}
