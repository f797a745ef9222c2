//! `meshward explain`: what the policy says of one request, and why.

mod print;
mod verdict;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub(crate) use self::print::print;
pub(crate) use self::verdict::Verdict;
use crate::check;
use crate::document::Document;
use crate::failure::Failure;
use crate::rehearsal::{Ask, Caller, Manner, Rehearsal};

/// Arguments of `meshward explain`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Explain what a configuration makes of one request",
    long_about = "Explain what a configuration makes of one request: what decides, which rules match and what keeps the others \
        from it, what the caller gets, and whether lists show what it asks for. The request goes through the reader, \
        the engine and the policy of the module itself; nothing is sent.\n\n\
        Exit codes: 0 explained, whatever was decided; 2 wrong usage or configuration.",
    after_help = "Examples:\n  \
        meshward explain meshward.yaml --call refund '{\"amount\": 250}' --claims '{\"role\": \"support\"}'\n  \
        meshward explain meshward.yaml --read file:///docs/a --peer spiffe://example/ns/agents/sa/one\n  \
        meshward explain meshward.yaml --request request.json --source 10.1.2.3 --header x-user=ann\n  \
        meshward explain meshward.yaml --method tools/list --json | jq .decision"
)]
pub(crate) struct Args {
    /// The configuration, in YAML or JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    request: Request,

    /// The URI in the certificate of the peer, such as its SPIFFE id.
    #[arg(long, value_name = "URI", help_heading = "Caller")]
    peer: Option<String>,

    /// The payload of the verified token: a JSON object, or `@FILE`.
    #[arg(long, value_name = "JSON", help_heading = "Caller")]
    claims: Option<String>,

    /// The address that the connection comes from.
    #[arg(long, value_name = "IP", help_heading = "Caller")]
    source: Option<IpAddr>,

    /// A header field of the request; may be given several times.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header, help_heading = "Caller")]
    headers: Vec<(String, String)>,

    /// The client's own name (`clientInfo.name`).
    #[arg(long, value_name = "NAME", conflicts_with = "message", help_heading = "Caller")]
    client: Option<String>,

    /// The protocol revision; by default the newest that the configuration permits.
    #[arg(long, value_name = "REVISION", help_heading = "Caller")]
    revision: Option<String>,

    /// Print one JSON object on stdout: `decision`, `by`, `rule`, `reason`, `shadow`, `reply`, `shown`, `rules`.
    #[arg(long)]
    json: bool,
}

/// What is asked for.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Request {
    /// A JSON-RPC message: a file, `-` for stdin, or the JSON itself.
    #[arg(id = "message", long = "request", value_name = "REQUEST")]
    message: Option<String>,

    /// Call a tool, with arguments if there are some.
    #[arg(long, value_names = ["TOOL", "ARGUMENTS"], num_args = 1..=2)]
    call: Option<Vec<String>>,

    /// Get a prompt.
    #[arg(long, value_name = "PROMPT")]
    get: Option<String>,

    /// Read a resource.
    #[arg(long, value_name = "URI")]
    read: Option<String>,

    /// Send a method without parameters.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let document = Document::read(&args.file).map_err(Failure::usage)?;
    let rehearsal = Rehearsal::new(check::config(&document)?).map_err(Failure::usage)?;
    let caller = Caller {
        peer: args.peer.clone(),
        jwt: args.claims.as_deref().map(claims).transpose()?,
        source: args.source,
        headers: args.headers.iter().cloned().collect::<BTreeMap<_, _>>(),
    };
    let manner = Manner { client: args.client.clone(), revision: args.revision.clone() };
    let played = rehearsal.play(&args.request.ask()?, &manner, &caller).map_err(Failure::usage)?;
    let verdict = Verdict::new(&played, rehearsal.config());
    Failure::on_stdout(if args.json {
        serde_json::to_string(&verdict)
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(std::io::stdout().lock(), "{text}"))
    } else {
        print(&verdict, &mut anstream::stdout().lock())
    })
}

impl Request {
    fn ask(&self) -> Result<Ask, Failure> {
        if let Some(call) = &self.call {
            let [tool, arguments @ ..] = call.as_slice() else { return Err(Failure::usage("--call: name a tool")) };
            let arguments = arguments.first().map(|text| json("--call", text)).transpose()?;
            return Ok(Ask::Call { tool: tool.clone(), arguments });
        }
        Ok(match (&self.message, &self.get, &self.read, &self.method) {
            (Some(message), ..) => Ask::Request(text_of(message)?),
            (_, Some(prompt), ..) => Ask::Get { prompt: prompt.clone(), arguments: None },
            (_, _, Some(uri), _) => Ask::Read { uri: uri.clone() },
            (_, _, _, method) => Ask::Method { method: method.clone().unwrap_or_default(), params: None },
        })
    }
}

/// A message that is given as itself, as a file, or on stdin.
fn text_of(message: &str) -> Result<String, Failure> {
    let unreadable = |error| Failure::usage(format!("--request: cannot read {message}: {error}"));
    if message == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
        return Ok(text);
    }
    if message.trim_start().starts_with(['{', '[']) {
        return Ok(message.to_owned());
    }
    std::fs::read_to_string(message).map_err(unreadable)
}

fn claims(given: &str) -> Result<Map<String, Value>, Failure> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(Path::new(file))
            .map_err(|error| Failure::usage(format!("--claims: cannot read {file}: {error}")))?,
        None => given.to_owned(),
    };
    match json("--claims", &text)? {
        Value::Object(claims) => Ok(claims),
        _ => Err(Failure::usage("--claims: write a JSON object, `{\"sub\": \"ann\"}`")),
    }
}

fn json(option: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::usage(format!("{option}: no JSON: {error}")))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write a header field as NAME=VALUE")?;
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}
