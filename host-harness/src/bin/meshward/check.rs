//! `meshward check`: is a configuration right? Without a proxy, without the module.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Style};
use meshward::Config;
use serde::Serialize;

use crate::document::{Document, DocumentError};
use crate::failure::Failure;
use crate::places::Place;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Arguments of `meshward check`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Check a configuration and name everything that is wrong with it",
    long_about = "Check a configuration, as the module would when it is loaded, and name everything that is wrong with \
        it with file, line and column. Of a configuration that is right, warnings name what is surely not meant: rules \
        that can never match, rules that change nothing, likely slips.\n\n\
        Exit codes: 0 right (perhaps with warnings), 1 wrong, 2 not readable at all.",
    after_help = "Examples:\n  \
        meshward check meshward.yaml\n  \
        meshward check --strict meshward.yaml\n  \
        meshward check --json meshward.yaml | jq '.errors[].message'"
)]
pub(crate) struct Args {
    /// The configurations to check, in YAML or JSON.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Count warnings as errors.
    #[arg(long)]
    strict: bool,

    /// Print one JSON object per file on stdout: `file`, `ok`, `errors` and `warnings`, each with `line`, `column`, `path` and
    /// `message`; a warning has a `kind` too: `never_matches`, `no_effect` or `unlikely`.
    #[arg(long)]
    json: bool,
}

/// What is wrong with a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    ok: bool,
    errors: Vec<Fault>,
    warnings: Vec<Fault>,
}

#[derive(Debug, Serialize)]
struct Fault {
    line: u64,
    column: u64,
    /// The value, as a path from the top; absent if the file is no YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// How it is not what it seems; of warnings alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut wrong = 0_usize;
    for file in &args.files {
        let report = check(file, args.strict)?;
        if !report.ok {
            wrong = wrong.saturating_add(1);
        }
        Failure::on_stdout(if args.json { report.print_json() } else { report.print() })?;
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::runtime(format!("{wrong} of {} configurations wrong", args.files.len()))),
    }
}

fn check(file: &Path, strict: bool) -> Result<Report, Failure> {
    let (errors, warnings) = match Document::read(file) {
        Ok(document) => match read(&document) {
            Ok(config) => (Vec::new(), warnings(&config, &document)),
            Err(faults) => (faults, Vec::new()),
        },
        Err(error @ DocumentError::Read { .. }) => return Err(Failure::usage(error)),
        Err(DocumentError::Yaml { place: Place { line, column }, message, .. }) => {
            (vec![Fault { line, column, path: None, kind: None, message }], Vec::new())
        }
    };
    let ok = errors.is_empty() && (!strict || warnings.is_empty());
    Ok(Report { file: file.display().to_string(), ok, errors, warnings })
}

/// The configuration of a document, or everything that is wrong with it, in the order of the file.
fn read(document: &Document) -> Result<Config, Vec<Fault>> {
    Config::from_value(document.value.clone())
        .map_err(|errors| in_order(document, errors.0.into_iter().map(|error| (error.path, None, error.message))))
}

fn warnings(config: &Config, document: &Document) -> Vec<Fault> {
    let warnings = config.warnings().into_iter();
    in_order(document, warnings.map(|warning| (warning.path, Some(warning.concern.name()), warning.message)))
}

/// Faults with their places, in the order of the file.
fn in_order(document: &Document, faults: impl Iterator<Item = (String, Option<&'static str>, String)>) -> Vec<Fault> {
    let places = document.places();
    let mut faults: Vec<Fault> = faults
        .map(|(path, kind, message)| {
            let Place { line, column } = places.find(&path);
            Fault { line, column, path: Some(path), kind, message }
        })
        .collect();
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

/// The configuration of a document; otherwise its faults as lines for people.
pub(crate) fn config(document: &Document) -> Result<Config, Failure> {
    read(document).map_err(|faults| Failure::usage(lines(document, &faults).join("\n")))
}

/// The faults of a document as lines for people; empty if there are none.
pub(crate) fn explain(document: &Document) -> Vec<String> {
    read(document).err().map(|faults| lines(document, &faults)).unwrap_or_default()
}

fn lines(document: &Document, faults: &[Fault]) -> Vec<String> {
    let file = document.path.display();
    faults.iter().map(|fault| format!("{file}:{}", fault.text())).collect()
}

impl Fault {
    fn text(&self) -> String {
        let warning = if self.kind.is_some() { "warning: " } else { "" };
        let path = self.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
        format!("{}:{}: {warning}{path}{}", self.line, self.column, self.message)
    }
}

impl Report {
    fn print(&self) -> std::io::Result<()> {
        let mut out = anstream::stdout().lock();
        if self.errors.is_empty() {
            let warnings = match self.warnings.len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                more => format!(", {more} warnings"),
            };
            writeln!(out, "{}: ok{warnings}", self.file)?;
        }
        for fault in &self.errors {
            writeln!(out, "{ERROR}{}:{}{ERROR:#}", self.file, fault.text())?;
        }
        for fault in &self.warnings {
            writeln!(out, "{WARNING}{}:{}{WARNING:#}", self.file, fault.text())?;
        }
        Ok(())
    }

    fn print_json(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)
    }
}
