//! What was counted, read back from the names of the module's counters.

use std::collections::BTreeMap;

use super::report::{Counted, Counts};

/// Picks the module's counters out of a proxy's. Envoy writes `wasmcustom.` before the module's names.
pub(super) fn of_metrics(counters: &BTreeMap<String, u64>) -> Counts {
    counters.iter().filter_map(|(name, value)| Some((counted(name)?, *value))).filter(|(_, value)| *value > 0).collect()
}

/// `meshward_refusals.reason=.=denied;.;mode=.=enforce;.;total`: what it counts, with its labels.
fn counted(name: &str) -> Option<Counted> {
    let name = name.strip_prefix("wasmcustom.").unwrap_or(name);
    let (counter, labels) = name.strip_prefix("meshward_")?.split_once('.')?;
    let label = |key: &str| labels.split(";.;").find_map(|part| part.strip_prefix(key)?.strip_prefix("=.="));
    let shadow = || Some(label("mode")? == "shadow");
    match counter {
        "refusals" => Some(Counted::Refused(label("reason")?.to_owned(), shadow()?)),
        "hidden" => Some(Counted::Hidden(label("list")?.to_owned(), shadow()?)),
        "condition_failures" => Some(Counted::FailedCondition(label("effect")?.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_labels_out_of_a_name() {
        let counters = [
            ("wasmcustom.meshward_refusals.reason=.=denied;.;mode=.=shadow;.;total", 3),
            ("meshward_hidden.list=.=tools/list;.;mode=.=enforce;.;total", 2),
            ("meshward_condition_failures.effect=.=deny;.;total", 1),
            ("wasmcustom.other.reason=.=x;.;", 1),
        ];
        let counts = of_metrics(&counters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let expected = [
            (Counted::Refused("denied".to_owned(), true), 3),
            (Counted::Hidden("tools/list".to_owned(), false), 2),
            (Counted::FailedCondition("deny".to_owned()), 1),
        ];
        assert_eq!(counts, Counts::from(expected));
    }
}
