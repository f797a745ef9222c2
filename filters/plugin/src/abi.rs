//! The host calls this module makes, one safe function each.
//!
//! The SDK's own wrappers panic on statuses they do not expect and on header bytes that are not UTF-8, and a panic here
//! is a trap that takes every exchange of the worker with it; they also allocate for each header field. So the calls are
//! declared here, every status is a value, and a map is read as one block. The SDK keeps what it does well: the
//! dispatch of callbacks to contexts.
//!
//! ABI: proxy-wasm 0.2.1.

#![expect(unsafe_code, reason = "host calls pass pointers; this is the only file that does")]

use meshward_engine::MetricKind;
use proxy_wasm::types::{BufferType, MapType, MetricType};

/// A host's status other than Ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u32);

impl Status {
    /// Another worker wrote first (`proxy_set_shared_data` with a version).
    pub(crate) const CAS_MISMATCH: Self = Self(8);
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, len: usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_add_header_map_value(map: u32, key: *const u8, key_len: usize, value: *const u8, len: usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, key: *const u8, key_len: usize, value: *const u8, len: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_len: usize, data: *const u8, size: usize, cas: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

const fn done(status: u32) -> Result<(), Status> {
    if status == 0 { Ok(()) } else { Err(Status(status)) }
}

/// What a host call gave: a block that the host had this module's allocator make.
fn block(status: u32, data: *mut u8, size: usize) -> Result<Vec<u8>, Status> {
    done(status)?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host wrote `size` bytes into memory it got from `proxy_on_memory_allocate(size)`, which makes a boxed
    // slice of exactly that length and gives it up; nobody else knows the pointer.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a line to the host's log.
pub(crate) fn log(level: proxy_wasm::types::LogLevel, line: &str) {
    // SAFETY: the pointer and length are those of a live slice, which the host only reads.
    let _: u32 = unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
}

/// Nanoseconds since 1970-01-01 UTC; 0 when the host does not say.
pub(crate) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes one u64 to a live place.
    let _: u32 = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    time
}

/// Has the host call the root context every so many milliseconds; 0: no more.
pub(crate) fn set_tick(milliseconds: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

/// Up to `max` bytes of a buffer, from its beginning.
pub(crate) fn buffer(buffer: BufferType, max: usize) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the host writes to two live places.
    let status = unsafe { proxy_get_buffer_bytes(buffer as u32, 0, max, &raw mut data, &raw mut size) };
    block(status, data, size)
}

/// Puts bytes in the place of a whole buffer.
pub(crate) fn replace_buffer(buffer: BufferType, bytes: &[u8]) -> Result<(), Status> {
    // SAFETY: the pointer and length are those of a live slice, which the host only reads.
    done(unsafe { proxy_set_buffer_bytes(buffer as u32, 0, usize::MAX, bytes.as_ptr(), bytes.len()) })
}

/// A whole map as the host serialises it; see [`lines`].
pub(crate) fn map(map: MapType) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the host writes to two live places.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) };
    block(status, data, size)
}

/// The field lines of a serialised map: a count, then the lengths of each name and value, then each name and value with
/// a NUL behind it; integers are 32 bits, little-endian. `None`: it is not such a map.
pub(crate) fn lines(block: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if block.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = integer(block)?;
    let (mut lengths, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut lines = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_len, after) = integer(lengths)?;
        let (value_len, after) = integer(after)?;
        lengths = after;
        let (name, after) = text(texts, name_len)?;
        let (value, after) = text(after, value_len)?;
        texts = after;
        lines.push((name, value));
    }
    Some(lines)
}

fn integer(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*head)).ok()?, rest))
}

fn text(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(len)?;
    Some((text, rest.split_first()?.1))
}

/// The form [`lines`] reads.
fn serialised(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    let integer = |block: &mut Vec<u8>, n: usize| {
        block.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
    };
    integer(&mut block, lines.len());
    for (name, value) in lines {
        integer(&mut block, name.len());
        integer(&mut block, value.len());
    }
    for (name, value) in lines {
        block.extend_from_slice(name.as_bytes());
        block.push(0);
        block.extend_from_slice(value.as_bytes());
        block.push(0);
    }
    block
}

/// Removes every field line of a name.
pub(crate) fn remove_field(map: MapType, name: &str) -> Result<(), Status> {
    // SAFETY: the pointer and length are those of a live slice, which the host only reads.
    done(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Has exactly one field line of a name.
pub(crate) fn set_field(map: MapType, name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the pointers and lengths are those of live slices, which the host only reads.
    done(unsafe { proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Has one more field line of a name. Envoy does not look for one that is there, for which it would make an index of all
/// names first.
pub(crate) fn add_field(map: MapType, name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the pointers and lengths are those of live slices, which the host only reads.
    done(unsafe { proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A property by its path.
pub(crate) fn property(path: &[&str]) -> Result<Vec<u8>, Status> {
    let path = path.join("\0");
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the path is a live slice, and the host writes to two live places.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    block(status, data, size)
}

/// Leaves a value with the stream; the host puts it into its filter state, as `wasm.<name>`.
pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the pointers and lengths are those of live slices, which the host only reads.
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A value of the shared store and its version.
pub(crate) fn shared(key: &str) -> Result<(Vec<u8>, u32), Status> {
    let (mut data, mut size, mut cas) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the key is a live slice, and the host writes to three live places.
    let status = unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut data, &raw mut size, &raw mut cas) };
    Ok((block(status, data, size)?, cas))
}

/// Writes a value of the shared store; version 0 overwrites any.
pub(crate) fn set_shared(key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: the pointers and lengths are those of live slices, which the host only reads.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// Lets a held request go on.
pub(crate) fn continue_request() -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { proxy_continue_stream(0) })
}

/// Answers the request from here.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Status> {
    let headers = serialised(headers);
    let details = "meshward";
    // SAFETY: the pointers and lengths are those of live slices, which the host only reads. -1: no gRPC status.
    done(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Defines a metric. It is dear, and hosts give a new id for each time.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Status> {
    let kind = match kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    let mut id = 0;
    // SAFETY: the name is a live slice, and the host writes one u32 to a live place.
    done(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds to a counter or a gauge.
pub(crate) fn increment(id: u32, by: i64) {
    // SAFETY: no pointers.
    let _: u32 = unsafe { proxy_increment_metric(id, by) };
}

/// Records a value in a histogram.
pub(crate) fn record(id: u32, value: u64) {
    // SAFETY: no pointers.
    let _: u32 = unsafe { proxy_record_metric(id, value) };
}
