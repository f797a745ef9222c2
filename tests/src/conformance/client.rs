//! A client under test, `conformance_dpop.py`, in one of the suite's scenarios about tokens with their key.
//!
//! The suite starts an authorization server, a resource server and the client. What stands between the two is told to the client when it asks
//! for it, since only then the resource server has an address.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{RESULTS, Verdicts, log_of, scenario, suite};
use crate::clients;

/// What the client is.
#[derive(Debug, Clone, Copy)]
pub struct ClientUnderTest<'a> {
    /// The private key of the suite's issuer, a JWK.
    pub issuer: &'a Value,
    /// What is wrong with its requests, by a name that `conformance_dpop.py` knows.
    pub fault: Option<&'a str>,
    /// Whether it does what a challenge for a nonce asks for.
    pub nonces: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct ClientRun {
    /// What the suite says.
    pub verdicts: Verdicts,
    /// What the client printed.
    pub printed: String,
    /// What went wrong in it.
    pub complaint: String,
}

/// Runs a scenario at a revision. `instead` gets the URL of the suite's server, and says where the client is to connect to in its place.
///
/// # Errors
/// When Node.js, Python or the suite is missing, or the suite does not come to its end. A failed check is no error.
pub fn run_client(
    name: &str,
    revision: &str,
    client: ClientUnderTest<'_>,
    mut instead: impl FnMut(&str) -> Result<SocketAddr>,
) -> Result<ClientRun> {
    let folder = tempfile::tempdir()?;
    let meet = TcpListener::bind(("127.0.0.1", 0))?;
    meet.set_nonblocking(true)?;
    let plan = json!({"meet": meet.local_addr()?, "fault": client.fault, "nonces": client.nonces});
    let command =
        format!("{} {}", clients::python()?.display(), clients::folder().join("conformance_dpop.py").display());
    suite(folder.path(), |suite, script| {
        suite.arg("--import").arg(clients::folder().join("conformance_issuer.mjs")).arg(script);
        suite.args(["client", "--command", &command, "--scenario", name]);
        // The scenarios are an extension's, which the suite runs at a revision of its own choice only, unless it must.
        suite.args(["--spec-version", revision, "--force"]);
        suite.env("DPOP_ISSUER", client.issuer.to_string()).env("CONFORMANCE_CLIENT", plan.to_string());
    })?
    .wait(|| match meet.accept() {
        Ok((stream, _)) => answer(stream, &mut instead),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.into()),
    })
    .with_context(|| log_of(folder.path()))?;
    read(&folder.path().join(RESULTS), name).with_context(|| log_of(folder.path()))
}

/// Tells a client where to connect to.
fn answer(stream: TcpStream, instead: &mut impl FnMut(&str) -> Result<SocketAddr>) -> Result<()> {
    stream.set_nonblocking(false)?;
    let mut url = String::new();
    BufReader::new(&stream).read_line(&mut url)?;
    let address = instead(url.trim())?;
    writeln!(&stream, "{address}").context("the client is gone")
}

/// The one result: in a folder that is named after the scenario, `auth/dpop`, and a time.
fn read(results: &Path, name: &str) -> Result<ClientRun> {
    let (group, last) = name.split_once('/').context("a scenario in a group")?;
    for folder in std::fs::read_dir(results.join(group)).context("the suite has left no results")? {
        let folder = folder?;
        if scenario(&folder.file_name().to_string_lossy()) == Some(last) {
            let text = |file: &str| std::fs::read_to_string(folder.path().join(file));
            let mut verdicts = Verdicts::default();
            verdicts.read(name, &folder.path())?;
            return Ok(ClientRun { verdicts, printed: text("stdout.txt")?, complaint: text("stderr.txt")? });
        }
    }
    bail!("the suite has left no result of {name}")
}
