//! A server of documents over HTTP/1.1: what it answers depends on the path alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What answers a path, query and all. One that never does never ends.
pub type Handler = Arc<dyn Fn(String) -> Answer + Send + Sync>;
/// A status and a body under way; status 0 breaks the connection off.
pub type Answer = Pin<Box<dyn Future<Output = (u16, Vec<u8>)> + Send>>;

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, handler: Handler) {
    while let Ok((stream, _)) = listener.accept().await {
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            let _: std::io::Result<()> = stream.set_nodelay(true);
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                let answer = handler(path);
                async move {
                    let (status, body) = answer.await;
                    Response::builder().status(status).body(Full::new(Bytes::from(body)))
                }
            });
            // A client that goes away breaks its connection.
            let _: Result<(), _> = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
