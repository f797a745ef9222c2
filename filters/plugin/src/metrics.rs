//! Counters of refusals, defined once in a worker and then only incremented.

use std::cell::RefCell;
use std::collections::BTreeMap;

use meshward_wire::refusal::Reason;

use crate::abi;

/// The ids of the counters defined so far.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    refusals: RefCell<BTreeMap<(&'static str, bool), u32>>,
}

impl Metrics {
    /// Counts one refusal. The labels are in the name, in the form that Istio's tag extraction reads (`k=.=v;.;`); both
    /// come from closed lists.
    pub(crate) fn refusal(&self, reason: Reason, shadow: bool) {
        let key = (reason.name(), shadow);
        let known = self.refusals.try_borrow().ok().and_then(|ids| ids.get(&key).copied());
        let id = known.or_else(|| {
            let mode = if shadow { "shadow" } else { "enforce" };
            let name = format!("meshward_refusals.reason=.={};.;mode=.={mode};.;total", reason.name());
            let id = abi::define_counter(&name).ok()?;
            if let Ok(mut ids) = self.refusals.try_borrow_mut() {
                ids.insert(key, id);
            }
            Some(id)
        });
        if let Some(id) = id {
            abi::increment(id);
        }
    }
}
