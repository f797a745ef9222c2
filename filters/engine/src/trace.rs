//! The trace an exchange belongs to.

use std::fmt;

/// The id of a trace, 16 bytes (W3C Trace Context, section 3.2.2.3, `trace-id`). Written as 32 hexadecimal digits in lower
/// case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_with_its_leading_zeros() {
        let mut id = [0; 16];
        id[14..].copy_from_slice(&[0x0a, 0xbc]);
        assert_eq!(TraceId(id).to_string(), "00000000000000000000000000000abc");
    }
}
