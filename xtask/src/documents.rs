//! What the documents name must exist: linked files, paths of the checkout, and the commands in their examples.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;

use crate::{Cli, command, workspace::Workspace};

/// Directories that hold no document of ours.
const NOT_OURS: &[&str] = &["target", "node_modules"];
/// The languages of a fenced block whose lines are commands.
const SHELLS: &[&str] = &["sh", "bash", "shell", "console"];

/// Checks every Markdown file of the checkout and reports all faults at once.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut files = Vec::new();
    collect(workspace.root(), &mut files)?;
    files.sort();
    let top: BTreeSet<String> = entries(workspace.root())?.into_iter().map(|(name, _)| name).collect();

    let (mut faults, mut commands) = (Vec::new(), 0_usize);
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let document = Document::read(&text);
        let here = file.parent().unwrap_or(workspace.root());
        let shown = file.strip_prefix(workspace.root()).unwrap_or(file).display();
        for link in document.links.iter().filter(|link| !here.join(link).exists()) {
            faults.push(format!("{shown} links to {link}, which does not exist"));
        }
        for path in document.paths.iter().filter(|path| is_path(path, &top) && !workspace.path(path).exists()) {
            faults.push(format!("{shown} names {path}, which does not exist"));
        }
        for line in &document.commands {
            commands = commands.saturating_add(1);
            if let Err(error) = check_command(workspace, line) {
                faults.push(format!("{shown}: `{line}`: {error:#}"));
            }
        }
    }
    ensure!(faults.is_empty(), "\n  {}", faults.join("\n  "));
    println!("  {} documents, {commands} commands in them: all that they name exists", files.len());
    Ok(())
}

/// What a document promises.
#[derive(Debug, Default, PartialEq, Eq)]
struct Document {
    /// Relative targets of links, without anchors.
    links: Vec<String>,
    /// Words in backticks.
    paths: Vec<String>,
    /// Lines of fenced blocks in a shell's language.
    commands: Vec<String>,
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut fence: Option<&str> = None;
        let mut unfinished = String::new();
        for line in text.lines() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fence = if fence.is_none() { Some(language.trim()) } else { None };
            } else if let Some(language) = fence {
                if SHELLS.contains(&language) {
                    document.read_command(line, &mut unfinished);
                }
            } else {
                document.read_prose(line);
            }
        }
        document
    }

    fn read_command(&mut self, line: &str, unfinished: &mut String) {
        let line = line.trim();
        let line = line.strip_prefix("$ ").unwrap_or(line);
        if let Some(part) = line.strip_suffix('\\') {
            unfinished.push_str(part);
            return;
        }
        let whole = format!("{}{line}", std::mem::take(unfinished));
        let command = whole.split_once(" #").map_or(whole.as_str(), |(before, _)| before).trim();
        if !command.is_empty() && !command.starts_with('#') {
            self.commands.push(command.to_owned());
        }
    }

    fn read_prose(&mut self, line: &str) {
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                self.links.push(target.to_owned());
            }
        }
        self.paths.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
    }
}

/// Whether a word in backticks is meant as a file of the checkout: it begins with something that stands in its root.
fn is_path(word: &str, top: &BTreeSet<String>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    word.chars().all(plain) && word.split_once('/').is_some_and(|(first, _)| first != "target" && top.contains(first))
}

fn check_command(workspace: &Workspace, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["cargo", "xtask", arguments @ ..] => {
            let words = std::iter::once("cargo xtask").chain(arguments.iter().copied());
            Cli::try_parse_from(words).map(drop).map_err(|error| {
                let text = error.to_string();
                anyhow::anyhow!("{}", text.lines().next().unwrap_or_default().to_owned())
            })
        }
        ["meshward", arguments @ ..] => {
            // Subcommands come first, and the help of the last one names every option it takes.
            let subcommand = arguments.iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).take(1);
            let mut help = workspace.cargo();
            help.args(["run", "--quiet", "--locked", "--bin", "meshward", "--"]).args(subcommand).arg("--help");
            let help = command::capture(&mut help)?;
            for option in arguments.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap_or_default();
                ensure!(help.contains(name), "it has no option {name}");
            }
            Ok(())
        }
        // What other programs take is theirs to say.
        _ => Ok(()),
    }
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for (name, is_directory) in entries(directory)? {
        let path = directory.join(&name);
        if is_directory {
            if !name.starts_with('.') && !NOT_OURS.contains(&name.as_str()) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}

/// The names in a directory, and whether each is a directory itself; links are not followed.
fn entries(directory: &Path) -> Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_paths_and_commands_are_found() {
        let text = "See [the design](ARCHITECTURE.md#rooms), [MCP](https://x.example) and `docs/performance.md`.\n\
            ```sh\n$ cargo xtask demo \\\n    --host envoy   # in Envoy\n# only a word\n```\n\
            ```yaml\ncargo: no\n```\n";
        assert_eq!(
            Document::read(text),
            Document {
                links: vec!["ARCHITECTURE.md".to_owned()],
                paths: vec!["docs/performance.md".to_owned()],
                commands: vec!["cargo xtask demo --host envoy".to_owned()],
            }
        );
    }

    #[test]
    fn only_words_below_the_root_are_paths() {
        let top = BTreeSet::from(["docs".to_owned(), "target".to_owned()]);
        assert!(is_path("docs/a.md", &top));
        for word in ["tools/call", "docs", "docs/<name>", "target/meshward/meshward.wasm"] {
            assert!(!is_path(word, &top), "{word}");
        }
    }

    #[test]
    fn a_command_of_ours_must_parse() {
        let workspace = Workspace::find().unwrap();
        check_command(&workspace, "cargo xtask test --only format").unwrap();
        check_command(&workspace, "curl localhost").unwrap();
        let error = check_command(&workspace, "cargo xtask tset").unwrap_err();
        assert!(error.to_string().contains("tset"), "{error}");
    }
}
