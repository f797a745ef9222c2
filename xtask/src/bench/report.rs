//! What was measured, as a table for people and as JSON for machines.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::Case;
use crate::workspace::Workspace;

/// One proxy under load for one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cpu_us_per_request: f64,
    /// The share of its core that the proxy used; near 1 it was the bottleneck, and throughput can be compared.
    pub(crate) busy: f64,
}

/// All rounds of one case: a list of samples for each proxy.
#[derive(Debug)]
struct Measured {
    case: &'static str,
    body: usize,
    samples: Vec<Vec<Sample>>,
}

/// The position of the plain Envoy among the proxies, and that of Envoy's own filter.
const PLAIN: usize = 0;
const NATIVE: usize = 1;

#[derive(Debug)]
pub(crate) struct Report {
    names: Vec<String>,
    rounds: usize,
    seconds: u64,
    module_bytes: Option<u64>,
    measured: Vec<Measured>,
}

impl Report {
    pub(crate) fn new(workspace: &Workspace, names: Vec<String>, rounds: usize, seconds: u64) -> Self {
        let module_bytes = std::fs::metadata(workspace.module()).ok().map(|file| file.len());
        Self { names, rounds, seconds, module_bytes, measured: Vec::new() }
    }

    pub(crate) fn add(&mut self, case: &Case, body: usize, proxy: usize, sample: Sample) {
        if self.measured.last().is_none_or(|last| last.case != case.name) {
            let samples = vec![Vec::new(); self.names.len()];
            self.measured.push(Measured { case: case.name, body, samples });
        }
        if let Some(samples) = self.measured.last_mut().and_then(|last| last.samples.get_mut(proxy)) {
            samples.push(sample);
        }
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let head = [
            "body",
            "proxy",
            "requests/s",
            "× plain's",
            "p50 ms",
            "p99 ms",
            "CPU µs/request",
            "added µs",
            "× native's",
            "added ns/byte",
        ];
        table.set_header(head);
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for measured in &self.measured {
            for (index, name) in self.names.iter().enumerate() {
                let Some(row) = self.row(measured, index) else { continue };
                let cpu = format!("{:.1} ({:.1}-{:.1})", row.cpu.median, row.cpu.least, row.cpu.most);
                let added = |text: String| if index == PLAIN { String::new() } else { text };
                table.add_row([
                    if index == PLAIN { measured.case.to_owned() } else { String::new() },
                    name.clone(),
                    format!("{:.0}", row.requests_per_second),
                    added(format!("{:.2}", row.throughput_ratio)),
                    format!("{:.2}", row.p50_us / 1e3),
                    format!("{:.2}", row.p99_us / 1e3),
                    cpu,
                    added(format!("{:.1} ({:.1}-{:.1})", row.added.median, row.added.least, row.added.most)),
                    row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                    added(format!("{:.2}", row.added_ns_per_byte)),
                ]);
            }
        }
        let mut text = table.to_string();
        let _ = write!(
            text,
            "\n\nMedians of {} rounds of {} s each (least-most); one proxy worker on its own core. \"added\": over the plain Envoy of\n\
             the same round. \"× native's\": added CPU over that of Envoy's MCP filter with RBAC; throughput compares only where the\n\
             proxy is the bottleneck (see `busy` in the JSON).",
            self.rounds, self.seconds
        );
        text
    }

    pub(crate) fn json(&self) -> Value {
        let cases: Vec<Value> = self
            .measured
            .iter()
            .map(|measured| {
                let proxies: Vec<Value> = self
                    .names
                    .iter()
                    .enumerate()
                    .map(|(index, name)| {
                        json!({ "name": name, "median": self.row(measured, index), "rounds": measured.samples.get(index) })
                    })
                    .collect();
                json!({ "case": measured.case, "body_bytes": measured.body, "proxies": proxies })
            })
            .collect();
        json!({
            "rounds": self.rounds,
            "seconds_per_round": self.seconds,
            "module_bytes": self.module_bytes,
            "cases": cases,
        })
    }

    fn row(&self, measured: &Measured, index: usize) -> Option<Row> {
        let samples = measured.samples.get(index)?;
        let plain = measured.samples.get(PLAIN)?;
        let native = measured.samples.get(NATIVE)?;
        let added = added(samples, plain)?;
        #[expect(clippy::cast_precision_loss, reason = "bodies are far below 2^52 bytes")]
        let body = measured.body as f64;
        Some(Row {
            requests_per_second: throughput(samples)?,
            throughput_ratio: throughput(samples)? / throughput(plain)?,
            p50_us: of(samples, |sample| sample.p50_us)?.median,
            p99_us: of(samples, |sample| sample.p99_us)?.median,
            cpu: of(samples, |sample| sample.cpu_us_per_request)?,
            busy: of(samples, |sample| sample.busy)?.median,
            ratio: self::added(native, plain).filter(|_| index > NATIVE).map(|native| added.median / native.median),
            added_ns_per_byte: added.median * 1e3 / body,
            added,
        })
    }
}

/// What is shown of one proxy in one case; medians.
#[derive(Debug, Serialize)]
struct Row {
    requests_per_second: f64,
    /// Over the plain Envoy's.
    throughput_ratio: f64,
    p50_us: f64,
    p99_us: f64,
    cpu: Spread,
    busy: f64,
    /// CPU microseconds per request over the plain Envoy of the same round.
    added: Spread,
    /// `added` over that of Envoy's own filter.
    ratio: Option<f64>,
    added_ns_per_byte: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn throughput(samples: &[Sample]) -> Option<f64> {
    of(samples, |sample| sample.requests_per_second).map(|spread| spread.median)
}

fn of(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
    Spread::of(samples.iter().map(figure).collect())
}

/// Round by round, so that what slows a whole round down does not count.
fn added(samples: &[Sample], plain: &[Sample]) -> Option<Spread> {
    Spread::of(samples.iter().zip(plain).map(|(a, b)| a.cpu_us_per_request - b.cpu_us_per_request).collect())
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let half = figures.len() / 2;
        let upper = *figures.get(half)?;
        let lower = if figures.len().is_multiple_of(2) { *figures.get(half.checked_sub(1)?)? } else { upper };
        Some(Self { median: f64::midpoint(lower, upper), least: *figures.first()?, most: *figures.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of(vec![4.0, 1.0]).unwrap().median, 2.5);
    }

    #[test]
    fn a_ratio_is_of_what_was_added() {
        let case = Case { name: "x", path: "/", body: 100, connections: 1 };
        let sample =
            |cpu| Sample { requests_per_second: 1.0, p50_us: 1.0, p99_us: 1.0, cpu_us_per_request: cpu, busy: 1.0 };
        let names = ["plain", "native", "meshward"].map(str::to_owned).to_vec();
        let mut report = Report { names, rounds: 1, seconds: 1, module_bytes: None, measured: Vec::new() };
        for (index, cpu) in [200.0, 260.0, 230.0].into_iter().enumerate() {
            report.add(&case, 100, index, sample(cpu));
        }
        let row = report.row(&report.measured[0], 2).unwrap();
        assert_eq!((row.added.median, row.ratio, row.added_ns_per_byte), (30.0, Some(0.5), 300.0));
        assert_eq!(report.row(&report.measured[0], 1).unwrap().ratio, None);
    }
}
