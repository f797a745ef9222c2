//! The `metrics` section of the configuration, as it is written.

use serde::Deserialize;

use crate::label::Label;
use crate::metric::Metric;

/// The largest bound of series.
const MOST_SERIES: usize = 100_000;
/// The most names that can be given.
const MOST_NAMES: usize = 10_000;

/// What is measured.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// The metrics. By default all.
    pub collect: Vec<Metric>,
    /// The labels that metrics have besides what they are about. By default all but `endpoint`.
    pub labels: Vec<Label>,
    /// Tools whose names are values of labels, besides those that the policy names without `*` and those that the catalogue
    /// has learned from the server.
    pub tools: Vec<String>,
    /// Prompts whose names are values of labels, besides those that the policy names without `*`.
    pub prompts: Vec<String>,
    /// The most series of one worker. What would be one more is measured with `other` for each label.
    pub max_series: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            collect: Metric::ALL.to_vec(),
            labels: vec![
                Label::Method,
                Label::Tool,
                Label::Prompt,
                Label::ErrorType,
                Label::StatusCode,
                Label::Revision,
                Label::Reason,
                Label::Rule,
            ],
            tools: Vec::new(),
            prompts: Vec::new(),
            max_series: 1000,
        }
    }
}

/// Something that is wrong with the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, below `metrics` (`tools[2]`).
    pub path: String,
    /// What, and what to write instead.
    pub message: String,
}

impl MetricsConfig {
    /// What the types cannot say.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut add = |path: String, message: String| faults.push(Fault { path, message });
        if !(1..=MOST_SERIES).contains(&self.max_series) {
            add("max_series".to_owned(), format!("between 1 and {MOST_SERIES}"));
        }
        if self.collect.is_empty() {
            add(
                "collect".to_owned(),
                "an empty list measures nothing: name a metric, or leave `metrics` out".to_owned(),
            );
        }
        for (field, names) in [("tools", &self.tools), ("prompts", &self.prompts)] {
            if names.len() > MOST_NAMES {
                add(field.to_owned(), format!("at most {MOST_NAMES} names"));
            }
            for (index, name) in names.iter().enumerate() {
                if name.is_empty() || name.contains('*') {
                    add(
                        format!("{field}[{index}]"),
                        "write a name; patterns would let callers choose values".to_owned(),
                    );
                }
            }
        }
        faults
    }
}
