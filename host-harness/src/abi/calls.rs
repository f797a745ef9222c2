//! Calls to other services: HTTP, gRPC.

use std::time::Duration;

use super::{Answer, Guest, Imports, Status, import, pairs};
use crate::vm::State;
use crate::{CalloutToken, Event, GrpcCall, GrpcStream, HttpCall};

/// Where a byte string is in the module's memory.
type Span = (u32, u32);

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_http_call" =>
        |g, cluster: u32, cluster_len: u32, fields: u32, fields_len: u32, body: u32, body_len: u32,
            trailers: u32, trailers_len: u32, timeout: u32, token_at: u32| {
            http_call(g, (cluster, cluster_len), (fields, fields_len), (body, body_len), (trailers, trailers_len), timeout, token_at)
        }
    );
    import!(imports, "env", "proxy_grpc_call" =>
        |g, cluster: u32, cluster_len: u32, service: u32, service_len: u32, method: u32, method_len: u32,
            metadata: u32, metadata_len: u32, message: u32, message_len: u32, timeout: u32, token_at: u32| {
            let target = [(cluster, cluster_len), (service, service_len), (method, method_len), (metadata, metadata_len)];
            grpc_call(g, target, (message, message_len), timeout, token_at)
        }
    );
    import!(imports, "env", "proxy_grpc_stream" =>
        |g, cluster: u32, cluster_len: u32, service: u32, service_len: u32, method: u32, method_len: u32,
            metadata: u32, metadata_len: u32, token_at: u32| {
            let target = [(cluster, cluster_len), (service, service_len), (method, method_len), (metadata, metadata_len)];
            grpc_stream(g, target, token_at)
        }
    );
    import!(imports, "env", "proxy_grpc_send" => |g, token: u32, message: u32, message_len: u32, end: u32| {
        grpc_send(g, token, (message, message_len), end != 0)
    });
    import!(imports, "env", "proxy_grpc_cancel" => |g, token: u32| grpc_cancel(g.state_mut(), token));
    import!(imports, "env", "proxy_grpc_close" => |g, token: u32| grpc_close(g.state_mut(), token));
    import!(imports, "env", "proxy_get_status" => |g, code_at: u32, message_at: u32, message_len_at: u32| {
        let (code, message) = g.state().callouts.status.clone();
        g.write_u32(code_at, code).and_then(|()| g.give(message.as_bytes(), message_at, message_len_at))
    });
    Ok(())
}

fn deadline(state: &State, timeout: u32) -> (Option<Duration>, Option<Duration>) {
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
    (timeout, timeout.map(|timeout| state.host.clock().monotonic().saturating_add(timeout)))
}

fn http_call(
    guest: &mut Guest<'_>,
    cluster: Span,
    fields: Span,
    body: Span,
    trailers: Span,
    timeout: u32,
    token_at: u32,
) -> Answer {
    let cluster = guest.text(cluster.0, cluster.1)?;
    let body = guest.read(body.0, body.1)?;
    let mut headers = pairs::decode(guest.slice(fields.0, fields.1)?)?;
    let trailers = pairs::decode(guest.slice(trailers.0, trailers.1)?)?;
    guest.write_u32(token_at, 0)?;
    let complete = headers.contains(":path") && headers.contains(":method") && headers.contains(":authority");
    let state = guest.state_mut();
    if !complete || !state.config.clusters.contains(&cluster) || i32::try_from(timeout).is_err() {
        return Err(Status::BadArgument.into());
    }
    if !body.is_empty() {
        headers.set("content-length", body.len().to_string());
    }
    let (timeout, deadline) = deadline(state, timeout);
    let number = state.callouts.new_http(deadline);
    let token = CalloutToken::Http(number);
    state.events.push_back(Event::HttpCall(HttpCall { token, cluster, headers, body, trailers, timeout }));
    guest.write_u32(token_at, number)
}

fn grpc_call(guest: &mut Guest<'_>, target: [Span; 4], message: Span, timeout: u32, token_at: u32) -> Answer {
    let message = guest.read(message.0, message.1)?;
    let target = grpc_target(guest, target)?;
    let state = guest.state_mut();
    let (timeout, deadline) = deadline(state, timeout);
    let number = state.callouts.new_grpc(deadline, false);
    let GrpcStream { cluster, service, method, initial_metadata, .. } = target;
    let token = CalloutToken::Grpc(number);
    let call = GrpcCall { token, cluster, service, method, initial_metadata, message, timeout };
    state.events.push_back(Event::GrpcCall(call));
    guest.write_u32(token_at, number)
}

fn grpc_stream(guest: &mut Guest<'_>, target: [Span; 4], token_at: u32) -> Answer {
    let target = grpc_target(guest, target)?;
    let state = guest.state_mut();
    let number = state.callouts.new_grpc(None, true);
    state.events.push_back(Event::GrpcStream(GrpcStream { token: CalloutToken::Grpc(number), ..target }));
    guest.write_u32(token_at, number)
}

fn grpc_target(guest: &Guest<'_>, [cluster, service, method, metadata]: [Span; 4]) -> Answer<GrpcStream> {
    let clusters = &guest.state().config.clusters;
    let named = guest.slice(cluster.0, cluster.1)?;
    let named = cluster_of_grpc_service(named).unwrap_or(named);
    let cluster = clusters.iter().find(|cluster| cluster.as_bytes() == named).ok_or(Status::ParseFailure)?;
    Ok(GrpcStream {
        token: CalloutToken::Grpc(0),
        cluster: cluster.clone(),
        service: guest.text(service.0, service.1)?,
        method: guest.text(method.0, method.1)?,
        initial_metadata: pairs::decode(guest.slice(metadata.0, metadata.1)?)?,
    })
}

/// The cluster in a serialized `envoy.config.core.v3.GrpcService { envoy_grpc { cluster_name } }`: both are field 1.
fn cluster_of_grpc_service(bytes: &[u8]) -> Option<&[u8]> {
    fn field_one(bytes: &[u8]) -> Option<&[u8]> {
        match bytes {
            [0x0a, len, rest @ ..] if *len < 0x80 => rest.get(..usize::from(*len)),
            _ => None,
        }
    }
    field_one(field_one(bytes)?)
}

fn grpc_send(guest: &mut Guest<'_>, token: u32, message: Span, end_stream: bool) -> Answer {
    let message = guest.read(message.0, message.1)?;
    let state = guest.state_mut();
    let call = state.callouts.grpc.get_mut(&token).ok_or(Status::NotFound)?;
    if !call.streaming {
        return Err(Status::BadArgument.into());
    }
    call.local_closed |= end_stream;
    state.events.push_back(Event::GrpcSend { token: CalloutToken::Grpc(token), message, end_stream });
    Ok(())
}

fn grpc_cancel(state: &mut State, token: u32) -> Answer {
    state.callouts.grpc.remove(&token).ok_or(Status::NotFound)?;
    state.events.push_back(Event::CancelCallout(CalloutToken::Grpc(token)));
    Ok(())
}

/// Cancels a call; half-closes a stream, which is forgotten once both sides are closed.
fn grpc_close(state: &mut State, token: u32) -> Answer {
    let call = state.callouts.grpc.get_mut(&token).ok_or(Status::NotFound)?;
    if !call.streaming {
        return grpc_cancel(state, token);
    }
    call.local_closed = true;
    if call.remote_closed {
        state.callouts.grpc.remove(&token);
    }
    state.events.push_back(Event::GrpcEnd(CalloutToken::Grpc(token)));
    Ok(())
}
