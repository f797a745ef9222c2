//! Lists of byte string pairs as the ABI carries them: count, then the lengths, then the bytes, each ended by a NUL.

use bytes::Bytes;

use super::Status;
use crate::HeaderMap;
use crate::vm::abi_len;

/// Bounds of proxy-wasm-cpp-host (`limits.h`).
const MAX_BYTES: usize = 1024 * 1024;
const MAX_PAIRS: u32 = 1024;

pub(super) fn encode(pairs: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&abi_len(pairs.len()).to_le_bytes());
    for (name, value) in pairs.iter() {
        out.extend_from_slice(&abi_len(name.len()).to_le_bytes());
        out.extend_from_slice(&abi_len(value.len()).to_le_bytes());
    }
    for (name, value) in pairs.iter() {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

/// An empty buffer is an empty list; so is, in proxy-wasm-cpp-host, one that makes no sense. Here that is an error.
pub(super) fn decode(bytes: &[u8]) -> Result<HeaderMap, Status> {
    if bytes.is_empty() {
        return Ok(HeaderMap::new());
    }
    if bytes.len() > MAX_BYTES {
        return Err(Status::BadArgument);
    }
    let mut lengths = Reader(bytes);
    let count = lengths.u32()?;
    if count > MAX_PAIRS {
        return Err(Status::BadArgument);
    }
    let mut sizes = Vec::new();
    for _ in 0..count {
        sizes.push((lengths.u32()?, lengths.u32()?));
    }
    let mut texts = lengths;
    let mut map = HeaderMap::new();
    for (name, value) in sizes {
        let name = texts.ended_by_nul(name)?;
        let value = texts.ended_by_nul(value)?;
        map.append(name, Bytes::copy_from_slice(value));
    }
    Ok(map)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Status> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Status::BadArgument)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Status> {
        let bytes = self.take(4)?.try_into().map_err(|_| Status::BadArgument)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn ended_by_nul(&mut self, len: u32) -> Result<&'a [u8], Status> {
        let text = self.take(usize::try_from(len).map_err(|_| Status::BadArgument)?)?;
        self.take(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_as_they_went() {
        let map: HeaderMap = [("a", "1"), ("b", ""), ("a", "2")].into_iter().collect();
        assert_eq!(decode(&encode(&map)), Ok(map));
        assert_eq!(decode(b""), Ok(HeaderMap::new()));
    }

    #[test]
    fn pairs_that_are_cut_are_refused() {
        let map: HeaderMap = [("name", "value")].into_iter().collect();
        let bytes = encode(&map);
        for end in 1..bytes.len() {
            assert_eq!(decode(&bytes[..end]), Err(Status::BadArgument), "cut at {end}");
        }
    }

    #[test]
    fn too_many_pairs_are_refused() {
        let pairs = |count: usize| -> Vec<u8> {
            let map: HeaderMap = (0..count).map(|_| ("a", "b")).collect();
            encode(&map)
        };
        assert!(decode(&pairs(1024)).is_ok());
        assert_eq!(decode(&pairs(1025)), Err(Status::BadArgument));
    }
}
