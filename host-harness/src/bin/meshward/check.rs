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

/// Arguments of `meshward check`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Check a configuration and name everything that is wrong with it",
    long_about = "Check a configuration, as the module would when it is loaded, and name everything that is wrong with \
        it with file, line and column.\n\n\
        Exit codes: 0 right, 1 wrong, 2 not readable at all.",
    after_help = "Examples:\n  \
        meshward check meshward.yaml\n  \
        meshward check --json meshward.yaml | jq '.errors[].message'"
)]
pub(crate) struct Args {
    /// The configurations to check, in YAML or JSON.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print one JSON object per file on stdout.
    #[arg(long)]
    json: bool,
}

/// What is wrong with a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    ok: bool,
    errors: Vec<Fault>,
}

#[derive(Debug, Serialize)]
struct Fault {
    line: u64,
    column: u64,
    /// The value, as a path from the top; absent if the file is no YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    message: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut wrong = 0_usize;
    for file in &args.files {
        let report = check(file)?;
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

fn check(file: &Path) -> Result<Report, Failure> {
    let errors = match Document::read(file) {
        Ok(document) => faults(&document),
        Err(error @ DocumentError::Read { .. }) => return Err(Failure::usage(error)),
        Err(DocumentError::Yaml { place: Place { line, column }, message, .. }) => {
            vec![Fault { line, column, path: None, message }]
        }
    };
    Ok(Report { file: file.display().to_string(), ok: errors.is_empty(), errors })
}

/// Everything that is wrong with a document, in the order of the file.
fn faults(document: &Document) -> Vec<Fault> {
    let Err(errors) = Config::from_value(document.value.clone()) else { return Vec::new() };
    let places = document.places();
    let mut faults: Vec<Fault> = errors
        .0
        .into_iter()
        .map(|error| {
            let Place { line, column } = places.find(&error.path);
            Fault { line, column, path: Some(error.path), message: error.message }
        })
        .collect();
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

/// The faults of a document as lines for people; empty if there are none.
pub(crate) fn explain(document: &Document) -> Vec<String> {
    let file = document.path.display();
    faults(document).iter().map(|fault| format!("{file}:{}", fault.text())).collect()
}

impl Fault {
    fn text(&self) -> String {
        let path = self.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
        format!("{}:{}: {path}{}", self.line, self.column, self.message)
    }
}

impl Report {
    fn print(&self) -> std::io::Result<()> {
        let mut out = anstream::stdout().lock();
        if self.ok {
            writeln!(out, "{}: ok", self.file)?;
        }
        for fault in &self.errors {
            writeln!(out, "{ERROR}{}:{}{ERROR:#}", self.file, fault.text())?;
        }
        Ok(())
    }

    fn print_json(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)
    }
}
