//! What a server lists, held against the pins of a configuration.

use std::collections::BTreeMap;
use std::io::Write;

use clap::builder::styling::{AnsiColor, Style};
use meshward_catalogue::Digest;
use meshward_guards::PinsConfig;
use serde::Serialize;

use super::client::Tool;

const BAD: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(super) enum Difference {
    /// The definition is another than the approved ones.
    Changed { tool: String, pinned: Vec<String>, listed: String },
    /// There is no pin.
    Unknown { tool: String, listed: String },
    /// It has the definition of a pinned tool that is not listed any more.
    Renamed { tool: String, from: String, listed: String },
    /// It is pinned, and the server does not list it.
    Removed { tool: String },
}

/// All differences, in the order of names; none if the server is as it was approved.
pub(super) fn compare(pins: &PinsConfig, endpoint: &str, tools: &[Tool]) -> Vec<Difference> {
    let mut pinned: BTreeMap<&str, Vec<Digest>> = BTreeMap::new();
    for pin in pins.tools.iter().filter(|pin| pin.endpoint.as_ref().is_none_or(|path| path == endpoint)) {
        // A valid configuration has no other hashes.
        pinned.entry(&pin.name).or_default().extend(pin.hash.parse::<Digest>());
    }
    let is_listed = |name: &str| tools.iter().any(|tool| tool.name == name);
    let mut renamed = Vec::new();
    let mut differences = Vec::new();
    for Tool { name, hash } in tools {
        let (tool, listed) = (name.clone(), hash.to_string());
        match pinned.get(name.as_str()) {
            Some(hashes) if hashes.contains(hash) => {}
            Some(hashes) => {
                let pinned = hashes.iter().map(ToString::to_string).collect();
                differences.push(Difference::Changed { tool, pinned, listed });
            }
            None => {
                let old = pinned.iter().find(|(name, hashes)| hashes.contains(hash) && !is_listed(name));
                differences.push(match old {
                    Some((old, _)) => {
                        renamed.push(*old);
                        Difference::Renamed { tool, from: (*old).to_owned(), listed }
                    }
                    None => Difference::Unknown { tool, listed },
                });
            }
        }
    }
    let gone = pinned.keys().filter(|name| !is_listed(name) && !renamed.contains(name));
    differences.extend(gone.map(|name| Difference::Removed { tool: (*name).to_owned() }));
    differences.sort_by(|a, b| a.tool().cmp(b.tool()));
    differences
}

impl Difference {
    fn tool(&self) -> &str {
        let (Self::Changed { tool, .. }
        | Self::Unknown { tool, .. }
        | Self::Renamed { tool, .. }
        | Self::Removed { tool }) = self;
        tool
    }

    /// Lines for people. A name may hold anything, so it is quoted.
    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::Changed { tool, pinned, listed } => {
                writeln!(out, "{BAD}changed{BAD:#}  {tool:?}")?;
                pinned.iter().try_for_each(|hash| writeln!(out, "  {BAD}- {hash}{BAD:#}"))?;
                writeln!(out, "  {NEW}+ {listed}{NEW:#}")
            }
            Self::Unknown { tool, listed } => {
                writeln!(out, "{BAD}unknown{BAD:#}  {tool:?}")?;
                writeln!(out, "  {NEW}+ {listed}{NEW:#}")
            }
            Self::Renamed { tool, from, .. } => writeln!(out, "{BAD}renamed{BAD:#}  {from:?} is {tool:?} now"),
            Self::Removed { tool } => writeln!(out, "{BAD}removed{BAD:#}  {tool:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use meshward_guards::PinConfig;

    use super::*;

    fn hash(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    fn tool(name: &str, digit: char) -> Tool {
        Tool { name: name.to_owned(), hash: hash(digit) }
    }

    #[test]
    fn every_difference_is_named_once() {
        let pin = |name: &str, digit, endpoint: Option<&str>| PinConfig {
            name: name.to_owned(),
            hash: hash(digit).to_string(),
            endpoint: endpoint.map(str::to_owned),
        };
        let tools = vec![
            pin("same", '1', None),
            pin("two", '2', None),
            pin("two", '3', Some("/mcp")),
            pin("changed", '4', None),
            pin("old", '5', None),
            pin("gone", '6', None),
            pin("elsewhere", '7', Some("/other")),
        ];
        let pins = PinsConfig { tools, ..PinsConfig::default() };
        let listed =
            [tool("same", '1'), tool("two", '3'), tool("changed", '9'), tool("new", '5'), tool("unknown", '8')];
        let text = |digit| hash(digit).to_string();
        assert_eq!(
            compare(&pins, "/mcp", &listed),
            [
                Difference::Changed { tool: "changed".into(), pinned: vec![text('4')], listed: text('9') },
                Difference::Removed { tool: "gone".into() },
                Difference::Renamed { tool: "new".into(), from: "old".into(), listed: text('5') },
                Difference::Unknown { tool: "unknown".into(), listed: text('8') },
            ]
        );
        assert_eq!(compare(&pins, "/other", &[tool("elsewhere", '7')]).len(), 5);
    }
}
