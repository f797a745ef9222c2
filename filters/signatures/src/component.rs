//! Components: what a signature can cover (RFC 9421, section 2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sfv::{BareItem, Dictionary, FieldType as _, Item, List, ListEntry, Parser};

use crate::request::Request;

/// One thing that a signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// `@method`
    Method,
    /// `@target-uri`
    TargetUri,
    /// `@authority`
    Authority,
    /// `@scheme`
    Scheme,
    /// `@request-target`
    RequestTarget,
    /// `@path`
    Path,
    /// `@query`
    Query,
    /// `@query-param` with the parameter's name, percent-encoded as RFC 9421, section 2.2.8 wants it.
    QueryParam(String),
    /// A header field.
    Field {
        /// Its name, in lower case.
        name: String,
        /// What of it.
        form: Form,
    },
}

/// What of a header field is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Its lines, as one value.
    Combined,
    /// The same, written again as structured fields are (`;sf`).
    Structured,
    /// Each line for itself, in base64 (`;bs`).
    Binary,
    /// One member of the dictionary that it is (`;key="…"`).
    Member(String),
}

/// Why a component has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The request does not have it.
    #[error("the request does not have a covered component")]
    Absent,
    /// It is of a kind that no request has, or that is not known here.
    #[error("a covered component is of a kind that is not known here")]
    Unsupported,
    /// Its value has no place in a signature base: not visible ASCII, or no structured field.
    #[error("the value of a covered component cannot be signed")]
    Unwritable,
}

/// What is percent-encoded in the name and the value of a query's parameter: WHATWG's component percent-encode set.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The fields that are known to be structured, by type.
const DICTIONARIES: [&str; 8] = [
    "content-digest",
    "repr-digest",
    "want-content-digest",
    "want-repr-digest",
    "signature",
    "signature-input",
    "accept-signature",
    "priority",
];
const LISTS: [&str; 2] = ["cache-status", "proxy-status"];
const ITEMS: [&str; 2] = ["idempotency-key", "client-cert"];

impl Component {
    /// A header field, its lines as one value.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field { name: name.to_ascii_lowercase(), form: Form::Combined }
    }

    /// A component as an operator writes it: `@method`, `content-digest`. `None`: there is no such component of a request.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if !name.starts_with('@') {
            return is_field_name(name).then(|| Self::field(name));
        }
        let derived = [
            Self::Method,
            Self::TargetUri,
            Self::Authority,
            Self::Scheme,
            Self::RequestTarget,
            Self::Path,
            Self::Query,
        ];
        derived.into_iter().find(|component| component.name() == name)
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Method => "@method",
            Self::TargetUri => "@target-uri",
            Self::Authority => "@authority",
            Self::Scheme => "@scheme",
            Self::RequestTarget => "@request-target",
            Self::Path => "@path",
            Self::Query => "@query",
            Self::QueryParam(_) => "@query-param",
            Self::Field { name, .. } => name,
        }
    }

    /// Reads a component's identifier.
    pub(crate) fn read(item: &Item) -> Result<Self, Unusable> {
        let BareItem::String(name) = &item.bare_item else { return Err(Unusable::Unsupported) };
        let name = name.as_str();
        let (mut structured, mut binary, mut key, mut parameter) = (false, false, None, None);
        for (flag, value) in &item.params {
            match (flag.as_str(), value) {
                ("sf", BareItem::Boolean(true)) => structured = true,
                ("bs", BareItem::Boolean(true)) => binary = true,
                ("key", BareItem::String(member)) => key = Some(member.as_str().to_owned()),
                ("name", BareItem::String(name)) => parameter = Some(name.as_str().to_owned()),
                // `req` is of responses, `tr` of trailers.
                _ => return Err(Unusable::Unsupported),
            }
        }
        if let (Some(parameter), "@query-param", false, false, None) = (&parameter, name, structured, binary, &key) {
            return Ok(Self::QueryParam(parameter.clone()));
        }
        let form = match (structured, binary, key, parameter) {
            (false, false, None, None) => Form::Combined,
            (true, false, None, None) => Form::Structured,
            (false, true, None, None) => Form::Binary,
            // A member is always written as structured fields are.
            (_, false, Some(key), None) => Form::Member(key),
            _ => return Err(Unusable::Unsupported),
        };
        match (Self::parse(name), form) {
            (Some(Self::Field { name, .. }), form) if name == item_name(item) => Ok(Self::Field { name, form }),
            (Some(derived), Form::Combined) if name.starts_with('@') => Ok(derived),
            _ => Err(Unusable::Unsupported),
        }
    }

    /// Whether its value is found by parsing more than it.
    pub(crate) const fn is_parsed(&self) -> bool {
        matches!(self, Self::QueryParam(_) | Self::Field { form: Form::Structured | Form::Member(_), .. })
    }

    /// Its identifier.
    pub(crate) fn item(&self) -> Option<Item> {
        let mut item = Item::new(BareItem::String(sfv::String::from_string(self.name().to_owned()).ok()?));
        let text = |text: &String| sfv::String::from_string(text.clone()).ok().map(BareItem::String);
        let (key, value) = match self {
            Self::QueryParam(name) => ("name", text(name)?),
            Self::Field { form: Form::Structured, .. } => ("sf", BareItem::Boolean(true)),
            Self::Field { form: Form::Binary, .. } => ("bs", BareItem::Boolean(true)),
            Self::Field { form: Form::Member(member), .. } => ("key", text(member)?),
            _ => return Some(item),
        };
        item.params.insert(sfv::Key::from_string(key.to_owned()).ok()?, value);
        Some(item)
    }

    /// Its value in a request, as it stands in a signature base.
    pub(crate) fn value(&self, request: &Request<'_>) -> Result<String, Unusable> {
        let value = match self {
            Self::Method => request.method.to_vec(),
            Self::Authority => request.normal_authority(),
            Self::Scheme => request.scheme.to_ascii_lowercase(),
            Self::RequestTarget => request.target.to_vec(),
            Self::Path => request.path().to_vec(),
            Self::Query => [b"?", request.query().unwrap_or_default()].concat(),
            Self::TargetUri => {
                let query = if request.query().is_some() { Self::Query.value(request)? } else { String::new() };
                let (scheme, authority) = (request.scheme.to_ascii_lowercase(), request.normal_authority());
                [&scheme, &b"://"[..], &authority, request.path(), query.as_bytes()].concat()
            }
            Self::QueryParam(name) => query_parameter(request, name)?.into_bytes(),
            Self::Field { name, form: Form::Combined } => request.combined(name).ok_or(Unusable::Absent)?,
            Self::Field { name, form: Form::Structured } => structured(name, request)?.into_bytes(),
            Self::Field { name, form: Form::Member(key) } => member(name, key, request)?.into_bytes(),
            Self::Field { name, form: Form::Binary } => {
                let lines: Vec<_> = request.values(name).map(|line| format!(":{}:", STANDARD.encode(line))).collect();
                if lines.is_empty() {
                    return Err(Unusable::Absent);
                }
                lines.join(", ").into_bytes()
            }
        };
        // A line break would begin another component (RFC 9421, section 2.5).
        let is_writable = value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'));
        String::from_utf8(value).ok().filter(|_| is_writable).ok_or(Unusable::Unwritable)
    }
}

fn item_name(item: &Item) -> &str {
    match &item.bare_item {
        BareItem::String(name) => name.as_str(),
        _ => "",
    }
}

/// RFC 9110, section 5.6.2: a token.
pub(crate) fn is_field_name(name: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_token)
}

fn structured(name: &str, request: &Request<'_>) -> Result<String, Unusable> {
    let value = request.combined(name).ok_or(Unusable::Absent)?;
    let written = if DICTIONARIES.contains(&name) {
        Parser::new(&value).parse::<Dictionary>().ok().and_then(|dictionary| dictionary.serialize())
    } else if LISTS.contains(&name) {
        Parser::new(&value).parse::<List>().ok().and_then(|list| list.serialize())
    } else if ITEMS.contains(&name) {
        Parser::new(&value).parse::<Item>().ok().map(|item| item.serialize())
    } else {
        return Err(Unusable::Unsupported);
    };
    written.ok_or(Unusable::Unwritable)
}

fn member(name: &str, key: &str, request: &Request<'_>) -> Result<String, Unusable> {
    let value = request.combined(name).ok_or(Unusable::Absent)?;
    let dictionary = Parser::new(&value).parse::<Dictionary>().map_err(|_| Unusable::Unwritable)?;
    match dictionary.get(key).ok_or(Unusable::Absent)? {
        ListEntry::Item(item) => Ok(item.serialize()),
        list @ ListEntry::InnerList(_) => vec![list.clone()].serialize().ok_or(Unusable::Unwritable),
    }
}

/// RFC 9421, section 2.2.8.
fn query_parameter(request: &Request<'_>, name: &str) -> Result<String, Unusable> {
    let encoded = |text: &str| utf8_percent_encode(text, COMPONENT).to_string();
    let pairs = form_urlencoded::parse(request.query().unwrap_or_default());
    let mut values = pairs.filter(|(known, _)| encoded(known) == name).map(|(_, value)| encoded(&value));
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Unusable::Absent),
        // Which of them is meant is not said.
        (Some(_), Some(_)) => Err(Unusable::Unwritable),
    }
}
