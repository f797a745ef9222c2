//! What was counted, read back from the names of the module's metrics.

use super::report::{Counted, Counts};

/// Picks the module's metrics out of a proxy's: the value of a counter or a gauge, the count of a histogram. Envoy writes
/// `wasmcustom.` before the module's names.
pub(super) fn of_metrics(metrics: impl IntoIterator<Item = (String, u64)>) -> Counts {
    metrics
        .into_iter()
        .filter_map(|(name, value)| Some((counted(name.strip_prefix("wasmcustom.").unwrap_or(&name))?, value)))
        .filter(|(_, value)| *value > 0)
        .collect()
}

/// `meshward_refusals.reason=.=denied;.;mode=.=enforce;.;total`: what it counts, with its labels.
fn counted(name: &str) -> Option<Counted> {
    let (metric, labels) = name.split_once('.')?;
    let label = |key: &str| labels.split(";.;").find_map(|part| part.strip_prefix(key)?.strip_prefix("=.="));
    let shadow = || Some(label("mode")? == "shadow");
    match metric {
        "meshward_refusals" => Some(Counted::Refused(label("reason")?.to_owned(), shadow()?)),
        "meshward_hidden" => Some(Counted::Hidden(label("list")?.to_owned(), shadow()?)),
        "meshward_tool_findings" => Some(Counted::ToolFinding(label("finding")?.to_owned(), shadow()?)),
        "meshward_condition_failures" => Some(Counted::FailedCondition(label("effect")?.to_owned())),
        _ if metric.starts_with("meshward_") || metric.starts_with("mcp_") => Some(measured(name)),
        _ => None,
    }
}

/// A series as a case writes it.
pub(super) fn measured(name: &str) -> Counted {
    let (base, labels) = name.split_once('.').unwrap_or((name, ""));
    let mut parts: Vec<_> = labels.split(";.;").collect();
    let unit = parts.pop().unwrap_or_default();
    let mut labels: Vec<_> = parts.iter().filter_map(|part| part.split_once("=.=")).collect();
    labels.sort_unstable();
    let labels: Vec<_> = labels.into_iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    Counted::Measured(format!("{base}_{unit}{labels}"))
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
            ("wasmcustom.meshward_requests.outcome=.=ok;.;mcp_method_name=.=tools/call;.;total", 4),
            ("meshward_open.streams", 1),
            ("meshward_open.nothing", 0),
            ("wasmcustom.other.reason=.=x;.;", 1),
        ];
        let counts = of_metrics(counters.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let measured = |series: &str| Counted::Measured(series.to_owned());
        let expected = [
            (Counted::Refused("denied".to_owned(), true), 3),
            (Counted::Hidden("tools/list".to_owned(), false), 2),
            (Counted::FailedCondition("deny".to_owned()), 1),
            (measured("meshward_requests_total{mcp_method_name=\"tools/call\",outcome=\"ok\"}"), 4),
            (measured("meshward_open_streams"), 1),
        ];
        assert_eq!(counts, Counts::from(expected));
    }
}
