//! `traceparent` (W3C Trace Context level 2, section 3.2).

use meshward_engine::TraceId;

#[cfg(test)]
mod tests;

/// The length of version 00, and of what later versions begin with.
const LENGTH: usize = 55;
/// Later versions may be longer, but not without bound.
const LONGEST: usize = 256;

/// The flag `sampled`.
pub(crate) const SAMPLED: u8 = 1;
/// The flag `random-trace-id`.
pub(crate) const RANDOM: u8 = 2;

/// A parent: the trace, the span, and whether it is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: [u8; 8],
    pub(crate) flags: u8,
}

impl Parent {
    /// Reads a value. `None`: it is malformed. Of a version after 00 only what 00 has is read, and of its flags only those that
    /// 00 knows.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_first_chunk::<LENGTH>()?;
        let [version]: [u8; 1] = bytes(known.get(..2)?)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => value.len() <= LONGEST && rest.first().is_none_or(|b| *b == b'-'),
        };
        if !is_whole || [2, 35, 52].iter().any(|dash| known.get(*dash) != Some(&b'-')) {
            return None;
        }
        let trace_id: [u8; 16] = bytes(known.get(3..35)?)?;
        let span_id: [u8; 8] = bytes(known.get(36..52)?)?;
        let [flags]: [u8; 1] = bytes(known.get(53..55)?)?;
        let flags = if version == 0 { flags } else { flags & (SAMPLED | RANDOM) };
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self { trace_id: TraceId(trace_id), span_id, flags })
    }

    /// The value of version 00, as a string of JSON.
    pub(crate) fn quoted(&self) -> Quoted {
        let mut letters = *br#""00-________________________________-________________-__""#;
        put_hex(&self.trace_id.0, letters.get_mut(4..36));
        put_hex(&self.span_id, letters.get_mut(37..53));
        put_hex(&[self.flags], letters.get_mut(54..56));
        Quoted(letters)
    }
}

/// A value with quotes around it. It is letters, digits and dashes, so that none of it has to be escaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted(pub(crate) [u8; LENGTH + 2]);

impl Quoted {
    /// The value.
    pub(crate) fn value(&self) -> &[u8] {
        let [_, value @ .., _] = &self.0;
        value
    }
}

/// The bytes that as many pairs of hexadecimal digits write, in lower case.
#[inline]
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    // Without a way out, so that the letters can be read side by side.
    let mut wrong = 0;
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(pairs) {
        let [high, low] = pair.map(digit);
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong <= 0xf && rest.is_empty()).then_some(out)
}

/// What a digit stands for; more than four bits for what is none.
const fn digit(letter: u8) -> u8 {
    let (number, letter) = (letter.wrapping_sub(b'0'), letter.wrapping_sub(b'a'));
    if number < 10 {
        number
    } else if letter < 6 {
        letter.wrapping_add(10)
    } else {
        0xff
    }
}

/// Writes hexadecimal digits in lower case over a place that is twice as long.
fn put_hex(bytes: &[u8], place: Option<&mut [u8]>) {
    let letter = |nibble: u8| nibble.wrapping_add(if nibble < 10 { b'0' } else { b'a' - 10 });
    for (pair, byte) in place.unwrap_or_default().as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [letter(byte >> 4), letter(byte & 0xf)];
    }
}
