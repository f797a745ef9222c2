//! The rules as they are written.

use serde::Deserialize;

use super::host;

/// What the URIs of resources may look like. Each list that is given must have something that fits; what is not given
/// allows all.
///
/// Whatever the lists say, a URI is refused that is no URI to the letter of RFC 3986, in which parsers see different
/// hosts or paths (`https:/example.com`, `http://0x7f.1/`, `http://%65xample.com/`, `file:////host/share`), or that
/// does what only an entry in `allow` permits.
///
/// A URI that another one carries (`jar:http://…`, `?url=…`) is not looked at: where a server follows such, list the
/// `schemes` that it needs.
///
/// Only whole URIs are held against these rules. A resource template (`file:///{path}`, RFC 6570) is no URI before it
/// is expanded, and may become any: templates are matched by the patterns of `resources` alone, and what is read in the
/// end is a URI again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UriConfig {
    /// Schemes, without `:` and in any case: `https`, `file`.
    #[serde(default)]
    pub schemes: Option<Vec<String>>,
    /// Patterns for hosts, with `*` for any run of characters (dots too): `example.com`, `*.example.com`, `10.1.*`,
    /// `[2001:db8::1]`. The empty pattern stands for URIs without a host, such as `file:///a` and `urn:a`. Case matters
    /// only under schemes other than `http`, `https`, `ws`, `wss`, `ftp` and `file`. Ports are not looked at, and names
    /// are not resolved.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// Patterns for paths, with `*` for any run of characters (slashes too): `/public/*`. Of `urn:a:b` the path is
    /// `a:b`. Letters, digits and `-._~` are the same whether they are percent-encoded or not; a path with an encoded
    /// slash or backslash matches nothing.
    #[serde(default)]
    pub paths: Option<Vec<String>>,
    /// What is refused unless it is listed here.
    #[serde(default)]
    pub allow: Vec<UriException>,
}

/// What a URI may do only by exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UriException {
    /// Lead to the machine that reads it: `localhost`, 127.0.0.0/8, 0.0.0.0/8, `[::1]`, `[::]`.
    Loopback,
    /// Lead to a link-local address: 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// Lead to the metadata service of a cloud, such as 169.254.169.254, 100.100.100.200, 168.63.129.16,
    /// `[fd00:ec2::254]` or `metadata.google.internal`. `link_local` does not include it.
    Metadata,
    /// Have a user name or a password: `ftp://user@example.com/`.
    Userinfo,
    /// Have a path with segments `.` or `..`. What they lead to depends on who resolves them, so `paths` cannot be
    /// given beside it.
    DotSegments,
}

/// One thing that is wrong with the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct UriConfigError {
    /// The value, as a path from the rules (`schemes[0]`).
    pub path: String,
    /// What is wrong with it, and what to write instead.
    pub message: String,
}

impl UriConfig {
    /// Looks for what the types cannot say.
    pub(super) fn validate(&self) -> Result<(), Vec<UriConfigError>> {
        let mut errors = Vec::new();
        let mut each = |field: &str, list: &Option<Vec<String>>, fault: fn(&str) -> Option<String>| {
            let Some(list) = list else { return };
            if list.is_empty() {
                let message = "an empty list allows nothing: name something, or leave it out".to_owned();
                errors.push(UriConfigError { path: field.to_owned(), message });
            }
            for (index, entry) in list.iter().enumerate() {
                if let Some(message) = fault(entry) {
                    errors.push(UriConfigError { path: format!("{field}[{index}]"), message });
                }
            }
        };
        each("schemes", &self.schemes, scheme_fault);
        each("hosts", &self.hosts, host_fault);
        each("paths", &self.paths, path_fault);
        if self.paths.is_some() && self.allow.contains(&UriException::DotSegments) {
            errors.push(UriConfigError {
                path: "paths".to_owned(),
                message:
                    "where `dot_segments` are allowed, a path says nothing of where it leads: leave out one of the two"
                        .to_owned(),
            });
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

fn scheme_fault(scheme: &str) -> Option<String> {
    let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if letters && scheme.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    Some(match scheme.split_once(':') {
        Some((name, _)) if scheme_fault(name).is_none() => format!("write the scheme alone: `{name}`"),
        _ => {
            "a scheme is letters, digits, `+`, `-` and `.`, and begins with a letter; there are no patterns".to_owned()
        }
    })
}

fn host_fault(pattern: &str) -> Option<String> {
    if host::bracketed(pattern).is_some() {
        return None;
    }
    let message = if pattern.contains("//") || pattern.contains('/') {
        "write the host alone, without scheme and path"
    } else if pattern.contains('@') {
        "write the host alone: user names are refused unless `allow` has `userinfo`"
    } else if pattern.starts_with('[') || pattern.matches(':').count() > 1 {
        "write an address of IPv6 in brackets and without `*`: `[2001:db8::1]`"
    } else if pattern.contains(':') {
        "write the host without the port: ports are not looked at"
    } else if !pattern.is_ascii() {
        "write a name as it is in DNS: `xn--mnchen-3ya.de` for `münchen.de`"
    } else if pattern.bytes().any(|b| b <= b' ' || matches!(b, b'%' | b'?' | b'#' | b'\\' | b']' | 0x7f)) {
        "this has a character that no host has, so it matches nothing"
    } else if pattern.ends_with('.') || pattern.starts_with('.') || pattern.contains("..") {
        "hosts with a dot at an end, or with two in a row, are always refused, so this matches nothing"
    } else {
        return None;
    };
    Some(message.to_owned())
}

fn path_fault(pattern: &str) -> Option<String> {
    let dotted = |shape: Option<super::path::Shape>| shape.is_none_or(|shape| shape.dot_segment);
    let message = if !pattern.bytes().all(|b| matches!(b, b'!'..=b'~')) {
        "write the path as it is in a URI: percent-encoded (`%20` for a space, `%C3%A9` for `é`)"
    } else if pattern.contains(['?', '#']) {
        "write the path alone: queries and fragments are not looked at"
    } else if dotted(super::path::Shape::of(pattern)) {
        "paths with dot segments are always refused, so this matches nothing"
    } else {
        return None;
    };
    Some(message.to_owned())
}
