//! A server of unary gRPC calls, whatever they are: messages are bytes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use crate::Verbatim;

/// What answers a message. One that never does never ends.
pub type Handler = Arc<dyn Fn(Bytes) -> Answer + Send + Sync>;
/// An answer under way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Bytes, Status>> + Send>>;

/// Serves all calls of all services, over HTTP/2 in the clear, until it is dropped.
pub async fn serve(listener: TcpListener, handler: Handler) {
    while let Ok((stream, _)) = listener.accept().await {
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            let _: std::io::Result<()> = stream.set_nodelay(true);
            let service = service_fn(move |request: http::Request<Incoming>| {
                let handler = Arc::clone(&handler);
                async move { Ok::<_, std::convert::Infallible>(Grpc::new(Verbatim).unary(Calls(handler), request).await) }
            });
            let builder = http2::Builder::new(TokioExecutor::new());
            // A client that goes away breaks its connection.
            let _: Result<(), _> = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

struct Calls(Handler);

impl UnaryService<Bytes> for Calls {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async move { answer.await.map(Response::new) })
    }
}
