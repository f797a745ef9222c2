//! Rules for the URIs of resources, over the URI as it is parsed.
//!
//! A URI is read by the server, and perhaps by what the server calls, each with a parser of its own. So a URI passes
//! only where RFC 3986 and the WHATWG URL standard see the same in it; what one of them takes for another host, another
//! path or an address is refused, whatever the rules say. Names are not resolved: that a name leads to an internal
//! address is for `hosts` to exclude. Everything here takes time linear in the URI.

mod config;
mod host;
mod path;

use std::borrow::Cow;

use fluent_uri::Uri;
use meshward_engine::Glob;

pub use self::config::{UriConfig, UriConfigError, UriException};
use self::host::Host;

/// Compiled rules.
#[derive(Debug, Clone)]
pub struct UriRules {
    schemes: Option<Vec<String>>,
    hosts: Option<Vec<HostPattern>>,
    paths: Option<Vec<Glob>>,
    allow: Vec<UriException>,
}

/// A pattern for hosts. Schemes decide whether the case of hosts matters, so it is there twice.
#[derive(Debug, Clone)]
struct HostPattern {
    as_written: Glob,
    lower_case: Glob,
}

/// Why a URI is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UriFault {
    /// It is no URI (RFC 3986): it has no scheme, or characters that no URI has.
    #[error("this is no URI")]
    Unparsable,
    /// Parsers do not agree on what it names.
    #[error("parsers do not agree on what this URI names")]
    Ambiguous,
    /// Its scheme is not one of those allowed.
    #[error("the scheme of this URI is not allowed")]
    Scheme,
    /// It has a user name or a password, if only an empty one.
    #[error("this URI has a user name")]
    Userinfo,
    /// Its host is this machine.
    #[error("this URI leads to the machine that reads it")]
    Loopback,
    /// Its host is an address that is valid on one link only.
    #[error("this URI leads to a link-local address")]
    LinkLocal,
    /// Its host is the metadata service of a cloud.
    #[error("this URI leads to a metadata service")]
    Metadata,
    /// Its path has a segment `.` or `..`, in whatever spelling.
    #[error("the path of this URI has a dot segment")]
    DotSegment,
    /// Its host matches none of those allowed.
    #[error("the host of this URI is not allowed")]
    Host,
    /// Its path matches none of those allowed.
    #[error("the path of this URI is not allowed")]
    Path,
}

impl UriFault {
    /// Its name in logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unparsable => "unparsable",
            Self::Ambiguous => "ambiguous",
            Self::Scheme => "scheme",
            Self::Userinfo => "userinfo",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::DotSegment => "dot_segment",
            Self::Host => "host",
            Self::Path => "path",
        }
    }
}

/// What WHATWG calls the kind of a scheme, by which it reads hosts and paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `http`, `https`, `ws`, `wss`, `ftp`: a host that is a domain or an address, always.
    Network,
    /// `file`: perhaps a host, and a path.
    File,
    /// Any other: what its host is, if it has one, is its own affair.
    Other,
}

impl Kind {
    fn of(scheme: &str) -> Self {
        if ["http", "https", "ws", "wss", "ftp"].iter().any(|name| scheme.eq_ignore_ascii_case(name)) {
            Self::Network
        } else if scheme.eq_ignore_ascii_case("file") {
            Self::File
        } else {
            Self::Other
        }
    }
}

impl UriRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(config: &UriConfig) -> Result<Self, Vec<UriConfigError>> {
        config.validate()?;
        let globs = |patterns: &Vec<String>| patterns.iter().map(|pattern| Glob::new(&path::normal(pattern))).collect();
        let hosts = |patterns: &Vec<String>| patterns.iter().map(|pattern| HostPattern::new(pattern)).collect();
        Ok(Self {
            schemes: config.schemes.clone(),
            hosts: config.hosts.as_ref().map(hosts),
            paths: config.paths.as_ref().map(globs),
            allow: config.allow.clone(),
        })
    }

    /// Whether a URI may pass.
    ///
    /// # Errors
    /// Why not: of several faults the one that comes first in [`UriFault`].
    pub fn check(&self, uri: &str) -> Result<(), UriFault> {
        let uri = Uri::parse(uri).map_err(|_| UriFault::Unparsable)?;
        let scheme = uri.scheme().as_str();
        let kind = Kind::of(scheme);
        let path = uri.path().as_str();
        let authority = uri.authority();
        let host = match &authority {
            Some(authority) => Host::read(authority.host(), kind)?,
            None => Host::None,
        };
        let shape = path::Shape::of(path).ok_or(UriFault::Ambiguous)?;
        let port = authority.as_ref().and_then(|authority| authority.port()).map(|port| port.as_str());
        let has_userinfo = authority.as_ref().is_some_and(|authority| authority.has_userinfo());
        let agreed = port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok())
            && match kind {
                // Without two slashes, or with more, WHATWG takes what follows for the host.
                Kind::Network => host != Host::None,
                // `file://C:/` is a drive to one and a host to the other, `file:////host/` may be a share.
                Kind::File => path.starts_with('/') && !shape.starts_twice && port.is_none() && !has_userinfo,
                // A port or a user of nothing.
                Kind::Other => host != Host::None || port.is_none() && !has_userinfo,
            };
        if !agreed {
            return Err(UriFault::Ambiguous);
        }
        if self.schemes.as_ref().is_some_and(|schemes| !schemes.iter().any(|name| name.eq_ignore_ascii_case(scheme))) {
            return Err(UriFault::Scheme);
        }
        if has_userinfo {
            self.unless_allowed(UriException::Userinfo)?;
        }
        host.place(kind).map_or(Ok(()), |exception| self.unless_allowed(exception))?;
        if shape.dot_segment {
            self.unless_allowed(UriException::DotSegments)?;
        }
        if self.hosts.as_ref().is_some_and(|hosts| !hosts.iter().any(|pattern| pattern.matches(&host, kind))) {
            return Err(UriFault::Host);
        }
        let Some(paths) = &self.paths else { return Ok(()) };
        let path = match path {
            "" if kind == Kind::Network => Cow::Borrowed("/"),
            path => path::normal(path),
        };
        // With `%2F` in it, it is one path or the other, depending on who decodes it when.
        if shape.encoded_separator || !paths.iter().any(|pattern| pattern.matches(&path)) {
            return Err(UriFault::Path);
        }
        Ok(())
    }

    fn unless_allowed(&self, exception: UriException) -> Result<(), UriFault> {
        if self.allow.contains(&exception) {
            return Ok(());
        }
        Err(match exception {
            UriException::Loopback => UriFault::Loopback,
            UriException::LinkLocal => UriFault::LinkLocal,
            UriException::Metadata => UriFault::Metadata,
            UriException::Userinfo => UriFault::Userinfo,
            UriException::DotSegments => UriFault::DotSegment,
        })
    }
}

impl HostPattern {
    fn new(pattern: &str) -> Self {
        // An address of IPv6 has many spellings.
        let pattern = match host::bracketed(pattern) {
            Some(address) => Cow::Owned(format!("[{address}]")),
            None => Cow::Borrowed(pattern),
        };
        Self { as_written: Glob::new(&pattern), lower_case: Glob::new(&pattern.to_ascii_lowercase()) }
    }

    fn matches(&self, host: &Host<'_>, kind: Kind) -> bool {
        match (host, kind) {
            (Host::None, _) => self.as_written.matches(""),
            (Host::Name(name), Kind::Other) => self.as_written.matches(name),
            (Host::Name(name), _) => self.lower_case.matches(&name.to_ascii_lowercase()),
            (Host::V4(address), _) => self.lower_case.matches(&address.to_string()),
            (Host::V6(address), _) => self.lower_case.matches(&format!("[{address}]")),
        }
    }
}

#[cfg(test)]
mod tests;
