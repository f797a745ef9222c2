//! Server-sent events (WHATWG HTML, section 9.2.6), as a stream of blocks over arbitrary chunks.
//!
//! A block is what ends with a blank line. Each comes out once its last line is complete, with the bytes it was received
//! as: all blocks together are the stream, byte for byte. A comment before the first field of a block is a block of
//! its own, so that a keep-alive never waits; so is the LF of a CRLF whose CR ended the block before it in an earlier
//! chunk.
//!
//! ```
//! let mut decoder = meshward_wire::sse::Decoder::new(1024);
//! let mut blocks = decoder.feed(b"id: 7\ndata: {}\n\ndata: cut off he");
//! while let Some(block) = blocks.next_block()? {
//!     assert_eq!(block.data().as_deref(), Some(&b"{}"[..]));
//! }
//! drop(blocks);
//! assert_eq!(decoder.feed(b"re\n\n").next_block()?.and_then(|block| block.text()).as_deref(), Some("cut off here"));
//! # Ok::<(), meshward_wire::sse::SseError>(())
//! ```

mod block;

use memchr::memchr2;

pub use self::block::Block;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A block is longer than the bound.
    #[error("a server-sent event is longer than the bound")]
    TooLong,
    /// A chunk was given up before all its blocks were taken, so that bytes are missing.
    #[error("a chunk of server-sent events was not read to its end")]
    Abandoned,
}

/// Takes a stream apart, in memory bounded by one block.
#[derive(Debug)]
pub struct Decoder {
    /// Bound of one block in bytes, without the line ending that ends it.
    max_event_bytes: usize,
    /// The block that has begun but not ended.
    held: Vec<u8>,
    /// Where its last line begins.
    line_start: usize,
    /// What `held` holds was handed out: it goes with the next call.
    handed_out: bool,
    /// The stream's first line, which may begin with a byte order mark, is not complete.
    first_line: bool,
    /// The block that has begun is the stream's first.
    first_block: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    failed: Option<SseError>,
}

impl Decoder {
    /// A decoder for one stream. `max_event_bytes` bounds a block, without the line ending that ends it.
    #[must_use]
    pub const fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            held: Vec::new(),
            line_start: 0,
            handed_out: false,
            first_line: true,
            first_block: true,
            after_cr: false,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream. All their blocks must be taken before the next are fed.
    #[must_use]
    pub const fn feed<'d, 'c>(&'d mut self, chunk: &'c [u8]) -> Blocks<'d, 'c> {
        Blocks { decoder: self, rest: chunk }
    }

    /// The stream has ended: what began and did not end, if anything did. A client following the standard discards it,
    /// others may read it.
    pub fn finish(&mut self) -> Option<Block<'_>> {
        self.forget_handed_out();
        if self.held.is_empty() || self.failed.is_some() {
            return None;
        }
        self.handed_out = true;
        let first = std::mem::take(&mut self.first_block);
        Some(Block::new(&self.held, first, false))
    }

    /// Bytes of the block that has begun.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        if self.handed_out { 0 } else { self.held.len() }
    }

    fn forget_handed_out(&mut self) {
        if std::mem::take(&mut self.handed_out) {
            self.held.clear();
            self.line_start = 0;
        }
    }

    const fn fail(&mut self, error: SseError) -> SseError {
        self.failed = Some(error);
        error
    }
}

/// The blocks that one chunk completes.
#[derive(Debug)]
pub struct Blocks<'d, 'c> {
    decoder: &'d mut Decoder,
    rest: &'c [u8],
}

impl Drop for Blocks<'_, '_> {
    fn drop(&mut self) {
        if !self.rest.is_empty() && self.decoder.failed.is_none() {
            self.decoder.fail(SseError::Abandoned);
        }
    }
}

impl<'c> Blocks<'_, 'c> {
    /// The next block that is complete; `None` when what is left of the chunk only begins one. A block that lies
    /// in one chunk is not copied.
    ///
    /// # Errors
    ///
    /// A block that is too long. The stream cannot be read on from there, and the error stays.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, SseError> {
        if let Some(error) = self.decoder.failed {
            return Err(error);
        }
        self.decoder.forget_handed_out();
        let held = self.decoder.held.len();
        // Where the line that is being read begins in this chunk; 0 also where it began in an earlier one.
        let mut line_at = 0_usize;
        if self.decoder.after_cr && !self.rest.is_empty() {
            self.decoder.after_cr = false;
            if self.rest.starts_with(b"\n") {
                if held == 0 {
                    return Ok(Some(Block::new(self.take(1), false, true)));
                }
                line_at = 1;
                self.decoder.line_start = held.saturating_add(1);
            }
        }
        loop {
            let unread = self.rest.get(line_at..).unwrap_or_default();
            let found = memchr2(b'\r', b'\n', unread);
            let line_end = line_at.saturating_add(found.unwrap_or(unread.len()));
            // The bytes before this line's ending all belong to the block.
            if held.saturating_add(line_end) > self.decoder.max_event_bytes {
                return Err(self.decoder.fail(SseError::TooLong));
            }
            if found.is_none() {
                let rest = std::mem::take(&mut self.rest);
                self.decoder.held.extend_from_slice(rest);
                return Ok(None);
            }
            let next = self.behind_line_ending(line_end);
            if self.ends_block(line_at, line_end) {
                return Ok(Some(self.complete(next)));
            }
            line_at = next;
            self.decoder.line_start = held.saturating_add(next);
        }
    }

    fn take(&mut self, length: usize) -> &'c [u8] {
        let (piece, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        piece
    }

    /// Where the next line begins, and whether that has still to be seen.
    fn behind_line_ending(&mut self, line_end: usize) -> usize {
        match self.rest.get(line_end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => line_end.saturating_add(2),
            [b'\r'] => {
                self.decoder.after_cr = true;
                line_end.saturating_add(1)
            }
            _ => line_end.saturating_add(1),
        }
    }

    /// Whether a complete line ends its block: a blank line, or a comment that is the block's first line.
    fn ends_block(&mut self, line_at: usize, line_end: usize) -> bool {
        let decoder = &mut *self.decoder;
        let earlier = decoder.held.get(decoder.line_start..).unwrap_or_default();
        let later = self.rest.get(line_at..line_end).unwrap_or_default();
        let line = || earlier.iter().chain(later).copied();
        let marked = std::mem::take(&mut decoder.first_line) && line().take(BOM.len()).eq(BOM.iter().copied());
        match line().nth(if marked { BOM.len() } else { 0 }) {
            None => true,
            Some(byte) => byte == b':' && decoder.line_start == 0,
        }
    }

    /// Hands out the block that ends before `next`.
    fn complete(&mut self, next: usize) -> Block<'_> {
        let piece = self.take(next);
        let decoder = &mut *self.decoder;
        let first = std::mem::take(&mut decoder.first_block);
        decoder.line_start = 0;
        if decoder.held.is_empty() {
            return Block::new(piece, first, true);
        }
        decoder.held.extend_from_slice(piece);
        decoder.handed_out = true;
        Block::new(&decoder.held, first, true)
    }
}

#[cfg(test)]
mod tests;
