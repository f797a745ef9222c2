//! Properties: what the module can ask about a stream, and what it can leave there.

use bytes::Bytes;

use super::{Answer, Guest, Imports, Status, import, pairs};
use crate::HeaderMap;
use crate::vm::State;
use crate::vm::stream::Stream;

/// What Envoy puts before the names of properties that a module sets.
const FILTER_STATE_PREFIX: &str = "wasm.";

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_get_property" => |g, path: u32, path_len: u32, value_at: u32, value_len_at: u32| {
        let value = g.text(path, path_len).and_then(|path| {
            let path: Vec<&str> = path.split('\0').collect();
            Ok(get(g.state(), &path).ok_or(Status::NotFound)?)
        });
        value.and_then(|value| g.give(&value, value_at, value_len_at))
    });
    import!(imports, "env", "proxy_set_property" => |g, path: u32, path_len: u32, value: u32, value_len: u32| {
        set(g, (path, path_len), (value, value_len))
    });
    Ok(())
}

fn set(guest: &mut Guest<'_>, path: (u32, u32), value: (u32, u32)) -> Answer {
    let name = guest.text(path.0, path.1)?;
    let value = guest.read(value.0, value.1)?;
    let stream = guest.state_mut().stream_mut().ok_or(Status::NotFound)?;
    stream.filter_state.insert(format!("{FILTER_STATE_PREFIX}{name}"), value);
    Ok(())
}

fn get(state: &State, path: &[&str]) -> Option<Bytes> {
    let stream = state.stream();
    if let Some(value) = stream.and_then(|stream| stream.properties.get(path)) {
        return Some(value.to_bytes());
    }
    match path {
        ["plugin_name"] => Some(text(&state.config.name)),
        ["plugin_root_id"] => Some(text(&state.config.root_id)),
        ["plugin_vm_id"] => Some(text(&state.config.vm_id)),
        ["request", name @ ..] => request(stream?, name),
        ["response", name @ ..] => response(stream?, name),
        ["filter_state", name] => stream?.filter_state.get(*name).cloned(),
        [name] => stream?.filter_state.get(&format!("{FILTER_STATE_PREFIX}{name}")).cloned(),
        _ => None,
    }
}

/// Request attributes. Those that are header fields can be read only while the headers are the module's, as in Envoy.
fn request(stream: &Stream, path: &[&str]) -> Option<Bytes> {
    let half = &stream.request;
    match path {
        ["time"] => return Some(int(stream.opened.as_nanos())),
        ["size"] => {
            let promised = half.headers.as_ref().filter(|_| half.headers_open).and_then(content_length);
            return Some(int(promised.unwrap_or(half.received)));
        }
        ["total_size"] => {
            let headers = half.headers.as_ref().map_or(0, HeaderMap::byte_size);
            let headers = u64::try_from(headers).unwrap_or(u64::MAX);
            return Some(int(half.received.saturating_add(headers)));
        }
        _ => {}
    }
    let headers = half.headers.as_ref().filter(|_| half.headers_open || stream.logging)?;
    match path {
        ["headers"] => Some(pairs::encode(headers).into()),
        ["headers", name] => joined(headers, name),
        ["path"] => headers.get(":path").cloned(),
        ["url_path"] => {
            let path = headers.get(":path")?;
            Some(path.slice(..path.iter().position(|byte| *byte == b'?').unwrap_or(path.len())))
        }
        ["query"] => {
            let path = headers.get(":path")?;
            let query = path.iter().position(|byte| *byte == b'?').and_then(|mark| mark.checked_add(1));
            Some(query.map_or_else(Bytes::new, |start| path.slice(start..)))
        }
        ["host"] => headers.get(":authority").cloned(),
        ["scheme"] => headers.get(":scheme").cloned(),
        ["method"] => headers.get(":method").cloned(),
        ["referer"] => headers.get("referer").cloned(),
        ["useragent"] => headers.get("user-agent").cloned(),
        ["id"] => headers.get("x-request-id").cloned(),
        _ => None,
    }
}

fn response(stream: &Stream, path: &[&str]) -> Option<Bytes> {
    let half = &stream.response;
    match path {
        ["code"] => half.headers.as_ref().and_then(HeaderMap::status).map(|status| int(u64::from(status))),
        ["code_details"] => stream.details.as_deref().map(text),
        ["size"] => Some(int(half.received)),
        ["headers"] => readable_response(stream).map(|headers| pairs::encode(headers).into()),
        ["headers", name] => joined(readable_response(stream)?, name),
        ["trailers", name] => joined(half.trailers.as_ref().filter(|_| half.trailers_open || stream.logging)?, name),
        _ => None,
    }
}

fn readable_response(stream: &Stream) -> Option<&HeaderMap> {
    stream.response.headers.as_ref().filter(|_| stream.response.headers_open || stream.logging)
}

/// All values of a field, joined by commas.
fn joined(headers: &HeaderMap, name: &str) -> Option<Bytes> {
    let values: Vec<&[u8]> = headers.get_all(name).map(AsRef::as_ref).collect();
    (!values.is_empty()).then(|| values.join(&b',').into())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get_str("content-length").and_then(|value| value.parse().ok())
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn int(value: impl TryInto<i64>) -> Bytes {
    Bytes::copy_from_slice(&value.try_into().unwrap_or(i64::MAX).to_le_bytes())
}
