//! Which patterns the engine without backtracking has, and what they cost.

use std::collections::BTreeMap;

use serde_json::json;

use super::pattern_options;

/// The sizes of programs that are told apart, in bytes of the engine, and the work that one byte of text may then take:
/// in the worst case each state of a program is looked at.
const TIERS: [(usize, u64); 3] = [(8 << 10, 8), (32 << 10, 32), (LARGEST, 256)];
/// The largest program.
pub(super) const LARGEST: usize = 256 << 10;
/// Bound of all programs of a schema.
const MAX_BYTES: usize = 1 << 20;

/// The patterns of a schema.
#[derive(Debug, Default)]
pub(super) struct Patterns<'a> {
    known: BTreeMap<&'a str, Option<u64>>,
    bytes: usize,
}

impl<'a> Patterns<'a> {
    /// The work of a pattern for one byte of text. `None`: it is none, is too large, or needs what takes more than linear
    /// time (look-around, back-references).
    pub(super) fn cost(&mut self, pattern: &'a str) -> Option<u64> {
        if let Some(known) = self.known.get(pattern) {
            return *known;
        }
        // Asked of the library, as it translates patterns from ECMA-262 first.
        let schema = json!({ "pattern": pattern });
        let left = MAX_BYTES.saturating_sub(self.bytes);
        let builds =
            |size: usize| jsonschema::options().with_pattern_options(pattern_options(size)).build(&schema).is_ok();
        let tier = TIERS.into_iter().take_while(|(size, _)| *size <= left).find(|(size, _)| builds(*size));
        self.bytes = self.bytes.saturating_add(tier.map_or(0, |(size, _)| size));
        let cost = tier.map(|(_, cost)| cost);
        self.known.insert(pattern, cost);
        cost
    }

    /// A bound of the memory of all programs.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
