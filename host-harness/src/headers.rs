//! An ordered multimap of header fields: duplicates and their order are kept, names are lower-cased.

use std::fmt;

use bytes::Bytes;

/// Header fields or trailers in the order in which they came, duplicates included.
///
/// Names are lower-cased when they enter, as HTTP/2 demands and Envoy does. The pseudo header fields `:method`,
/// `:scheme`, `:authority`, `:path` and `:status` are fields like any other; there is no `host` field in a request
/// beside `:authority`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderMap {
    fields: Vec<(Bytes, Bytes)>,
}

impl HeaderMap {
    /// A map without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field behind those that are there, even if the name is there already.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        self.fields.push((lower(name.as_ref()), value.into()));
    }

    /// Adds a field as Envoy does: the value of a field that Envoy keeps in one place is appended behind a comma.
    pub(crate) fn add(&mut self, kind: FieldKind, name: impl AsRef<[u8]>, value: Bytes) {
        let name = lower(name.as_ref());
        if kind.is_single(&name)
            && let Some((_, first)) = self.fields.iter_mut().find(|(n, _)| *n == name)
        {
            let mut joined = first.to_vec();
            joined.push(b',');
            joined.extend_from_slice(&value);
            *first = joined.into();
        } else {
            self.fields.push((name, value));
        }
    }

    /// The map as Envoy has it: see [`Self::add`].
    pub(crate) fn joined(self, kind: FieldKind) -> Self {
        let mut map = Self::new();
        for (name, value) in self {
            map.add(kind, name, value);
        }
        map
    }

    /// Puts `value` in the place of the first field of that name and removes the others; appends if there is none.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        let name = lower(name.as_ref());
        let mut value = Some(value.into());
        self.fields.retain_mut(|(n, v)| {
            if *n != name {
                return true;
            }
            value.take().is_some_and(|new| {
                *v = new;
                true
            })
        });
        if let Some(value) = value {
            self.fields.push((name, value));
        }
    }

    /// Removes every field of that name; says how many there were.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        let name = name.as_ref();
        let before = self.fields.len();
        self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        before.saturating_sub(self.fields.len())
    }

    /// The value of the first field of that name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Bytes> {
        let name = name.as_ref();
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The values of all fields of that name, in order.
    pub fn get_all<'a>(&'a self, name: &'a (impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'a Bytes> {
        let name = name.as_ref();
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The value of the first field of that name, if it is UTF-8.
    #[must_use]
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Is there a field of that name?
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// The `:status` of a response, if it is a number.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.get_str(":status").and_then(|status| status.parse().ok())
    }

    /// The fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Bytes, &Bytes)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Are there no fields?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The length of all names and values together, in bytes.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.fields.iter().fold(0_usize, |sum, (n, v)| sum.saturating_add(n.len()).saturating_add(v.len()))
    }
}

/// Which list of fields a field is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Request,
    Response,
    Trailers,
}

impl FieldKind {
    /// Does Envoy keep one value of this field, joining duplicates with a comma?
    fn is_single(self, name: &[u8]) -> bool {
        match self {
            Self::Request => SINGLE.contains(&name) || SINGLE_IN_REQUESTS.contains(&name),
            Self::Response => SINGLE.contains(&name) || SINGLE_IN_RESPONSES.contains(&name),
            Self::Trailers => false,
        }
    }
}

/// Fields of which Envoy's header maps hold one value (the inline headers of `envoy/http/header_map.h`).
const SINGLE: &[&[u8]] = &[
    b"connection",
    b"content-length",
    b"content-type",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
    b"via",
    b"x-request-id",
];

/// The same, of requests; with those that Envoy's extensions register. Observed on Envoy 1.40, by sending each twice.
const SINGLE_IN_REQUESTS: &[&[u8]] = &[
    b":authority",
    b":method",
    b":path",
    b":scheme",
    b"accept",
    b"accept-encoding",
    b"access-control-request-headers",
    b"access-control-request-method",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"expect",
    b"grpc-accept-encoding",
    b"grpc-timeout",
    b"if-none-match",
    b"origin",
    b"pragma",
    b"referer",
    b"user-agent",
    b"x-envoy-original-path",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
];

/// The same, of responses.
const SINGLE_IN_RESPONSES: &[&[u8]] = &[
    b":status",
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-allow-origin",
    b"access-control-expose-headers",
    b"access-control-max-age",
    b"age",
    b"cache-control",
    b"content-encoding",
    b"date",
    b"etag",
    b"expires",
    b"grpc-message",
    b"grpc-status",
    b"last-modified",
    b"location",
    b"proxy-status",
    b"server",
    b"vary",
];

fn lower(name: &[u8]) -> Bytes {
    Bytes::from(name.to_ascii_lowercase())
}

impl<N: AsRef<[u8]>, V: Into<Bytes>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut map = Self::new();
        map.extend(fields);
        map
    }
}

impl<N: AsRef<[u8]>, V: Into<Bytes>> Extend<(N, V)> for HeaderMap {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.append(name, value);
        }
    }
}

impl IntoIterator for HeaderMap {
    type Item = (Bytes, Bytes);
    type IntoIter = std::vec::IntoIter<(Bytes, Bytes)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().copied().collect()
    }

    #[test]
    fn order_and_duplicates_stay() {
        let map = map(&[("B", "1"), ("a", "2"), ("b", "3")]);
        let fields: Vec<_> = map.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(fields, [(&b"b"[..], &b"1"[..]), (b"a", b"2"), (b"b", b"3")]);
        assert_eq!(map.get("B").map(|value| &value[..]), Some(&b"1"[..]));
        assert_eq!(map.get_all("b").count(), 2);
        assert_eq!(map.byte_size(), 6);
    }

    #[test]
    fn set_replaces_the_first_and_removes_the_others() {
        let mut fields = map(&[("a", "1"), ("b", "2"), ("a", "3")]);
        fields.set("A", "new");
        assert_eq!(fields, map(&[("a", "new"), ("b", "2")]));
        fields.set("c", "4");
        assert_eq!(fields, map(&[("a", "new"), ("b", "2"), ("c", "4")]));
        assert_eq!((fields.remove("A"), fields.remove("a")), (1, 0));
    }

    #[test]
    fn which_fields_are_joined_depends_on_the_message() {
        let twice = |kind: FieldKind, name: &'static str| map(&[(name, "1"), (name, "2")]).joined(kind).len();
        for (name, request, response) in [
            ("content-type", 1, 1),
            ("accept", 1, 2),
            ("vary", 2, 1),
            ("mcp-name", 2, 2),
            ("set-cookie", 2, 2),
            ("cookie", 2, 2),
        ] {
            assert_eq!(twice(FieldKind::Request, name), request, "{name} in a request");
            assert_eq!(twice(FieldKind::Response, name), response, "{name} in a response");
            assert_eq!(twice(FieldKind::Trailers, name), 2, "{name} in trailers");
        }
    }
}
