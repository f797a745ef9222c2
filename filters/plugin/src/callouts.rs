//! Calls to other services: how the host is asked, and how it answers.
//!
//! They go through the SDK, which finds the exchange that an answer belongs to.

use std::time::Duration;

use meshward_engine::{Callout, CalloutOutcome, CalloutRequest, Headers};
use prost::Message;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::abi;

/// The host's number of a call. Calls of HTTP and of gRPC are numbered apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Http(u32),
    Grpc(u32),
}

/// `envoy.config.core.v3.GrpcService`, of which a name that stands alone is no sure sign: Envoy reads the bytes as this first.
#[derive(Clone, PartialEq, Message)]
struct GrpcService {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<EnvoyGrpc>,
}

#[derive(Clone, PartialEq, Message)]
struct EnvoyGrpc {
    #[prost(string, tag = "1")]
    cluster_name: String,
}

/// Begins a call. `None`: the host does not know the cluster, or would not call.
pub(crate) fn begin(callout: &Callout) -> Option<Token> {
    let timeout = Duration::from_millis(u64::from(callout.timeout_ms));
    match &callout.request {
        CalloutRequest::Http { headers, body } => {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            hostcalls::dispatch_http_call(&callout.cluster, headers, Some(body), Vec::new(), timeout)
                .ok()
                .map(Token::Http)
        }
        CalloutRequest::Grpc { service, method, message } => {
            let target = GrpcService { envoy_grpc: Some(EnvoyGrpc { cluster_name: callout.cluster.clone() }) };
            // The SDK takes it as a text, which it is as long as the name has no more than 123 bytes: no length is then beyond ASCII.
            let target = String::from_utf8(target.encode_to_vec()).ok()?;
            hostcalls::dispatch_grpc_call(&target, service, method, Vec::new(), Some(message), timeout)
                .ok()
                .map(Token::Grpc)
        }
    }
}

/// The longest answer that is taken over from the host, in bytes: of a longer one just so much that it shows.
const MOST_ANSWER_BYTES: usize = 256 << 10;

/// The answer to a call of HTTP, which the host has at hand now.
pub(crate) fn http_answer(num_headers: usize, body_size: usize) -> CalloutOutcome {
    let read = || {
        let block = abi::map(MapType::HttpCallResponseHeaders).ok()?;
        let lines = abi::lines(&block)?;
        let status = std::str::from_utf8(Headers::new(&lines).first(":status")?).ok()?.parse().ok()?;
        let body = abi::buffer(BufferType::HttpCallResponseBody, body_size.min(MOST_ANSWER_BYTES)).unwrap_or_default();
        Some(CalloutOutcome::Answered { status, body })
    };
    if num_headers == 0 { None } else { read() }.unwrap_or(CalloutOutcome::Failed)
}

/// Likewise of gRPC.
pub(crate) fn grpc_answer(status: u32, size: usize) -> CalloutOutcome {
    let message = if status == 0 && size > 0 {
        match abi::buffer(BufferType::GrpcReceiveBuffer, size) {
            Ok(message) if message.len() == size => message,
            _ => return CalloutOutcome::Failed,
        }
    } else {
        Vec::new()
    };
    CalloutOutcome::Grpc { status, message }
}
