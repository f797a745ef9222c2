//! What was measured, as a table for people and as JSON for machines.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    memory::Memory,
    plan::{Case, Compare, Group, Show},
};

/// One proxy under load for one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) requests: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cpu_us_per_request: f64,
    /// The share of its core that the proxy used; near 1 it was the bottleneck, and throughput can be compared.
    pub(crate) busy: f64,
}

impl Sample {
    /// The middle of several turns of one process, figure by figure.
    pub(crate) fn middle(turns: &[Self]) -> Option<Self> {
        let middle = |figure: fn(&Self) -> f64| of(turns, figure).map(|spread| spread.median);
        Some(Self {
            requests: middle(|turn| turn.requests)?,
            requests_per_second: middle(|turn| turn.requests_per_second)?,
            p50_us: middle(|turn| turn.p50_us)?,
            p99_us: middle(|turn| turn.p99_us)?,
            cpu_us_per_request: middle(|turn| turn.cpu_us_per_request)?,
            busy: middle(|turn| turn.busy)?,
        })
    }
}

/// All rounds of one case: a list of samples for each proxy.
#[derive(Debug)]
struct Measured {
    case: String,
    bytes: usize,
    samples: Vec<Vec<Sample>>,
}

/// The position of the plain Envoy among the proxies.
const PLAIN: usize = 0;

/// One group, measured.
#[derive(Debug)]
pub(crate) struct Run {
    title: &'static str,
    target: &'static str,
    names: Vec<String>,
    compare: &'static [Compare],
    rounds: usize,
    /// Each round has processes of its own, which take so many turns.
    turns: Option<usize>,
    seconds: u64,
    measured: Vec<Measured>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    module_bytes: u64,
    pub(crate) runs: Vec<Run>,
    pub(crate) memory: Vec<Memory>,
}

impl Report {
    pub(crate) const fn new(module_bytes: u64) -> Self {
        Self { module_bytes, runs: Vec::new(), memory: Vec::new() }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "module_bytes": self.module_bytes,
            "groups": self.runs.iter().map(Run::json).collect::<Vec<_>>(),
            "memory": self.memory,
        })
    }
}

impl Run {
    pub(crate) fn new(group: &Group, rounds: usize, turns: usize, seconds: u64) -> Self {
        Self {
            title: group.title,
            target: group.target,
            names: group.variants.iter().map(|variant| variant.name().to_owned()).collect(),
            compare: group.compare,
            rounds,
            turns: group.anew.then_some(turns),
            seconds,
            measured: Vec::new(),
        }
    }

    /// Adds what was measured of a proxy: a sample for each round.
    pub(crate) fn add(&mut self, case: &Case, proxy: usize, rounds: Vec<Sample>) {
        if self.measured.iter().all(|measured| measured.case != case.name) {
            let samples = vec![Vec::new(); self.names.len()];
            self.measured.push(Measured { case: case.name.clone(), bytes: case.bytes, samples });
        }
        let measured = self.measured.iter_mut().find(|measured| measured.case == case.name);
        if let Some(samples) = measured.and_then(|measured| measured.samples.get_mut(proxy)) {
            samples.extend(rounds);
        }
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut head = vec!["case", "proxy", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "added µs"];
        head.extend(self.compare.iter().map(|compare| compare.head));
        head.extend(["added ns/byte", "MB/s"]);
        table.set_header(head);
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for measured in &self.measured {
            for (index, name) in self.names.iter().enumerate() {
                let Some(row) = self.row(measured, index) else { continue };
                let mut cells = vec![
                    if index == PLAIN { measured.case.clone() } else { String::new() },
                    name.clone(),
                    format!("{:.0}", row.requests_per_second),
                    format!("{:.2}", row.p50_us / 1e3),
                    format!("{:.2}", row.p99_us / 1e3),
                    row.cpu.text(),
                ];
                let added = |text: String| if index == PLAIN { String::new() } else { text };
                cells.push(added(row.added.text()));
                cells.extend(row.compared.iter().map(|compared| match compared {
                    Compared::Not => String::new(),
                    Compared::Ratio(ratio) => format!("{ratio:.2}"),
                    Compared::Difference(difference) => difference.text(),
                }));
                cells.push(added(format!("{:.2}", row.added_ns_per_byte)));
                cells.push(added(format!("{:.0}", 1e3 / row.added_ns_per_byte)));
                table.add_row(cells);
            }
        }
        let mut text = format!("{} (target: {})\n{table}", self.title, self.target);
        let each = match self.turns {
            Some(turns) => format!(", each with processes of its own, which take {turns} turns of {} s", self.seconds),
            None => format!(" of {} s each", self.seconds),
        };
        let _ = write!(
            text,
            "\n  Medians of {} rounds{each} (least-most). \"added\", and all that is right of it: CPU time over the plain\n\
             \x20 Envoy's of the same round.",
            self.rounds
        );
        text
    }

    fn json(&self) -> Value {
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
                json!({ "case": measured.case, "bytes": measured.bytes, "proxies": proxies })
            })
            .collect();
        json!({
            "group": self.title,
            "target": self.target,
            "compared": self.compare.iter().map(|compare| compare.head).collect::<Vec<_>>(),
            "rounds": self.rounds,
            "turns_of_new_processes_per_round": self.turns,
            "seconds_per_round": self.seconds,
            "cases": cases,
        })
    }

    fn row(&self, measured: &Measured, index: usize) -> Option<Row> {
        let samples = measured.samples.get(index)?;
        let plain = measured.samples.get(PLAIN)?;
        let added = over(samples, plain)?;
        let compared = |compare: &Compare| {
            let other = measured.samples.get(compare.with)?;
            Some(match compare.show {
                _ if index <= compare.with => Compared::Not,
                Show::Ratio => Compared::Ratio(added.median / over(other, plain)?.median),
                Show::Difference => Compared::Difference(over(samples, other)?),
            })
        };
        #[expect(clippy::cast_precision_loss, reason = "bodies are far below 2^52 bytes")]
        let bytes = measured.bytes as f64;
        Some(Row {
            requests_per_second: throughput(samples)?,
            throughput_ratio: throughput(samples)? / throughput(plain)?,
            p50_us: of(samples, |sample| sample.p50_us)?.median,
            p99_us: of(samples, |sample| sample.p99_us)?.median,
            cpu: of(samples, |sample| sample.cpu_us_per_request)?,
            busy: of(samples, |sample| sample.busy)?.median,
            compared: self.compare.iter().map(compared).collect::<Option<_>>()?,
            added_ns_per_byte: added.median * 1e3 / bytes,
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
    /// Beside the others that the group names, in their order.
    compared: Vec<Compared>,
    added_ns_per_byte: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Compared {
    /// It is the one that others are compared with, or one before it.
    Not,
    Ratio(f64),
    Difference(Spread),
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

/// CPU time over another proxy's, round by round, so that what slows a whole round down does not count.
fn over(samples: &[Sample], other: &[Sample]) -> Option<Spread> {
    Spread::of(samples.iter().zip(other).map(|(a, b)| a.cpu_us_per_request - b.cpu_us_per_request).collect())
}

impl Spread {
    fn text(self) -> String {
        format!("{:.1} ({:.1}-{:.1})", self.median, self.least, self.most)
    }

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
    fn the_turns_of_a_process_make_one_sample() {
        let turn = |requests_per_second, cpu_us_per_request| Sample {
            requests: 1.0,
            requests_per_second,
            p50_us: 1.0,
            p99_us: 2.0,
            cpu_us_per_request,
            busy: 0.5,
        };
        let middle = Sample::middle(&[turn(9.0, 40.0), turn(7.0, 70.0), turn(8.0, 50.0)]).unwrap();
        assert_eq!((middle.requests_per_second, middle.cpu_us_per_request, middle.p99_us), (8.0, 50.0, 2.0));
        assert!(Sample::middle(&[]).is_none());
    }

    #[test]
    fn what_was_added_is_compared_with_those_before() {
        let sample = |cpu| Sample {
            requests: 1.0,
            requests_per_second: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            cpu_us_per_request: cpu,
            busy: 1.0,
        };
        let rounds = |figures: [f64; 3]| figures.map(sample).to_vec();
        let run = Run {
            title: "",
            target: "",
            names: ["plain", "native", "meshward"].map(str::to_owned).to_vec(),
            compare: &[
                Compare { with: 1, show: Show::Ratio, head: "" },
                Compare { with: 1, show: Show::Difference, head: "" },
            ],
            rounds: 3,
            turns: None,
            seconds: 1,
            measured: vec![Measured {
                case: String::new(),
                bytes: 100,
                samples: vec![
                    rounds([200.0, 100.0, 300.0]),
                    rounds([260.0, 160.0, 360.0]),
                    rounds([230.0, 130.0, 340.0]),
                ],
            }],
        };
        let row = run.row(&run.measured[0], 2).unwrap();
        assert_eq!((row.added.median, row.added_ns_per_byte), (30.0, 300.0));
        let difference = Spread { median: -30.0, least: -30.0, most: -20.0 };
        assert_eq!(row.compared, [Compared::Ratio(0.5), Compared::Difference(difference)]);
        assert_eq!(run.row(&run.measured[0], 1).unwrap().compared, [Compared::Not, Compared::Not]);
    }
}
