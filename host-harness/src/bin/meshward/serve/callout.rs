//! HTTP calls that the module makes to named clusters.

use std::rc::Rc;

use bytes::Bytes;
use host_harness::{HeaderMap, HttpCall, HttpResponse};
use http::Version;
use http_body_util::{BodyExt as _, Limited};

use super::body::FrameBody;
use super::headers;
use super::upstream::Upstream;

/// The longest answer that is handed to the module, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Makes a call. `None` if the answer broke off or is too long. The worker keeps the time-out.
pub(crate) async fn http(cluster: Option<Rc<Upstream>>, call: HttpCall) -> Option<HttpResponse> {
    let Some(cluster) = cluster else { return Some(HttpResponse::unreachable()) };
    let HttpCall { headers: fields, body, trailers, .. } = call;
    let trailers = if trailers.is_empty() { None } else { headers::to_trailers(trailers).ok() };
    let version = cluster.target().version;
    let Some(request) = request(fields, body, trailers, version) else { return Some(HttpResponse::unreachable()) };
    let Ok((response, lease)) = cluster.send(request).await else { return Some(HttpResponse::unreachable()) };

    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.ok()?;
    lease.give_back();
    let trailers = body.trailers().map_or_else(HeaderMap::new, headers::from_trailers);
    Some(HttpResponse { headers: headers::from_upstream(&parts), body: body.to_bytes(), trailers })
}

fn request(
    fields: HeaderMap,
    body: Bytes,
    trailers: Option<http::HeaderMap>,
    version: Version,
) -> Option<http::Request<FrameBody>> {
    headers::to_upstream(fields, FrameBody::full(body, trailers), version, None).ok()
}
