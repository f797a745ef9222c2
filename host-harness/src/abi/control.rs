//! Logging, time, ticks, and the calls that move a stream on or end it.

use std::time::Duration;

use super::{Answer, Fault, Guest, Imports, Status, import, pairs};
use crate::host::log::LogLevel;
use crate::vm::state::{Action, LocalReply};
use crate::vm::stream::Direction;

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_log" => |g, level: u32, text: u32, len: u32| log(g, level, text, len));
    import!(imports, "env", "proxy_get_log_level" => |g, level_at: u32| {
        let level = g.state().host.log_store().level() as u32;
        g.write_u32(level_at, level)
    });
    import!(imports, "env", "proxy_get_current_time_nanoseconds" => |g, time_at: u32| {
        let now = g.state().host.clock().wall();
        g.write_u64(time_at, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    });
    import!(imports, "env", "proxy_set_tick_period_milliseconds" => |g, period: u32| {
        set_tick_period(g, period);
        Ok(())
    });
    import!(imports, "env", "proxy_continue_stream" => |g, kind: u32| continue_stream(g, kind));
    import!(imports, "env", "proxy_close_stream" => |g, kind: u32| close_stream(g, kind));
    import!(imports, "env", "proxy_send_local_response" =>
        |g, status: u32, details: u32, details_len: u32, body: u32, body_len: u32, fields: u32, fields_len: u32, grpc: u32| {
            send_local_response(g, status, (details, details_len), (body, body_len), (fields, fields_len), grpc)
        }
    );
    import!(imports, "env", "proxy_set_effective_context" => |g, context: u32| {
        let state = g.state_mut();
        if state.knows(context) {
            state.effective = context;
            Ok(())
        } else {
            Err(Status::BadArgument.into())
        }
    });
    // Only a root context that answered "not yet" to proxy_on_done can be done later; this host never asks one.
    import!(imports, "env", "proxy_done" => |g| {
        Err(Status::NotFound.into())
    });
    import!(imports, "env", "proxy_call_foreign_function" =>
        |g, name: u32, name_len: u32, args: u32, args_len: u32, result_at: u32, result_len_at: u32| {
            let _ = (args, args_len);
            call_foreign_function(g, (name, name_len), result_at, result_len_at)
        }
    );
    Ok(())
}

fn log(guest: &Guest<'_>, level: u32, text: u32, len: u32) -> Answer {
    let level = LogLevel::from_abi(level).ok_or(Status::BadArgument)?;
    let message = guest.text(text, len)?;
    guest.state().log(level, message);
    Ok(())
}

fn set_tick_period(guest: &mut Guest<'_>, period: u32) {
    let state = guest.state_mut();
    let period = (period > 0).then(|| Duration::from_millis(period.into()));
    state.tick_period = period;
    state.next_tick = period.map(|period| state.host.clock().monotonic().saturating_add(period));
}

fn continue_stream(guest: &mut Guest<'_>, kind: u32) -> Answer {
    let direction = match kind {
        0 => Direction::Request,
        1 => Direction::Response,
        2 => return Ok(()),
        3 => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    };
    let state = guest.state_mut();
    let context = state.context();
    if let Some(stream) = state.stream_mut() {
        // Envoy takes the request's headers and body away whichever direction continues.
        stream.request.headers_open = false;
        stream.request.trailers_open = false;
        if !stream.request.cumulative {
            stream.request.chunk = None;
        }
        state.actions.push_back(Action::Continue(context, direction));
    }
    Ok(())
}

fn close_stream(guest: &mut Guest<'_>, kind: u32) -> Answer {
    if kind > 3 {
        return Err(Status::BadArgument.into());
    }
    let state = guest.state_mut();
    let context = state.context();
    if kind < 2 && state.stream_mut().is_some() {
        state.actions.push_back(Action::Close(context));
    }
    Ok(())
}

fn send_local_response(
    guest: &mut Guest<'_>,
    status: u32,
    details: (u32, u32),
    body: (u32, u32),
    fields: (u32, u32),
    grpc_status: u32,
) -> Answer {
    let details = guest.text(details.0, details.1)?;
    let body = guest.read(body.0, body.1)?;
    let headers = pairs::decode(guest.slice(fields.0, fields.1)?)?;
    if grpc_status <= 16 && guest.state().stream().is_some_and(is_grpc) {
        return guest.unimplemented("local replies to gRPC requests");
    }
    let state = guest.state_mut();
    let context = state.context();
    if state.stream_mut().is_some() {
        state.stopping = true;
        if !state.replying(context) {
            let details = details.split_whitespace().collect::<Vec<_>>().join("_");
            state.actions.push_back(Action::Reply(context, LocalReply { status, body, headers, details }));
        }
    }
    Ok(())
}

fn is_grpc(stream: &crate::vm::stream::Stream) -> bool {
    let headers = stream.request.headers.as_ref();
    headers.and_then(|headers| headers.get("content-type")).is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

fn call_foreign_function(guest: &mut Guest<'_>, name: (u32, u32), result_at: u32, result_len_at: u32) -> Answer {
    let name = guest.text(name.0, name.1)?;
    match name.as_str() {
        "clear_route_cache" => {
            if let Some(stream) = guest.state_mut().stream_mut() {
                stream.route_cache_clears = stream.route_cache_clears.saturating_add(1);
            }
        }
        // Sets type and life span of a filter state object. Neither shows within one filter.
        "declare_property" => {}
        "compress"
        | "uncompress"
        | "sign"
        | "verify_signature"
        | "expr_create"
        | "expr_evaluate"
        | "expr_delete"
        | "set_envoy_filter_state" => return guest.unimplemented(&format!("the foreign function {name}")),
        _ => return Err(Fault::Status(Status::NotFound)),
    }
    if result_at != 0 {
        guest.write_u32(result_at, 0)?;
    }
    if result_len_at != 0 {
        guest.write_u32(result_len_at, 0)?;
    }
    Ok(())
}
