//! Between hyper's messages and the fields a filter sees, as Envoy's connection manager does it: what belongs to one
//! connection only is taken off before the filter, so that filter and upstream see the same (RFC 9110, section 7.6.1).

use bytes::Bytes;
use host_harness::HeaderMap;
use http::header::{CONNECTION, EXPECT, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE, VIA};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};

use super::body::FrameBody;

/// Fields of one connection beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// A request that goes no further; the filter never hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// What to answer.
    pub(crate) status: StatusCode,
    /// Why, for people.
    pub(crate) text: &'static str,
    /// Why, for the access log.
    pub(crate) details: &'static str,
}

impl Rejected {
    const fn bad(text: &'static str, details: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text, details }
    }

    /// The answer.
    pub(crate) fn response(self) -> Response<FrameBody> {
        let mut response = Response::new(FrameBody::full(Bytes::from_static(self.text.as_bytes()), None));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(self.text.len()));
        response
    }
}

/// The message cannot be written as HTTP: the filter made a field that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the filter made a header section that is no HTTP")]
pub(crate) struct Malformed;

/// The fields of a client's request as the filter sees them, pseudo header fields first.
pub(crate) fn from_client(parts: &http::request::Parts) -> Result<HeaderMap, Rejected> {
    if parts.version != Version::HTTP_11 && parts.version != Version::HTTP_2 {
        return Err(Rejected {
            status: StatusCode::UPGRADE_REQUIRED,
            text: "HTTP/1.1 or HTTP/2 is needed here",
            details: "low_version",
        });
    }
    if parts.method == Method::CONNECT {
        return Err(Rejected {
            status: StatusCode::METHOD_NOT_ALLOWED,
            text: "CONNECT is not served here",
            details: "connect_refused",
        });
    }
    if parts.headers.get_all(UPGRADE).iter().any(|value| !is_h2c(value)) {
        return Err(Rejected {
            status: StatusCode::FORBIDDEN,
            text: "upgrades are not served here",
            details: "upgrade_refused",
        });
    }
    let authority = authority(parts)?;
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);

    let mut fields = HeaderMap::new();
    fields.append(":authority", authority);
    fields.append(":path", Bytes::copy_from_slice(path.as_bytes()));
    fields.append(":method", Bytes::copy_from_slice(parts.method.as_str().as_bytes()));
    fields.append(":scheme", Bytes::from_static(b"http"));
    let nominated = nominated(&parts.headers)?;
    for (name, value) in &parts.headers {
        // hyper answers `Expect: 100-continue` itself as soon as the body is asked for.
        if name == HOST || name == EXPECT || HOP_BY_HOP.contains(name) || nominated.contains(name) {
            continue;
        }
        if name == TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers") {
            continue;
        }
        fields.append(name, Bytes::copy_from_slice(value.as_bytes()));
    }
    Ok(fields)
}

/// The fields of an upstream's response as the filter sees them.
pub(crate) fn from_upstream(parts: &http::response::Parts) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.append(":status", Bytes::copy_from_slice(parts.status.as_str().as_bytes()));
    let nominated = nominated(&parts.headers).unwrap_or_default();
    for (name, value) in &parts.headers {
        if !HOP_BY_HOP.contains(name) && name != TE && !nominated.contains(name) {
            fields.append(name, Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    fields
}

/// Trailers as the filter sees them.
pub(crate) fn from_trailers(trailers: &http::HeaderMap) -> HeaderMap {
    let copied = |value: &HeaderValue| Bytes::copy_from_slice(value.as_bytes());
    trailers.iter().map(|(name, value)| (name, copied(value))).collect()
}

/// A request for an upstream that speaks `version`. `via` adds the field that a gateway must send (RFC 9110, 7.6.3).
pub(crate) fn to_upstream(
    fields: HeaderMap,
    body: FrameBody,
    version: Version,
    via: Option<Version>,
) -> Result<Request<FrameBody>, Malformed> {
    let method = fields.get(":method").ok_or(Malformed)?;
    let method = Method::from_bytes(method).map_err(|_| Malformed)?;
    let path = fields.get(":path").cloned().ok_or(Malformed)?;
    let authority = fields.get(":authority").cloned().ok_or(Malformed)?;
    let mut request = Request::new(body);
    *request.uri_mut() = if version == Version::HTTP_2 {
        Uri::builder()
            .scheme("http")
            .authority(Authority::from_maybe_shared(authority).map_err(|_| Malformed)?)
            .path_and_query(path.as_ref())
            .build()
            .map_err(|_| Malformed)?
    } else {
        request.headers_mut().insert(HOST, value(authority)?);
        Uri::try_from(path.as_ref()).map_err(|_| Malformed)?
    };
    *request.method_mut() = method;
    *request.version_mut() = version;
    append(request.headers_mut(), fields)?;
    if let Some(received) = via {
        let via = if received == Version::HTTP_2 { "2 meshward" } else { "1.1 meshward" };
        request.headers_mut().append(VIA, HeaderValue::from_static(via));
    }
    Ok(request)
}

/// A response for a client.
pub(crate) fn to_client(fields: HeaderMap, body: FrameBody) -> Result<Response<FrameBody>, Malformed> {
    let status = fields.status().and_then(|status| StatusCode::from_u16(status).ok()).ok_or(Malformed)?;
    if status.is_informational() {
        return Err(Malformed);
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    append(response.headers_mut(), fields)?;
    Ok(response)
}

/// Trailers for either side.
pub(crate) fn to_trailers(fields: HeaderMap) -> Result<http::HeaderMap, Malformed> {
    let mut trailers = http::HeaderMap::new();
    append(&mut trailers, fields)?;
    Ok(trailers)
}

/// Adds the fields that are no pseudo header fields and that hyper does not write itself.
fn append(headers: &mut http::HeaderMap, fields: HeaderMap) -> Result<(), Malformed> {
    for (name, content) in fields {
        if name.first() == Some(&b':') {
            continue;
        }
        let name = HeaderName::from_bytes(&name).map_err(|_| Malformed)?;
        if name == HOST || HOP_BY_HOP.contains(&name) {
            continue;
        }
        headers.append(name, value(content)?);
    }
    Ok(())
}

fn value(bytes: Bytes) -> Result<HeaderValue, Malformed> {
    HeaderValue::from_maybe_shared(bytes).map_err(|_| Malformed)
}

/// Whom the request is for. HTTP/2 says it in `:authority`, HTTP/1 in the one `Host` field, which a target in absolute
/// form overrides (RFC 9112, sections 3.2 and 3.2.2).
fn authority(parts: &http::request::Parts) -> Result<Bytes, Rejected> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Rejected::bad("more than one Host field", "host_repeated"));
    }
    if let Some(authority) = parts.uri.authority() {
        // What the two say must be the same where HTTP/2 has both (RFC 9113, section 8.3.1).
        let differs = host.is_some_and(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()));
        if parts.version == Version::HTTP_2 && differs {
            return Err(Rejected::bad("Host is not :authority", "host_differs"));
        }
        return if authority.as_str().contains('@') {
            Err(Rejected::bad("user information in the authority", "host_invalid"))
        } else {
            Ok(Bytes::copy_from_slice(authority.as_str().as_bytes()))
        };
    }
    match host {
        Some(host) => {
            let valid = Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'));
            if valid {
                Ok(Bytes::copy_from_slice(host.as_bytes()))
            } else {
                Err(Rejected::bad("the Host field is no host", "host_invalid"))
            }
        }
        None => Err(Rejected::bad("no Host field", "host_missing")),
    }
}

/// The fields that `Connection` names. `close` and `keep-alive` are none of them.
fn nominated(headers: &http::HeaderMap) -> Result<Vec<HeaderName>, Rejected> {
    let mut names = Vec::new();
    for line in headers.get_all(CONNECTION) {
        for option in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.is_empty() {
                continue;
            }
            let name = HeaderName::from_bytes(option)
                .map_err(|_| Rejected::bad("the Connection field is malformed", "connection_invalid"))?;
            // `TE` is named there by rule, and stays as far as it asks for trailers.
            if name != TE {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Some clients offer HTTP/2 with each HTTP/1.1 request; the offer is ignored, as by Envoy.
fn is_h2c(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"h2c")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(builder: http::request::Builder) -> http::request::Parts {
        builder.body(()).unwrap().into_parts().0
    }

    fn names(fields: &HeaderMap) -> Vec<&str> {
        fields.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn fields_of_the_connection_stay_on_it() {
        let fields = from_client(&parts(
            Request::post("/mcp?a")
                .header("host", "h:1")
                .header("connection", "close, X-Mine")
                .header("x-mine", "1")
                .header("keep-alive", "timeout=1")
                .header("te", "trailers")
                .header("te", "gzip")
                .header("transfer-encoding", "chunked")
                .header("upgrade", "h2c")
                .header("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA")
                .header("expect", "100-continue")
                .header("x-twice", "1")
                .header("x-twice", "2"),
        ))
        .unwrap();
        assert_eq!(names(&fields), [":authority", ":path", ":method", ":scheme", "te", "x-twice", "x-twice"]);
        assert_eq!(fields.get_str(":path"), Some("/mcp?a"));
        assert_eq!(fields.get_str("te"), Some("trailers"));
    }

    #[test]
    fn there_is_one_host() {
        let details = |builder| from_client(&parts(builder)).map(|_| ()).unwrap_err().details;
        assert_eq!(details(Request::get("/").header("host", "a").header("host", "a")), "host_repeated");
        assert_eq!(details(Request::get("/")), "host_missing");
        assert_eq!(details(Request::get("/").header("host", "a b")), "host_invalid");
        assert_eq!(details(Request::get("/").header("host", "user@a")), "host_invalid");
        let h2 = Request::get("http://a/").version(Version::HTTP_2);
        assert_eq!(details(h2.header("host", "b")), "host_differs");
        let absolute = from_client(&parts(Request::get("http://a/x").header("host", "b"))).unwrap();
        assert_eq!(absolute.get_str(":authority"), Some("a"));
        assert!(!absolute.contains("host"));
    }

    #[test]
    fn tunnels_are_refused() {
        let refused = |builder| from_client(&parts(builder)).map(|_| ()).unwrap_err().status.as_u16();
        assert_eq!(refused(Request::get("/").header("host", "a").version(Version::HTTP_10)), 426);
        assert_eq!(refused(Request::connect("a:1").header("host", "a:1")), 405);
        assert_eq!(refused(Request::get("/").header("host", "a").header("upgrade", "websocket")), 403);
        assert_eq!(refused(Request::get("/").header("host", "a").header("connection", "b c")), 400);
    }

    #[test]
    fn an_upstream_sees_what_the_filter_let_go() {
        let fields: HeaderMap = [
            (":method", "POST"),
            (":path", "/mcp?a=1"),
            (":authority", "h:1"),
            (":scheme", "http"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("transfer-encoding", "chunked"),
        ]
        .into_iter()
        .map(|(name, value)| (name, Bytes::from_static(value.as_bytes())))
        .collect();
        let h1 = to_upstream(fields.clone(), FrameBody::empty(), Version::HTTP_11, Some(Version::HTTP_2)).unwrap();
        assert_eq!(h1.uri(), "/mcp?a=1");
        assert_eq!(h1.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(h1.headers().get("host").unwrap(), "h:1");
        assert_eq!(h1.headers().get("via").unwrap(), "2 meshward");
        assert!(!h1.headers().contains_key("transfer-encoding"));
        let h2 = to_upstream(fields, FrameBody::empty(), Version::HTTP_2, None).unwrap();
        assert_eq!(h2.uri(), "http://h:1/mcp?a=1");
        assert!(!h2.headers().contains_key("host") && !h2.headers().contains_key("via"));
    }

    #[test]
    fn what_is_no_http_is_not_written() {
        let response = |fields: &[(&str, &'static str)]| {
            to_client(fields.iter().map(|(n, v)| (n, Bytes::from_static(v.as_bytes()))).collect(), FrameBody::empty())
                .map(|_| ())
        };
        assert_eq!(response(&[(":status", "200"), ("x", "1")]), Ok(()));
        assert_eq!(response(&[(":status", "101")]), Err(Malformed));
        assert_eq!(response(&[("x", "1")]), Err(Malformed));
        assert_eq!(response(&[(":status", "200"), ("x", "1\r\ny: 2")]), Err(Malformed));
        assert_eq!(response(&[(":status", "200"), ("x y", "1")]), Err(Malformed));
    }
}
