//! Refusals that were counted, read back from the names of the module's counters.

use std::collections::BTreeMap;

use super::report::Counts;

/// Picks the refusals out of a proxy's counters. Envoy writes `wasmcustom.` before the module's names.
pub(super) fn of_metrics(counters: &BTreeMap<String, u64>) -> Counts {
    counters.iter().filter_map(|(name, value)| Some((labels(name)?, *value))).filter(|(_, value)| *value > 0).collect()
}

/// `meshward_refusals.reason=.=denied;.;mode=.=enforce;.;total`: the reason, and whether it was only observed.
fn labels(name: &str) -> Option<(String, bool)> {
    let name = name.strip_prefix("wasmcustom.").unwrap_or(name).strip_prefix("meshward_refusals.")?;
    let label = |key: &str| name.split(";.;").find_map(|part| part.strip_prefix(key)?.strip_prefix("=.="));
    Some((label("reason")?.to_owned(), label("mode")? == "shadow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_labels_out_of_a_name() {
        let name = "meshward_refusals.reason=.=denied;.;mode=.=shadow;.;total";
        let counters = [(format!("wasmcustom.{name}"), 3), ("wasmcustom.other.reason=.=x;.;".to_owned(), 1)];
        let counts = of_metrics(&counters.into_iter().collect());
        assert_eq!(counts, Counts::from([(("denied".to_owned(), true), 3)]));
    }
}
