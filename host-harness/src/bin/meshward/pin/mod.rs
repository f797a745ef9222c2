//! `meshward pin`: the pins of a server's tools, written or compared.

mod client;
mod compare;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use http::header::{HeaderName, HeaderValue};
use meshward_wire::revision::Revision;
use serde::Serialize;

use self::client::{Client, Tool};
use self::compare::Difference;
use crate::check;
use crate::document::Document;
use crate::failure::Failure;
use crate::units;

/// Arguments of `meshward pin`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Write the pins of a server's tools, or hold the server against those of a configuration",
    long_about = "Connects to a server as an MCP client, lists its tools, all pages, and writes the `pins` section of a \
        configuration: each tool with the hash of its definition. Look at what the server lists before you approve it so.\n\n\
        With --check nothing is written: the server is held against the pins of a configuration.\n\n\
        Exit codes: 0 done (with --check: the server is as it was approved), 1 failed (with --check: it is not), 2 wrong usage or \
        configuration.",
    after_help = "Examples:\n  \
        meshward pin http://127.0.0.1:3000/mcp\n  \
        meshward pin https://mcp.example/mcp --header \"Authorization: Bearer $TOKEN\" --write pins.yaml\n  \
        meshward pin https://mcp.example/mcp --check meshward.yaml\n  \
        meshward pin https://mcp.example/mcp --check meshward.yaml --json | jq '.differences[].tool'"
)]
pub(crate) struct Args {
    /// The address of the server's MCP endpoint.
    url: Uri,

    /// A header field to send, as `NAME: VALUE`. May be given several times.
    #[arg(long = "header", value_name = "FIELD", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Trust the certificates in this file (PEM) instead of those that browsers trust.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Speak this protocol revision; by default the newest that the server has.
    #[arg(long, value_name = "REVISION", value_parser = revision)]
    revision: Option<Revision>,

    /// How long each request may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration)]
    timeout: Duration,

    /// Write pins for this endpoint alone; with --check: compare with those of this endpoint, by default the URL's path.
    #[arg(long, value_name = "PATH")]
    endpoint: Option<String>,

    /// Write the section to a file instead of stdout.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    write: Option<PathBuf>,

    /// Compare with the pins of this configuration.
    #[arg(long, value_name = "CONFIG")]
    check: Option<PathBuf>,

    /// Write JSON instead of YAML; with --check: one object with `ok`, `tools` and `differences`, each of these with `change`
    /// (`changed`, `unknown`, `renamed`, `removed`) and `tool`.
    #[arg(long)]
    json: bool,
}

/// The section, as it is written.
#[derive(Debug, Serialize)]
struct Section<'a> {
    pins: Pins<'a>,
}

#[derive(Debug, Serialize)]
struct Pins<'a> {
    tools: Vec<Pin<'a>>,
}

#[derive(Debug, Serialize)]
struct Pin<'a> {
    name: &'a str,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
}

/// What --check found, as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    ok: bool,
    tools: usize,
    differences: &'a [Difference],
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    // What is wrong with the configuration is said before anybody is asked.
    let approved = args.check.as_deref().map(|file| approved(file, args)).transpose()?;
    let tools = list(args)?;
    match approved {
        Some((pins, endpoint)) => check(&compare::compare(&pins, &endpoint, &tools), tools.len(), args.json),
        None => write(&tools, args),
    }
}

/// The pins of a configuration, and the endpoint whose they are.
fn approved(file: &Path, args: &Args) -> Result<(meshward_guards::PinsConfig, String), Failure> {
    let document = Document::read(file).map_err(Failure::usage)?;
    let config = check::config(&document)?;
    let endpoint = args.endpoint.as_deref().unwrap_or(args.url.path());
    if !config.endpoints.iter().any(|known| known.path == endpoint) {
        let known: Vec<_> = config.endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect();
        return Err(Failure::usage(format!(
            "`{endpoint}` is no endpoint of {}: say with --endpoint which one this server is behind ({})",
            file.display(),
            known.join(", ")
        )));
    }
    let pins = config.pins.ok_or_else(|| Failure::usage(format!("{} has no `pins`", file.display())))?;
    Ok((pins, endpoint.to_owned()))
}

/// The server's tools, each once, in the order of their names.
fn list(args: &Args) -> Result<Vec<Tool>, Failure> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
    };
    if !matches!(args.url.scheme_str(), Some("http" | "https")) {
        return Err(Failure::usage("give the whole address of the endpoint, such as https://mcp.example/mcp"));
    }
    let ca = args.ca.as_ref().map(read).transpose()?;
    anstream::eprintln!("listing the tools of {}", shown(&args.url));
    let mut client = Client::new(&args.url.to_string(), args.headers.clone(), ca.as_deref(), args.timeout)?;
    client.open(args.revision)?;
    let listed = client.tools(|page, tools| anstream::eprintln!("page {page}: {tools} tools"));
    client.close();
    let mut unique: BTreeMap<String, Tool> = BTreeMap::new();
    for tool in listed? {
        if let Some(other) = unique.insert(tool.name.clone(), tool.clone()).filter(|other| *other != tool) {
            return Err(Failure::runtime(format!("the server lists {:?} twice, with two definitions", other.name)));
        }
    }
    Ok(unique.into_values().collect())
}

/// An address without what may be secret in it.
fn shown(url: &Uri) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default(), url.path())
}

fn write(tools: &[Tool], args: &Args) -> Result<(), Failure> {
    let endpoint = args.endpoint.as_deref();
    let pins = tools.iter().map(|Tool { name, hash }| Pin { name, hash: hash.to_string(), endpoint });
    let section = Section { pins: Pins { tools: pins.collect() } };
    let mut text = if args.json {
        serde_json::to_string_pretty(&section).map_err(Failure::runtime)?
    } else {
        let yaml = serde_saphyr::to_string(&section).map_err(Failure::runtime)?;
        format!("# Written by `meshward pin` from {}\n{yaml}", shown(&args.url))
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match &args.write {
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Failure::runtime(format!("cannot write {}: {error}", file.display()))),
        None => Failure::on_stdout(std::io::stdout().write_all(text.as_bytes())),
    }
}

fn check(differences: &[Difference], tools: usize, as_json: bool) -> Result<(), Failure> {
    let printed = if as_json {
        let report = Report { ok: differences.is_empty(), tools, differences };
        let text = serde_json::to_string(&report).map_err(Failure::runtime)?;
        writeln!(std::io::stdout(), "{text}")
    } else {
        let mut out = anstream::stdout().lock();
        let ok =
            if differences.is_empty() { writeln!(out, "ok: {tools} tools, all as they were approved") } else { Ok(()) };
        ok.and_then(|()| differences.iter().try_for_each(|difference| difference.print(&mut out)))
    };
    Failure::on_stdout(printed)?;
    match differences.len() {
        0 => Ok(()),
        count => {
            Err(Failure::runtime(format!("the server's tools are not as they were approved: {count} differences")))
        }
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `NAME: VALUE`")?;
    let name = name.trim().parse::<HeaderName>().map_err(|error| error.to_string())?;
    let mut value = value.trim().parse::<HeaderValue>().map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn revision(text: &str) -> Result<Revision, String> {
    let known = || Revision::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
    Revision::parse(text).ok_or_else(|| format!("known are {}", known()))
}
