//! Header fields and trailers.

use bytes::Bytes;

use super::{Answer, Guest, Imports, Status, import, pairs};
use crate::HeaderMap;
use crate::headers::FieldKind;
use crate::vm::State;
use crate::vm::abi_len;

/// Which list of fields; the numbers are those of the ABI.
const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const RESPONSE_TRAILERS: u32 = 3;
const GRPC_INITIAL_METADATA: u32 = 4;
const GRPC_TRAILING_METADATA: u32 = 5;
const CALL_RESPONSE_HEADERS: u32 = 6;
const CALL_RESPONSE_TRAILERS: u32 = 7;

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_get_header_map_value" =>
        |g, map: u32, name: u32, name_len: u32, value_at: u32, value_len_at: u32| {
            let value = g.slice(name, name_len).and_then(|name| get(g.state(), map, name));
            match value {
                Ok(value) => g.give(&value, value_at, value_len_at),
                Err(fault) => Err(fault),
            }
        }
    );
    import!(imports, "env", "proxy_get_header_map_pairs" =>
        |g, map: u32, pairs_at: u32, pairs_len_at: u32| get_pairs(g, map, pairs_at, pairs_len_at));
    import!(imports, "env", "proxy_get_header_map_size" => |g, map: u32, size_at: u32| {
        match changeable(g.state_mut(), map).map(|map| abi_len(map.byte_size())) {
            Ok(size) => g.write_u32(size_at, size),
            Err(fault) => Err(fault),
        }
    });
    import!(imports, "env", "proxy_set_header_map_pairs" => |g, which: u32, pairs: u32, pairs_len: u32| {
        let fields = g.slice(pairs, pairs_len).and_then(|bytes| Ok(pairs::decode(bytes)?));
        fields.and_then(|fields| change(g.state_mut(), which, |map| {
            *map = HeaderMap::new();
            for (name, value) in fields {
                map.add(kind(which), &name, value);
            }
        }))
    });
    import!(imports, "env", "proxy_add_header_map_value" =>
        |g, which: u32, name: u32, name_len: u32, value: u32, value_len: u32| {
            let field = field(g, (name, name_len), (value, value_len));
            field.and_then(|(name, value)| change(g.state_mut(), which, |map| map.add(kind(which), &name, value)))
        }
    );
    import!(imports, "env", "proxy_replace_header_map_value" =>
        |g, map: u32, name: u32, name_len: u32, value: u32, value_len: u32| {
            let field = field(g, (name, name_len), (value, value_len));
            field.and_then(|(name, value)| change(g.state_mut(), map, |map| map.set(&name, value)))
        }
    );
    import!(imports, "env", "proxy_remove_header_map_value" => |g, map: u32, name: u32, name_len: u32| {
        let name = g.read(name, name_len);
        name.and_then(|name| change(g.state_mut(), map, |map| { map.remove(&name); }))
    });
    Ok(())
}

fn kind(map: u32) -> FieldKind {
    match map {
        REQUEST_HEADERS => FieldKind::Request,
        RESPONSE_HEADERS => FieldKind::Response,
        _ => FieldKind::Trailers,
    }
}

fn field(guest: &Guest<'_>, name: (u32, u32), value: (u32, u32)) -> Answer<(Bytes, Bytes)> {
    Ok((guest.read(name.0, name.1)?, guest.read(value.0, value.1)?))
}

fn get(state: &State, map: u32, name: &[u8]) -> Answer<Bytes> {
    let map = readable(state, map)?.ok_or(Status::BadArgument)?;
    Ok(map.get(name).cloned().ok_or(Status::NotFound)?)
}

/// A list that cannot be read now is empty, not an error.
fn get_pairs(guest: &mut Guest<'_>, map: u32, pairs_at: u32, pairs_len_at: u32) -> Answer {
    let bytes = match readable(guest.state(), map)? {
        Some(map) if !map.is_empty() => pairs::encode(map),
        _ => Vec::new(),
    };
    guest.give(&bytes, pairs_at, pairs_len_at)
}

/// The fields that can be read now, `None` if it is not their time.
fn readable(state: &State, map: u32) -> Answer<Option<&HeaderMap>> {
    let stream = state.stream();
    let logging = stream.is_some_and(|stream| stream.logging);
    let callouts = &state.callouts;
    Ok(match map {
        REQUEST_HEADERS => {
            stream.filter(|s| logging || s.request.headers_open).and_then(|s| s.request.headers.as_ref())
        }
        REQUEST_TRAILERS => stream.filter(|s| s.request.trailers_open).and_then(|s| s.request.trailers.as_ref()),
        RESPONSE_HEADERS => {
            stream.filter(|s| logging || s.response.headers_open).and_then(|s| s.response.headers.as_ref())
        }
        RESPONSE_TRAILERS => {
            stream.filter(|s| logging || s.response.trailers_open).and_then(|s| s.response.trailers.as_ref())
        }
        GRPC_INITIAL_METADATA => callouts.initial_metadata.as_ref(),
        GRPC_TRAILING_METADATA => callouts.trailing_metadata.as_ref(),
        CALL_RESPONSE_HEADERS => callouts.response.as_ref().map(|response| &response.headers),
        CALL_RESPONSE_TRAILERS => {
            callouts.response.as_ref().map(|response| &response.trailers).filter(|trailers| !trailers.is_empty())
        }
        _ => return Err(Status::BadArgument.into()),
    })
}

/// The fields that can be changed now: those of the stream that are not on their way yet.
fn changeable(state: &mut State, map: u32) -> Answer<&mut HeaderMap> {
    let stream = state.stream_mut().filter(|stream| !stream.logging).ok_or(Status::BadArgument)?;
    let (request, response) = (&mut stream.request, &mut stream.response);
    let map = match map {
        REQUEST_HEADERS if request.headers_open => request.headers.as_mut(),
        REQUEST_TRAILERS if request.trailers_open => request.trailers.as_mut(),
        RESPONSE_HEADERS if response.headers_open => response.headers.as_mut(),
        RESPONSE_TRAILERS if response.trailers_open => response.trailers.as_mut(),
        _ => None,
    };
    Ok(map.ok_or(Status::BadArgument)?)
}

fn change(state: &mut State, map: u32, change: impl FnOnce(&mut HeaderMap)) -> Answer {
    change(changeable(state, map)?);
    if map == REQUEST_HEADERS
        && let Some(stream) = state.stream_mut()
    {
        stream.route_cache_clears = stream.route_cache_clears.saturating_add(1);
    }
    Ok(())
}
