//! Counters of refusals, defined once in a worker and then only incremented.

use std::cell::RefCell;
use std::collections::BTreeMap;

use meshward_engine::Counter;
use meshward_wire::refusal::Reason;

use crate::abi;

/// The ids of the counters defined so far.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    refusals: Ids<(&'static str, bool)>,
    counters: Ids<Counter>,
}

/// Metric ids by what is counted.
type Ids<K> = RefCell<BTreeMap<K, u32>>;

impl Metrics {
    /// Counts one refusal. The labels are in the name, in the form that Istio's tag extraction reads (`k=.=v;.;`); all
    /// come from closed lists.
    pub(crate) fn refusal(&self, reason: Reason, shadow: bool) {
        add(&self.refusals, (reason.name(), shadow), 1, || {
            format!("meshward_refusals.reason=.={};.;mode=.={};.;total", reason.name(), mode(shadow))
        });
    }

    /// Adds to another counter.
    pub(crate) fn count(&self, counter: Counter, by: u64) {
        add(&self.counters, counter, by, || match counter {
            Counter::Hidden { list, shadow } => {
                format!("meshward_hidden.list=.={list};.;mode=.={};.;total", mode(shadow))
            }
            Counter::ConditionFailed { allows } => {
                let effect = if allows { "allow" } else { "deny" };
                format!("meshward_condition_failures.effect=.={effect};.;total")
            }
        });
    }
}

const fn mode(shadow: bool) -> &'static str {
    if shadow { "shadow" } else { "enforce" }
}

/// Adds to a counter, which is defined when it is needed first.
fn add<K: Ord>(ids: &Ids<K>, key: K, by: u64, name: impl FnOnce() -> String) {
    let known = ids.try_borrow().ok().and_then(|ids| ids.get(&key).copied());
    let id = known.or_else(|| {
        let id = abi::define_counter(&name()).ok()?;
        if let Ok(mut ids) = ids.try_borrow_mut() {
            ids.insert(key, id);
        }
        Some(id)
    });
    if let Some(id) = id {
        abi::increment(id, by);
    }
}
