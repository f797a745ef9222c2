//! Buffers: bodies, messages of calls, and configurations.

use bytes::{Bytes, BytesMut};

use super::{Answer, Guest, Imports, Status, import};
use crate::vm::{State, abi_len};

/// Which buffer; the numbers are those of the ABI.
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_RESPONSE_BODY: u32 = 4;
const GRPC_MESSAGE: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_DATA: u32 = 8;

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_get_buffer_bytes" =>
        |g, buffer: u32, start: u32, len: u32, bytes_at: u32, len_at: u32| {
            match get(g.state(), buffer, start, len) {
                Ok(bytes) => g.give(&bytes, bytes_at, len_at),
                Err(fault) => Err(fault),
            }
        }
    );
    import!(imports, "env", "proxy_get_buffer_status" => |g, buffer: u32, len_at: u32, flags_at: u32| {
        match read(g.state(), buffer).map(|bytes| abi_len(bytes.len())) {
            Ok(len) => g.write_u32(len_at, len).and_then(|()| g.write_u32(flags_at, 0)),
            Err(fault) => Err(fault),
        }
    });
    import!(imports, "env", "proxy_set_buffer_bytes" =>
        |g, buffer: u32, start: u32, len: u32, bytes: u32, bytes_len: u32| {
            set(g, buffer, start, len, (bytes, bytes_len))
        }
    );
    Ok(())
}

/// A buffer as it is now. One that exists but is not there now is empty.
fn read(state: &State, buffer: u32) -> Answer<&[u8]> {
    let callouts = &state.callouts;
    Ok(match buffer {
        REQUEST_BODY => state.stream().and_then(|s| s.request.body()).map_or(&[], |body| body.as_ref()),
        RESPONSE_BODY => state.stream().and_then(|s| s.response.body()).map_or(&[], |body| body.as_ref()),
        CALL_RESPONSE_BODY => callouts.response.as_ref().map(|response| &*response.body).ok_or(Status::NotFound)?,
        GRPC_MESSAGE => callouts.message.as_deref().unwrap_or(&[]),
        VM_CONFIGURATION => &state.config.vm_configuration,
        PLUGIN_CONFIGURATION if state.configuring => &state.config.configuration,
        CALL_DATA => &[],
        _ if buffer > CALL_DATA => return Err(Status::BadArgument.into()),
        _ => return Err(Status::NotFound.into()),
    })
}

/// A part of a buffer, cut to what is there.
fn get(state: &State, buffer: u32, start: u32, len: u32) -> Answer<Bytes> {
    let bytes = read(state, buffer)?;
    let end = start.checked_add(len).ok_or(Status::BadArgument)?;
    let end = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    Ok(Bytes::copy_from_slice(bytes.get(start..end).unwrap_or(&[])))
}

/// Replaces the first `len` bytes when `start` is 0, appends when `start` is at or behind the end. Anything else is
/// refused, as Envoy does.
fn set(guest: &mut Guest<'_>, buffer: u32, start: u32, len: u32, bytes: (u32, u32)) -> Answer {
    let new = guest.read(bytes.0, bytes.1)?;
    // Buffers that exist but are no body cannot be changed; those that do not exist are named as such.
    read(guest.state(), buffer)?;
    let stream = guest.state_mut().stream_mut();
    let body = match buffer {
        REQUEST_BODY => stream.and_then(|stream| stream.request.body_mut()),
        RESPONSE_BODY => stream.and_then(|stream| stream.response.body_mut()),
        _ => None,
    };
    let body = body.ok_or(Status::BadArgument)?;
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if start == 0 {
        let rest = body.split_off(len.min(body.len()));
        *body = BytesMut::from(&new[..]);
        body.extend_from_slice(&rest);
        Ok(())
    } else if start >= body.len() {
        body.extend_from_slice(&new);
        Ok(())
    } else {
        Err(Status::BadArgument.into())
    }
}
