//! Calls that the module makes to named clusters, over HTTP and gRPC.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use host_harness::{GrpcCall, HeaderMap, HttpCall, HttpResponse, Verbatim};
use http::Version;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tonic::Status;
use tonic::client::{Grpc, GrpcService};

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

/// Makes a unary call of gRPC. The worker keeps the time-out.
pub(crate) async fn grpc(cluster: Option<Rc<Upstream>>, call: GrpcCall) -> Result<Bytes, Status> {
    let cluster = cluster.ok_or_else(|| Status::unavailable("no such cluster"))?;
    if cluster.target().version != Version::HTTP_2 {
        return Err(Status::unavailable("gRPC needs a cluster with an h2c:// address"));
    }
    let authority = cluster.target().to_string();
    let origin = authority.replacen("h2c", "http", 1).parse().map_err(|_| Status::internal("no origin"))?;
    let path = format!("/{}/{}", call.service, call.method).parse().map_err(|_| Status::internal("no such method"))?;
    let metadata = headers::to_trailers(call.initial_metadata).unwrap_or_default();
    let metadata = tonic::metadata::MetadataMap::from_headers(metadata);
    let request = tonic::Request::from_parts(metadata, tonic::Extensions::default(), call.message);
    let mut client = Grpc::with_origin(OverHttp2(cluster), origin).max_decoding_message_size(MAX_ANSWER);
    client.unary(request, path, Verbatim).await.map(tonic::Response::into_inner)
}

/// A cluster as gRPC sees it.
struct OverHttp2(Rc<Upstream>);

impl GrpcService<tonic::body::Body> for OverHttp2 {
    type ResponseBody = Incoming;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Incoming>, Status>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let cluster = Rc::clone(&self.0);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = FrameBody::full(body.collect().await?.to_bytes(), None);
            let sent = cluster.send(http::Request::from_parts(parts, body)).await;
            // A stream of HTTP/2 leases no connection.
            sent.map(|(response, _)| response).map_err(|error| Status::unavailable(error.to_string()))
        })
    }
}
