//! Keys that are fetched: JWK Sets (RFC 7517, section 5) at URLs.
//!
//! A set is fetched apart from any request, by one worker for all of a proxy, and kept in the store that they share: parsed anew by
//! each where it has changed. What cannot be fetched leaves what there is, for as long as that counts.

mod set;
mod state;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use meshward_engine::{CalloutOutcome, Host, TickScope};
use meshward_signatures::Keys;

use self::set::KeySet;
use super::config::KeySetConfig;

/// Whether a set can be at a URL.
pub(super) fn is_url(uri: &str) -> bool {
    set::target(uri).is_some()
}

/// All sets that are configured.
#[derive(Default)]
pub(super) struct KeySets(Vec<KeySet>);

impl KeySets {
    /// Sets for a section that has no faults.
    pub(super) fn new(config: &[KeySetConfig]) -> Self {
        Self(config.iter().filter_map(KeySet::new).collect())
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys of each that count now; `None` where there are none.
    pub(super) fn keys(&self, host: &dyn Host) -> Vec<Option<Rc<Keys>>> {
        self.0.iter().map(|set| set.keys(host)).collect()
    }

    /// A request names a key that none of them has.
    pub(super) fn missed(&self, host: &dyn Host) {
        self.0.iter().for_each(|set| set.missed(host));
    }

    /// When to look again whether one is to be fetched, in milliseconds.
    pub(super) fn period(&self) -> Option<u32> {
        self.0.iter().map(KeySet::period).min()
    }

    /// Fetches what is due.
    pub(super) fn tick(&self, scope: &mut TickScope<'_>) {
        for (number, set) in (0..).zip(&self.0) {
            set.tick(number, scope);
        }
    }

    /// A call has ended.
    pub(super) fn called(&self, call: u16, outcome: &CalloutOutcome, scope: &mut TickScope<'_>) {
        if let Some(set) = self.0.get(usize::from(call)) {
            set.called(outcome, scope);
        }
    }
}
