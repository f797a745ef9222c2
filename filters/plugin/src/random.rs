//! Random bytes of the host, fetched in stock: the call is dearer than the bytes.

use std::cell::Cell;

/// Bytes of one stock: those of some forty traces.
const STOCK_BYTES: usize = 1024;

thread_local! {
    static STOCK: Cell<Option<Box<Stock>>> = const { Cell::new(None) };
}

struct Stock {
    bytes: [u8; STOCK_BYTES],
    /// Those before it are used, and zero.
    at: usize,
}

/// Fills with bytes that nobody can foresee, none of them given out twice; `false` when the host has none.
pub(crate) fn fill(into: &mut [u8]) -> bool {
    let mut stock = STOCK.take().unwrap_or_else(|| Box::new(Stock { bytes: [0; STOCK_BYTES], at: STOCK_BYTES }));
    let is_filled = stock.take(into) || stock.fetch() && stock.take(into) || getrandom::fill(into).is_ok();
    STOCK.set(Some(stock));
    is_filled
}

impl Stock {
    /// Gives the next bytes, if there are enough.
    fn take(&mut self, into: &mut [u8]) -> bool {
        let end = self.at.saturating_add(into.len());
        let Some(bytes) = self.bytes.get_mut(self.at..end) else { return false };
        into.copy_from_slice(bytes);
        bytes.fill(0);
        self.at = end;
        true
    }

    fn fetch(&mut self) -> bool {
        let is_filled = getrandom::fill(&mut self.bytes).is_ok();
        self.at = if is_filled { 0 } else { STOCK_BYTES };
        is_filled
    }
}
